"""What every engine can do: answer, stream, chat, answer many. How it does so is each engine's own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from course_lib.chat import Chat, as_pictures
from course_lib.conversation import place_marks
from course_lib.sampling import Sampling

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from course_lib.kv_cache import KeptCache

Picture = Image.Image | str | Path
Messages = Sequence[Mapping[str, str]]


class Engine(ABC):
    """Something that answers questions about pictures. Wherever one picture is taken, a list of them is as well.

    The `sampling` of a call are the fields of `Sampling`: max_new_tokens, temperature, top_p, top_k, seed, stop.
    """

    name: str

    @abstractmethod
    def stream_messages(
        self,
        messages: Messages,
        images: Sequence[Picture],
        sampling: Sampling,
        *,
        system: str | None = None,
        max_tiles: int | None = None,
        kept: KeptCache | None = None,
    ) -> Iterator[str]:
        """The answer to a conversation whose `<image>` marks stand for `images`, piece by piece. Raises ValueError.

        `system` replaces the checkpoint's own prompt; `kept` is what a `Chat` keeps, for the engine that can use it.
        """

    @abstractmethod
    def answer_conversations(
        self,
        conversations: Sequence[tuple[Messages, Sequence[Picture]]],
        sampling: Sampling,
        *,
        max_tiles: int | None = None,
    ) -> list[str]:
        """The answers to several conversations (messages, images), computed together, in their order."""

    def close(self) -> None:
        """Give back what the engine holds. It cannot be used afterwards."""

    def answer(self, question: str, image: Picture | Sequence[Picture] | None = None, **options: Any) -> str:
        """The model's answer as text; the options are those of `stream`."""
        return "".join(self.stream(question, image, **options))

    def stream(
        self,
        question: str,
        image: Picture | Sequence[Picture] | None = None,
        *,
        history: Messages = (),
        system: str | None = None,
        max_tiles: int | None = None,
        **sampling: Any,
    ) -> Iterator[str]:
        """The answer, piece by piece. Greedy at temperature 0; `seed` makes a draw repeatable. Raises ValueError."""
        images = as_pictures(image)
        messages = place_marks([*history, {"role": "user", "content": question}], len(images))
        return self.stream_messages(messages, images, Sampling(**sampling), system=system, max_tiles=max_tiles)

    def answer_batch(
        self,
        questions: Sequence[str],
        images: Sequence[Picture | Sequence[Picture] | None],
        *,
        max_new_tokens: int = 64,
        batch_size: int = 16,
        max_tiles: int | None = None,
        progress: bool = True,
        **sampling: Any,
    ) -> list[str]:
        """Answers to many questions, each with its picture or None, in order. Raises ValueError."""
        if len(questions) != len(images):
            raise ValueError(f"{len(questions)} questions for {len(images)} pictures: give one (or None) for each")
        pictures = [as_pictures(image) for image in images]
        conversations = [
            (place_marks([{"role": "user", "content": question}], len(some)), some)
            for question, some in zip(questions, pictures, strict=True)
        ]
        settings = Sampling(max_new_tokens=max_new_tokens, **sampling)
        return self.answer_many(
            conversations, settings, batch_size=batch_size, max_tiles=max_tiles, progress=progress
        )

    def answer_many(
        self,
        conversations: Sequence[tuple[Messages, Sequence[Picture]]],
        sampling: Sampling,
        *,
        batch_size: int = 16,
        max_tiles: int | None = None,
        progress: bool = True,
    ) -> list[str]:
        """As `answer_conversations`, for any number of them, `batch_size` at a time."""
        from tqdm.auto import tqdm

        answers: list[str] = []
        with tqdm(total=len(conversations), disable=not progress, desc="answering", unit="question") as bar:
            for start in range(0, len(conversations), batch_size):
                batch = conversations[start : start + batch_size]
                answers += self.answer_conversations(batch, sampling, max_tiles=max_tiles)
                bar.update(len(batch))
        return answers

    def chat(self, image: Picture | Sequence[Picture] | None = None, system: str | None = None) -> Chat:
        """A conversation that remembers its turns, about `image` if given. `system` replaces the model's own."""
        return Chat(self, image, system)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
