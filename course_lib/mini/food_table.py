"""What stands around a dish: table tops, warm light, steam, and small things beside the plate."""

import math
from collections.abc import Callable
from random import Random

from PIL import Image, ImageChops, ImageOps

from course_lib.mini.canvas import Canvas, Colour, Point, rotate, shade, smooth

TABLES = ("oak", "walnut", "linen", "check", "slate", "indigo", "straw")
SIDES = ("chopsticks", "tea", "dip", "spoon", "napkin", "spice")


def oval(x: float, y: float, rx: float, ry: float, corners: int = 40) -> list[Point]:
    """An ellipse as a polygon."""
    turns = (2 * math.pi * k / corners for k in range(corners))
    return [(x + rx * math.cos(t), y + ry * math.sin(t)) for t in turns]


def _stripes(canvas: Canvas, angle: float, pitch: float) -> list[tuple[float, Callable]]:
    """Parallel bands across the whole picture: each one's offset and a function from along/across to a point."""
    reach = math.hypot(canvas.width, canvas.height)
    middle = (canvas.width / 2, canvas.height / 2)

    def at(along: float, across: float) -> Point:
        return rotate([(middle[0] + along, middle[1] + across)], angle, middle)[0]

    count = math.ceil(reach / pitch)
    return [((k - count / 2) * pitch, at) for k in range(count + 1)]


def _band(canvas: Canvas, at: Callable, low: float, high: float, fill: Colour) -> None:
    reach = math.hypot(canvas.width, canvas.height)
    canvas.polygon([at(-reach, low), at(reach, low), at(reach, high), at(-reach, high)], fill)


def _planks(canvas: Canvas, rng: Random, base: Colour, turn: float) -> None:
    pitch = rng.uniform(84, 130)
    reach = math.hypot(canvas.width, canvas.height) / 2
    for low, at in _stripes(canvas, turn + rng.uniform(-5, 5), pitch):
        tone = shade(base, rng.uniform(-0.09, 0.06))
        _band(canvas, at, low, low + pitch + 1, tone)
        for _ in range(3):  # the grain
            v, sway = low + rng.uniform(0.15, 0.85) * pitch, rng.uniform(-0.07, 0.07) * pitch
            points = [at(reach * (k / 3 - 1), v + sway * (-1) ** k) for k in range(7)]
            canvas.curve(points, (*shade(tone, -0.16), 90), rng.uniform(1, 2.4))
        _band(canvas, at, low - 1.2, low + 1.2, shade(base, -0.34))
        _band(canvas, at, low + 1.2, low + 3, (*shade(base, 0.25), 120))
        joint = rng.uniform(-reach, reach)
        canvas.line([at(joint, low), at(joint, low + pitch)], shade(base, -0.3), 2)


def _cloth(canvas: Canvas, rng: Random, base: Colour, stripe: Colour, check: bool) -> None:
    canvas.gradient(shade(base, 0.05), shade(base, -0.05))
    turn, pitch = rng.uniform(-14, 14), rng.uniform(60, 84)
    for direction in (turn, turn + 90):
        for low, at in _stripes(canvas, direction, pitch if check else pitch * 2.2):
            if check:
                _band(canvas, at, low, low + pitch / 2, (*stripe, 92))
            else:
                _band(canvas, at, low, low + 5, (*stripe, 120))
                _band(canvas, at, low + 10, low + 12, (*stripe, 120))


def _indigo(canvas: Canvas, rng: Random) -> None:
    canvas.gradient((62, 84, 116), (48, 68, 98))
    pitch = rng.uniform(54, 70)
    for row, (low, at) in enumerate(_stripes(canvas, rng.uniform(-20, 20), pitch)):
        for k in range(-12, 13):
            x, y = at((k + 0.5 * (row % 2)) * pitch * 1.3, low)
            if -20 < x < canvas.width + 20 and -20 < y < canvas.height + 20:
                for turn in range(0, 360, 90):  # a small printed flower
                    ((px, py),) = rotate([(x + 7, y)], turn + 45, (x, y))
                    canvas.ellipse(px, py, 5, 3, (176, 196, 216, 150), angle=turn + 45)
                canvas.ellipse(x, y, 2.4, 2.4, (232, 222, 190, 220))


def _straw(canvas: Canvas, rng: Random) -> None:
    base = (206, 182, 132)
    canvas.gradient(base, shade(base, -0.06))
    turn = rng.choice((0, 90)) + rng.uniform(-6, 6)
    for k, (low, at) in enumerate(_stripes(canvas, turn, 15)):
        _band(canvas, at, low, low + 15, (*shade(base, 0.14 if k % 2 else -0.1), 130))
        _band(canvas, at, low, low + 1.5, (*shade(base, -0.3), 130))
    for low, at in _stripes(canvas, turn + 90, 112):
        _band(canvas, at, low, low + 3, (142, 104, 62, 170))


