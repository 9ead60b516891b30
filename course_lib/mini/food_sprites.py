"""Generic ingredients and containers, drawn in any of the ten colours: fish, noodles, dumplings, plates, pots."""

import math
from random import Random

from course_lib.mini.canvas import Canvas, Colour, Point, mix, rotate, shade, smooth
from course_lib.mini.sprites import Sprite

CREAM = (250, 238, 214)
INK = (38, 30, 28)
STEM = (86, 130, 60)
STICK = (196, 148, 92)


class Pen:
    """Draws in units of `size` about (x, y), turned by `angle` degrees and mirrored if `flip`: u right, v down."""

    def __init__(self, canvas: Canvas, x: float, y: float, size: float, angle: float = 0, flip: bool = False):
        self.canvas, self.x, self.y, self.size = canvas, x, y, size
        self.angle, self.sign = angle, -1 if flip else 1

    def at(self, points: list[Point]) -> list[Point]:
        """Points of the sprite as points of the picture."""
        placed = [(self.x + self.sign * u * self.size, self.y + v * self.size) for u, v in points]
        return rotate(placed, self.angle, (self.x, self.y)) if self.angle else placed

    def shape(self, points: list[Point], fill: Colour | None, outline: Colour | None = None, width: float = 0) -> None:
        self.canvas.shape(self.at(points), fill, outline, width * self.size)

    def polygon(
        self, points: list[Point], fill: Colour | None, outline: Colour | None = None, width: float = 0
    ) -> None:
        self.canvas.polygon(self.at(points), fill, outline, width * self.size)

    def curve(self, points: list[Point], colour: Colour, width: float) -> None:
        self.canvas.curve(self.at(points), colour, width * self.size)

    def gloss(self, points: list[Point], colour: Colour, width: float) -> None:
        """A translucent streak through `points`, thick in the middle: a light's reflection."""
        spine, last = smooth(points, closed=False), 6 * (len(points) - 1)
        bulge = [0.5 * width * math.sin(math.pi * k / last) ** 0.5 for k in range(last)] + [0.0]
        ahead = [*spine[1:], spine[-1]]
        across = [(v - y, x - u) for (u, v), (x, y) in zip(spine, ahead, strict=True)]
        across[-1] = across[-2]
        sides: tuple[list[Point], list[Point]] = ([], [])
        for (u, v), (du, dv), half in zip(spine, across, bulge, strict=True):
            length = math.hypot(du, dv)
            for side, sign in zip(sides, (1, -1), strict=True):
                side.append((u + sign * half * du / length, v + sign * half * dv / length))
        self.polygon(sides[0] + sides[1][::-1], colour)

    def line(self, points: list[Point], colour: Colour, width: float) -> None:
        self.canvas.line(self.at(points), colour, width * self.size)

    def ellipse(
        self, u: float, v: float, ru: float, rv: float, fill: Colour | None,
        outline: Colour | None = None, width: float = 0, angle: float = 0,
    ) -> None:
        (x, y), = self.at([(u, v)])
        s = self.size
        self.canvas.ellipse(x, y, ru * s, rv * s, fill, outline, width * s, self.sign * angle + self.angle)


def _tones(colour: Colour) -> tuple[Colour, Colour, Colour]:
    """Edge, shadow and light of a surface; black is lit more, so that its details show."""
    dark = sum(colour[:3]) < 240
    return shade(colour, -0.5 if dark else -0.38), shade(colour, -0.16), shade(colour, 0.32 if dark else 0.45)


def _pen(canvas: Canvas, x: float, y: float, size: float, rng: Random, angle: float | None, swing: float) -> Pen:
    """A pen at the given angle, or turned and mirrored at random by up to `swing` degrees."""
    turn, flip = rng.uniform(-swing, swing), rng.random() < 0.5
    return Pen(canvas, x, y, size, turn if angle is None else angle, flip)


