"""The models of the web page, and how they answer a visitor: in step, until stopped, within their room and memory."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from threading import Semaphore
from typing import TYPE_CHECKING, Any

from PIL import Image

from course_lib.chat import Chat
from course_lib.conversation import IMAGE_MARK, render_prompt
from course_lib.sampling import Sampling
from course_lib.webui_texts import Refused
from course_lib.webui_visit import Turn, Visit

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from course_lib.engine import Engine, Messages
    from course_lib.vlm import ModelSpec

KEPT_BYTES = 2**30  # of keys and values, beyond which only the conversation that spoke last keeps its own


@dataclass(frozen=True)
class Model:
    """A model that answers on the page. `role` is "before" or "after" tuning, or "" where there is only one."""

    name: str
    role: str
    engine: Engine
    tokenizer: PreTrainedTokenizerFast
    spec: ModelSpec
    task: str = ""  # "food" or "meme", if it was tuned for one

    @property
    def room(self) -> int:
        """Tokens that a conversation may have."""
        config = self.spec.config
        return config.get("llm_config", config.get("text_config"))["max_position_embeddings"]

    def prompt_tokens(self, messages: Messages, pictures: Sequence[Path], max_tiles: int) -> int:
        """How long the prompt of a conversation is. Raises ValueError where the conversation is none."""
        counts = []
        for path in pictures:
            with Image.open(path) as picture:
                counts.append(self.spec.tile_count(*picture.size, max_tiles) * self.spec.tokens_per_tile)
        prompt = render_prompt(messages, counts, self.spec.system, separator=self.spec.separator)
        return len(self.tokenizer(prompt)["input_ids"])


@dataclass(frozen=True)
class Wish:
    """How a visitor wants a question answered."""

    sampling: Sampling
    max_tiles: int
    after_question: bool = False  # pictures stand after the question, not before it
    fresh: bool = False  # a new picture begins a new conversation


class KeptLimit:
    """Keys and values of the conversations that spoke last stay; the others are computed again when they go on."""

    def __init__(self, most: int = KEPT_BYTES):
        self.most = most
        self.recent: list[weakref.ref[Chat]] = []  # the latest last; a chat that is gone takes its keys with it

    def used(self, chats: Sequence[Chat]) -> None:
        """These chats have just spoken, and no other is speaking."""
        others = [chat for chat in (ref() for ref in self.recent) if chat is not None and chat not in chats]
        self.recent = [weakref.ref(chat) for chat in [*others, *chats]]
        total = sum(chat.kept.bytes for chat in [*others, *chats])
        for chat in others:
            if total <= self.most:
                return
            total -= chat.kept.bytes
            chat.kept.clear()

    def clear(self) -> None:
        """No conversation keeps any: the memory is needed."""
        for chat in (ref() for ref in self.recent):
            if chat is not None:
                chat.kept.clear()


@dataclass
class Speakers:
    """The models of a page. `gate` lets in as many questions at once as they bear."""

    models: Sequence[Model]
    at_once: int = 1
    kept: KeptLimit = field(default_factory=KeptLimit)

    def __post_init__(self) -> None:
        self.gate = Semaphore(self.at_once)

    def answer(self, visit: Visit, wish: Wish) -> Iterator[Turn]:
        """Answer the visit's last turn, all its models in step; yields it whenever it has grown.

        Whatever is raised, the visit is as it was before the turn.
        """
        turn, done = visit.turns[-1], False
        visit.state = "answering"
        try:
            with self.gate:
                yield from self._grow(visit, turn, wish)
            done = True
        except GeneratorExit:  # the visitor has left
            done = True
            raise
        finally:
            visit.state, visit.stopping = "idle", False
            if not done and turn in visit.turns:
                visit.restore(turn)
                visit.turns.remove(turn)
            visit.drop_old()

    def _grow(self, visit: Visit, turn: Turn, wish: Wish) -> Iterator[Turn]:
        chats = {number: visit.chats.setdefault(number, Chat(self.models[number].engine)) for number in turn.answers}
        turn.before = {number: (chat.messages, chat.images) for number, chat in chats.items()}
        question = with_marks(turn.question, len(turn.pictures), wish.after_question)
        with ExitStack() as streams:
            speaking = {}
            for number, chat in chats.items():
                if wish.fresh and turn.pictures:
                    chat.clear()
                turn.forgotten = max(turn.forgotten, make_room(chat, self.models[number], question, turn, wish))
                stream = chat.stream(question, turn.pictures, max_tiles=wish.max_tiles, **vars(wish.sampling))
                speaking[number] = streams.enter_context(closing(stream))
            while speaking and not visit.stopping:
                for number, stream in list(speaking.items()):
                    piece = next(stream, None)
                    if piece is None:
                        del speaking[number]
                    else:
                        turn.answers[number] += piece
                yield turn
        for number in turn.answers:
            if not turn.answers[number].strip():
                turn.notes[number] = "stopped_early" if number in speaking else "said_nothing"
            elif number in speaking:
                turn.notes[number] = "stopped"
        if self.at_once == 1:  # with several at once, the engine is a server, which keeps its own
            self.kept.used(list(chats.values()))


def with_marks(question: str, pictures: int, after: bool) -> str:
    """The question with `<image>` for each picture before or after it, unless the visitor has placed them."""
    marks = [] if IMAGE_MARK in question else [IMAGE_MARK] * pictures
    return "\n".join([question, *marks] if after else [*marks, question])


def make_room(chat: Chat, model: Model, question: str, turn: Turn, wish: Wish) -> int:
    """Forget the earliest turns of a conversation that has become too long for the model; how many.

    It then forgets down to a half, not to the brim: each time, all that is left has to be computed again. Raises
    Refused where the question alone is too long.
    """
    room = model.room - wish.sampling.max_new_tokens

    def tokens(messages: Sequence[Mapping[str, Any]], pictures: Sequence[Path]) -> int:
        asked = [*messages, {"role": "user", "content": question}]
        return model.prompt_tokens(asked, [*pictures, *turn.pictures], wish.max_tiles)

    alone = tokens([], [])
    if alone > room:
        raise Refused("too_long", tokens=alone + wish.sampling.max_new_tokens, room=model.room)
    messages, pictures, forgotten = chat.messages, chat.images, 0
    most = room
    while messages and tokens(messages, pictures) > most:
        most = max(room // 2, alone)
        pictures = pictures[messages[0]["content"].count(IMAGE_MARK) :]
        messages, forgotten = messages[2:], forgotten + 1
    chat.messages, chat.images = messages, pictures
    return forgotten
