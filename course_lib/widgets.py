"""Widgets: buttons and sliders wired to functions that already exist, each with a static form for when they cannot run.

A widget shows its static HTML wherever no kernel answers (GitHub, a report, an executed copy), so no cell is ever
empty. Buttons and sliders are the browser's own: Tab, Space, Enter and the arrow keys work them.
"""

from __future__ import annotations

import html
import io
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import ipywidgets
from PIL import Image, UnidentifiedImageError

from course_lib.cards import Card, Html, Line, card_grid, card_html, open_picture
from course_lib.evaluation import Evaluation
from course_lib.records import Record
from course_lib.scores import Score
from course_lib.tile_view import tiling_html
from course_lib.token_view import distribution_html

if TYPE_CHECKING:
    from course_lib.vlm import VLM


class Interactive:
    """A widget `box` and its `static` HTML in one output; the page shows whichever it can."""

    box: ipywidgets.Widget
    static: Html

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        live = self.box._repr_mimebundle_()
        return live | {"text/html": self.static.html, "text/plain": self.static.text}


@dataclass(frozen=True)
class VoteItem:
    """A picture, its question, and the two models' answers; `sides` are never shown while voting."""

    picture: Image.Image | Path | str
    question: str
    answers: tuple[str, str]


class BlindVote(Interactive):
    """A/B vote on pairs of answers, sides swapped by `seed`; `votes` has one of the two names or "tie" per item."""

    def __init__(self, items: Sequence[VoteItem], *, names: tuple[str, str] = ("before", "after"), seed: int = 0):
        if not items:
            raise ValueError("nothing to vote on: give at least one VoteItem (vote_items makes them)")
        draw = random.Random(seed)
        self.items, self.names = tuple(items), names
        self.votes: list[str] = []
        self._order = [draw.sample((0, 1), 2) for _ in self.items]  # which model stands at A, which at B
        self.a, self.b, self.tie, self.undo = (
            ipywidgets.Button(description=text, tooltip=tip) for text, tip in (
                ("A is better", "vote for answer A"), ("B is better", "vote for answer B"),
                ("No difference", "both are as good or as bad"), ("Undo", "take the last vote back"),
            )
        )  # fmt: skip
        for button, side in ((self.a, 0), (self.b, 1), (self.tie, None)):
            button.on_click(lambda _, side=side: self._vote(side))
        self.undo.on_click(lambda _: self._undo())
        self._card, self._status = ipywidgets.HTML(), ipywidgets.HTML()
        buttons = ipywidgets.HBox([self.a, self.b, self.tie, self.undo])
        self.box = ipywidgets.VBox([self._status, self._card, buttons])
        self.static = card_grid(
            [self._item_card(i) for i in range(len(self.items))],
            f"{len(self.items)} pairs of answers; which of A and B is which model stays hidden until all are voted on.",
        )
        self._show()

    @property
    def score(self) -> Score:
        """How often the second model won, of the votes that preferred one of the two."""
        return Score(f"{self.names[1]} preferred", self.votes.count(self.names[1]), len(self.votes) - self.ties)

    @property
    def ties(self) -> int:
        return self.votes.count("tie")

    def _item_card(self, i: int) -> Card:
        item = self.items[i]
        first, second = (item.answers[model] for model in self._order[i])
        return Card(
            item.picture, f"picture {i + 1} of {len(self.items)}",
            (Line("question", item.question), Line("A", first), Line("B", second)),
        )

    def _vote(self, side: int | None) -> None:
        i = len(self.votes)
        self.votes.append("tie" if side is None else self.names[self._order[i][side]])
        self._show()

    def _undo(self) -> None:
        if self.votes:
            self.votes.pop()
        self._show()

    def _show(self) -> None:
        done, total = len(self.votes), len(self.items)
        over = done == total
        self._card.value = "" if over else card_html(self._item_card(done), size=320)
        for button in (self.a, self.b, self.tie):
            button.disabled = over
        self.undo.disabled = not done
        # Until the end the tally would give away which side is which.
        tally = f": {html.escape(self.score.name)} {self.score}, {self.ties} without difference" if over else ""
        self._status.value = f'<div role="status">{done} of {total} voted{tally}</div>'


def blind_vote(
    items: Sequence[VoteItem], *, names: tuple[str, str] = ("before", "after"), seed: int = 0
) -> BlindVote:
    """A blind A/B vote; display it, click, read `.votes` and `.score`."""
    return BlindVote(items, names=names, seed=seed)


