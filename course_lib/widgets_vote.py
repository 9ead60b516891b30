"""A blind vote: which of two answers is better, without knowing which model gave which."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ipywidgets
from PIL import Image

from course_lib.cards import Card, Html, Line, card_grid, card_html, table
from course_lib.evaluation import Evaluation
from course_lib.records import Record
from course_lib.scores import Paired, Score
from course_lib.widgets_base import Interactive, row, status_html


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
        self.box = ipywidgets.VBox(
            [self._status, self._card, row(self.a, self.b, self.tie, self.undo)]
        ).add_class("course-blind-vote")
        self.static = card_grid(
            [self._item_card(i) for i in range(len(self.items))],
            f"{len(self.items)} pairs of answers; which of A and B is which model stays hidden until all are voted on.",
        )
        self._show("")

    @property
    def score(self) -> Score:
        """How often the second model won, of the votes that preferred one of the two."""
        return Score(f"{self.names[1]} preferred", self.votes.count(self.names[1]), len(self.votes) - self.ties)

    @property
    def ties(self) -> int:
        return self.votes.count("tie")

    @property
    def paired(self) -> Paired:
        """The votes as a paired comparison: its p is that of a fair coin, were both models equally good."""
        return Paired(len(self.votes), self.votes.count(self.names[0]), self.score.successes)

    @property
    def result(self) -> Html:
        """The votes in numbers: counts, share with its 95 % interval, p. It tells who stood where: look at it last."""
        score, paired = self.score, self.paired
        rows = [
            (f"{self.names[1]} preferred", str(paired.only_after)),
            (f"{self.names[0]} preferred", str(paired.only_before)),
            ("no difference", str(self.ties)),
            (f"share of {self.names[1]}, 95 % interval", str(score) if score.n else "no preference voted"),
            ("p, were both equally good", f"{paired.p_value:.3f}"),
        ]
        return table(("votes", "result"), rows, f"{len(self.votes)} of {len(self.items)} voted. {self._verdict()}")

    def _verdict(self) -> str:
        score = self.score
        if score.low <= 0.5 <= score.high:
            return "The interval holds 50 %: these votes do not tell which model is better."
        return f"The interval leaves 50 % out: voters prefer {self.names[score.low > 0.5]}."

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
        self._show({0: "A voted. ", 1: "B voted. ", None: "No difference voted. "}[side])

    def _undo(self) -> None:
        if self.votes:
            self.votes.pop()
        self._show("Last vote taken back. ")

    def _show(self, news: str) -> None:
        done, total = len(self.votes), len(self.items)
        over = done == total
        # Only the card's content changes, so the keyboard's focus stays on the button that was pressed; where that
        # button is about to be switched off, the focus goes to the one that still does something.
        if over:
            self.undo.disabled = False
            self.undo.focus()
        elif news and not done:
            self.a.focus()
        for button in (self.a, self.b, self.tie):
            button.disabled = over
        self.undo.disabled = not done
        # Until the end the tally would give away which side is which.
        self._card.value = self.result.html if over else card_html(self._item_card(done), size=320)
        tally = f": {self.score.name} {self.score}, {self.ties} without difference" if over else ""
        waiting = "" if over else f". Now pair {done + 1}"
        self._status.value = status_html(f"{news}{done} of {total} voted{tally}{waiting}")


def blind_vote(
    items: Sequence[VoteItem], *, names: tuple[str, str] = ("before", "after"), seed: int = 0
) -> BlindVote:
    """A blind A/B vote; display it, click (or Tab and Space), read `.votes`, `.score` and `.result`."""
    return BlindVote(items, names=names, seed=seed)


def vote_items(
    records: Sequence[Record], before: Evaluation, after: Evaluation, *, n: int = 12, seed: int = 0
) -> list[VoteItem]:
    """Up to `n` records drawn at random from those with a picture that the two models answered differently."""
    pairs = zip(records, before.questions, before.answers, after.answers, strict=True)
    items = [VoteItem(record.images[0], question.replace("<image>", "").strip(), (first, second))
             for record, question, first, second in pairs if first != second and record.images]  # fmt: skip
    return random.Random(seed).sample(items, min(n, len(items)))