def _fish(
    canvas: Canvas, x: float, y: float, size: float, colour: Colour, rng: Random, angle: float | None = None
) -> None:
    pen, (edge, dark, light) = _pen(canvas, x, y, size, rng, angle, 30), _tones(colour)
    pen.shape([(0.24, 0.0), (0.47, -0.2), (0.42, 0.0), (0.47, 0.2)], dark, edge, 0.025)
    pen.shape([(-0.14, -0.15), (0.0, -0.3), (0.1, -0.24), (0.18, -0.1)], dark, edge, 0.025)
    pen.shape([(-0.06, 0.14), (0.0, 0.27), (0.09, 0.13)], dark, edge, 0.025)
    body = [(-0.48, 0.01), (-0.36, -0.13), (-0.12, -0.2), (0.12, -0.14), (0.3, -0.05), (0.3, 0.05), (0.12, 0.14),
        (-0.12, 0.19), (-0.36, 0.12)]
    pen.shape(body, colour, edge, 0.03)
    pen.shape([(-0.4, 0.06), (-0.1, 0.06), (0.22, 0.03), (0.1, 0.12), (-0.12, 0.16), (-0.34, 0.1)], (*light, 120))
    pen.curve([(-0.25, -0.14), (-0.19, 0.0), (-0.25, 0.13)], edge, 0.025)
    if size > 40:
        for row, start, count in ((-0.07, -0.13, 4), (0.0, -0.08, 4), (0.07, -0.13, 4)):
            for k in range(count):
                u = start + 0.1 * k
                pen.curve([(u, row - 0.035), (u + 0.035, row), (u, row + 0.035)], (*edge, 150), 0.014)
        for v in (-0.1, 0.0, 0.1):
            pen.line([(0.36, v * 0.6), (0.43, v * 1.2)], (*edge, 160), 0.012)
        pen.curve([(-0.34, -0.105), (-0.12, -0.165), (0.08, -0.12)], (*shade(light, 0.5), 170), 0.022)
    pen.ellipse(-0.36, -0.035, 0.042, 0.042, (255, 255, 255), edge, 0.012)
    pen.ellipse(-0.365, -0.035, 0.022, 0.022, INK)


def _noodles(
    canvas: Canvas, x: float, y: float, size: float, colour: Colour, rng: Random, angle: float | None = None
) -> None:
    pen, (edge, dark, light) = _pen(canvas, x, y, size, rng, angle, 40), _tones(colour)
    pen.ellipse(0, 0.03, 0.43, 0.36, dark, edge, 0.03)
    strands = [
        [(-0.46, 0.2), (-0.36, -0.16), (0.0, -0.33), (0.36, -0.18), (0.46, 0.16)],
        [(-0.4, 0.3), (-0.28, -0.02), (0.02, -0.2), (0.3, -0.04), (0.4, 0.26)],
        [(-0.3, -0.26), (-0.06, -0.12), (0.12, 0.12), (0.08, 0.4), (-0.06, 0.47)],
        [(0.32, -0.28), (0.1, -0.12), (-0.16, 0.02), (-0.3, 0.22), (-0.26, 0.42)],
        [(-0.44, 0.04), (-0.2, 0.2), (0.08, 0.26), (0.3, 0.14), (0.42, -0.1)],
        [(-0.12, 0.08), (0.06, -0.06), (0.2, 0.06), (0.08, 0.2), (-0.1, 0.14)],
    ]
    for strand in strands:
        strand = [(u + rng.uniform(-0.025, 0.025), v + rng.uniform(-0.025, 0.025)) for u, v in strand]
        pen.curve(strand, edge, 0.105)
        pen.curve(strand, colour, 0.075)
        if size > 40:
            pen.curve([(u - 0.012, v - 0.016) for u, v in strand], (*light, 150), 0.02)


def _dumpling(
    canvas: Canvas, x: float, y: float, size: float, colour: Colour, rng: Random, angle: float | None = None
) -> None:
    pen, (edge, dark, light) = _pen(canvas, x, y, size, rng, angle, 22), _tones(colour)
    frill = []
    for k in range(11):
        t = math.pi * (1 - k / 10)
        r = 1.0 if k % 2 else 0.86
        frill.append((0.47 * math.cos(t) * (0.97 + 0.03 * r), 0.12 - 0.42 * math.sin(t) * r))
    pen.shape([*frill, (0.4, 0.2), (0.2, 0.27), (-0.2, 0.27), (-0.4, 0.2)], dark, edge, 0.028)
    pen.shape([(-0.42, 0.13), (-0.28, -0.08), (0.0, -0.17), (0.28, -0.08), (0.42, 0.13), (0.24, 0.25),
        (-0.24, 0.25)], colour)
    for k in range(5):
        t = math.pi * (0.82 - 0.16 * k)
        u, v = math.cos(t), math.sin(t)
        pen.line([(0.4 * u, 0.12 - 0.35 * v), (0.27 * u, 0.11 - 0.16 * v)], (*edge, 210), 0.022)
    pen.ellipse(-0.14, 0.06, 0.13, 0.05, (*shade(light, 0.4), 190), angle=-16)
    pen.curve([(-0.34, 0.2), (0.0, 0.255), (0.34, 0.2)], (*edge, 70), 0.05)


