"""Pictures of dishes, composed on a table from the generic sprites: container, sauce, things, garnish, light."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from PIL import Image, ImageFilter

from course_lib.mini.canvas import Canvas, Colour, Point, mix, rotate, shade
from course_lib.mini.food_dishes import Dish, Look, Part
from course_lib.mini.food_sprites import CONTAINERS, FOOD_SPRITES, INSIDES
from course_lib.mini.food_table import SIDES, TABLES, draw_side, draw_steam, draw_table, oval, warm_light
from course_lib.mini.sprites import COLOURS

# Natural tones of soups and sauces by colour name.
LIQUIDS = {
    "red": (190, 44, 26),
    "orange": (226, 120, 38),
    "yellow": (240, 206, 118),
    "white": (244, 236, 218),
    "brown": (112, 60, 30),
}
# Tables on which a container of this colour would not stand out.
DULL = {
    "white": ("linen", "check"), "yellow": ("oak", "straw"), "brown": ("walnut", "oak"), "black": ("slate", "indigo"),
    "blue": ("indigo",), "purple": ("indigo",), "orange": ("oak", "straw"), "green": (), "red": (),
}  # fmt: skip
LONG = {"chopsticks", "spoon", "napkin"}  # too long for the corners of a square picture
HOT = {"pot", "bowl", "steamer"}


# How far each thing is turned at most, to either side, in degrees.
SWING = {
    "fish": 28, "skewer": 20, "meat": 12, "bun": 10, "dumpling": 22, "crab": 18, "mushroom": 30, "shrimp": 50,
    "leaf": 50, "egg": 60, "flatbread": 60, "noodles": 50, "drumstick": 50, "chilli": 50,
}  # fmt: skip


@dataclass(frozen=True)
class Serving:
    """Where a dish stands in its picture, and the ellipse that things lie in, all in pixels."""

    x: float
    y: float
    size: float
    inside: tuple[float, float, float, float]  # centre x, y, radii


@dataclass(frozen=True)
class Placed:
    """One thing as placed: its sprite's centre, size and angle."""

    part: Part
    x: float
    y: float
    size: float
    angle: float


def _within(inside: tuple[float, float, float, float], reach: float, turn: float) -> Point:
    """The point at a fraction `reach` of the inside's radii, in the direction `turn` (degrees)."""
    x, y, rx, ry = inside
    return x + rx * reach * math.cos(math.radians(turn)), y + ry * reach * math.sin(math.radians(turn))


def _spots(part: Part, count: int, serving: Serving, shallow: bool, rng: Random) -> list[tuple[Point, float | None]]:
    """A place and an angle for each of `count` things; None leaves the angle to the sprite."""
    x, y, rx, ry = serving.inside
    half = part.size * serving.size * (0.3 if shallow else 0.42)  # on a plate things may lie on the rim
    room = (x, y, max(rx - half, rx * 0.15), max(ry - half, ry * 0.12))
    start = rng.uniform(0, 360)

    def near(reach: float, turn: float, jitter: float = 0.07) -> Point:
        px, py = _within(room, reach, turn)
        return px + rng.uniform(-jitter, jitter) * room[2], py + rng.uniform(-jitter, jitter) * room[3]

    if part.layout == "centre":
        if count == 1:
            return [((x + rng.uniform(-0.06, 0.06) * rx, y + rng.uniform(-0.05, 0.05) * ry), None)]
        return [(near(0.62, start + 360 * k / count), None) for k in range(count)]
    if part.layout == "ring":
        return [(near(0.95, start + 360 * k / count, 0.04), None) for k in range(count)]
    if part.layout == "pile":
        golden = [(math.sqrt((k + 0.4) / count), start + 137.5 * k) for k in range(count)]
        return [(near(0.98 * reach, turn, 0.09), None) for reach, turn in golden]
    if part.layout == "row":
        tilt = rng.uniform(-16, 16)
        spread = [(k - (count - 1) / 2) * min(2 * ry * 0.86 / count, 0.15 * serving.size) for k in range(count)]
        places = [rotate([(x + rng.uniform(-0.08, 0.08) * rx, y + offset)], tilt, (x, y))[0] for offset in spread]
        return [(place, tilt + rng.uniform(-5, 5)) for place in places]
    if part.layout == "beside":
        return [(near(1.0, start + 38 * (k - (count - 1) / 2), 0.05), None) for k in range(count)]
    raise ValueError(f"unknown layout {part.layout!r}")


