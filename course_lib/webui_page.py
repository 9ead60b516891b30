"""What the web page offers, and how a visit is shown on it: data for Gradio's components, which webui_blocks makes."""

from __future__ import annotations

import html
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from course_lib.webui_pictures import Limits, accept_picture, thumbnails_html, tiles_html
from course_lib.webui_speakers import Model, Speakers
from course_lib.webui_texts import TEXTS, Refused
from course_lib.webui_visit import Turn, Visit

if TYPE_CHECKING:
    from course_lib.webui_examples import Example


@dataclass(frozen=True)
class Page:
    """What a page offers."""

    speakers: Speakers
    examples: Sequence[Example]
    folder: Path  # of the visitors' pictures
    device: str  # on which the models are, to be shown
    limits: Limits = Limits()
    hours: float = 12  # after which a visit without a question is forgotten

    @property
    def models(self) -> Sequence[Model]:
        return self.speakers.models

    def label(self, model: Model, language: str) -> str:
        return getattr(TEXTS[language], model.role).format(name=model.name) if model.role else model.name

    def conversation(self, visit: Visit, number: int, language: str) -> list[dict[str, Any]]:
        """What a model was asked and answered, for a Chatbot."""
        messages = []
        for turn in visit.turns:
            if number not in turn.answers:
                continue
            asked = html.escape(turn.question, quote=False)
            messages.append({"role": "user", "content": [*filter(None, [turn.thumbnails, asked])]})
            note = turn.notes.get(number)
            said = [turn.answers[number].strip(), note and f"*({getattr(TEXTS[language], note)})*"]
            if any(said):
                messages.append({"role": "assistant", "content": "\n\n".join(filter(None, said))})
        return messages

    def conversations(self, visit: Visit, language: str) -> list[list[dict[str, Any]]]:
        return [self.conversation(visit, number, language) for number in range(len(self.models))]

    def accept(self, visit: Visit, box: dict[str, Any], answering: Sequence[int], language: str) -> None:
        """Add what is in the box to the visit as a turn that waits for its answer. Raises Refused."""
        if visit.state != "idle":
            raise Refused("still_answering")
        question = (box["text"] or "").strip()
        if not question:
            raise Refused("no_question")
        if not answering:
            raise Refused("no_model")
        folder = visit.picture_folder(self.folder)
        pictures = [accept_picture(file, folder, self.limits) for file in box["files"]]
        shown = thumbnails_html(pictures, language)
        answers = dict.fromkeys(sorted(answering), "")
        visit.turns.append(Turn(question, pictures, list(box["files"]), shown, answers))
        visit.state = "waiting"

    def tiles_of(self, visit: Visit, max_tiles: int, language: str) -> str:
        """The tiles of the last question that brought pictures."""
        pictures = next((turn.pictures for turn in reversed(visit.turns) if turn.pictures), [])
        return tiles_html([path for path in pictures if path.is_file()], self.models[0].spec, max_tiles, language)

    def explain(self, error: Exception, language: str) -> str:
        """A failure in the visitor's language; what cannot be explained there is in the log."""
        import torch

        if isinstance(error, Refused):
            return notice(error.text(language))
        words = TEXTS[language]
        if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
            self.speakers.kept.clear()
            return notice(words.out_of_memory)
        reason = (str(error) or type(error).__name__).splitlines()[0]
        if isinstance(error, ValueError):
            return notice(words.not_understood.format(reason=reason))
        logging.getLogger(__name__).error("a question on the web page failed", exc_info=error)
        return notice(words.failed.format(reason=reason))


def notice(text: str = "") -> str:
    """A message above the box, read out by screen readers; none for no text."""
    return f'<p role="alert">{html.escape(text)}</p>' if text else ""


def seed_of(text: str) -> int | None:
    """The number in the seed's field, or None for none. Raises Refused."""
    if not text.strip():
        return None
    if not text.strip().isdecimal():
        raise Refused("no_seed", text=text)
    return int(text)
