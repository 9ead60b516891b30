"""Attention over pictures: a picture with its heat as an image, a figure of one answer token, a strip of all of them.

Colour is viridis, whose brightness rises evenly, so it reads in grey as well; white and black lines around the cells of
twice an even share repeat it. Relative heat is purple below 0 and orange above; its lines go around half the largest.
Cells are drawn as they are: a map smoother than the visual tokens would promise more than the model has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from course_lib.attention import Attention, heat_map, tile_heats
from course_lib.figures import INK, finish
from course_lib.figures_language import token_label

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL import Image

WARM = 2.0  # times an even share: what the lines go around
LONGEST = 480  # pixels on a picture's longer side, so that a page of them stays small
PLACES = (("upper left", "upper middle", "upper right"), ("middle left", "centre", "middle right"),
          ("lower left", "lower middle", "lower right"))  # fmt: skip


def overlay(image: Image.Image, heat: np.ndarray, *, relative: bool = False, hottest: float | None = None) \
        -> Image.Image:
    """The picture in grey under its heat [h, w], of any size, at most 480 px; `hottest` is the end of the scale."""
    import numpy as np
    from matplotlib import colormaps
    from PIL import Image

    picture = image.convert("RGB")
    picture.thumbnail((LONGEST, LONGEST), Image.Resampling.BICUBIC)
    down, across = (np.arange(pixels) * count // pixels for pixels, count in zip(picture.size[::-1], heat.shape))
    heat = heat[down[:, None], across]
    end = hottest or end_of_scale(heat, relative)
    position = heat / (2 * end) + 0.5 if relative else heat / end
    colour = colormaps[_scale_name(relative)](np.clip(position, 0, 1))[..., :3]
    grey = np.asarray(picture.convert("L"), np.float32)[..., None] / 255
    cover = 0.35 + 0.35 * np.clip(np.abs(heat) / end, 0, 1)[..., None]  # where it is cold the picture shows through
    mixed = (1 - cover) * grey + cover * colour
    hot = heat >= (end / 2 if relative else WARM)
    if not hot.all():  # a line needs an outside
        mixed[_edge(hot, 3)] = 0
        mixed[_edge(hot, 1)] = 1
    return Image.fromarray((255 * mixed).astype(np.uint8))


def end_of_scale(heat: np.ndarray, relative: bool = False) -> float:
    """The largest heat, at least 4 (1 if relative): so a map that is nearly even looks so."""
    import numpy as np

    return float(max(np.abs(heat).max(), 1.0) if relative else max(heat.max(), 2 * WARM))


def hottest_place(heat: np.ndarray) -> str:
    """In words, where the middle of the hottest cells lies: "upper left", …, "centre"."""
    import numpy as np

    down, across = np.nonzero(heat >= heat.max())
    row, column = (min(2, int(3 * (where.mean() + 0.5) / count)) for where, count in zip((down, across), heat.shape))
    return PLACES[row][column]


def attention_figure(image: Image.Image, tiles: Sequence[Image.Image], attention: Attention, token: int | None = None,
                     *, picture: int = 0, relative: bool = False) -> Figure:
    """The picture under a token's heat, its tiles (`vlm.tiles(image)`) each under their own, and the thumbnail.

    `token` is a place in the answer, None its mean.
    """
    import matplotlib.pyplot as plt
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    shown = attention.pictures[picture]
    if len(tiles) != shown.tiles:
        raise ValueError(f"{len(tiles)} tiles for a picture of {shown.tiles}: give vlm.tiles(image, max_tiles)")
    heat = heat_map(attention, token, picture=picture, relative=relative)
    heats = tile_heats(attention, token, picture=picture, relative=relative)
    end = end_of_scale(heats, relative)
    aspect = min(max(image.width / image.height, 1 / 6), 6)
    widths = [aspect, shown.columns / shown.rows, 0.6 if shown.thumbnail else 0.001]
    height = min(4.4 if len(tiles) > 1 else 3, 11 / sum(widths))
    figure, panels = plt.subplot_mosaic(
        [["picture", "tiles", "thumbnail"], [".", "scale", "scale"]], figsize=(12, height + 1.9), width_ratios=widths,
        height_ratios=(1, 0.05), layout="constrained",
    )  # fmt: skip
    figure.get_layout_engine().set(h_pad=0.12)  # inches, for the title's three lines
    left, middle, right, bar = (panels[name] for name in ("picture", "tiles", "thumbnail", "scale"))
    left.imshow(overlay(image, heat, relative=relative))
    share = attention.picture_share
    left.set_title(f"{_name(attention, token)}\n{share.mean() if token is None else share[token]:.0%} of its attention "
                   f"goes to the picture,\nat most {heat.max():.1f} {_unit(relative)}", fontsize=10, color=INK)
    for number in range(shown.columns * shown.rows):
        x, y = number % shown.columns, number // shown.columns
        middle.imshow(overlay(tiles[number], heats[number], relative=relative, hottest=end),
                      extent=(x + 0.03, x + 0.97, y + 0.97, y + 0.03))  # fmt: skip
    middle.set(xlim=(0, shown.columns), ylim=(shown.rows, 0), aspect="equal")
    middle.set_title(f"{shown.columns} x {shown.rows} tiles", fontsize=10, color=INK)
    if shown.thumbnail:
        right.imshow(overlay(tiles[-1], heats[-1], relative=relative, hottest=end))
        right.set_title("thumbnail", fontsize=10, color=INK)
    for axes in (left, middle, right):
        axes.axis("off")
    scale = ScalarMappable(Normalize(-end if relative else 0, end), _scale_name(relative))
    lines = f"lines go around {end / 2:.1f}" if relative else f"1 is an even spread, lines go around {WARM:.0f}"
    figure.colorbar(scale, cax=bar, orientation="horizontal",
                    label=f"heat of tiles and thumbnail ({_unit(relative)}); {lines}")
    return finish(figure)


def answer_strip(image: Image.Image, attention: Attention, *, picture: int = 0, relative: bool = False,
                 columns: int = 6) -> Figure:
    """A small picture for each answer token under its heat; above it, its share for the picture and the most heat.

    Each has a scale of its own: the most heat says how far apart two maps are.
    """
    import matplotlib.pyplot as plt

    count = len(attention.tokens)
    rows = -(-count // columns)
    each = 12 / columns
    figure, axes = plt.subplots(rows, columns, squeeze=False, layout="constrained",
                                figsize=(12, rows * (each * image.height / image.width + 0.5)))
    for token, one in enumerate(axes.flat):
        one.axis("off")
        if token < count:
            _small(one, image, attention, token, picture, relative)
    return finish(figure)


def _small(axes: Axes, image: Image.Image, attention: Attention, token: int, picture: int, relative: bool) -> None:
    heat = heat_map(attention, token, picture=picture, relative=relative)
    axes.imshow(overlay(image, heat, relative=relative))
    axes.set_title(f"{_name(attention, token)}\n{attention.picture_share[token]:.0%}, at most {heat.max():.1f}",
                   fontsize=9, color=INK)  # fmt: skip


def _scale_name(relative: bool) -> str:
    return "PuOr_r" if relative else "viridis"


def _unit(relative: bool) -> str:
    return "x an even spread, more than the mean" if relative else "x an even spread"


def _name(attention: Attention, token: int | None) -> str:
    if token is None:
        return f"mean of all {len(attention.tokens)} tokens"
    return f"{token + 1}: {token_label(attention.tokens[token], attention.token_ids[token])}"


def _edge(hot: np.ndarray, thickness: int) -> np.ndarray:
    """Pixels at most so far inside the hot area's border."""
    import numpy as np

    inside = np.pad(hot, 1, constant_values=True)
    for _ in range(thickness):
        core = inside.copy()
        core[1:-1, 1:-1] = (inside[1:-1, 1:-1] & inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2]
                            & inside[1:-1, 2:])
        inside = core
    return hot & ~inside[1:-1, 1:-1]
