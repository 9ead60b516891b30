"""What a drawn thing is, the ten colours, and the plain geometric things."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from course_lib.mini.canvas import Canvas, Colour, rotate, shade


@dataclass(frozen=True)
class Sprite:
    """A kind of thing that can be drawn in any of the ten colours.

    `draw(canvas, x, y, size, colour, rng)` draws it centred on (x, y) inside a square of side `size` pixels, its main
    surface in `colour`; `rng` varies small details. `measure` is the Chinese measure word: 一`measure``zh`.
    """

    zh: str
    en: str
    en_plural: str
    measure: str
    draw: Callable[[Canvas, float, float, float, Colour, Random], None]


@dataclass(frozen=True)
class NamedColour:
    """A colour with its names; `zh` stands before 的."""

    zh: str
    en: str
    rgb: Colour


COLOURS = {
    "red": NamedColour("红色", "red", (214, 48, 49)),
    "orange": NamedColour("橙色", "orange", (240, 140, 30)),
    "yellow": NamedColour("黄色", "yellow", (247, 209, 56)),
    "green": NamedColour("绿色", "green", (66, 160, 71)),
    "blue": NamedColour("蓝色", "blue", (52, 120, 214)),
    "purple": NamedColour("紫色", "purple", (136, 78, 178)),
    "white": NamedColour("白色", "white", (246, 244, 238)),
    "black": NamedColour("黑色", "black", (52, 50, 54)),
    "brown": NamedColour("棕色", "brown", (134, 84, 48)),
    "pink": NamedColour("粉色", "pink", (246, 150, 180)),
}


def _regular(x: float, y: float, radii: list[float], turn: float) -> list[tuple[float, float]]:
    """The corners of a polygon whose corner k lies at `radii[k]` from the centre."""
    step = 2 * math.pi / len(radii)
    points = [(x + r * math.sin(k * step), y - r * math.cos(k * step)) for k, r in enumerate(radii)]
    return rotate(points, turn, (x, y))


def _circle(canvas: Canvas, x: float, y: float, size: float, colour: Colour, rng: Random) -> None:
    canvas.ellipse(x, y, size * 0.46, size * 0.46, colour, shade(colour, -0.3), size * 0.04)
    canvas.ellipse(x - size * 0.15, y - size * 0.17, size * 0.1, size * 0.07, (*shade(colour, 0.6), 170), angle=-35)


def _square(canvas: Canvas, x: float, y: float, size: float, colour: Colour, rng: Random) -> None:
    canvas.rounded(x, y, size * 0.82, size * 0.82, size * 0.06, colour, shade(colour, -0.3), size * 0.04, rng.uniform(-8, 8))


def _triangle(canvas: Canvas, x: float, y: float, size: float, colour: Colour, rng: Random) -> None:
    points = _regular(x, y + size * 0.08, [size * 0.52] * 3, rng.uniform(-8, 8))
    canvas.polygon(points, colour, shade(colour, -0.3), size * 0.04)


def _star(canvas: Canvas, x: float, y: float, size: float, colour: Colour, rng: Random) -> None:
    points = _regular(x, y, [size * (0.5 if k % 2 == 0 else 0.21) for k in range(10)], rng.uniform(-10, 10))
    canvas.polygon(points, colour, shade(colour, -0.3), size * 0.04)


def _heart(canvas: Canvas, x: float, y: float, size: float, colour: Colour, rng: Random) -> None:
    points = []
    for k in range(28):
        t = 2 * math.pi * k / 28
        px = 16 * math.sin(t) ** 3
        py = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
        points.append((x + px / 34 * size * 0.95, y - py / 34 * size * 0.95))
    canvas.polygon(points, colour, shade(colour, -0.3), size * 0.04)


def _ring(canvas: Canvas, x: float, y: float, size: float, colour: Colour, rng: Random) -> None:
    points = [(x + size * 0.36 * math.cos(k * math.pi / 16), y + size * 0.36 * math.sin(k * math.pi / 16)) for k in range(33)]
    canvas.line(points, shade(colour, -0.3), size * 0.23)
    canvas.line(points, colour, size * 0.17)


SHAPES = {
    "circle": Sprite("圆形", "circle", "circles", "个", _circle),
    "square": Sprite("方块", "square", "squares", "个", _square),
    "triangle": Sprite("三角形", "triangle", "triangles", "个", _triangle),
    "star": Sprite("星星", "star", "stars", "颗", _star),
    "heart": Sprite("爱心", "heart", "hearts", "颗", _heart),
    "ring": Sprite("圆环", "ring", "rings", "个", _ring),
}