def _meat(
    canvas: Canvas, x: float, y: float, size: float, colour: Colour, rng: Random, angle: float | None = None
) -> None:
    pen, (edge, dark, light) = _pen(canvas, x, y, size, rng, angle, 18), _tones(colour)
    pen.shape([(-0.42, -0.12), (-0.3, -0.36), (0.28, -0.38), (0.44, -0.16), (0.42, 0.26), (0.3, 0.38),
        (-0.32, 0.38), (-0.42, 0.26)], dark, edge, 0.03)
    bottom = [(-0.4, -0.02), (0.4, -0.05), (0.39, 0.25), (0.28, 0.34), (-0.3, 0.34), (-0.39, 0.24)]
    pen.shape(bottom, shade(colour, -0.12))
    for v, tone in ((0.1, shade(light, 0.25)), (0.24, shade(light, 0.1))):  # the layers of fat
        pen.curve([(-0.36, v - 0.01), (-0.12, v + 0.025), (0.12, v - 0.02), (0.36, v)], tone, 0.05)
    pen.shape([(-0.37, -0.12), (-0.26, -0.32), (0.26, -0.34), (0.39, -0.15), (0.0, -0.05)], mix(colour, light, 0.28))
    pen.ellipse(-0.1, -0.23, 0.14, 0.045, (*shade(light, 0.6), 190), angle=-4)
    if size > 40:
        pen.ellipse(0.2, -0.2, 0.05, 0.025, (*shade(light, 0.6), 150), angle=10)
        pen.curve([(-0.28, 0.17), (-0.06, 0.19), (0.2, 0.16)], (*edge, 90), 0.014)


def _egg(
    canvas: Canvas, x: float, y: float, size: float, colour: Colour, rng: Random, angle: float | None = None
) -> None:
    pen, (edge, _, light) = _pen(canvas, x, y, size, rng, angle, 40), _tones(colour)
    white = []
    for k in range(11):
        t, r = 2 * math.pi * k / 11, 0.44 + rng.uniform(-0.065, 0.05)
        white.append((r * math.cos(t), 0.94 * r * math.sin(t)))
    pen.shape(white, colour, edge, 0.03)
    pen.shape([(0.86 * u - 0.015, 0.86 * v - 0.02) for u, v in white], mix(colour, light, 0.35))
    pen.ellipse(0.03, 0.03, 0.2, 0.19, (*edge, 110))
    pen.ellipse(0.01, 0.0, 0.19, 0.18, (252, 176, 32), (214, 120, 20), 0.022)
    pen.ellipse(-0.05, -0.06, 0.07, 0.045, (255, 240, 190, 220), angle=-35)


def _leaf(
    canvas: Canvas, x: float, y: float, size: float, colour: Colour, rng: Random, angle: float | None = None
) -> None:
    pen, (edge, _, light) = _pen(canvas, x, y, size, rng, angle, 50), _tones(colour)
    pen.curve([(0.28, 0.04), (0.4, 0.08), (0.49, 0.15)], edge, 0.045)
    pen.shape([(-0.48, -0.05), (-0.26, -0.22), (0.02, -0.26), (0.24, -0.13), (0.33, 0.05), (0.18, 0.2),
        (-0.06, 0.24), (-0.3, 0.13)], colour, edge, 0.03)
    pen.shape([(-0.44, -0.03), (-0.1, 0.02), (0.3, 0.06), (0.17, 0.17), (-0.06, 0.21), (-0.28, 0.11)], (*edge, 60))
    pen.curve([(-0.44, -0.05), (-0.06, 0.0), (0.3, 0.05)], light, 0.03)
    for u in (-0.22, -0.02, 0.16):
        pen.line([(u, 0.01 + 0.06 * u), (u - 0.12, -0.15)], (*light, 190), 0.018)
        pen.line([(u, 0.01 + 0.06 * u), (u - 0.08, 0.15)], (*light, 150), 0.018)


