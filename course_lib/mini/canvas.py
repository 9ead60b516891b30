"""A small drawing surface: smooth shapes on a supersampled Pillow image, the same bits on every machine.

Coordinates and sizes are in pixels of the finished picture and may be fractions. Colours are `(r, g, b)` or
`(r, g, b, alpha)` with values 0-255; a colour with alpha is blended over what is already there.
"""

import math
from random import Random

from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[int, ...]
Point = tuple[float, float]


def mix(a: Colour, b: Colour, t: float) -> Colour:
    """The colour a fraction `t` of the way from `a` to `b`."""
    return tuple(round(x + (y - x) * t) for x, y in zip(a[:3], b[:3], strict=True))


def shade(colour: Colour, amount: float) -> Colour:
    """Lighter for `amount` > 0 (1 is white), darker for `amount` < 0 (-1 is black)."""
    return mix(colour, (255, 255, 255) if amount > 0 else (0, 0, 0), abs(amount))


def rotate(points: list[Point], angle: float, centre: Point = (0.0, 0.0)) -> list[Point]:
    """`points` turned clockwise on the screen by `angle` degrees about `centre`."""
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    x0, y0 = centre
    return [(x0 + (x - x0) * c - (y - y0) * s, y0 + (x - x0) * s + (y - y0) * c) for x, y in points]


def smooth(points: list[Point], closed: bool = True, steps: int = 6) -> list[Point]:
    """A Catmull-Rom curve through `points`, as a dense list of points."""
    n = len(points)
    curve = []
    for i in range(n if closed else n - 1):
        if closed:
            p0, p1, p2, p3 = (points[(i + k) % n] for k in (-1, 0, 1, 2))
        else:
            p0, p1, p2, p3 = (points[min(max(i + k, 0), n - 1)] for k in (-1, 0, 1, 2))
        for step in range(steps):
            t = step / steps
            curve.append(
                tuple(
                    0.5
                    * (
                        2 * b
                        + (c - a) * t
                        + (2 * a - 5 * b + 4 * c - d) * t * t
                        + (3 * b - a - 3 * c + d) * t * t * t
                    )
                    for a, b, c, d in zip(p0, p1, p2, p3, strict=True)
                )
            )
    if not closed:
        curve.append(points[-1])
    return curve


