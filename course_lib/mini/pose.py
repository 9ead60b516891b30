"""A place for a cartoon thing: drawing in the thing's own coordinates, whatever its size, tilt and direction."""

import math
from dataclasses import dataclass

from course_lib.mini.canvas import Canvas, Colour, Point, smooth

INK: Colour = (44, 34, 48)  # outlines
WHITE: Colour = (255, 253, 248)
_CIRCLES = {
    corners: [(math.cos(2 * math.pi * k / corners), math.sin(2 * math.pi * k / corners)) for k in range(corners)]
    for corners in (12, 20, 48)
}


@dataclass(frozen=True)
class Pose:
    """The square of side `size` about (x, y) in which a thing is drawn, as coordinates -0.5 ... 0.5, y downwards.

    `flip` mirrors left and right, `angle` turns clockwise by degrees, `line` is the outline's width as a fraction.
    """

    canvas: Canvas
    x: float
    y: float
    size: float
    flip: bool = False
    angle: float = 0.0
    line: float = 0.035

    @property
    def fine(self) -> bool:
        """Whether the thing is large enough for small details to be seen."""
        return self.size > 44

    def to_canvas(self, points: list[Point]) -> list[Point]:
        """`points` of the thing as points of the canvas."""
        turn = math.radians(self.angle)
        c, s = self.size * math.cos(turn), self.size * math.sin(turn)
        m = -1 if self.flip else 1
        return [(self.x + m * x * c - y * s, self.y + m * x * s + y * c) for x, y in points]

    def at(self, x: float, y: float, size: float, angle: float = 0.0, flip: bool = False) -> "Pose":
        """The place of a part (or of another thing) centred on this thing's (x, y), `size` times as large."""
        (cx, cy), = self.to_canvas([(x, y)])
        turned = self.angle + (-angle if self.flip else angle)
        return Pose(self.canvas, cx, cy, self.size * size, self.flip != flip, turned, self.line / size)

    def polygon(self, points: list[Point], fill: Colour | None, line: float | None = None, ink: Colour = INK) -> None:
        """A filled polygon, its outline `line` wide (None: the usual width, 0: none)."""
        line = self.line if line is None else line
        placed = self.to_canvas(points)
        if line:
            self.canvas.line([*placed, placed[0], placed[1]], ink, line * self.size)
        if fill is not None:
            self.canvas.polygon(placed, fill)

    def shape(self, points: list[Point], fill: Colour | None, line: float | None = None, ink: Colour = INK) -> None:
        """A smooth closed shape through `points`."""
        self.polygon(smooth(points, steps=6 if self.size > 90 else 3), fill, line, ink)

    def ellipse(
        self, x: float, y: float, rx: float, ry: float, fill: Colour, line: float | None = None, angle: float = 0,
        ink: Colour = INK,
    ) -> None:
        """An ellipse about (x, y), its outline outside the radii `rx` and `ry`."""
        reach = max(rx, ry) * self.size
        circle = _CIRCLES[12 if reach < 5 else 20 if reach < 30 else 48]
        c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        line = self.line if line is None else line
        for grow, colour in ((line / 2, ink), (0, fill)) if line else ((0, fill),):
            a, b = rx + grow, ry + grow
            points = [(x + a * u * c - b * v * s, y + a * u * s + b * v * c) for u, v in circle]
            self.canvas.polygon(self.to_canvas(points), colour)

    def box(
        self, x: float, y: float, width: float, height: float, radius: float, fill: Colour, line: float | None = None,
        ink: Colour = INK,
    ) -> None:
        """A rectangle centred on (x, y) with round corners."""
        dx, dy = width / 2 - radius, height / 2 - radius
        corners = 3 if self.size < 90 else 7
        points = []
        for cx, cy, start in ((1, 1, 0), (-1, 1, 90), (-1, -1, 180), (1, -1, 270)):
            for k in range(corners):
                t = math.radians(start + 90 * k / (corners - 1))
                points.append((x + cx * dx + radius * math.cos(t), y + cy * dy + radius * math.sin(t)))
        self.polygon(points, fill, line, ink)

    def stroke(self, points: list[Point], colour: Colour = INK, width: float | None = None) -> None:
        """A smooth open line through `points`."""
        placed = self.to_canvas(smooth(points, closed=False, steps=6 if self.size > 90 else 3))
        self.canvas.line(placed, colour, (self.line if width is None else width) * self.size)

    def limb(self, points: list[Point], colour: Colour, width: float) -> None:
        """An arm, leg or tail: a thick smooth line with an outline."""
        self.stroke(points, INK, width + 2 * self.line * 0.6)
        self.stroke(points, colour, width)