def _place(look: Look, serving: Serving, rng: Random) -> list[Placed]:
    """Every thing of the dish, from the bottom up; things of one part that lie further back come first."""
    placed = []
    for part in look.parts:
        spots = _spots(part, rng.randint(*part.count), serving, look.filling != "soup", rng)
        for (x, y), angle in sorted(spots, key=lambda spot: spot[0][1]):
            if angle is None:
                angle = rng.uniform(-SWING[part.sprite], SWING[part.sprite])
            placed.append(Placed(part, x, y, part.size * serving.size * rng.uniform(0.93, 1.07), angle))
    return placed


# --- container and filling -------------------------------------------------------------------------------------------


def _container(canvas: Canvas, look: Look, serving: Serving, rng: Random) -> None:
    x, y, s = serving.x, serving.y, serving.size
    if look.container == "board":
        corners = ((-0.49, -0.3), (0.37, -0.3), (0.37, 0.36), (-0.49, 0.36))
        ground = [(x + u * s, y + v * s) for u, v in corners]
    else:
        ground = oval(x, y + 0.1 * s, 0.47 * s, 0.38 * s)
    lit = [(px + 0.035 * s, py + 0.045 * s) for px, py in ground]
    canvas.soft([lit], (34, 22, 14), 190, 0.04 * s)
    CONTAINERS[look.container].draw(canvas, x, y, s, COLOURS[look.container_colour].rgb, rng)


def _soup(canvas: Canvas, inside: tuple, size: float, tone: Colour, rng: Random) -> None:
    x, y, rx, ry = inside
    canvas.ellipse(x, y + 0.01 * size, rx, ry, shade(tone, -0.32))
    canvas.ellipse(x, y + 0.016 * size, rx * 0.975, ry * 0.965, tone)
    canvas.soft([oval(x - 0.15 * rx, y - 0.12 * ry, rx * 0.55, ry * 0.45)], shade(tone, 0.22), 150, 0.05 * size)
    for _ in range(16):  # drops of oil
        px, py = _within(inside, math.sqrt(rng.random()) * 0.9, rng.uniform(0, 360))
        r = size * rng.uniform(0.006, 0.016)
        canvas.ellipse(px, py, r, r * 0.75, (*shade(tone, 0.35), 150), (*shade(tone, -0.25), 130), 1)


def _sauce(canvas: Canvas, inside: tuple, size: float, tone: Colour, rng: Random) -> None:
    x, y, rx, ry = inside
    state = rng.getstate()
    canvas.blob(x, y + 0.01 * size, rx * 0.97, ry * 0.97, shade(tone, -0.28), rng, 0.07, corners=11)
    rng.setstate(state)
    canvas.blob(x, y, rx * 0.94, ry * 0.93, tone, rng, 0.07, corners=11)
    canvas.soft([oval(x - 0.2 * rx, y - 0.25 * ry, rx * 0.5, ry * 0.35)], shade(tone, 0.3), 140, 0.04 * size)
    for turn in (200, 235, 20):
        px, py = _within(inside, 0.78, turn + rng.uniform(-12, 12))
        canvas.ellipse(px, py, size * 0.03, size * 0.01, (255, 244, 226, 150), angle=turn + 90)


def _rice(canvas: Canvas, inside: tuple, size: float, tone: Colour, rng: Random) -> None:
    x, y, rx, ry = inside
    canvas.soft([oval(x, y + 0.05 * size, rx * 0.9, ry * 0.85)], (60, 34, 10), 140, 0.03 * size)
    canvas.blob(x, y, rx * 0.92, ry * 0.92, shade(tone, -0.18), rng, 0.05, corners=14)
    canvas.blob(x, y - 0.02 * size, rx * 0.8, ry * 0.76, tone, rng, 0.05, corners=14)
    for _ in range(420):
        px, py = _within(inside, math.sqrt(rng.random()) * 0.9, rng.uniform(0, 360))
        grain = mix(tone, rng.choice(((255, 248, 220), (236, 150, 40), (206, 140, 50))), rng.uniform(0.3, 0.8))
        canvas.ellipse(px, py - 0.01 * size, size * 0.016, size * 0.0065, grain, angle=rng.uniform(0, 180))
    for _ in range(16):  # strips of carrot
        px, py = _within(inside, math.sqrt(rng.random()) * 0.85, rng.uniform(0, 360))
        strip = rotate([(px - 0.03 * size, py), (px + 0.03 * size, py)], rng.uniform(0, 180), (px, py))
        canvas.line(strip, (232, 116, 30), size * 0.014)


