"""Where the attention lay while each word of an answer was chosen: a button a token, the picture under its heat.

The model runs once, when the widget is made. It is a view of attention, not an explanation: see attention.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import ipywidgets

from course_lib.attention import Attention, answer_attention, heat_map, tile_heats
from course_lib.cards import BORDER, Card, Html, Line, card_grid, picture_html
from course_lib.chat import as_pictures
from course_lib.figures_attention import end_of_scale, hottest_place, overlay
from course_lib.widgets_base import FULL_LABEL, Interactive, row, status_html

if TYPE_CHECKING:
    from course_lib.engine import Picture
    from course_lib.vlm import VLM

LARGE, SMALL, TILE = 320, 160, 72  # pixels on a picture's longer side
MOST_PICTURED = 4  # tokens in the static form


class AttentionExplorer(Interactive):
    """A button and a slider for the answer's tokens over picture and tiles; `attention` has the numbers."""

    def __init__(self, vlm: VLM, question: str, image: Picture | Sequence[Picture], answer: str | None = None, *,
                 layers: Sequence[int] | None = None, max_tiles: int | None = None):
        from course_lib.vlm import open_picture

        self._images = [open_picture(picture) for picture in as_pictures(image)]
        self.attention = answer_attention(vlm, question, self._images, answer, layers=layers, max_tiles=max_tiles)
        self._tiles = [vlm.tiles(picture, max_tiles) for picture in self._images]
        choices = [(readable(piece), place) for place, piece in enumerate(self.attention.tokens)]
        first = int(self.attention.picture_share.argmax())
        self.buttons = ipywidgets.ToggleButtons(
            options=choices, value=first, description="answer token", style={**FULL_LABEL, "button_width": "auto"},
            tooltips=[f"token {place + 1} of {len(choices)}" for _, place in choices],
        )
        self.slider = ipywidgets.SelectionSlider(
            options=choices, value=first, description="the same, with the arrow keys", style=FULL_LABEL,
            layout=ipywidgets.Layout(width="32em"),
        )
        ipywidgets.link((self.buttons, "value"), (self.slider, "value"))
        self.relative = ipywidgets.Checkbox(
            value=False, description="less the answer's mean: what is particular to this token", indent=False,
            layout=ipywidgets.Layout(width="auto"),
        )
        self.picture = ipywidgets.Dropdown(
            options=[(f"picture {number + 1}", number) for number in range(len(self._images))], description="shown",
            style=FULL_LABEL, layout=ipywidgets.Layout(width="12em"),
        )
        self._view, self._status = ipywidgets.HTML(), ipywidgets.HTML()
        for control in (self.slider, self.relative, self.picture):
            control.observe(lambda _: self._show(), names="value")
        options = row(self.relative, *[self.picture] * (len(self._images) > 1))
        self.box = ipywidgets.VBox([self.buttons, self.slider, options, self._status, self._view])
        self.box.add_class("course-attention-explorer")
        self.static = self._static()
        self._show()

    def _show(self) -> None:
        token, picture, relative = self.slider.value, self.picture.value, self.relative.value
        words = token_words(self.attention, token, picture=picture, relative=relative)
        self._status.value = status_html(words)
        self._view.value = self._view_html(token, picture, relative, words)

    def _view_html(self, token: int, picture: int, relative: bool, words: str) -> str:
        shown, tiles = self.attention.pictures[picture], self._tiles[picture]
        heat = heat_map(self.attention, token, picture=picture, relative=relative)
        heats = tile_heats(self.attention, token, picture=picture, relative=relative)
        end = end_of_scale(heats, relative)  # one scale for all tiles, so that they can be compared
        cells = "".join(
            picture_html(
                overlay(tile, one, relative=relative, hottest=end),
                f"{name}: at most {one.max():.1f} {unit(relative)}", TILE,
            )
            for tile, one, name in zip(tiles, heats, _tile_names(len(tiles), shown.thumbnail))
        )  # fmt: skip
        seen = overlay(self._images[picture], heat, relative=relative)
        large = picture_html(seen, f"the picture under its heat; {words}", LARGE)
        return (
            '<figure style="margin:0"><div style="display:flex;flex-wrap:wrap;gap:16px;align-items:flex-start">'
            f'<div>{large}</div><div style="display:grid;grid-template-columns:repeat({shown.columns},{TILE}px);'
            f'gap:4px;border:{BORDER};padding:6px">{cells}</div></div>'
            f"<figcaption>{_legend(relative)} Beside it the tiles as the model reads them"
            f'{", the thumbnail last" if shown.thumbnail else ""}.</figcaption></figure>'
        )

    def _static(self) -> Html:
        """The pictures, and under its heat the picture of the tokens with the most attention for pictures."""
        attention = self.attention
        order = sorted(range(len(attention.tokens)), key=lambda token: -attention.picture_share[token])
        cards = [Card(picture, f"picture {number} of the question", (Line("the picture", f"number {number}"),))
                 for number, picture in enumerate(self._images, start=1)]
        for token in sorted(order[:MOST_PICTURED]):
            picture = max(range(len(self._images)),
                          key=lambda number: attention.weights[token, attention.pictures[number].places].sum())
            words = token_words(attention, token, picture=picture)
            cards.append(Card(
                overlay(self._images[picture], heat_map(attention, token, picture=picture)), f"heat map: {words}",
                (Line(readable(attention.tokens[token]), words),),
            ))  # fmt: skip
        return card_grid(
            cards, f"Question: {attention.question} Answer: {attention.answer} The {min(MOST_PICTURED, len(order))} of "
            f"{len(order)} answer tokens with the most attention for pictures. {_legend(False)}", size=SMALL,
        )  # fmt: skip


def attention_explorer(vlm: VLM, question: str, image: Picture | Sequence[Picture], answer: str | None = None,
                       **settings) -> AttentionExplorer:
    """Explore what the model attended to while it chose its greedy answer, or would have chosen `answer`.

    `settings` are `layers` (their mean is shown) and `max_tiles`.
    """
    return AttentionExplorer(vlm, question, image, answer, **settings)


def token_words(attention: Attention, token: int, *, picture: int = 0, relative: bool = False) -> str:
    """A token's heat in one sentence: its share for the pictures, and where the hottest place lies."""
    heat = heat_map(attention, token, picture=picture, relative=relative, size=(180, 180))
    number = f" of picture {picture + 1}" if len(attention.pictures) > 1 else ""
    return (f"Token {token + 1} of {len(attention.tokens)}, {readable(attention.tokens[token])}: "
            f"{attention.picture_share[token]:.0%} of its attention goes to pictures; hottest {hottest_place(heat)}"
            f"{number}, {heat.max():.1f} {unit(relative)}.")


def readable(piece: str) -> str:
    """A vocabulary piece for people: `␣` for a space, `⏎` for a new line."""
    return {"<0x0A>": "⏎"}.get(piece, piece.replace("▁", "␣").replace("\n", "⏎"))


def unit(relative: bool) -> str:
    """What heat counts, in words."""
    return "x an even spread more than the answer's mean" if relative else "x an even spread"


def _legend(relative: bool) -> str:
    if relative:
        return "Orange: more than the answer's mean, purple: less; lines go around half the most."
    return "Brighter is more attention, lines go around twice an even spread; attention is not explanation."


def _tile_names(count: int, thumbnail: bool) -> list[str]:
    return [f"tile {number}" for number in range(1, count + 1 - thumbnail)] + ["thumbnail"] * thumbnail