def draw_table(canvas: Canvas, kind: str, rng: Random) -> None:
    """Fill the picture with a table top: a name of `TABLES`."""
    if kind == "oak":
        _planks(canvas, rng, (204, 164, 116), 0)
    elif kind == "walnut":
        _planks(canvas, rng, (122, 88, 66), 90 if rng.random() < 0.4 else 0)
    elif kind == "linen":
        stripe = rng.choice(((186, 132, 104), (120, 148, 150), (150, 160, 120)))
        _cloth(canvas, rng, (236, 226, 206), stripe, check=False)
    elif kind == "check":
        stripe = rng.choice(((200, 112, 98), (120, 152, 172), (150, 172, 126)))
        _cloth(canvas, rng, (240, 232, 218), stripe, check=True)
    elif kind == "slate":
        canvas.gradient((104, 108, 112), (82, 86, 92))
        for _ in range(7):
            x, y = rng.uniform(0, canvas.width), rng.uniform(0, canvas.height)
            patch = oval(x, y, rng.uniform(60, 160), rng.uniform(30, 80))
            canvas.soft([patch], (124, 128, 130), rng.randint(30, 70), 26)
    elif kind == "indigo":
        _indigo(canvas, rng)
    elif kind == "straw":
        _straw(canvas, rng)
    else:
        raise ValueError(f"unknown table {kind!r}: use one of {TABLES}")


def _chopsticks(canvas: Canvas, x: float, y: float, size: float, rng: Random) -> None:
    angle = rng.uniform(-25, 25) + (90 if canvas.height > canvas.width or rng.random() < 0.6 else 0)
    tone = rng.choice(((92, 48, 38), (58, 44, 42), (176, 124, 72)))
    gap = size * 0.07
    for side in (-1, 1):
        ends = [(x - size * 0.78, y + side * gap * 0.6), (x + size * 0.78, y + side * gap)]
        start, end = rotate(ends, angle, (x, y))
        fall = [(x + dx, y + dy) for (x, y), dx, dy in ((start, 4, 7), (end, 4, 7), (end, 10, 9), (start, 8, 9))]
        canvas.soft([fall], (30, 20, 14), 120, 3)
        canvas.line([start, end], shade(tone, -0.35), size * 0.062)
        canvas.line([start, end], tone, size * 0.042)
        grip = (start[0] + (end[0] - start[0]) * 0.72, start[1] + (end[1] - start[1]) * 0.72)
        canvas.line([grip, end], (196, 60, 48), size * 0.044)
        canvas.line([start, end], (255, 240, 220, 70), size * 0.012)


def _cup(canvas: Canvas, x: float, y: float, size: float, body: Colour, liquid: Colour) -> None:
    r = size * 0.3
    canvas.soft([oval(x + r * 0.25, y + r * 0.4, r * 1.12, r)], (30, 20, 14), 150, r * 0.2)
    canvas.ellipse(x, y + r * 0.16, r, r * 0.9, shade(body, -0.32))
    canvas.ellipse(x, y, r, r * 0.88, body, shade(body, -0.35), 1.5)
    canvas.ellipse(x, y + r * 0.03, r * 0.82, r * 0.7, shade(body, -0.25))
    canvas.ellipse(x, y + r * 0.08, r * 0.8, r * 0.64, liquid)
    canvas.ellipse(x - r * 0.25, y - r * 0.18, r * 0.28, r * 0.1, (255, 250, 235, 150), angle=-20)


def _tea(canvas: Canvas, x: float, y: float, size: float, rng: Random) -> None:
    _cup(canvas, x, y, size, rng.choice(((236, 232, 222), (150, 172, 160), (206, 190, 170))), (190, 142, 62))


def _dip(canvas: Canvas, x: float, y: float, size: float, rng: Random) -> None:
    _cup(canvas, x, y, size * 0.85, rng.choice(((232, 228, 220), (110, 128, 142))), (64, 34, 26))
    for _ in range(4):
        canvas.ellipse(x + rng.uniform(-0.1, 0.1) * size, y + rng.uniform(-0.03, 0.08) * size, 3, 2.2, (98, 158, 70))


def _spoon(canvas: Canvas, x: float, y: float, size: float, rng: Random) -> None:
    angle, tone = rng.uniform(50, 130), rng.choice(((240, 238, 232), (196, 150, 96)))
    handle = [(x - size * 0.06, y), (x + size * 0.3, y - size * 0.02), (x + size * 0.62, y)]
    bowl = oval(x - size * 0.22, y, size * 0.2, size * 0.135)
    low = [(px + 4, py + 7) for px, py in rotate(bowl, angle, (x, y))]
    canvas.soft([low], (30, 20, 14), 140, 5)
    canvas.curve(rotate(handle, angle, (x, y)), shade(tone, -0.3), size * 0.085)
    canvas.curve(rotate(handle, angle, (x, y)), tone, size * 0.062)
    canvas.polygon(rotate(bowl, angle, (x, y)), tone, shade(tone, -0.3), 2)
    canvas.polygon(rotate(oval(x - size * 0.22, y, size * 0.15, size * 0.095), angle, (x, y)), shade(tone, -0.13))


