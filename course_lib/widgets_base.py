"""What all widgets share: two forms in one output, alerts and progress that screen readers announce, uploads.

A widget shows its static HTML wherever no kernel answers (GitHub, a report, an executed copy), so no cell is ever
empty. Buttons and sliders are the browser's own: Tab, Space, Enter and the arrow keys work them.
"""

from __future__ import annotations

import html
import io
from collections.abc import Mapping
from typing import Any

import ipywidgets
from PIL import Image, ImageOps, UnidentifiedImageError

from course_lib.cards import Html, open_picture

FULL_LABEL = {"description_width": "initial"}  # the style of a control whose description must not be cut off
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
# A file arrives as one message. Jupyter takes 10 MiB unless its server is told otherwise (websocket_max_message_size):
# what is larger never arrives, and the button is deaf until its cell runs again. So the rule stands beside the button.
MOST_BYTES = 8 * 2**20
MOST_PIXELS = 40_000_000
UNSEEN = "position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)"
UPLOAD_RULE = "JPEG, PNG, WebP, GIF, BMP or TIFF, at most 8 MiB and 40 million pixels"


class Interactive:
    """A widget `box` and its `static` HTML in one output; the page shows whichever it can."""

    box: ipywidgets.Widget
    static: Html

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        live = self.box._repr_mimebundle_()
        return live | {"text/html": self.static.html, "text/plain": self.static.text}


def alert_html(problem: str) -> str:
    """What went wrong and what to do, as a box that is read out at once; `problem` is plain text."""
    return (
        '<div role="alert" style="border:2px solid #8b1a1a;background:#fdecea;color:#5c0f0f;border-radius:4px;'
        f'padding:6px 10px;margin:4px 0;white-space:pre-wrap">⚠ {html.escape(problem)}</div>'
    )


def status_html(news: str, *, unseen: bool = False) -> str:
    """Progress, as a line that is read out when the reader has a moment; `news` is plain text.

    `unseen` for what the page shows elsewhere already: only screen readers get the line.
    """
    style = f' style="{UNSEEN}"' if unseen else ""
    return f'<div role="status" aria-live="polite"{style}>{html.escape(news)}</div>'


def row(*controls: ipywidgets.Widget) -> ipywidgets.HBox:
    """Controls side by side, in as many lines as the window needs."""
    return ipywidgets.HBox(controls, layout=ipywidgets.Layout(flex_flow="row wrap", align_items="center"))


def upload_button(description: str = "your picture", *, multiple: bool = False) -> ipywidgets.FileUpload:
    """A button that opens the browser's file dialogue for pictures; `read_upload` reads what arrives."""
    return ipywidgets.FileUpload(
        accept=".jpg,.jpeg,.png,.webp,.gif,.bmp,.tif,.tiff", multiple=multiple, description=description,
        tooltip=f"choose a picture: {UPLOAD_RULE}", layout=ipywidgets.Layout(width="auto"),
    )  # fmt: skip


def read_upload(file: Mapping[str, Any]) -> Image.Image:
    """The picture of one file of `FileUpload.value`, upright, RGB. Raises ValueError: which file, and what to do."""
    name, content = file["name"], file["content"]
    if len(content) > MOST_BYTES:
        raise ValueError(f"{name} has {len(content) / 2**20:.1f} MiB: save it smaller or as a JPEG ({UPLOAD_RULE})")
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
            width, height = opened.size
            if width * height <= MOST_PIXELS:
                return open_picture(ImageOps.exif_transpose(opened))  # telephones store pictures lying on their side
    except UnidentifiedImageError as error:
        raise ValueError(f"{name} is not a picture: choose another file ({UPLOAD_RULE})") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{name} is damaged ({error}): choose another file ({UPLOAD_RULE})") from error
    raise ValueError(f"{name} has {width} x {height} pixels: make it smaller first ({UPLOAD_RULE})")
