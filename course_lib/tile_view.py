"""A picture, the grid laid over it, its tiles, what they cost in tokens, and why this grid, as HTML."""

from __future__ import annotations

from PIL import Image, ImageDraw

from course_lib.cards import BORDER, Html, picture_html
from course_lib.tiling import GridCandidate, choose_grid, grid_search, tile_image

DRAWN = 320  # pixels on the longer side of the picture when the grid is drawn on it
# On the page, so small that overview and thirteen tiles stay under 60 kB.
OVERVIEW, TILE = 256, 64
CELL = 7  # of a candidate grid drawn small


def with_grid(image: Image.Image, columns: int, rows: int) -> Image.Image:
    """A copy of the picture, at most 320 px, with the grid's lines in white on black (visible on any picture)."""
    picture = image.convert("RGB")
    picture.thumbnail((DRAWN, DRAWN), Image.Resampling.BICUBIC)
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


def candidates_html(
    width: int, height: int, *, min_tiles: int = 1, max_tiles: int = 12, tile_size: int = 448, nearest: int = 6
) -> Html:
    """The `nearest` candidate grids by aspect ratio, closest first, and in words why one of them was chosen."""
    steps = grid_search(width, height, min_tiles=min_tiles, max_tiles=max_tiles, tile_size=tile_size)
    closest = sorted(steps, key=lambda step: (step.aspect_difference, not step.chosen, step.tiles))[:nearest]
    caption = (
        f"The {len(closest)} of {len(steps)} candidate grids closest in shape to the picture's "
        f"{width} / {height} = {width / height:.2f}"
    )
    best = steps.index(closest[0])
    rows = [
        (f"{step.columns} x {step.rows}", f"{step.columns / step.rows:.2f}", f"{step.aspect_difference:.2f}",
         _verdict(step, closest[0], later=steps.index(step) > best))
        for step in closest
    ]  # fmt: skip
    cells = "".join(
        f'<tr><th scope="row" style="text-align:left;white-space:nowrap">{_small_grid(step)} {grid}</th>'
        f'<td>{ratio}</td><td>{away}</td><td style="text-align:left">{why}</td></tr>'
        for step, (grid, ratio, away, why) in zip(closest, rows)
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("grid", "columns / rows", "away by", "verdict"))
    return Html(
        f'<table><caption style="text-align:left">{caption}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{cells}</tbody></table>",
        "\n".join([caption, *("  ".join(row) for row in rows)]),
    )


def _verdict(step: GridCandidate, chosen: GridCandidate, *, later: bool) -> str:
    if step.chosen:
        return "✓ chosen: the closest shape"
    if step.aspect_difference > chosen.aspect_difference:
        return "farther away"
    # The later of two grids that are equally close wins only if the picture has more than half of its pixels.
    return f"as close, but the picture has {'too few pixels for it' if later else 'pixels enough for the chosen one'}"


def _small_grid(step: GridCandidate) -> str:
    """A grid drawn with two gradients, a line at every cell; it only repeats what the words beside it say."""
    line = "#555 1px,transparent 1px"
    return (
        f'<span aria-hidden="true" style="display:inline-block;width:{step.columns * CELL + 1}px;'
        f"height:{step.rows * CELL + 1}px;background:linear-gradient({line}) 0 0/{CELL}px {CELL}px,"
        f'linear-gradient(90deg,{line}) 0 0/{CELL}px {CELL}px #fff"></span>'
    )
