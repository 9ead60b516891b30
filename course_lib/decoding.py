"""From tokens to the text one may show already: whole characters only, and nothing of a stop text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def decode_stream(
    tokens: Iterable[int], tokenizer: PreTrainedTokenizerFast, stop: Sequence[str] = ()
) -> Iterator[str]:
    """The text of `tokens`, piece by piece as they come, without space around it; it ends before a `stop` text."""

    def texts() -> Iterator[str]:
        ids: list[int] = []
        for token in tokens:
            ids.append(token)
            # All tokens at once, each time: what a token adds depends on those around it (a space, half a character).
            yield tokenizer.decode(ids, skip_special_tokens=True)

    return shown_pieces(texts(), stop)


def shown_pieces(texts: Iterable[str], stop: Sequence[str] = ()) -> Iterator[str]:
    """What a growing text (each time the whole of it) shows anew, without space around it, up to a `stop` text."""
    sent = text = ""
    for text in texts:
        text, ended = cut_at_stop(text.strip(), stop)
        if ended:
            break
        ready = text[: len(text) - _unfinished(text, stop)].rstrip()
        # A replacement character at the end is half a character: its other bytes are still to come.
        if len(ready) > len(sent) and not ready.endswith("\ufffd"):
            yield ready[len(sent) :]
            sent = ready
    if text != sent:
        yield text[len(sent) :]


def cut_at_stop(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """The text up to the first of the `stop` texts, and whether there was one."""
    places = [place for place in (text.find(end) for end in stop) if place >= 0]
    return (text[: min(places)].rstrip(), True) if places else (text, False)


def _unfinished(text: str, stop: Sequence[str]) -> int:
    """How many characters at the end of `text` may be the beginning of a stop text."""
    return max(
        (length for end in stop for length in range(1, len(end)) if text.endswith(end[:length])), default=0
    )
