"""Pictures in HTML: thumbnails inside the page itself, cards of a picture and some lines, grids of cards.

Everything is inline (no style sheet, no script, no file beside it), so that the same HTML shows in JupyterLab, on a
static page and in a report. Each picture has an alt text, and a verdict is a word and a sign, never a colour alone.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from course_lib.whole_files import require_whole_files

THUMBNAIL = 160  # pixels on the longer side: about 6 kB a picture, so a grid of twelve stays under 100 kB
BORDER = "1px solid #8a8f98"
VERDICTS = {True: ("✓ right", "#0b6b3a"), False: ("✗ wrong", "#a11a1a")}


@dataclass(frozen=True)
class Html:
    """A piece of HTML with a text form: notebooks show the one, terminals and screen readers get the other."""

    html: str
    text: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Line:
    """A line of a card: a label, a text, and a verdict where there is one (True right, False wrong)."""

    label: str
    text: str
    verdict: bool | None = None


@dataclass(frozen=True)
class Card:
    """A picture (PIL image, path, or None for a text-only record), what it shows in words, and lines under it."""

    picture: Image.Image | Path | str | None
    alt: str
    lines: tuple[Line, ...]


def open_picture(picture: Image.Image | Path | str) -> Image.Image:
    """An RGB image from a PIL image or a path; transparent pictures are laid on white."""
    if isinstance(picture, Image.Image):
        return _on_white(picture)
    require_whole_files()
    with Image.open(picture) as opened:
        return _on_white(opened)


def thumbnail_uri(picture: Image.Image | Path | str, size: int = THUMBNAIL) -> str:
    """A `data:` address of a small JPEG, at most `size` pixels on its longer side; the same bytes every time."""
    small = open_picture(picture)
    small.thumbnail((size, size), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    small.save(buffer, format="JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def picture_html(picture: Image.Image | Path | str, alt: str, size: int = THUMBNAIL) -> str:
    """An `<img>` element with the picture inside it; raises ValueError without an alt text."""
    if not alt.strip():
        raise ValueError("a picture needs an alt text: say in a few words what it shows")
    return (
        f'<img src="{thumbnail_uri(picture, size)}" alt="{html.escape(alt, quote=True)}" '
        f'style="max-width:100%;border-radius:4px">'
    )


def card_grid(cards: Sequence[Card], caption: str, *, size: int = THUMBNAIL) -> Html:
    """Cards side by side, as many in a row as the window holds; the text form lists the same lines."""
    cells = "".join(card_html(card, size) for card in cards)
    return Html(
        f'<figure style="margin:0"><div style="display:flex;flex-wrap:wrap;gap:12px">{cells}</div>'
        f'<figcaption style="margin-top:8px">{html.escape(caption)}</figcaption></figure>',
        "\n\n".join([*map(card_text, cards), caption]),
    )


def card_html(card: Card, size: int = THUMBNAIL) -> str:
    """One card: the picture, then its lines."""
    picture = picture_html(card.picture, card.alt, size) if card.picture is not None else "<em>(no picture)</em>"
    lines = "".join(_line_html(line) for line in card.lines)
    return (
        f'<div style="width:{size + 60}px;border:{BORDER};border-radius:6px;padding:8px;text-align:left">'
        f"{picture}{lines}</div>"
    )


def card_text(card: Card) -> str:
    """One card as plain text."""
    head = f"[{card.alt}]"
    return "\n".join([head, *(_line_text(line) for line in card.lines)])


def table(header: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> Html:
    """A small table, its first column naming the row; the text form is aligned with spaces."""
    style = f'style="border:{BORDER};padding:4px 8px;text-align:left"'
    head = "".join(f'<th scope="col" {style}>{html.escape(cell)}</th>' for cell in header)
    body = "".join(
        f'<tr><th scope="row" {style}>{html.escape(first)}</th>'
        + "".join(f"<td {style}>{html.escape(cell)}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in rows
    )
    grid = [list(header), *map(list, rows)]
    widths = [max(len(row[column]) for row in grid) for column in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in grid]
    return Html(
        f'<table style="border-collapse:collapse"><caption style="text-align:left">{html.escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>",
        "\n".join([caption, *lines]),
    )


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _line_html(line: Line) -> str:
    verdict = ""
    if line.verdict is not None:
        words, colour = VERDICTS[line.verdict]
        verdict = f' <strong style="color:{colour};background:#fff;padding:0 3px">{words}</strong>'
    return (
        f'<div style="margin-top:4px;overflow-wrap:anywhere"><small><strong>{html.escape(line.label)}</strong></small> '
        f"{html.escape(line.text)}{verdict}</div>"
    )


def _line_text(line: Line) -> str:
    verdict = "" if line.verdict is None else f"  {VERDICTS[line.verdict][0]}"
    return f"{line.label}: {line.text}{verdict}"