def _chilli(
    canvas: Canvas, x: float, y: float, size: float, colour: Colour, rng: Random, angle: float | None = None
) -> None:
    pen, (edge, _, light) = _pen(canvas, x, y, size, rng, angle, 50), _tones(colour)
    pen.curve([(-0.32, -0.11), (-0.41, -0.18), (-0.45, -0.27)], shade(STEM, -0.25), 0.06)
    pen.shape([(-0.36, -0.02), (-0.28, -0.18), (-0.08, -0.16), (0.16, -0.06), (0.36, -0.04), (0.49, -0.14),
        (0.42, 0.08), (0.2, 0.2), (-0.08, 0.2), (-0.28, 0.12)], colour, edge, 0.03)
    pen.shape([(-0.3, 0.06), (-0.06, 0.1), (0.2, 0.1), (0.42, -0.01), (0.36, 0.1), (0.18, 0.17), (-0.08, 0.17),
        (-0.26, 0.1)], (*edge, 90))
    pen.curve([(-0.22, -0.08), (-0.02, -0.06), (0.18, 0.02)], (*shade(light, 0.45), 220), 0.04)
    pen.shape([(-0.36, -0.15), (-0.28, -0.19), (-0.22, -0.08), (-0.3, -0.04), (-0.33, 0.04),
        (-0.39, -0.04)], STEM, shade(STEM, -0.4), 0.018)


def _mushroom(
    canvas: Canvas, x: float, y: float, size: float, colour: Colour, rng: Random, angle: float | None = None
) -> None:
    pen, (edge, _, light) = _pen(canvas, x, y, size, rng, angle, 25), _tones(colour)
    pen.shape([(-0.13, 0.0), (0.13, 0.0), (0.13, 0.24), (0.18, 0.42), (0.0, 0.47), (-0.18, 0.42),
        (-0.13, 0.24)], CREAM, (170, 140, 104), 0.026)
    pen.shape([(-0.1, 0.03), (0.1, 0.03), (0.1, 0.14), (-0.1, 0.14)], (170, 140, 104, 130))
    cap = [(-0.47, 0.04), (-0.4, -0.2), (-0.2, -0.4), (0.08, -0.44), (0.32, -0.3), (0.47, 0.02), (0.34, 0.11),
        (0.0, 0.06), (-0.34, 0.12)]
    pen.shape(cap, colour, edge, 0.03)
    pen.shape([(-0.43, 0.03), (0.0, -0.03), (0.43, 0.01), (0.33, 0.08), (0.0, 0.03), (-0.33, 0.09)], (*edge, 120))
    for u, v, r in ((-0.18, -0.2, 0.085), (0.14, -0.26, 0.065), (0.26, -0.08, 0.05), (-0.02, -0.08, 0.045)):
        pen.ellipse(u, v, r * 1.15, r * 0.85, light, angle=-20)
    pen.ellipse(-0.2, -0.3, 0.1, 0.03, (*shade(light, 0.6), 150), angle=-38)


def _shrimp(
    canvas: Canvas, x: float, y: float, size: float, colour: Colour, rng: Random, angle: float | None = None
) -> None:
    pen, (edge, dark, light) = _pen(canvas, x, y, size, rng, angle, 40), _tones(colour)
    pen.curve([(-0.3, -0.2), (-0.46, -0.3), (-0.36, -0.46), (-0.06, -0.47)], edge, 0.022)
    pen.curve([(-0.32, -0.16), (-0.49, -0.14), (-0.49, 0.1)], edge, 0.022)
    pen.shape([(-0.02, 0.29), (-0.12, 0.47), (-0.24, 0.46), (-0.2, 0.32)], dark, edge, 0.022)
    pen.shape([(-0.06, 0.27), (-0.3, 0.33), (-0.36, 0.22), (-0.2, 0.18)], dark, edge, 0.022)
    for k in range(6, -1, -1):  # from tail to head, each segment over the one behind it
        t = math.radians(-112 + 31 * k)
        r = 0.17 - 0.0125 * k
        u, v = 0.02 + 0.25 * math.cos(t), 0.03 + 0.27 * math.sin(t)
        if k < 6:
            pen.line([(u * 0.9, v * 0.9), (0.02 + (u - 0.02) * 0.2, 0.03 + (v - 0.03) * 0.25)], edge, 0.022)
        pen.ellipse(u, v, r, r * 0.9, colour if k % 2 == 0 else mix(colour, light, 0.35), edge, 0.024, math.degrees(t))
    pen.shape([(0.06, -0.36), (-0.2, -0.33), (-0.43, -0.18), (-0.24, -0.08), (0.0, -0.1),
        (0.09, -0.2)], colour, edge, 0.026)
    pen.curve([(0.0, -0.31), (-0.14, -0.28), (-0.25, -0.21)], (*shade(light, 0.5), 210), 0.03)
    pen.ellipse(-0.25, -0.19, 0.038, 0.038, INK)
    pen.curve([(0.18, -0.19), (0.29, 0.0), (0.24, 0.19)], (*shade(light, 0.5), 150), 0.025)


