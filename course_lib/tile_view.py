"""A picture, the grid laid over it, its tiles and what they cost in tokens, as HTML."""

from __future__ import annotations

from PIL import Image, ImageDraw

from course_lib.cards import BORDER, Html, picture_html
from course_lib.tiling import choose_grid, tile_image

OVERVIEW = 320  # pixels on the longer side of the picture with the grid on it
TILE = 72


def with_grid(image: Image.Image, columns: int, rows: int) -> Image.Image:
    """A copy of the picture, at most 320 px, with the grid's lines in white on black (visible on any picture)."""
    picture = image.convert("RGB")
    picture.thumbnail((OVERVIEW, OVERVIEW), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)
    width, height = picture.size
    lines = [((width * i / columns, 0), (width * i / columns, height)) for i in range(1, columns)]
    lines += [((0, height * i / rows), (width, height * i / rows)) for i in range(1, rows)]
    for colour, thickness in (("black", 4), ("white", 2)):
        for line in lines:
            draw.line(line, fill=colour, width=thickness)
    return picture


def tiling_html(
    image: Image.Image, *, min_tiles: int = 1, max_tiles: int = 12, tile_size: int = 448, tokens_per_tile: int = 256,
    thumbnail: bool = True,
) -> Html:
    """The chosen grid, every tile in its place, and the number of visual tokens."""
    width, height = image.size
    columns, rows = choose_grid(width, height, min_tiles=min_tiles, max_tiles=max_tiles, tile_size=tile_size)
    tiles = tile_image(image, min_tiles=min_tiles, max_tiles=max_tiles, tile_size=tile_size, thumbnail=thumbnail)
    extra = " and a thumbnail" if len(tiles) > columns * rows else ""
    summary = (
        f"{width} x {height} px, at most {max_tiles} tiles: a grid of {columns} x {rows} (columns x rows){extra}, "
        f"{len(tiles)} x {tokens_per_tile} = {len(tiles) * tokens_per_tile} visual tokens"
    )
    cells = "".join(
        picture_html(tile, f"tile {number}" if number <= columns * rows else "thumbnail: the whole picture", TILE)
        for number, tile in enumerate(tiles, start=1)
    )
    overview = picture_html(with_grid(image, columns, rows), f"the picture under a {columns} x {rows} grid", OVERVIEW)
    return Html(
        '<figure style="margin:0"><div style="display:flex;flex-wrap:wrap;gap:16px;align-items:flex-start">'
        f"<div>{overview}</div>"
        f'<div style="display:grid;grid-template-columns:repeat({columns},{TILE}px);gap:4px;border:{BORDER};'
        f'padding:6px">{cells}</div></div><figcaption>{summary}</figcaption></figure>',
        summary,
    )