FILLINGS: dict[str, Callable] = {"soup": _soup, "sauce": _sauce, "rice": _rice}


# --- garnishes -------------------------------------------------------------------------------------------------------


def _scatter(canvas: Canvas, serving: Serving, rng: Random, count: int, draw: Callable, reach: float = 0.85) -> None:
    for _ in range(count):
        px, py = _within(serving.inside, math.sqrt(rng.random()) * reach, rng.uniform(0, 360))
        draw(px, py, serving.size)


def _scallion(canvas: Canvas, serving: Serving, placed: list[Placed], rng: Random) -> None:
    def ring(x: float, y: float, s: float) -> None:
        green = rng.choice(((86, 158, 62), (128, 188, 84), (60, 130, 56)))
        canvas.ellipse(x + 0.003 * s, y + 0.005 * s, 0.016 * s, 0.013 * s, (30, 20, 10, 90))
        canvas.ellipse(x, y, 0.016 * s, 0.012 * s, green, shade(green, -0.3), 1)
        canvas.ellipse(x, y, 0.006 * s, 0.0045 * s, (226, 240, 196))

    _scatter(canvas, serving, rng, 22, ring)


def _sesame(canvas: Canvas, serving: Serving, placed: list[Placed], rng: Random) -> None:
    def seed(x: float, y: float, s: float) -> None:
        canvas.ellipse(x, y, 0.009 * s, 0.0055 * s, (250, 236, 200), (170, 130, 80), 1, rng.uniform(0, 180))

    _scatter(canvas, serving, rng, 30, seed)


def _cumin(canvas: Canvas, serving: Serving, placed: list[Placed], rng: Random) -> None:
    def speck(x: float, y: float, s: float) -> None:
        tone = rng.choice(((96, 66, 30), (176, 60, 30), (66, 50, 26)))
        canvas.ellipse(x, y, 0.008 * s, 0.004 * s, tone, angle=rng.uniform(0, 180))

    _scatter(canvas, serving, rng, 60, speck, 0.98)


def _chilli_rings(canvas: Canvas, serving: Serving, placed: list[Placed], rng: Random) -> None:
    def ring(x: float, y: float, s: float) -> None:
        canvas.ellipse(x + 0.004 * s, y + 0.006 * s, 0.02 * s, 0.016 * s, (40, 10, 10, 90))
        canvas.ellipse(x, y, 0.02 * s, 0.016 * s, (214, 40, 34), (140, 20, 18), 1.2)
        canvas.ellipse(x, y, 0.01 * s, 0.008 * s, (250, 196, 150))

    _scatter(canvas, serving, rng, 16, ring)


def _chilli_heap(canvas: Canvas, serving: Serving, placed: list[Placed], rng: Random) -> None:
    x, y, rx, ry = serving.inside
    s = serving.size
    canvas.soft([oval(x, y + 0.02 * s, rx * 0.5, ry * 0.42)], (90, 10, 6), 170, 0.025 * s)
    for _ in range(90):
        px, py = _within((x, y, rx, ry), math.sqrt(rng.random()) * 0.52, rng.uniform(0, 360))
        tone = rng.choice(((218, 38, 30), (190, 26, 24), (236, 74, 40), (226, 50, 36)))
        canvas.rounded(px, py, 0.036 * s, 0.024 * s, 0.008 * s, tone, shade(tone, -0.4), 1, rng.uniform(0, 180))
        canvas.ellipse(px - 0.005 * s, py - 0.005 * s, 0.006 * s, 0.003 * s, (255, 200, 180, 200))

    def green(x: float, y: float, s: float) -> None:
        canvas.ellipse(x, y, 0.013 * s, 0.01 * s, (110, 176, 72), (60, 110, 40), 1)

    _scatter(canvas, serving, rng, 8, green, 0.5)


