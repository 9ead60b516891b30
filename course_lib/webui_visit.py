"""What one visitor of the web page sees and has said: turns, pictures, and a chat with each model."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from course_lib.chat import Chat
from course_lib.webui_texts import Refused

TURNS = 200  # that a page shows; older ones leave it
UNDONE = 10  # turns that can be taken back; the pictures of older ones may go


@dataclass(eq=False)
class Turn:
    """A question with its pictures, and each model's answer, or what there is of it; models by their number."""

    question: str
    pictures: list[Path]
    files: list[str]  # the pictures as they were uploaded
    thumbnails: str  # HTML
    answers: dict[int, str]
    notes: dict[int, str] = field(default_factory=dict)  # a field of Texts
    before: dict[int, tuple[list, list]] = field(default_factory=dict)  # each chat's messages and pictures until then
    forgotten: int = 0


@dataclass(eq=False)
class Visit:
    """What one visitor sees. A new one holds nothing, so that the page can copy it for each visitor."""

    turns: list[Turn] = field(default_factory=list)
    chats: dict[int, Chat] = field(default_factory=dict)  # by the model's number
    folder: Path | None = None
    state: str = "idle"  # "waiting" for its turn in the queue, "answering"
    stopping: bool = False

    def picture_folder(self, root: Path) -> Path:
        self.folder = self.folder or root / uuid4().hex
        return self.folder

    def undo(self) -> Turn:
        """Take the last turn back, on the page and in the models' memory. Raises Refused."""
        if self.state != "idle":
            raise Refused("still_answering")
        if not self.turns or not self.turns[-1].before:
            raise Refused("nothing_to_undo")
        turn = self.turns.pop()
        self.restore(turn)
        return turn

    def restore(self, turn: Turn) -> None:
        """Let the chats be as they were before a turn."""
        for number, (messages, pictures) in turn.before.items():
            self.chats[number].messages, self.chats[number].images = messages, pictures

    def stop(self) -> None:
        """End the answer that is under way, or waits in the queue."""
        self.stopping = self.state != "idle"

    def take_back_waiting(self) -> None:
        """The last turn will not be answered, if it still waits."""
        if self.state == "waiting":
            self.turns.pop()
            self.state = "idle"
            self.drop_old()

    def clear(self) -> None:
        """Begin anew; an answer that is under way stops."""
        self.stopping = self.state == "answering"
        if self.state == "waiting":
            self.state = "idle"
        self.turns, self.chats = [], {}  # the chats take their keys and values with them
        self.drop_old()

    def leave(self) -> None:
        """The visitor will not come back: nothing is kept."""
        self.clear()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)  # there is none before the first picture

    def drop_old(self) -> None:
        """Let go of what neither the models nor `undo` can come back to."""
        self.turns = self.turns[-TURNS:]
        for turn in self.turns[:-UNDONE]:
            turn.before = {}
        if self.folder is None or not self.folder.is_dir():
            return
        if self.state != "idle":
            return
        needed = {path for chat in self.chats.values() for path in chat.images}
        for turn in self.turns[-UNDONE:]:
            needed |= {path for _, pictures in turn.before.values() for path in pictures} | set(turn.pictures)
        for path in set(self.folder.iterdir()) - needed:
            path.unlink()