def _crab(
    canvas: Canvas, x: float, y: float, size: float, colour: Colour, rng: Random, angle: float | None = None
) -> None:
    pen, (edge, dark, light) = _pen(canvas, x, y, size, rng, angle, 18), _tones(colour)
    for side in (-1, 1):
        for v, out, down in ((0.02, 0.47, 0.12), (0.1, 0.45, 0.27), (0.17, 0.36, 0.4)):
            leg = [(side * 0.22, v), (side * (out - 0.06), v + 0.01), (side * out, down)]
            pen.line(leg, edge, 0.075)
            pen.line(leg, dark, 0.04)
        arm = [(side * 0.24, -0.04), (side * 0.36, -0.12), (side * 0.33, -0.24)]
        pen.line(arm, edge, 0.1)
        pen.line(arm, dark, 0.06)
        pen.shape([(side * 0.26, -0.22), (side * 0.42, -0.2), (side * 0.48, -0.36), (side * 0.37, -0.48),
            (side * 0.36, -0.35), (side * 0.22, -0.46), (side * 0.2, -0.32)], colour, edge, 0.026)
        pen.line([(side * 0.09, -0.12), (side * 0.1, -0.25)], edge, 0.04)
        pen.ellipse(side * 0.1, -0.26, 0.038, 0.038, INK)
    pen.shape([(-0.31, 0.0), (-0.2, -0.16), (0.0, -0.19), (0.2, -0.16), (0.31, 0.0), (0.23, 0.2), (0.0, 0.28),
        (-0.23, 0.2)], colour, edge, 0.03)
    pen.shape([(-0.25, 0.06), (0.0, 0.12), (0.25, 0.06), (0.19, 0.18), (0.0, 0.24), (-0.19, 0.18)], (*edge, 90))
    pen.ellipse(-0.08, -0.08, 0.13, 0.045, (*shade(light, 0.45), 200), angle=-10)
    if size > 40:
        for u, v in ((-0.12, 0.03), (0.12, 0.03), (0.0, 0.0), (0.05, -0.09), (0.18, -0.04)):
            pen.ellipse(u, v, 0.02, 0.016, (*edge, 150))


def _skewer(
    canvas: Canvas, x: float, y: float, size: float, colour: Colour, rng: Random, angle: float | None = None
) -> None:
    pen, (edge, _, light) = _pen(canvas, x, y, size, rng, angle, 35), _tones(colour)
    pen.line([(-0.49, 0.0), (0.49, 0.0)], shade(STICK, -0.35), 0.06)
    pen.line([(-0.48, -0.005), (0.48, -0.005)], STICK, 0.035)
    for u in (-0.3, -0.08, 0.14):
        turn, tall = rng.uniform(-14, 14), 0.175 + rng.uniform(-0.015, 0.015)
        (cx, cy), = pen.at([(u, 0)])
        tilt = pen.angle + turn
        canvas.rounded(cx, cy, 0.2 * size, 2 * tall * size, 0.07 * size, colour, edge, 0.028 * size, tilt)
        pen.ellipse(u + 0.03, 0.06, 0.05, 0.05, (*edge, 80))
        pen.ellipse(u - 0.03, -0.075, 0.045, 0.032, (*shade(light, 0.4), 210), angle=-30)
        if size > 40:
            for _ in range(4):
                pen.ellipse(u + rng.uniform(-0.07, 0.07), rng.uniform(-0.11, 0.11),
                    0.011, 0.009, (*shade(edge, -0.3), 190))