def _string(canvas: Canvas, serving: Serving, placed: list[Placed], rng: Random) -> None:
    for thing in placed:
        if thing.part.sprite == "meat":  # tied like a parcel with straw
            s = thing.size
            for line in ([(-0.02, -0.37), (0.0, 0.0), (0.01, 0.37)], [(-0.41, 0.0), (0.0, -0.05), (0.41, -0.02)]):
                points = [(thing.x + u * s, thing.y + v * s) for u, v in line]
                canvas.curve(points, (120, 84, 34), 0.06 * s)
                canvas.curve(points, (232, 200, 124), 0.036 * s)
            for turn in (-35, 35):
                loop = oval(thing.x, thing.y - 0.12 * s, 0.1 * s, 0.045 * s, 16)
                loop = rotate([*loop, loop[0]], turn, (thing.x, thing.y - 0.03 * s))
                canvas.line(loop, (232, 200, 124), 0.03 * s)


def _dip(canvas: Canvas, serving: Serving, placed: list[Placed], rng: Random) -> None:
    x, y, _, _ = serving.inside
    s = serving.size
    canvas.soft([oval(x + 0.01 * s, y + 0.03 * s, 0.1 * s, 0.085 * s)], (30, 20, 14), 150, 0.015 * s)
    canvas.ellipse(x, y + 0.014 * s, 0.1 * s, 0.084 * s, (196, 190, 180))
    canvas.ellipse(x, y, 0.1 * s, 0.083 * s, (248, 246, 240), (176, 170, 160), 1.5)
    canvas.ellipse(x, y + 0.004 * s, 0.08 * s, 0.064 * s, (62, 30, 22))
    canvas.ellipse(x - 0.025 * s, y - 0.02 * s, 0.025 * s, 0.01 * s, (255, 240, 220, 130), angle=-20)


def _drizzle(canvas: Canvas, serving: Serving, placed: list[Placed], rng: Random) -> None:
    x, y, rx, ry = serving.inside
    tilt = rng.uniform(-25, 25)
    zigzag = [(x + rx * (-0.68 + 1.36 * k / 9), y + ry * 0.5 * (-1) ** k) for k in range(10)]
    zigzag = rotate(zigzag, tilt, (x, y))
    canvas.curve(zigzag, (132, 22, 14), 0.03 * serving.size)
    canvas.curve(zigzag, (212, 46, 30), 0.022 * serving.size)
    canvas.curve([(px - 1, py - 1.5) for px, py in zigzag], (255, 170, 140, 150), 0.006 * serving.size)


def _peas(canvas: Canvas, serving: Serving, placed: list[Placed], rng: Random) -> None:
    """The squirrel's coat: rows of fried points under a red glaze, with peas and pine nuts."""
    fish = placed[0]
    s, tilt = fish.size, fish.angle
    here = (fish.x, fish.y)
    for row, (v, length) in enumerate(((-0.1, 4), (-0.035, 5), (0.035, 5), (0.1, 4))):
        for k in range(length):
            u = (k - (length - 1) / 2) * 0.088 + (0.02 if row % 2 else -0.02)
            tip = ((-0.045, 0.02), (-0.02, -0.045), (0.02, -0.045), (0.045, 0.02), (0.0, 0.05))
            points = rotate([(fish.x + (u + a) * s, fish.y + (v + b) * s) for a, b in tip], tilt, here)
            tone = mix((250, 176, 64), (232, 120, 30), rng.random())
            canvas.shape(points, tone, (166, 72, 18), 0.008 * s)
            ((gx, gy),) = rotate([(fish.x + u * s, fish.y + (v - 0.012) * s)], tilt, here)
            canvas.ellipse(gx, gy, 0.018 * s, 0.009 * s, (255, 232, 180, 210), angle=tilt)
    for u in (-0.13, 0.0, 0.13):
        stream = [(fish.x + (u + 0.02 * k * (-1) ** k) * s, fish.y + (-0.17 + 0.085 * k) * s) for k in range(5)]
        stream = rotate(stream, tilt, here)
        canvas.curve(stream, (184, 30, 18), 0.036 * s)
        canvas.curve([(px - 2, py - 2) for px, py in stream], (255, 190, 160, 150), 0.008 * s)
    for k in range(26):
        px, py = _within(serving.inside, rng.uniform(0.15, 0.9), rng.uniform(0, 360))
        r = 0.017 * serving.size
        canvas.ellipse(px + r * 0.2, py + r * 0.35, r, r * 0.9, (50, 20, 10, 90))
        if k % 3:
            canvas.ellipse(px, py, r, r * 0.95, (112, 186, 66), (58, 120, 36), 1.2)
            canvas.ellipse(px - r * 0.3, py - r * 0.35, r * 0.3, r * 0.22, (226, 250, 196))
        else:
            canvas.ellipse(px, py, r * 1.1, r * 0.6, (250, 226, 168), (190, 144, 80), 1.2, rng.uniform(0, 180))


