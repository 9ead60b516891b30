"""A conversation that remembers its turns and its pictures, with any engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from course_lib.conversation import IMAGE_MARK
from course_lib.kv_cache import KeptCache
from course_lib.sampling import Sampling

if TYPE_CHECKING:
    from course_lib.engine import Engine, Picture


class Chat:
    """`ask` and `stream` add a question and its answer to `messages`, and new pictures to `images`.

    What the model computed is kept in `kept` between turns, where the engine runs in this process on transformers.
    """

    def __init__(self, engine: Engine, image: Picture | Sequence[Picture] | None = None, system: str | None = None):
        self.engine, self.system = engine, system
        self.images: list[Picture] = as_pictures(image)
        self.messages: list[dict[str, str]] = []
        self.kept = KeptCache()

    def ask(self, question: str, image: Picture | Sequence[Picture] | None = None, **options: Any) -> str:
        """The answer to `question`, which may bring pictures of its own; the options are those of `stream`."""
        return "".join(self.stream(question, image, **options))

    def stream(
        self,
        question: str,
        image: Picture | Sequence[Picture] | None = None,
        *,
        max_tiles: int | None = None,
        **sampling: Any,
    ) -> Iterator[str]:
        """The answer, piece by piece; `sampling` as in `Sampling`. Raises ValueError, and then nothing has changed.

        A stream that is closed early leaves what was said so far in the conversation; one that said nothing, nothing.
        """
        images = [*self.images, *as_pictures(image)]
        marks = sum(message["content"].count(IMAGE_MARK) for message in self.messages)
        if marks < len(images) and IMAGE_MARK not in question:
            question = f"{IMAGE_MARK}\n" * (len(images) - marks) + question
        messages = [*self.messages, {"role": "user", "content": question}]
        pieces = self.engine.stream_messages(
            messages, images, Sampling(**sampling), system=self.system, max_tiles=max_tiles, kept=self.kept
        )
        return self._remembered(pieces, messages, images)

    def clear(self) -> None:
        """Begin anew, without turns and pictures."""
        self.images, self.messages = [], []
        self.kept.clear()

    def _remembered(
        self, pieces: Iterator[str], messages: list[dict[str, str]], images: list[Picture]
    ) -> Iterator[str]:
        answer = ""
        with closing(pieces):
            try:
                for piece in pieces:
                    answer += piece
                    yield piece
            except GeneratorExit:
                self._add(messages, images, answer)
                raise
        self._add(messages, images, answer)

    def _add(self, messages: list[dict[str, str]], images: list[Picture], answer: str) -> None:
        if answer.strip():
            self.images, self.messages = images, [*messages, {"role": "assistant", "content": answer}]


def as_pictures(image: Picture | Sequence[Picture] | None) -> list[Picture]:
    """One picture, several, or none, as a list."""
    if image is None:
        return []
    return list(image) if isinstance(image, (list, tuple)) else [image]