class Canvas:
    """A picture being drawn, `width` x `height` pixels, drawn `supersample` times larger and reduced at the end."""

    def __init__(self, width: int, height: int, background: Colour = (255, 255, 255), supersample: int = 2):
        self.width, self.height, self.scale = width, height, supersample
        self.image = Image.new("RGB", (width * supersample, height * supersample), tuple(background[:3]))
        self._draw = ImageDraw.Draw(self.image, "RGBA")

    def _points(self, points: list[Point]) -> list[Point]:
        return [(x * self.scale, y * self.scale) for x, y in points]

    def gradient(self, top: Colour, bottom: Colour) -> None:
        """Fill the whole picture with a vertical gradient."""
        strip = Image.new("RGB", (1, self.image.height))
        for y in range(self.image.height):
            strip.putpixel((0, y), mix(top, bottom, y / max(self.image.height - 1, 1)))
        self.image.paste(strip.resize(self.image.size, Image.Resampling.NEAREST))

    def polygon(self, points: list[Point], fill: Colour | None, outline: Colour | None = None, width: float = 0) -> None:
        """A filled polygon; `width` is the outline's."""
        scaled = self._points(points)
        if fill is not None:
            self._draw.polygon(scaled, fill=tuple(fill))
        if outline is not None and width > 0:
            self.line([*points, points[0]], outline, width)

    def line(self, points: list[Point], colour: Colour, width: float) -> None:
        """A line through `points` with round joints and ends."""
        scaled, thick = self._points(points), max(1, round(width * self.scale))
        self._draw.line(scaled, fill=tuple(colour), width=thick, joint="curve")
        if len(colour) == 3 and thick > 2:  # round ends; with alpha they would show as dots
            for x, y in (scaled[0], scaled[-1]):
                self._draw.ellipse((x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2), fill=tuple(colour))

    def curve(self, points: list[Point], colour: Colour, width: float) -> None:
        """A smooth open line through `points`."""
        self.line(smooth(points, closed=False), colour, width)

    def shape(self, points: list[Point], fill: Colour | None, outline: Colour | None = None, width: float = 0) -> None:
        """A smooth closed shape through `points`."""
        self.polygon(smooth(points), fill, outline, width)

    def ellipse(
        self, x: float, y: float, rx: float, ry: float, fill: Colour | None,
        outline: Colour | None = None, width: float = 0, angle: float = 0,
    ) -> None:
        """An ellipse about (x, y) with radii `rx` and `ry`, turned by `angle` degrees."""
        corners = 24 if max(rx, ry) * self.scale < 40 else 64
        turn = [2 * math.pi * k / corners for k in range(corners)]
        points = [(x + rx * math.cos(t), y + ry * math.sin(t)) for t in turn]
        self.polygon(rotate(points, angle, (x, y)) if angle else points, fill, outline, width)

    def rounded(
        self, x: float, y: float, width: float, height: float, radius: float, fill: Colour,
        outline: Colour | None = None, line_width: float = 0, angle: float = 0,
    ) -> None:
        """A rectangle centred on (x, y) with round corners, turned by `angle` degrees."""
        radius = min(radius, width / 2, height / 2)
        points = []
        for cx, cy, start in ((1, 1, 0), (-1, 1, 90), (-1, -1, 180), (1, -1, 270)):
            for k in range(6):
                t = math.radians(start + 18 * k)
                points.append(
                    (x + cx * (width / 2 - radius) + radius * math.cos(t), y + cy * (height / 2 - radius) + radius * math.sin(t))
                )
        self.polygon(rotate(points, angle, (x, y)) if angle else points, fill, outline, line_width)

    def blob(
        self, x: float, y: float, rx: float, ry: float, fill: Colour, rng: Random, wobble: float = 0.15,
        outline: Colour | None = None, width: float = 0, corners: int = 9, angle: float = 0,
    ) -> None:
        """An irregular smooth shape about (x, y): an ellipse whose radius varies by up to `wobble`."""
        points = []
        for k in range(corners):
            t, r = 2 * math.pi * k / corners, 1 + rng.uniform(-wobble, wobble)
            points.append((x + rx * r * math.cos(t), y + ry * r * math.sin(t)))
        self.shape(rotate(points, angle, (x, y)) if angle else points, fill, outline, width)

    def shadow(self, x: float, y: float, rx: float, ry: float, strength: int = 60, layers: int = 5) -> None:
        """A soft dark ellipse, for things that stand or lie on something."""
        for k in range(layers):
            grow = 1 + 0.08 * (layers - 1 - k)
            self.ellipse(x, y, rx * grow, ry * grow, (40, 30, 20, strength // layers))

    def soft(self, polygons: list[list[Point]], colour: Colour, strength: int = 255, blur: float = 8.0) -> None:
        """Polygons filled with a soft edge, for light, shadow and steam; `strength` 255 is opaque, `blur` in pixels."""
        margin = math.ceil(3 * blur)
        xs, ys = ([point[axis] for points in polygons for point in points] for axis in (0, 1))
        left, top = max(0, math.floor(min(xs)) - margin), max(0, math.floor(min(ys)) - margin)
        right, bottom = min(self.width, math.ceil(max(xs)) + margin), min(self.height, math.ceil(max(ys)) + margin)
        if right <= left or bottom <= top:
            return
        coarse = 4 if blur >= 12 else 2 if blur >= 5 else 1  # a blurred mask needs few pixels
        mask = Image.new("L", (math.ceil((right - left) / coarse), math.ceil((bottom - top) / coarse)), 0)
        draw = ImageDraw.Draw(mask)
        for points in polygons:
            draw.polygon([((x - left) / coarse, (y - top) / coarse) for x, y in points], fill=strength)
        mask = mask.filter(ImageFilter.GaussianBlur(blur / coarse))
        grow = coarse * self.scale
        mask = mask.resize((mask.width * grow, mask.height * grow), Image.Resampling.BILINEAR)
        self.image.paste(tuple(colour[:3]), (left * self.scale, top * self.scale), mask)

    def finish(self) -> Image.Image:
        """The picture at its final size."""
        return self.image.reduce(self.scale) if self.scale > 1 else self.image
