"""Conversations and settings as lmdeploy takes them, in process and over HTTP, and its text as this kit gives it."""

from __future__ import annotations

import base64
import io
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from course_lib.conversation import IMAGE_MARK, place_marks, render_prompt
from course_lib.decoding import cut_at_stop, shown_pieces
from course_lib.vlm import open_picture

if TYPE_CHECKING:
    from course_lib.engine import Messages, Picture
    from course_lib.sampling import Sampling

# lmdeploy puts a picture that stands between texts on a line of its own, `<img>…</img>` and a newline. Where its older
# mark is in the text, it puts `<img>…</img>` there and nothing else: what `<image>` means in this kit.
LMDEPLOY_MARK = "<IMAGE_TOKEN>"
HOTTEST = 2.0  # lmdeploy's limit


def to_lmdeploy(
    messages: Messages,
    images: Sequence[Picture] = (),
    *,
    system: str | None = None,
    max_tiles: int | None = None,
    urls: bool = False,
) -> list[dict[str, Any]]:
    """The conversation in OpenAI's form, pictures as PIL or (`urls`) as data: URLs, for the same prompt. ValueError."""
    messages = place_marks(messages, len(images))
    render_prompt(messages, [1] * len(images))  # raises what it would raise elsewhere: roles, marks, control tokens
    rest, converted = iter(images), [] if system is None else [{"role": "system", "content": system}]
    for number, message in enumerate(messages):
        role, text = message["role"], message["content"]
        if LMDEPLOY_MARK in text:
            raise ValueError(f"message {number} contains {LMDEPLOY_MARK}, lmdeploy's mark: write {IMAGE_MARK} instead")
        marks = text.count(IMAGE_MARK)
        if not marks:
            converted.append({"role": role, "content": text})
            continue
        items = [_item(next(rest), max_tiles, urls) for _ in range(marks)]
        text = text.replace(IMAGE_MARK, LMDEPLOY_MARK)
        converted.append({"role": role, "content": [{"type": "text", "text": text}, *items]})
    return converted


def data_url(picture: Picture) -> str:
    """A picture as a data: URL that loses nothing: a file as it is, and a picture in memory as PNG. ValueError."""
    image = open_picture(picture)  # says which file is broken: the server would take half a picture
    if isinstance(picture, Image.Image):
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, "PNG", compress_level=1)  # it goes to this machine: better large than late
        kind, content = "image/png", buffer.getvalue()
    else:
        with Image.open(picture) as opened:
            kind, content = opened.get_format_mimetype() or "image/unknown", Path(picture).read_bytes()
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def engine_settings(sampling: Sampling) -> dict[str, Any]:
    """Arguments of lmdeploy's GenerationConfig. Raises ValueError. `stop` is not among them: see `finished_text`."""
    _check(sampling)
    settings = {"max_new_tokens": sampling.max_new_tokens, "random_seed": sampling.seed}
    if sampling.temperature == 0:
        return settings | {"do_sample": False}
    drawing = {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": sampling.top_k}
    return settings | {"do_sample": True} | drawing


def request_settings(sampling: Sampling) -> dict[str, Any]:
    """Arguments of `client.chat.completions.create`, for lmdeploy's server. Raises ValueError."""
    _check(sampling)
    settings: dict[str, Any] = {"max_completion_tokens": sampling.max_new_tokens}
    if sampling.seed is not None:
        settings["seed"] = sampling.seed
    if sampling.temperature == 0:  # the server always draws: from one token
        return settings | {"temperature": 1.0, "top_p": 1.0, "extra_body": {"top_k": 1}}
    drawing = {"temperature": sampling.temperature, "top_p": sampling.top_p}
    return settings | drawing | {"extra_body": {"top_k": sampling.top_k}}


def finished_text(text: str, stop: Sequence[str]) -> str:
    """A whole answer without space around it, up to a stop text.

    lmdeploy's own stop words are tokens, and all that contain them: they cannot stop at a text.
    """
    return cut_at_stop(text.strip(), stop)[0]


def text_stream(pieces: Generator[str], stop: Sequence[str] = ()) -> Iterator[str]:
    """lmdeploy's pieces of text, without space around the whole; it ends, and closes `pieces`, before a `stop` text."""
    with closing(pieces):
        yield from shown_pieces(accumulate(pieces), stop)


def _item(picture: Picture, max_tiles: int | None, urls: bool) -> dict[str, Any]:
    limit = {} if max_tiles is None else {"max_dynamic_patch": max_tiles}
    if urls:
        return {"type": "image_url", "image_url": {"url": data_url(picture), **limit}}
    image = open_picture(picture).convert("RGB")  # as tiling does it: no rotation by EXIF, no blending of transparency
    return {"type": "image_data", "image_data": {"data": image, **limit}}


def _check(sampling: Sampling) -> None:
    if sampling.temperature > HOTTEST:
        raise ValueError(f"lmdeploy takes a temperature of at most {HOTTEST:g}, got {sampling.temperature}")