def _bun(
    canvas: Canvas, x: float, y: float, size: float, colour: Colour, rng: Random, angle: float | None = None
) -> None:
    pen, (edge, _, light) = _pen(canvas, x, y, size, rng, angle, 14), _tones(colour)
    pen.shape([(-0.46, 0.14), (-0.4, -0.12), (-0.2, -0.31), (0.0, -0.38), (0.2, -0.31), (0.4, -0.12),
        (0.46, 0.14), (0.3, 0.36), (0.0, 0.41), (-0.3, 0.36)], colour, edge, 0.03)
    pen.shape([(-0.43, 0.18), (0.0, 0.27), (0.43, 0.18), (0.29, 0.34), (0.0, 0.385), (-0.29, 0.34)], (*edge, 75))
    for k in range(7):
        t = math.radians(200 - 36.6 * k)
        u, v = math.cos(t), -math.sin(t)
        pen.curve([(0.05 * u, -0.25 + 0.04 * v), (0.2 * u + 0.03, -0.17 + 0.14 * v + 0.03),
            (0.36 * u, -0.06 + 0.18 * v + 0.08)], (*edge, 220), 0.024)
    pen.ellipse(0.0, -0.27, 0.09, 0.06, light, edge, 0.022)
    pen.ellipse(-0.2, 0.04, 0.1, 0.06, (*shade(light, 0.5), 170), angle=-35)


def _drumstick(
    canvas: Canvas, x: float, y: float, size: float, colour: Colour, rng: Random, angle: float | None = None
) -> None:
    pen, (edge, _, light) = _pen(canvas, x, y, size, rng, angle, 35), _tones(colour)
    bone = (176, 150, 116)
    for u, v in ((0.4, -0.07), (0.42, 0.06)):
        pen.ellipse(u, v, 0.075, 0.07, CREAM, bone, 0.024)
    pen.polygon([(0.12, -0.06), (0.4, -0.055), (0.4, 0.055), (0.12, 0.06)], CREAM)
    pen.line([(0.16, -0.065), (0.36, -0.06)], bone, 0.022)
    pen.line([(0.16, 0.065), (0.36, 0.06)], bone, 0.022)
    pen.shape([(-0.48, 0.0), (-0.41, -0.23), (-0.2, -0.31), (0.02, -0.22), (0.22, -0.09), (0.25, 0.0),
        (0.22, 0.09), (0.02, 0.24), (-0.2, 0.31), (-0.41, 0.22)], colour, edge, 0.03)
    pen.shape([(-0.42, 0.12), (-0.2, 0.16), (0.04, 0.11), (0.2, 0.03), (0.19, 0.08), (0.0, 0.21), (-0.2, 0.275),
        (-0.37, 0.2)], (*edge, 85))
    pen.ellipse(-0.23, -0.14, 0.13, 0.055, (*shade(light, 0.45), 210), angle=-16)
    pen.curve([(-0.02, -0.11), (0.08, -0.07), (0.16, -0.02)], (*shade(light, 0.3), 160), 0.03)
    if size > 40:
        for _ in range(6):
            pen.ellipse(rng.uniform(-0.38, 0.05), rng.uniform(-0.05, 0.16), 0.012, 0.009, (*edge, 150))


def _flatbread(
    canvas: Canvas, x: float, y: float, size: float, colour: Colour, rng: Random, angle: float | None = None
) -> None:
    pen, (edge, dark, light) = _pen(canvas, x, y, size, rng, angle, 45), _tones(colour)
    pen.ellipse(0, 0.02, 0.47, 0.45, dark, edge, 0.03)
    pen.ellipse(-0.008, 0.0, 0.44, 0.42, mix(colour, light, 0.2))
    pen.ellipse(0, 0.01, 0.33, 0.315, colour, (*edge, 120), 0.03)
    for ring, count in ((0.24, 8), (0.1, 4)):  # the baker's stamp
        for k in range(count):
            t = 2 * math.pi * k / count
            pen.ellipse(ring * math.cos(t), 0.01 + ring * math.sin(t), 0.034, 0.03, (*edge, 230))
    pen.curve([(-0.36, -0.14), (-0.25, -0.29), (-0.06, -0.37)], (*shade(light, 0.45), 190), 0.035)
    if size > 40:
        for _ in range(14):
            t, r = rng.uniform(0, 6.283), rng.uniform(0.3, 0.41)
            pen.ellipse(r * math.cos(t), r * math.sin(t), 0.018, 0.01, (*shade(light, 0.6), 230),
                angle=rng.uniform(0, 180))


