"""A conversation as HTML: who said what, with the pictures where they were sent."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from course_lib.cards import Html, picture_html
from course_lib.conversation import IMAGE_MARK

PICTURE = 120  # pixels
# Name, side and border tell the speakers apart; colour only repeats it.
SPEAKERS = {"user": ("You", "#eef4fb", "4px solid #2b6cb0"), "assistant": ("Model", "#f4f4f4", "4px double #555")}


def conversation_html(messages: Sequence[Mapping[str, str]], images: Sequence[Image.Image | Path | str]) -> Html:
    """All turns, every picture at the turn whose `<image>` marks it; pictures without a mark yet come last."""
    turns, pictures, number = [], list(images), 0
    for message in messages:
        count = message["content"].count(IMAGE_MARK)
        turns.append(turn_html(message["role"], message["content"], pictures[number : number + count], number + 1))
        number += count
    if waiting := pictures[number:]:
        turns.append(Html(_thumbnails(waiting, number + 1), f"[{_pictures(len(waiting))} for the next question]"))
    return Html("".join(turn.html for turn in turns), "\n".join(turn.text for turn in turns))


def turn_html(
    role: str, content: str, pictures: Sequence[Image.Image | Path | str] = (), first: int = 1, *, growing: bool = False
) -> Html:
    """One turn; `first` is its first picture's number, `growing` says that the text is not complete yet."""
    name, background, border = SPEAKERS[role]
    text = content.replace(IMAGE_MARK + "\n", "").replace(IMAGE_MARK, "").strip()
    # A screen reader waits for the end of an answer instead of reading every piece.
    live = f' aria-live="polite" aria-busy="{str(growing).lower()}"' if role == "assistant" else ""
    text += "…" * growing
    seen = f"[{_pictures(len(pictures))}] " if pictures else ""
    return Html(
        f'<div role="group" aria-label="{name}" style="border-left:{border};background:{background};color:#111;'
        f'margin:6px 0;padding:4px 10px;border-radius:4px"><strong>{name}</strong>{_thumbnails(pictures, first)}'
        f'<div{live} style="white-space:pre-wrap;overflow-wrap:anywhere">{html.escape(text)}</div>'
        "</div>",
        f"{name}: {seen}{text}",
    )


def _thumbnails(pictures: Sequence[Image.Image | Path | str], first: int) -> str:
    if not pictures:
        return ""
    shown = (picture_html(picture, f"picture {number}", PICTURE) for number, picture in enumerate(pictures, first))
    return f'<div style="display:flex;flex-wrap:wrap;gap:6px;margin:4px 0">{"".join(shown)}</div>'


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count} pictures"
