"""One page about a run of the course: how each notebook went, and the figures and tables tagged `report`."""

from __future__ import annotations

import datetime
import html
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat

if TYPE_CHECKING:
    from course_lib.course_run import Outcome

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1f2328; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 3rem; border-top: 1px solid #d1d9e0; padding-top: 1.5rem; }
table { border-collapse: collapse; }
th, td { padding: .3rem .8rem; text-align: left; border-bottom: 1px solid #d1d9e0; }
img, svg { max-width: 100%; height: auto; } pre { white-space: pre-wrap; overflow-wrap: anywhere; }
.failed { color: #b42318; font-weight: 600; } .ok { color: #1a7f37; } .about { color: #59636e; }
.prompt, .anchor-link { display: none; }
"""


def write_report(outcomes: Sequence[Outcome], file: Path) -> None:
    """Write the page: one file without any link to the network; the executed notebooks lie beside it."""
    rows = "".join(map(_row, outcomes))
    sections = "".join(map(_section, outcomes))
    minutes = sum(outcome.seconds for outcome in outcomes) / 60
    model = os.environ.get("COURSE_MODEL", "").strip() or "mini"
    about = f"{datetime.datetime.now():%Y-%m-%d %H:%M}, {minutes:.1f} minutes, model: {html.escape(model)}"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>The course, executed</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>\n'
        f'<body>\n<h1>The course, executed</h1>\n<p class="about">{about}</p>\n'
        f"<table><tr><th>notebook</th><th>seconds</th><th>memory</th><th>result</th></tr>{rows}</table>\n"
        f"{sections}\n</body>\n</html>\n",
        encoding="utf-8",
    )


def title_of(notebook: nbformat.NotebookNode, otherwise: str) -> str:
    """The first heading."""
    texts = (cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    headings = (re.search(r"^#+\s+(.+)$", text, flags=re.MULTILINE) for text in texts)
    return next((re.sub(r"[*`]", "", heading.group(1)).strip() for heading in headings if heading), otherwise)


def _row(outcome: Outcome) -> str:
    name = html.escape(outcome.notebook.name)
    if outcome.failed_cell is None:
        result = '<span class="ok">ok</span>'
    else:
        result = f'<span class="failed">In [{outcome.failed_cell}]: {html.escape(outcome.error)}</span>'
    cells = (
        f'<a href="notebooks/{name}">{name}</a>', f"{outcome.seconds:.1f}", f"{outcome.memory / 1e9:.1f} GB", result,
    )  # fmt: skip
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _section(outcome: Outcome) -> str:
    """The notebook's title over the outputs of its `report` cells, each figure with its description; "" without any."""
    from nbconvert import HTMLExporter

    chosen = []
    for cell, below in zip(outcome.executed.cells, [*outcome.executed.cells[1:], None], strict=True):
        if "report" not in cell.metadata.get("tags", ()):
            continue
        chosen.append(nbformat.from_dict(cell))
        if below is not None and (words := description(below)):
            chosen[-1].metadata["alt"] = re.sub(r"^\*Figure:\*\s*|[*`]", "", words)
            chosen.append(nbformat.v4.new_markdown_cell(words))
    if not chosen:
        return ""
    part = nbformat.v4.new_notebook(cells=chosen, metadata=outcome.executed.metadata)
    body, _ = HTMLExporter(template_name="basic", exclude_input=True).from_notebook_node(part)
    return f"<section><h2>{html.escape(title_of(outcome.executed, outcome.notebook.stem))}</h2>{body}</section>\n"


def description(cell: nbformat.NotebookNode) -> str:
    """The paragraph that a text cell begins with, where that describes the figure above it: `*Figure:* …`."""
    if cell.cell_type != "markdown" or not cell.source.startswith("*Figure:*"):
        return ""
    return cell.source.split("\n\n", 1)[0]
