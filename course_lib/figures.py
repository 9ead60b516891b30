"""What the course's drawn figures share: a palette that colour-blind readers can tell apart, boxes and arrows.

Figures are drawn by code from data and returned as matplotlib Figures; the notebook cell that returns one shows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette (2008), with ink and grey for everything that is not data.
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PINK, YELLOW = "#56B4E9", "#CC79A7", "#F0E442"
INK, GREY, FAINT = "#1F2933", "#6B7280", "#D5D9E0"


def tint(colour: str, strength: float) -> tuple[float, float, float]:
    """The colour mixed with white: 1 is the colour itself, 0 is white."""
    from matplotlib.colors import to_rgb

    return tuple(1 - strength * (1 - channel) for channel in to_rgb(colour))


def canvas(width: float, height: float, figsize: tuple[float, float]) -> tuple[Figure, Axes]:
    """A figure with one set of axes without frame or ticks, `width` x `height` units, y pointing down."""
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=figsize, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    return figure, axes


def box(axes: Axes, x: float, y: float, width: float, height: float, colour: str, *, frozen: bool = False) -> None:
    """A rounded box; a frozen part is pale with a dashed border, a trained one is tinted with a solid border."""
    from matplotlib.patches import FancyBboxPatch

    axes.add_patch(
        FancyBboxPatch(
            (x, y), width, height, boxstyle="round,pad=0,rounding_size=0.12",
            facecolor="#F7F8FA" if frozen else tint(colour, 0.22),
            edgecolor=GREY if frozen else colour,
            linewidth=1.1 if frozen else 1.8, linestyle=(0, (4, 2)) if frozen else "-",
        )
    )  # fmt: skip


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], colour: str = INK) -> None:
    """A thin arrow from `start` to `end`, in the axes' units."""
    style = {"arrowstyle": "-|>", "color": colour, "linewidth": 1.1, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 10}
    axes.annotate("", end, start, arrowprops=style)


def finish(figure: Figure) -> Figure:
    """The figure, closed for pyplot: the cell that returns it shows it, not a second time the inline backend."""
    import matplotlib.pyplot as plt

    plt.close(figure)
    return figure
