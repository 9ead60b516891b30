"""Figures of notebook 02, first half: the search for the grid, tiles over a picture, token budgets, withheld tiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log2
from typing import TYPE_CHECKING

from .figures import BLUE, FAINT, GREEN, GREY, INK, ORANGE, RED, SKY, canvas, finish, tint
from .scores import Score
from .tiling import choose_grid, grid_search, tile_image

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL import Image

MARKERS = ((BLUE, "o"), (RED, "s"), (GREEN, "D"))  # conditions differ by marker as well as by colour


def candidates(width: int, height: int, *, min_tiles: int = 1, max_tiles: int = 12, tile_size: int = 448) -> Figure:
    """Every candidate grid, drawn small at its aspect ratio and number of tiles; the picture's ratio as a line."""
    import matplotlib.pyplot as plt

    steps = grid_search(width, height, min_tiles=min_tiles, max_tiles=max_tiles, tile_size=tile_size)
    closest = min(step.aspect_difference for step in steps)
    figure, axes = plt.subplots(figsize=(11, 5.6), layout="constrained")
    reach = log2(max_tiles) + 0.5
    axes.set(xlim=(-reach, reach), ylim=(min_tiles - 0.9, max_tiles + 0.9), xlabel="aspect ratio, columns / rows",
             ylabel="tiles in the grid")  # fmt: skip
    axes.axvline(log2(width / height), color=RED, linewidth=1.6, zorder=0)
    axes.text(log2(width / height) + 0.06, min_tiles - 0.55, f"picture: {width} x {height}", color=RED, fontsize=10,
              ha="left", va="center")  # fmt: skip
    for step in steps:
        colour = RED if step.chosen else ORANGE if step.aspect_difference == closest else SKY
        _glyph(axes, step.columns, step.rows, colour, strong=step.chosen)
    chosen = next(step for step in steps if step.chosen)
    ties = [f"{step.columns}x{step.rows}" for step in steps if step.aspect_difference == closest and not step.chosen]
    words = f"chosen: {chosen.columns}x{chosen.rows}"
    if ties:
        words += f"; as close, but not chosen: {', '.join(ties)}"
    axes.set_title(f"{len(steps)} candidates; {words}", loc="left", fontsize=11, color=INK)
    marks = [mark for mark in (1 / 12, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 12) if abs(log2(mark)) < reach]
    axes.set_xticks([log2(mark) for mark in marks], [f"{mark:g}" if mark >= 1 else f"1/{1 / mark:g}" for mark in marks])
    axes.set_yticks(range(min_tiles, max_tiles + 1))
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return finish(figure)


def _glyph(axes: Axes, columns: int, rows: int, colour: str, *, strong: bool) -> None:
    """A grid drawn in points, so that its shape does not depend on the axes' scales."""
    from matplotlib.offsetbox import AnnotationBbox, DrawingArea
    from matplotlib.patches import Rectangle

    cell = max(26 / max(columns, rows, 3), 3.2)
    area = DrawingArea(columns * cell, rows * cell)
    for column in range(columns):
        for row in range(rows):
            area.add_artist(
                Rectangle((column * cell, row * cell), cell, cell, facecolor=tint(colour, 0.9 if strong else 0.45),
                          edgecolor="white", linewidth=0.6)
            )  # fmt: skip
    frame = {"edgecolor": colour, "facecolor": "white", "linewidth": 2.2, "boxstyle": "square,pad=0.15"}
    axes.add_artist(
        AnnotationBbox(area, (log2(columns / rows), columns * rows), frameon=strong, bboxprops=frame, pad=0,
                       zorder=4 if strong else 3)
    )  # fmt: skip


