"""Pictures of one's own for a widget: a zone to drop them on, to paste them into, or to choose a file with.

The page's side is picture_drop.js and picture_drop.css; nothing of it is fetched from elsewhere.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import anywidget
from PIL import Image, ImageOps, UnidentifiedImageError
from traitlets import Bool, Int, Unicode

from course_lib.cards import open_picture
from course_lib.whole_files import require_whole_files

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
ACCEPT = ",".join([*ENDINGS, *(f"image/{name.lower()}" for name in FORMATS)])
# A file arrives as one message. Jupyter takes 10 MiB unless its server is told otherwise (websocket_max_message_size):
# what is larger cuts the page's connection. So the page itself refuses it, and says so.
MOST_BYTES = 8 * 2**20
MOST_PIXELS = 40_000_000
RULE = "JPEG, PNG, WebP, GIF, BMP or TIFF, at most 8 MiB and 40 million pixels"


class PictureDrop(anywidget.AnyWidget):
    """A zone labelled `label`; `take` is called with each picture (upright, RGB) that is dropped, pasted or chosen.

    `multiple`: several at a time, not only the first. What cannot be read is told in the zone (`problem`), not taken.
    """

    _esm = Path(__file__).with_name("picture_drop.js")
    _css = Path(__file__).with_name("picture_drop.css")
    label = Unicode().tag(sync=True)
    multiple = Bool().tag(sync=True)
    accept = Unicode(ACCEPT).tag(sync=True)
    most_bytes = Int(MOST_BYTES).tag(sync=True)
    rule = Unicode(RULE).tag(sync=True)
    problem = Unicode().tag(sync=True)

    def __init__(self, label: str, take: Callable[[Image.Image], None], *, multiple: bool = False):
        super().__init__(label=label, multiple=multiple)
        self._take = take
        self.on_msg(lambda _, content, buffers: self.hand_over(content["name"], bytes(buffers[0])))

    def hand_over(self, name: str, content: bytes) -> None:
        """What the page does with a file: `take` gets its picture, or `problem` says why not."""
        self.problem = ""  # the page tells the same problem once more where it comes up once more
        try:
            picture = read_picture(name, content)
        except ValueError as error:
            self.problem = str(error)
            return
        self._take(picture)


def read_picture(name: str, content: bytes) -> Image.Image:
    """The picture in a file's bytes, upright, RGB. Raises ValueError: which file, and what to do."""
    if len(content) > MOST_BYTES:
        raise ValueError(f"{name} has {len(content) / 2**20:.1f} MiB: save it smaller or as a JPEG ({RULE})")
    require_whole_files()
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
            width, height = opened.size
            if width * height <= MOST_PIXELS:
                return open_picture(ImageOps.exif_transpose(opened))  # telephones store pictures lying on their side
    except UnidentifiedImageError as error:
        raise ValueError(f"{name} is not a picture: choose another file ({RULE})") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{name} is damaged ({error}): choose another file ({RULE})") from error
    raise ValueError(f"{name} has {width} x {height} pixels: make it smaller first ({RULE})")