FOOD_SPRITES = {
    "fish": Sprite("鱼", "fish", "fish", "条", _fish),
    "noodles": Sprite("面条", "bunch of noodles", "bunches of noodles", "团", _noodles),
    "dumpling": Sprite("饺子", "dumpling", "dumplings", "个", _dumpling),
    "meat": Sprite("肉块", "chunk of meat", "chunks of meat", "个", _meat),
    "egg": Sprite("鸡蛋", "egg", "eggs", "个", _egg),
    "leaf": Sprite("叶子", "leaf", "leaves", "片", _leaf),
    "chilli": Sprite("辣椒", "chilli", "chillies", "根", _chilli),
    "mushroom": Sprite("蘑菇", "mushroom", "mushrooms", "个", _mushroom),
    "shrimp": Sprite("虾", "shrimp", "shrimps", "只", _shrimp),
    "crab": Sprite("螃蟹", "crab", "crabs", "只", _crab),
    "skewer": Sprite("肉串", "skewer", "skewers", "根", _skewer),
    "bun": Sprite("包子", "bun", "buns", "个", _bun),
    "drumstick": Sprite("鸡腿", "drumstick", "drumsticks", "只", _drumstick),
    "flatbread": Sprite("饼", "flatbread", "flatbreads", "个", _flatbread),
}


def _plate(canvas: Canvas, x: float, y: float, size: float, colour: Colour, rng: Random) -> None:
    pen, (edge, _, light) = Pen(canvas, x, y, size), _tones(colour)
    pen.ellipse(0, 0.03, 0.5, 0.43, edge)
    pen.ellipse(0, 0, 0.5, 0.43, colour, edge, 0.012)
    pen.ellipse(0, 0.002, 0.455, 0.388, None, mix(colour, light, 0.75), 0.012)
    pen.ellipse(0, 0.006, 0.375, 0.315, (*edge, 130))
    pen.ellipse(0, 0.014, 0.368, 0.308, mix(colour, light, 0.4))
    arc = [(0.435 * math.cos(math.radians(t)), 0.368 * math.sin(math.radians(t))) for t in range(195, 266, 14)]
    pen.gloss(arc, (*shade(light, 0.7), 170), 0.032)


def _bowl(canvas: Canvas, x: float, y: float, size: float, colour: Colour, rng: Random) -> None:
    pen, (edge, _, light) = Pen(canvas, x, y, size), _tones(colour)
    pen.shape([(-0.17, 0.38), (0.17, 0.38), (0.2, 0.48), (0.0, 0.495), (-0.2, 0.48)], edge)
    body = [(0.48 * math.cos(math.radians(t)), -0.1 + 0.55 * math.sin(math.radians(t))) for t in range(0, 181, 12)]
    pen.polygon(body, mix(colour, edge, 0.3), edge, 0.014)
    inner = [(0.48 * math.cos(math.radians(t)), -0.1 + 0.43 * math.sin(math.radians(t))) for t in range(20, 176, 12)]
    pen.polygon([*inner, (-0.46, -0.1), (0.4, -0.1)], mix(colour, edge, 0.1))
    pen.gloss([(-0.38, 0.1), (-0.3, 0.24), (-0.17, 0.35)], (*shade(light, 0.5), 150), 0.04)
    pen.ellipse(0, -0.1, 0.49, 0.375, colour, edge, 0.014)
    pen.ellipse(0, -0.09, 0.435, 0.325, (*edge, 255))
    pen.ellipse(0, -0.075, 0.432, 0.308, mix(colour, edge, 0.25))
    pen.ellipse(0, -0.03, 0.36, 0.235, mix(colour, light, 0.2))