def _napkin(canvas: Canvas, x: float, y: float, size: float, rng: Random) -> None:
    tone, s = rng.choice(((196, 92, 76), (94, 122, 108), (226, 208, 176))), size * 0.55
    corners = [(x - s, y - s * 0.8), (x + s, y - s), (x + s * 0.9, y + s), (x - s * 0.9, y + s * 0.9)]
    corners = rotate(corners, rng.uniform(0, 90), (x, y))
    canvas.soft([[(px + 5, py + 8) for px, py in corners]], (30, 20, 14), 110, 6)
    canvas.polygon(corners, tone, shade(tone, -0.2), 1.5)
    canvas.polygon([corners[0], corners[1], corners[2]], shade(tone, 0.12))
    inner = [(x + (px - x) * 0.86, y + (py - y) * 0.86) for px, py in corners]
    canvas.line([*inner, inner[0]], (*shade(tone, 0.45), 150), 2)


def _spice(canvas: Canvas, x: float, y: float, size: float, rng: Random) -> None:
    for _ in range(rng.randint(2, 3)):  # star anise
        px, py, r = x + rng.uniform(-0.3, 0.3) * size, y + rng.uniform(-0.3, 0.3) * size, size * rng.uniform(0.09, 0.12)
        canvas.soft([oval(px + 2, py + 4, r, r)], (30, 20, 14), 110, 3)
        for k in range(8):
            ((ex, ey),) = rotate([(px + r * 0.62, py)], 45 * k + rng.uniform(-5, 5), (px, py))
            canvas.ellipse(ex, ey, r * 0.52, r * 0.2, (124, 66, 34), (82, 42, 22), 1.2, 45 * k)
        canvas.ellipse(px, py, r * 0.2, r * 0.2, (176, 110, 60))
    for _ in range(rng.randint(4, 7)):  # peppercorns
        px, py, r = x + rng.uniform(-0.5, 0.5) * size, y + rng.uniform(-0.5, 0.5) * size, size * 0.026
        canvas.ellipse(px + 1.5, py + 2, r, r, (30, 20, 14, 90))
        canvas.ellipse(px, py, r, r, (108, 50, 44))
        canvas.ellipse(px - r * 0.3, py - r * 0.3, r * 0.3, r * 0.3, (190, 130, 120))


def draw_side(canvas: Canvas, kind: str, x: float, y: float, size: float, rng: Random) -> None:
    """A small thing beside the dish, a name of `SIDES`, within about `size` pixels of (x, y)."""
    draw = {"chopsticks": _chopsticks, "tea": _tea, "dip": _dip, "spoon": _spoon, "napkin": _napkin, "spice": _spice}
    draw[kind](canvas, x, y, size, rng)


def draw_steam(canvas: Canvas, x: float, y: float, size: float, rng: Random) -> None:
    """Wisps of steam rising from (x, y)."""
    for _ in range(3):
        px, sway = x + rng.uniform(-0.22, 0.22) * size, rng.choice((-1, 1)) * 0.05 * size
        rise = rng.uniform(0.34, 0.5) * size
        path = [(px + sway * math.sin(k * 0.9) * (0.5 + k / 8), y - rise * k / 7) for k in range(8)]
        spine = smooth(path, closed=False)
        width = [0.038 * size * math.sin(math.pi * (k + 1) / (len(spine) + 1)) for k in range(len(spine))]
        left = [(a - w, b) for (a, b), w in zip(spine, width, strict=True)]
        right = [(a + w, b) for (a, b), w in zip(spine, width, strict=True)]
        canvas.soft([left + right[::-1]], (255, 252, 246), 105, 0.024 * size)


def warm_light(image: Image.Image, rng: Random) -> Image.Image:
    """The picture under a lamp: brightest towards one side, falling off into a warm shade at the corners."""
    falloff = ImageOps.invert(Image.radial_gradient("L"))  # 256 x 256, brightest in the middle
    left, top = 49 + rng.randint(5, 20) * rng.choice((-1, 1)), 49 + rng.randint(5, 20)
    falloff = falloff.transform((256, 256), Image.Transform.AFFINE, (0.62, 0, left, 0, 0.62, top))
    lamp = ImageOps.colorize(falloff, (150, 118, 100), (255, 251, 240), (232, 216, 198), 0, 235, 110)
    return ImageChops.multiply(image, lamp.resize(image.size, Image.Resampling.BICUBIC))