def tiles_over_picture(
    image: Image.Image, *, min_tiles: int = 1, max_tiles: int = 12, tile_size: int = 448, tokens_per_tile: int = 256,
    thumbnail: bool = True,
) -> Figure:
    """The picture under its grid; its tiles, numbered in the order in which the model reads them; the thumbnail."""
    import matplotlib.pyplot as plt

    columns, rows = choose_grid(*image.size, min_tiles=min_tiles, max_tiles=max_tiles, tile_size=tile_size)
    tiles = tile_image(image, min_tiles=min_tiles, max_tiles=max_tiles, tile_size=tile_size, thumbnail=thumbnail)
    has_thumbnail = len(tiles) > columns * rows
    # Three panels of one height: picture, tiles, and a smaller one for the thumbnail. A line of pixels is drawn as one.
    aspect = min(max(image.width / image.height, 1 / 6), 6)
    shapes = [aspect, columns / rows, 0.5 if has_thumbnail else 0.001]
    height = min(4.2 if len(tiles) > 1 else 2.8, 10.4 / sum(shapes))
    figure, (left, middle, right) = plt.subplots(
        1, 3, figsize=(11, height + 0.85), width_ratios=shapes, layout="constrained"
    )
    left.imshow(image.convert("RGB"), extent=(0, columns, rows, 0), aspect=columns / rows / aspect)
    for x in range(1, columns):
        _line(left, (x, x), (0, rows))
    for y in range(1, rows):
        _line(left, (0, columns), (y, y))
    left.set_title(f"picture: {image.width} x {image.height} px", fontsize=10, color=INK)
    gap = 0.06
    for number, tile in enumerate(tiles[: columns * rows]):
        x, y = number % columns, number // columns
        middle.imshow(tile, extent=(x + gap, x + 1 - gap, y + 1 - gap, y + gap))
        middle.annotate(
            str(number + 1), (x + gap, y + gap), (4, -4), textcoords="offset points", fontsize=9.5, va="top",
            color="white", bbox={"boxstyle": "square,pad=0.25", "facecolor": INK, "linewidth": 0},
        )  # fmt: skip
    middle.set(xlim=(0, columns), ylim=(rows, 0), aspect="equal")
    words = f"{columns} x {rows}: {columns * rows} tile{'s' * (columns * rows > 1)} of {tile_size} px"
    middle.set_title(words, fontsize=10, color=INK)
    if has_thumbnail:
        right.imshow(tiles[-1])
        right.set_title("thumbnail", fontsize=10, color=INK)
    for axes in (left, middle, right):
        axes.axis("off")
    total = len(tiles) * tokens_per_tile
    figure.supxlabel(f"{len(tiles)} x {tokens_per_tile} = {total:,} visual tokens", fontsize=11, color=INK)
    return finish(figure)


def _line(axes: Axes, x: tuple[float, float], y: tuple[float, float]) -> None:
    axes.plot(x, y, color="white", linewidth=3.2)
    axes.plot(x, y, color=INK, linewidth=1.4)


def token_budget(
    sizes: Mapping[str, tuple[int, int]], *, tile_size: int, tokens_per_tile: int, most: int = 12,
    thumbnail: bool = True,
) -> Figure:
    """Visual tokens and grid of some named picture sizes for every maximum number of tiles: darker costs more."""
    from matplotlib.patches import Rectangle

    figure, axes = canvas(most + 3.2, len(sizes) + 1.0, (11, 11 * (len(sizes) + 1.0) / (most + 3.2)))
    axes.text(0.1, 0.5, "picture", fontsize=9.5, color=GREY, va="center")
    axes.text(3.1, 0.2, "maximum number of tiles", fontsize=9.5, color=GREY, va="center")
    for limit in range(1, most + 1):
        axes.text(limit + 2.6, 0.68, limit, fontsize=9.5, color=INK, ha="center", va="center")
    for row, (name, (width, height)) in enumerate(sizes.items(), start=1):
        axes.text(0.1, row + 0.36, name, fontsize=10, color=INK, va="center")
        axes.text(0.1, row + 0.68, f"{width} x {height}", fontsize=8.5, color=GREY, va="center")
        for limit in range(1, most + 1):
            columns, rows = choose_grid(width, height, max_tiles=limit, tile_size=tile_size)
            tiles = columns * rows + (thumbnail and columns * rows > 1)
            strength = 0.08 + 0.85 * tiles / (most + 1)
            ink = "white" if strength > 0.55 else INK
            axes.add_patch(Rectangle((limit + 2.13, row + 0.04), 0.94, 0.92, facecolor=tint(BLUE, strength)))
            axes.text(limit + 2.6, row + 0.4, f"{tiles * tokens_per_tile:,}", fontsize=9.5, color=ink, ha="center",
                      va="center")  # fmt: skip
            axes.text(limit + 2.6, row + 0.74, f"{columns} x {rows}", fontsize=7.8, color=ink, ha="center", va="center")
    return finish(figure)


def withheld(scores: Mapping[str, Sequence[Score]], conditions: Sequence[str]) -> Figure:
    """Exact answers by kind of question under some conditions: points with 95 % Wilson intervals."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(9, 1.0 + 0.62 * len(scores)), layout="constrained")
    for number, (condition, (colour, marker)) in enumerate(zip(conditions, MARKERS)):
        row = [score[number] for score in scores.values()]
        percent = [100 * score.rate for score in row]
        below, above = [score.rate - score.low for score in row], [score.high - score.rate for score in row]
        offset = 0.26 * (number - (len(conditions) - 1) / 2)
        axes.errorbar(
            percent, [place + offset for place in range(len(row))], linestyle="none", capsize=4, linewidth=2,
            xerr=[[100 * length for length in side] for side in (below, above)], marker=marker, markersize=8,
            color=colour, label=condition,
        )  # fmt: skip
    axes.set_yticks(range(len(scores)), [f"{kind} (n={row[0].n})" for kind, row in scores.items()])
    axes.set(xlim=(-2, 102), ylim=(len(scores) - 0.45, -0.55), xlabel="exact answers, %, with 95 % Wilson intervals")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color=FAINT, linewidth=0.7)
    axes.legend(frameon=False, ncols=len(conditions), loc="lower left", bbox_to_anchor=(0, 1))
    return finish(figure)