def _pot(canvas: Canvas, x: float, y: float, size: float, colour: Colour, rng: Random) -> None:
    pen, (edge, dark, light) = Pen(canvas, x, y, size), _tones(colour)
    for side in (-1, 1):
        handle = [(side * 0.38, -0.06), (side * 0.47, -0.09), (side * 0.48, 0.03), (side * 0.39, 0.07)]
        pen.curve(handle, edge, 0.075)
        pen.curve(handle, dark, 0.04)
    wall = [(0.4 * math.cos(math.radians(t)), 0.14 + 0.3 * math.sin(math.radians(t))) for t in range(0, 181, 12)]
    pen.polygon([(0.42, -0.1), *wall, (-0.42, -0.1)], mix(colour, edge, 0.25), edge, 0.014)
    pen.polygon([(-0.34, 0.1), (-0.25, 0.16), (-0.22, 0.38), (-0.32, 0.28)], (*shade(light, 0.3), 110))
    band = [(0.41 * math.cos(math.radians(t)), 0.02 + 0.31 * math.sin(math.radians(t))) for t in range(4, 178, 12)]
    pen.line(band, (*light, 120), 0.022)
    pen.ellipse(0, -0.1, 0.425, 0.335, colour, edge, 0.014)
    pen.ellipse(0, -0.09, 0.37, 0.28, shade(edge, -0.25))
    pen.ellipse(0, -0.07, 0.366, 0.262, mix(colour, edge, 0.55))


def _steamer(canvas: Canvas, x: float, y: float, size: float, colour: Colour, rng: Random) -> None:
    pen, (edge, _, light) = Pen(canvas, x, y, size), _tones(colour)
    wall = [(0.48 * math.cos(math.radians(t)), 0.08 + 0.39 * math.sin(math.radians(t))) for t in range(0, 181, 10)]
    pen.polygon([(0.48, -0.06), *wall, (-0.48, -0.06)], mix(colour, edge, 0.2), edge, 0.014)
    for t in range(10, 180, 20):  # upright bamboo strips
        u, v = 0.48 * math.cos(math.radians(t)), 0.39 * math.sin(math.radians(t))
        pen.line([(u, v - 0.05), (u, v + 0.08)], edge, 0.018)
    pen.ellipse(0, -0.06, 0.485, 0.4, colour, edge, 0.016)
    pen.ellipse(0, -0.06, 0.445, 0.362, None, light, 0.014)
    pen.ellipse(0, -0.055, 0.405, 0.325, shade(edge, -0.1))
    pen.ellipse(0, -0.04, 0.4, 0.308, mix(colour, light, 0.3))
    for k in range(-4, 5):  # the slats of the floor
        v = -0.04 + 0.066 * k
        half = 0.39 * math.sqrt(max(0.0, 1 - ((v + 0.04) / 0.308) ** 2))
        pen.line([(-half, v), (half, v)], (*edge, 200), 0.014)


def _board(canvas: Canvas, x: float, y: float, size: float, colour: Colour, rng: Random) -> None:
    pen, (edge, _, light) = Pen(canvas, x, y, size), _tones(colour)
    s = size
    for down, fill in ((0.035, edge), (0.0, colour)):
        canvas.rounded(x + 0.42 * s, y + down * s, 0.16 * s, 0.16 * s, 0.05 * s, fill, edge, 0.014 * s)
        canvas.rounded(x - 0.06 * s, y + down * s, 0.86 * s, 0.66 * s, 0.09 * s, fill, edge, 0.014 * s)
    pen.polygon([(0.33, -0.066), (0.42, -0.066), (0.42, 0.066), (0.33, 0.066)], colour)
    for k, v in enumerate((-0.25, -0.15, -0.05, 0.06, 0.16, 0.25)):
        bend = 0.03 * (-1) ** k
        pen.curve([(-0.44, v), (-0.2, v + bend), (0.08, v - bend), (0.3, v + bend * 0.5)], (*edge, 105), 0.012)
    pen.curve([(-0.42, -0.31), (-0.1, -0.315), (0.28, -0.31)], (*shade(light, 0.3), 170), 0.016)
    pen.ellipse(0.43, 0, 0.03, 0.03, edge)


CONTAINERS = {
    "plate": Sprite("盘子", "plate", "plates", "个", _plate),
    "bowl": Sprite("碗", "bowl", "bowls", "个", _bowl),
    "pot": Sprite("锅", "pot", "pots", "个", _pot),
    "steamer": Sprite("蒸笼", "steamer", "steamers", "个", _steamer),
    "board": Sprite("木板", "board", "boards", "块", _board),
}

# The flat inside of each container, in units of its size: centre (u, v) and radii; things lie within it.
INSIDES = {
    "plate": (0.0, 0.01, 0.36, 0.30),
    "bowl": (0.0, -0.06, 0.41, 0.285),
    "pot": (0.0, -0.065, 0.355, 0.255),
    "steamer": (0.0, -0.045, 0.385, 0.295),
    "board": (-0.06, 0.0, 0.40, 0.29),
}