def _plain(canvas: Canvas, serving: Serving, placed: list[Placed], rng: Random) -> None:
    """Nothing on top."""


GARNISHES: dict[str, Callable] = {
    "none": _plain, "scallion": _scallion, "sesame": _sesame, "cumin": _cumin, "chilli rings": _chilli_rings,
    "chilli heap": _chilli_heap, "string": _string, "dip": _dip, "drizzle": _drizzle, "peas": _peas,
}  # fmt: skip


# --- the whole picture -----------------------------------------------------------------------------------------------


def _thing(canvas: Canvas, thing: Placed, wet: Colour | None, inside: tuple, rng: Random) -> None:
    """One thing with its shadow; in soup, its foot is under the surface."""
    s = thing.size
    canvas.soft([oval(thing.x + 0.05 * s, thing.y + 0.13 * s, 0.4 * s, 0.3 * s)], (40, 18, 8), 120, 0.07 * s)
    colour = COLOURS[thing.part.colour].rgb
    FOOD_SPRITES[thing.part.sprite].draw(canvas, thing.x, thing.y, s, colour, rng, thing.angle)
    if wet:
        x, y, rx, ry = inside
        if math.hypot((thing.x - x) / (rx - 0.3 * s), (thing.y + 0.4 * s - y) / (ry - 0.05 * s)) < 1:
            canvas.soft([oval(thing.x, thing.y + 0.42 * s, 0.4 * s, 0.08 * s)], wet, 170, 0.03 * s)


def _sides(canvas: Canvas, serving: Serving, rng: Random) -> None:
    """Small things wherever the dish leaves room: two in a square picture, up to five in a long one."""
    w, h, s = canvas.width, canvas.height, serving.size
    side, roomy = 0.36 * s, max(w, h) > 1.25 * min(w, h)
    kinds = rng.sample([kind for kind in SIDES if roomy or kind not in LONG], len(SIDES) if roomy else 3)
    margin = 0.35 * side if roomy else 0.0
    places: list[Point] = []
    for _ in range(200):
        x, y = rng.uniform(margin, w - margin), rng.uniform(margin, h - margin)
        clear = math.hypot((x - serving.x) / (0.5 * s + 0.55 * side), (y - serving.y) / (0.46 * s + 0.55 * side)) > 1
        if clear and all(math.hypot(x - a, y - b) > 1.25 * side for a, b in places):
            places.append((x, y))
    for (x, y), kind in zip(places, kinds, strict=False):
        draw_side(canvas, kind, x, y, side, rng)


def draw_dish(dish: Dish, rng: Random, width: int, height: int) -> Image.Image:
    """A composition of `dish`, drawn by chance: table, place, size, arrangement, counts, things beside it, light."""
    look = dish.look
    canvas = Canvas(width, height)
    draw_table(canvas, rng.choice([table for table in TABLES if table not in DULL[look.container_colour]]), rng)
    canvas.image.paste(canvas.image.filter(ImageFilter.GaussianBlur(2)))  # the eye is on the dish
    short = min(width, height)
    size = short * rng.uniform(0.82, 0.97)
    slack_x, slack_y = max(0.0, width - size * 1.04) / 2, max(0.0, height - size * 0.95) / 2
    x = width / 2 + slack_x * rng.uniform(-0.6, 0.6)
    y = height / 2 + slack_y * rng.uniform(-0.55, 0.55)
    u, v, ru, rv = INSIDES[look.container]
    serving = Serving(x, y, size, (x + u * size, y + v * size, ru * size, rv * size))
    _sides(canvas, serving, rng)
    _container(canvas, look, serving, rng)
    tone = LIQUIDS.get(look.filling_colour)
    if look.filling != "none":
        FILLINGS[look.filling](canvas, serving.inside, size, tone, rng)
    placed = _place(look, serving, rng)
    for thing in placed:
        _thing(canvas, thing, tone if look.filling == "soup" else None, serving.inside, rng)
    GARNISHES[look.garnish](canvas, serving, placed, rng)
    if look.container in HOT and rng.random() < 0.7:
        draw_steam(canvas, serving.inside[0], serving.inside[1] - 0.05 * size, size, rng)
    return warm_light(canvas.finish(), rng)
