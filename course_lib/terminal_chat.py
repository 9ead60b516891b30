"""A conversation in a terminal: `python -m course_lib chat`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from course_lib.chat import Chat

HELP = (
    "/image FILE adds a picture to your next question, /clear begins anew, /quit (or Ctrl-D) ends; Ctrl-C stops an "
    "answer"
)


def converse(
    chat: Chat, lines: Iterable[str], show: Callable[[str], None], *, pictures: Iterable[Path] = (), **sampling: Any
) -> None:
    """Answer each line as it comes, showing the answer while it is made. A mistake is told, and the chat goes on."""
    from course_lib.vlm import open_picture

    waiting = [open_picture(picture) for picture in pictures]
    show(HELP + "\n")
    for line in lines:
        command, _, rest = line.strip().partition(" ")
        if command == "/quit":
            return
        try:
            if command == "/clear":
                chat.clear()
                waiting = []
                show("(a new conversation)\n")
            elif command == "/image":
                waiting.append(open_picture(Path(rest.strip()).expanduser()))
                show(f"({len(waiting)} for your next question)\n")
            elif command.startswith("/"):
                show(HELP + "\n")
            elif line.strip():
                stream = chat.stream(line.strip(), waiting, **sampling)
                waiting = []
                try:
                    for piece in stream:
                        show(piece)
                except KeyboardInterrupt:
                    stream.close()
                    show(" (stopped)")
                show("\n")
        except (ValueError, OSError) as mistake:
            show(f"{mistake}\n")


def typed_lines() -> Iterable[str]:
    """What a person types, line by line, until Ctrl-D."""
    import readline  # noqa: F401  arrow keys and history in input()

    while True:
        try:
            yield input("> ")
        except EOFError:
            print()
            return
