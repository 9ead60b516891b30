"""A visitor's pictures: what is accepted, as which file the model gets it, and how the page shows it and its tiles."""

from __future__ import annotations

import html
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from PIL import Image, ImageOps, UnidentifiedImageError

from course_lib.cards import open_picture, picture_html
from course_lib.tile_view import with_grid
from course_lib.tiling import choose_grid, tile_image
from course_lib.webui_texts import TEXTS, Refused
from course_lib.whole_files import require_whole_files

if TYPE_CHECKING:
    from course_lib.vlm import ModelSpec

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")  # Pillow's other readers are never run on what a visitor sends
ENDINGS = [".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif"]
ORIENTATION = 0x0112  # the EXIF tag that says how a camera was held
SHOWN, TILE, OVERVIEW = 240, 64, 200  # pixels


@dataclass(frozen=True)
class Limits:
    """What a visitor may send."""

    megabytes: int = 10  # a file
    megapixels: int = 50  # a picture, decoded: 150 MB at 50


def accept_picture(file: Path | str, folder: Path, limits: Limits = Limits()) -> Path:
    """A copy in `folder` that the model can open: the file itself, or a PNG of what a browser shows of it.

    (Its first frame, turned as the camera was held, on white.) Raises Refused before a picture too large is decoded.
    """
    file = Path(file)
    if file.stat().st_size > limits.megabytes * 2**20:
        raise Refused("file_too_large", name=file.name, limit=limits.megabytes)
    require_whole_files()
    try:
        picture = Image.open(file, formats=FORMATS)  # reads the header only
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        if isinstance(error, UnidentifiedImageError):
            raise Refused("not_a_picture", name=file.name) from error
        raise Refused("too_many_pixels", name=file.name, width="?", height="?", limit=limits.megapixels) from error
    except Exception as error:
        raise Refused("broken_picture", name=file.name, reason=_first_line(error)) from error
    with picture:
        width, height = picture.size
        if width * height > limits.megapixels * 1_000_000:
            raise Refused("too_many_pixels", name=file.name, width=width, height=height, limit=limits.megapixels)
        try:
            picture.load()
            turned = picture.getexif().get(ORIENTATION, 1) != 1
        except Exception as error:  # Pillow's readers raise whatever a damaged file makes them stumble over
            raise Refused("broken_picture", name=file.name, reason=_first_line(error)) from error
        folder.mkdir(parents=True, exist_ok=True)
        if picture.mode == "RGB" and not turned and getattr(picture, "n_frames", 1) == 1:
            return Path(shutil.copyfile(file, folder / f"{uuid4().hex}.{picture.format.lower()}"))
        copy = folder / f"{uuid4().hex}.png"
        open_picture(ImageOps.exif_transpose(picture)).save(copy, compress_level=1)
        return copy


def thumbnails_html(pictures: Sequence[Path], language: str) -> str:
    """The pictures of a question, small, with alt texts; the page needs no other file to show them."""
    alt = TEXTS[language].thumbnail
    return " ".join(picture_html(picture, alt.format(number=n), SHOWN) for n, picture in enumerate(pictures, start=1))


def tiles_html(pictures: Sequence[Path], spec: ModelSpec, max_tiles: int, language: str) -> str:
    """Each picture under its grid, its tiles in their places, and what they cost in tokens."""
    words, settings = TEXTS[language], spec.grid_settings(max_tiles)
    figures = []
    for path in pictures:
        picture = open_picture(path)
        columns, rows = choose_grid(*picture.size, **settings)
        tiles = tile_image(picture, **settings, thumbnail=spec.thumbnail)
        caption = words.tiles_caption.format(
            width=picture.width, height=picture.height, columns=columns, rows=rows, tiles=len(tiles),
            tokens=len(tiles) * spec.tokens_per_tile,
        )  # fmt: skip
        alts = [words.tiles_tile.format(number=n + 1) for n in range(columns * rows)] + [words.tiles_thumbnail]
        cells = "".join(picture_html(tile, alt, TILE) for tile, alt in zip(tiles, alts))
        figures.append(
            '<figure style="margin:0 0 12px"><div style="display:flex;flex-wrap:wrap;gap:16px">'
            f"<div>{picture_html(with_grid(picture, columns, rows), words.tiles_grid, OVERVIEW)}</div>"
            f'<div style="display:grid;grid-template-columns:repeat({columns},{TILE}px);gap:4px;align-content:start">'
            f"{cells}</div></div><figcaption>{html.escape(caption)}</figcaption></figure>"
        )
    return "".join(figures) or f"<p>{words.tiles_none}</p>"


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