def vote_items(
    records: Sequence[Record], before: Evaluation, after: Evaluation, *, n: int = 12, seed: int = 0
) -> list[VoteItem]:
    """Up to `n` records drawn at random from those with a picture that the two models answered differently."""
    pairs = zip(records, before.questions, before.answers, after.answers, strict=True)
    items = [VoteItem(record.images[0], question.replace("<image>", "").strip(), (first, second))
             for record, question, first, second in pairs if first != second and record.images]  # fmt: skip
    return random.Random(seed).sample(items, min(n, len(items)))


class TilingExplorer(Interactive):
    """A slider for the maximum number of tiles and an upload, over `tiling_html`."""

    def __init__(self, image: Image.Image | Path | str, *, max_tiles: int = 12, **tiling):
        self.image, self._tiling = open_picture(image), tiling
        self.slider = ipywidgets.IntSlider(
            value=max_tiles, min=tiling.get("min_tiles", 1), max=max(12, max_tiles), description="max tiles",
            continuous_update=False,
        )
        self.upload = ipywidgets.FileUpload(accept="image/*", multiple=False, description="your picture")
        self._view = ipywidgets.HTML()
        self.slider.observe(lambda _: self._show(), names="value")
        self.upload.observe(self._uploaded, names="value")
        self.box = ipywidgets.VBox([ipywidgets.HBox([self.slider, self.upload]), self._view])
        self._show()

    @property
    def static(self) -> Html:
        return tiling_html(self.image, max_tiles=self.slider.value, **self._tiling)

    def _show(self) -> None:
        self._view.value = self.static.html

    def _uploaded(self, change) -> None:
        if not change["new"]:
            return
        file = change["new"][0]
        try:
            self.image = open_picture(Image.open(io.BytesIO(file["content"])))
        except (UnidentifiedImageError, OSError) as error:
            self._view.value = f'<div role="alert">{html.escape(file["name"])} is not a readable picture: {error}</div>'
            return
        self._show()


def tiling_explorer(image: Image.Image | Path | str, *, max_tiles: int = 12, **tiling) -> TilingExplorer:
    """Explore how a picture is tiled; `tiling` are `tiling_html`'s settings (tile_size, tokens_per_tile, …)."""
    return TilingExplorer(image, max_tiles=max_tiles, **tiling)


class SamplingExplorer(Interactive):
    """Sliders for temperature and top-p over the distribution of the next token; the model runs once, when made."""

    def __init__(self, vlm: VLM, question: str, image: Image.Image | Path | str | None = None, *,
                 answer_so_far: str = "", temperature: float = 1.0, top_p: float = 1.0, top: int = 8):
        # At temperature 1 the logarithms of the probabilities are logits, so every other setting follows from them.
        self._logits = vlm.next_token_distribution(question, image, answer_so_far=answer_so_far).log()
        self._tokenizer, self._top = vlm.tokenizer, top
        self.temperature = ipywidgets.FloatSlider(value=temperature, min=0, max=2, step=0.1, description="temperature")
        self.top_p = ipywidgets.FloatSlider(value=top_p, min=0.05, max=1, step=0.05, description="top-p")
        self._view = ipywidgets.HTML()
        for slider in (self.temperature, self.top_p):
            slider.observe(lambda _: self._show(), names="value")
        self.box = ipywidgets.VBox([self.temperature, self.top_p, self._view])
        self._show()

    @property
    def probabilities(self):
        """Probabilities `[vocabulary]` at the sliders' settings."""
        from course_lib.vlm import next_token_probabilities

        return next_token_probabilities(self._logits, self.temperature.value, self.top_p.value)

    @property
    def static(self) -> Html:
        caption = f"next token at temperature {self.temperature.value:.1f}, top-p {self.top_p.value:.2f}"
        return distribution_html(self.probabilities.tolist(), self._tokenizer, top=self._top, caption=caption)

    def _show(self) -> None:
        self._view.value = self.static.html


def sampling_explorer(vlm: VLM, question: str, image: Image.Image | Path | str | None = None, **settings) -> \
        SamplingExplorer:
    """Explore temperature and top-p on the first token of an answer (or the next, after `answer_so_far`)."""
    return SamplingExplorer(vlm, question, image, **settings)
