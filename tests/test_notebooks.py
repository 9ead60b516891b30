"""The notebooks are kept as a reader needs them: executed, described, in small cells, with live links."""

import re
import statistics

import nbformat
import pytest

from course_lib.course_report import description, title_of
from course_lib.course_run import KERNEL, KNOWN_TAGS, NOTEBOOKS, VOLATILE, numbered_notebooks
from course_lib.settings import ROOT

PATHS = numbered_notebooks()
PICTURES = ("image/png", "image/jpeg", "image/svg+xml")
LONGEST_CELL = 15  # lines that are not empty


@pytest.fixture(params=PATHS, ids=lambda path: path.stem, scope="module")
def path(request):
    return request.param


@pytest.fixture(scope="module")
def notebook(path):
    return nbformat.read(path, as_version=4)


def tags(cell):
    return set(cell.metadata.get("tags", ()))


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def executed_cells(notebook):
    """Code cells that every machine executes."""
    return [cell for cell in code_cells(notebook) if not tags(cell) & {"gpu", "nbval-skip"}]


def where(path, cell):
    return f"{path.name}, the cell that begins {cell.source.strip().splitlines()[0]!r}"


def shows_picture(cell):
    data = [output.get("data", {}) for output in cell.get("outputs", ())]
    return any(mime in one for one in data for mime in PICTURES) or any(
        "<img " in one.get("text/html", "") for one in data
    )


def prose(notebook):
    """All text cells, without what is quoted as code."""
    text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def test_the_course_is_complete():
    assert [path.name[:2] for path in PATHS] == [f"{number:02}" for number in range(9)]


def test_it_is_valid_and_normalised(notebook):
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec == KERNEL, "run: make notebooks"
    assert set(notebook.metadata) <= {"kernelspec", "language_info"} and notebook.metadata.language_info == {
        "name": "python"
    }
    assert [cell.id for cell in notebook.cells if set(cell.metadata) & set(VOLATILE)] == []


def test_every_cell_was_executed_in_order_and_none_failed(path, notebook):
    counts = [cell.execution_count for cell in executed_cells(notebook)]
    # A stripped notebook is not compared by nbval, and would stay green whatever its cells do.
    assert counts and None not in counts, "run: make notebooks"
    assert counts == sorted(counts)
    failed = [
        where(path, cell) for cell in code_cells(notebook) for output in cell.outputs if output.output_type == "error"
    ]
    assert failed == []
    assert any(cell.outputs for cell in executed_cells(notebook))


def test_its_tags_are_known(path, notebook):
    assert {tag for cell in notebook.cells for tag in tags(cell)} <= set(KNOWN_TAGS)


def test_its_code_cells_are_short(path, notebook):
    lengths = {where(path, cell): sum(map(bool, cell.source.split("\n"))) for cell in code_cells(notebook)}
    assert {cell: length for cell, length in lengths.items() if length > LONGEST_CELL} == {}
    assert statistics.median(lengths.values()) < 6


def test_every_figure_is_described_in_words_below_it(path, notebook):
    missing = []
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "code" and shows_picture(cell):
            text = next((below for below in notebook.cells[number + 1 :] if below.cell_type == "markdown"), None)
            if text is None or len(description(text)) < 40:
                missing.append(where(path, cell))
    assert missing == [], "the text cell below a figure begins with `*Figure:* ` and says what is to be seen"


def test_pictures_in_html_have_alternative_text(path, notebook):
    tags_of_pictures = [
        tag
        for cell in code_cells(notebook)
        for output in cell.outputs
        for tag in re.findall(r"<img\b[^>]*>", output.get("data", {}).get("text/html", ""))
    ]
    tags_of_pictures += re.findall(r"<img\b[^>]*>", prose(notebook))
    assert [tag[:80] for tag in tags_of_pictures if not re.search(r'\balt="[^"]+"', tag)] == []


def test_its_links_lead_somewhere(path, notebook):
    text = prose(notebook)
    targets = [
        target for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target and not target.startswith("#")
    ]
    files = [target.split("#")[0] for target in targets]
    assert [file for file in files if not (path.parent / file).exists()] == []
    assert re.findall(r"!\[[^\]]*\]\(https?://", text) == [], "pictures are kept here, not linked"


def test_it_begins_with_a_claim_and_ends_with_what_to_keep(notebook, path):
    first, last = notebook.cells[0], notebook.cells[-1]
    assert first.cell_type == last.cell_type == "markdown"
    assert title_of(notebook, "").startswith(path.name[:2])
    assert re.search(r"minutes?", first.source) and re.search(r"memory|GiB|GB|MB", first.source)


def test_it_shows_something_in_the_report(notebook):
    assert any("report" in tags(cell) for cell in code_cells(notebook)), "tag the signature figure `report`"


def test_no_placeholder_is_left(path, notebook):
    text = "\n".join(cell.source for cell in notebook.cells)
    assert re.findall(r"\b(?:TODO|FIXME|XXX|[A-Z]+_TEXT)\b", text) == []


def test_the_readme_lists_every_notebook():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in PATHS if path.name not in readme] == []
    assert NOTEBOOKS.is_dir()
