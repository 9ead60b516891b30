"""Where the joke scenes take place: rooms, streets, parks, a beach, the sky, and the small things that stand about."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from course_lib.mini.canvas import Canvas, Colour, mix, shade
from course_lib.mini.pose import INK, Pose

WHITE = (255, 255, 255)
GREENS = ((124, 196, 104), (150, 206, 96), (104, 184, 120), (172, 204, 92))
SKIES = (((118, 196, 244), (222, 244, 252)), ((150, 206, 250), (255, 240, 214)), ((255, 190, 150), (255, 236, 200)),
         ((146, 220, 226), (236, 250, 232)))


@dataclass(frozen=True)
class Place:
    """A painted background: things stand at height `ground` (pixels), and the floor ends at `horizon`."""

    canvas: Canvas
    ground: float
    horizon: float
    unit: float


def _start(canvas: Canvas, ground: float, horizon: float) -> Place:
    unit = min(canvas.width, canvas.height)
    level = canvas.height * ground
    return Place(canvas, level, level - unit * horizon, unit)


def _floor(place: Place, colour: Colour) -> None:
    w, h = place.canvas.width, place.canvas.height
    place.canvas.polygon([(0, place.horizon), (w, place.horizon), (w, h), (0, h)], colour)


def cloud(canvas: Canvas, x: float, y: float, size: float, colour: Colour = WHITE) -> None:
    """A cloud `size` pixels wide."""
    for dx, dy, r in ((-0.28, 0.04, 0.16), (0, -0.06, 0.24), (0.27, 0.03, 0.18), (0, 0.08, 0.2)):
        canvas.ellipse(x + dx * size, y + dy * size, r * size * 1.15, r * size * 0.8, colour)


def flower(canvas: Canvas, x: float, y: float, size: float, colour: Colour) -> None:
    """A flower standing at (x, y)."""
    canvas.line([(x, y), (x, y - size)], (70, 140, 70), size * 0.12)
    for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        canvas.ellipse(x + dx * size * 0.2, y - size + dy * size * 0.2, size * 0.18, size * 0.18, colour)
    canvas.ellipse(x, y - size, size * 0.14, size * 0.14, (255, 214, 70))


def _sun(place: Place, rng: Random, mirror: bool) -> None:
    u, r = place.unit, place.unit * rng.uniform(0.06, 0.09)
    x = place.canvas.width - u * 0.14 if mirror else u * 0.14
    place.canvas.ellipse(x, u * 0.14, r * 1.5, r * 1.5, (255, 246, 190, 130))
    place.canvas.ellipse(x, u * 0.14, r, r, (255, 222, 90))


def _clouds(place: Place, rng: Random, colour: Colour = WHITE) -> None:
    u = place.unit
    for k in range(2 + int(place.canvas.width / u)):
        x = (k + rng.random()) * place.canvas.width / (2 + int(place.canvas.width / u))
        cloud(place.canvas, x, rng.uniform(0.06, 0.6) * place.horizon, u * rng.uniform(0.14, 0.28), colour)


def _puddles(place: Place, rng: Random, colour: Colour) -> None:
    u, w, h = place.unit, place.canvas.width, place.canvas.height
    for _ in range(int(5 * w / u)):
        x, y = rng.uniform(0, w), rng.uniform(place.horizon + u * 0.06, h)
        place.canvas.ellipse(x, y, u * rng.uniform(0.05, 0.12), u * 0.014, colour)


def park(canvas: Canvas, rng: Random) -> Place:
    """A meadow with hills, bushes and flowers."""
    place = _start(canvas, rng.uniform(0.86, 0.9), rng.uniform(0.16, 0.26))
    u, green = place.unit, rng.choice(GREENS)
    canvas.gradient(*rng.choice(SKIES))
    _sun(place, rng, rng.random() < 0.5)
    _clouds(place, rng)
    for k in range(2 + int(canvas.width / u)):
        canvas.ellipse(rng.uniform(0, canvas.width), place.horizon + u * 0.1, u * rng.uniform(0.3, 0.6),
                       u * rng.uniform(0.16, 0.3), mix(green, (190, 226, 214), 0.45 + 0.12 * (k % 3)))
    _floor(place, green)
    canvas.line([(0, place.horizon), (canvas.width, place.horizon)], shade(green, -0.2), u * 0.008)
    for _ in range(int(12 * canvas.width / u)):
        x, y = rng.uniform(0, canvas.width), rng.uniform(place.horizon + u * 0.04, canvas.height)
        if rng.random() < 0.35:
            flower(canvas, x, y, u * 0.035,
                   rng.choice(((255, 255, 255), (255, 160, 180), (250, 120, 110), (170, 130, 220))))
        else:
            canvas.line([(x - u * 0.01, y - u * 0.02), (x, y), (x + u * 0.012, y - u * 0.022)], shade(green, -0.22),
                        u * 0.006)
    return place


def street(canvas: Canvas, rng: Random, wet: bool = False) -> Place:
    """A street with a row of houses; `wet` makes it dull, with puddles."""
    place = _start(canvas, rng.uniform(0.85, 0.9), rng.uniform(0.1, 0.16))
    u = place.unit
    canvas.gradient(*(((122, 138, 160), (190, 202, 212)) if wet else rng.choice(SKIES)))
    _clouds(place, rng, (150, 162, 180) if wet else WHITE)
    x = -u * rng.uniform(0, 0.2)
    while x < canvas.width:
        wide, high = u * rng.uniform(0.2, 0.34), u * rng.uniform(0.22, 0.5)
        wall = rng.choice(((246, 206, 170), (236, 184, 176), (196, 214, 226), (226, 218, 180), (206, 196, 226)))
        wall = mix(wall, (160, 172, 190), 0.55) if wet else mix(wall, WHITE, 0.25)
        top = place.horizon - high
        canvas.polygon([(x, place.horizon), (x, top), (x + wide, top), (x + wide, place.horizon)], wall,
                       shade(wall, -0.2), u * 0.007)
        if rng.random() < 0.6:
            canvas.polygon([(x - u * 0.02, top), (x + wide / 2, top - u * 0.12), (x + wide + u * 0.02, top)],
                           shade(wall, -0.28))
        for row in range(int(high / (u * 0.13))):
            for column in range(2):
                lit = rng.random() < 0.4
                canvas.rounded(x + wide * (0.3 + 0.4 * column), top + u * (0.08 + 0.13 * row), u * 0.055, u * 0.07,
                               u * 0.01, (255, 232, 150) if lit else shade(wall, 0.45), shade(wall, -0.25), u * 0.006)
        x += wide + u * rng.choice((0, 0.02, 0.08))
    road = (128, 136, 150) if wet else rng.choice(((160, 158, 168), (178, 168, 160), (146, 152, 172)))
    _floor(place, road)
    canvas.polygon([(0, place.horizon), (canvas.width, place.horizon), (canvas.width, place.horizon + u * 0.035),
                    (0, place.horizon + u * 0.035)], shade(road, 0.4))
    y = (place.ground + canvas.height) / 2 + u * 0.02
    for k in range(int(canvas.width / (u * 0.24)) + 1):
        canvas.line([(k * u * 0.24, y), (k * u * 0.24 + u * 0.12, y)], shade(road, 0.6), u * 0.016)
    if wet:
        _puddles(place, rng, (176, 200, 222))
    return place


def wet_street(canvas: Canvas, rng: Random) -> Place:
    """A street in the rain."""
    return street(canvas, rng, wet=True)


def wet_park(canvas: Canvas, rng: Random) -> Place:
    """A meadow in the rain."""
    place = park(canvas, rng)
    canvas.polygon([(0, 0), (canvas.width, 0), (canvas.width, canvas.height), (0, canvas.height)], (70, 90, 124, 120))
    _puddles(place, rng, (160, 192, 210))
    return place


def _window(canvas: Canvas, x: float, y: float, u: float, night: bool) -> None:
    canvas.rounded(x, y, u * 0.27, u * 0.3, u * 0.02, (40, 52, 96) if night else (176, 224, 248), WHITE, u * 0.022)
    if night:
        canvas.ellipse(x + u * 0.04, y - u * 0.05, u * 0.04, u * 0.04, (255, 240, 180))
        for dx, dy in ((-0.07, -0.08), (-0.05, 0.07), (0.08, 0.06)):
            canvas.ellipse(x + dx * u, y + dy * u, u * 0.007, u * 0.007, WHITE)
    else:
        cloud(canvas, x + u * 0.03, y - u * 0.04, u * 0.12)
    canvas.line([(x, y - u * 0.15), (x, y + u * 0.15)], WHITE, u * 0.014)
    canvas.line([(x - u * 0.135, y), (x + u * 0.135, y)], WHITE, u * 0.014)


def _plant(canvas: Canvas, x: float, y: float, u: float) -> None:
    for dx in (-0.07, -0.03, 0.03, 0.07):
        canvas.curve([(x, y - u * 0.08), (x + dx * u * 0.6, y - u * 0.18), (x + dx * u * 1.3, y - u * 0.22)],
                     (70, 150, 90), u * 0.026)
    canvas.polygon([(x - u * 0.05, y - u * 0.1), (x + u * 0.05, y - u * 0.1), (x + u * 0.04, y), (x - u * 0.04, y)],
                   (212, 120, 84), INK, u * 0.008)


def _frame(canvas: Canvas, x: float, y: float, u: float, rng: Random) -> None:
    colour = rng.choice(((250, 196, 120), (170, 206, 236), (240, 160, 160)))
    canvas.rounded(x, y, u * 0.2, u * 0.16, u * 0.01, colour, (140, 96, 66), u * 0.018)
    canvas.polygon([(x - u * 0.08, y + u * 0.06), (x - u * 0.02, y - u * 0.03), (x + u * 0.05, y + u * 0.06)],
                   shade(colour, -0.25))
    canvas.ellipse(x + u * 0.05, y - u * 0.03, u * 0.018, u * 0.018, (255, 250, 220))


def room(canvas: Canvas, rng: Random, night: bool = False) -> Place:
    """A living room with wallpaper, a window, a picture and a plant."""
    place = _start(canvas, rng.uniform(0.86, 0.9), rng.uniform(0.12, 0.2))
    u = place.unit
    wall = rng.choice(((250, 222, 186), (204, 226, 214), (216, 212, 240), (248, 208, 206), (196, 220, 238),
                       (240, 232, 190)))
    if night:
        wall = mix(wall, (60, 66, 120), 0.6)
    canvas.gradient(shade(wall, 0.12), wall)
    stripes = rng.random() < 0.5
    for k in range(int(canvas.width / (u * 0.12)) + 1):
        if stripes:
            canvas.line([(k * u * 0.12, 0), (k * u * 0.12, place.horizon)], shade(wall, 0.25), u * 0.03)
        else:
            for row in range(int(place.horizon / (u * 0.14)) + 1):
                canvas.ellipse((k + 0.5 * (row % 2)) * u * 0.12, row * u * 0.14, u * 0.012, u * 0.012, shade(wall, 0.4))
    floor = rng.choice(((206, 158, 112), (186, 138, 100), (170, 170, 190), (214, 180, 140)))
    floor = mix(floor, (50, 50, 100), 0.45) if night else floor
    _floor(place, floor)
    for k in range(1, 4):
        y = place.horizon + (canvas.height - place.horizon) * (k / 4) ** 1.3
        canvas.line([(0, y), (canvas.width, y)], shade(floor, -0.12), u * 0.006)
    canvas.line([(0, place.horizon), (canvas.width, place.horizon)], shade(wall, 0.55), u * 0.03)
    places = [u * 0.2 + k * u * 0.42 for k in range(int((canvas.width - u * 0.2) / (u * 0.42)) + 1)]
    rng.shuffle(places)
    height = max(place.horizon * rng.uniform(0.28, 0.42), u * 0.2)
    _window(canvas, places[0], height, u, night)
    for x in places[1:]:
        rng.choice((_frame, lambda *a: None))(canvas, x, height + u * rng.uniform(-0.06, 0.06), u, rng)
    _plant(canvas, rng.choice((u * 0.1, canvas.width - u * 0.1)), place.horizon + u * 0.04, u)
    return place


def night_room(canvas: Canvas, rng: Random) -> Place:
    """A room at night, the moon in the window."""
    return room(canvas, rng, night=True)


def office(canvas: Canvas, rng: Random) -> Place:
    """An office: blinds, shelves with folders, grey floor."""
    place = _start(canvas, rng.uniform(0.86, 0.9), rng.uniform(0.12, 0.18))
    u = place.unit
    wall = rng.choice(((214, 222, 230), (226, 220, 208), (204, 220, 212)))
    canvas.gradient(shade(wall, 0.3), wall)
    for k in range(int(canvas.width / (u * 0.5)) + 1):
        x, y = u * 0.26 + k * u * 0.5, max(u * 0.2, place.horizon * 0.3)
        if (k + rng.randrange(2)) % 2:
            canvas.rounded(x, y, u * 0.34, u * 0.26, u * 0.01, (186, 222, 244), (150, 160, 172), u * 0.012)
            for row in range(5):
                slat = y - u * 0.1 + row * u * 0.05
                canvas.line([(x - u * 0.16, slat), (x + u * 0.16, slat)], WHITE, u * 0.012)
        else:
            for j in range(5):
                colour = rng.choice(((220, 110, 96), (110, 150, 206), (240, 196, 100), (130, 180, 130)))
                canvas.rounded(x - u * 0.12 + j * u * 0.06, y, u * 0.05, u * rng.uniform(0.13, 0.16), u * 0.006, colour)
            canvas.line([(x - u * 0.18, y + u * 0.09), (x + u * 0.18, y + u * 0.09)], (150, 110, 80), u * 0.022)
    floor = rng.choice(((168, 174, 188), (150, 166, 160), (188, 176, 164)))
    _floor(place, floor)
    canvas.line([(0, place.horizon), (canvas.width, place.horizon)], shade(floor, -0.2), u * 0.014)
    return place


def classroom(canvas: Canvas, rng: Random) -> Place:
    """A classroom: a wide blackboard with chalk drawings of bones and of a ball's flight."""
    place = _start(canvas, rng.uniform(0.86, 0.9), rng.uniform(0.1, 0.16))
    u, w = place.unit, canvas.width
    wall = rng.choice(((246, 230, 196), (212, 228, 236), (232, 216, 232)))
    canvas.gradient(shade(wall, 0.2), wall)
    _floor(place, (196, 152, 110))
    board = rng.choice(((56, 104, 84), (60, 74, 92), (70, 96, 70)))
    middle, high = (place.horizon - u * 0.1) / 2, min(place.horizon - u * 0.22, u * 0.62)
    canvas.rounded(w / 2, middle, w - u * 0.12, high, u * 0.02, board, (170, 116, 70), u * 0.026)
    chalk = (236, 240, 230)
    for k in range(max(2, int(w / (u * 0.42)))):
        x, y = u * 0.2 + k * u * 0.42, middle + rng.uniform(-0.25, 0.1) * high
        if rng.random() < 0.5:
            canvas.line([(x - u * 0.06, y), (x + u * 0.06, y)], chalk, u * 0.016)
            for dx in (-1, 1):
                for dy in (-1, 1):
                    canvas.ellipse(x + dx * u * 0.07, y + dy * u * 0.014, u * 0.018, u * 0.018, chalk)
        else:
            canvas.curve([(x - u * 0.1, y + u * 0.06), (x, y - u * 0.06), (x + u * 0.1, y + u * 0.04)], chalk,
                         u * 0.008)
            canvas.ellipse(x + u * 0.11, y + u * 0.06, u * 0.022, u * 0.022, (250, 200, 120))
    return place


def beach(canvas: Canvas, rng: Random) -> Place:
    """Sea, sand, shells and a hot sun."""
    place = _start(canvas, rng.uniform(0.84, 0.88), rng.uniform(0.2, 0.3))
    u, w = place.unit, canvas.width
    canvas.gradient(*rng.choice(SKIES))
    _sun(place, rng, rng.random() < 0.5)
    _clouds(place, rng)
    sea = rng.choice(((62, 160, 206), (70, 184, 196), (84, 150, 214)))
    sand = rng.choice(((250, 224, 164), (246, 214, 170), (252, 232, 190)))
    canvas.polygon([(0, place.horizon - u * 0.16), (w, place.horizon - u * 0.16), (w, place.ground), (0, place.ground)],
                   sea)
    for _ in range(int(8 * w / u)):
        x, y = rng.uniform(0, w), place.horizon - rng.uniform(0.02, 0.14) * u
        canvas.curve([(x - u * 0.04, y), (x, y - u * 0.012), (x + u * 0.04, y)], shade(sea, 0.5), u * 0.008)
    shore = [(k * u * 0.1, place.horizon + u * 0.012 * (-1) ** k) for k in range(int(w / (u * 0.1)) + 2)]
    canvas.polygon([*shore, (w + u, canvas.height), (0, canvas.height)], sand)
    canvas.curve(shore, WHITE, u * 0.02)
    for _ in range(int(9 * w / u)):
        x, y = rng.uniform(0, w), rng.uniform(place.horizon + u * 0.06, canvas.height)
        canvas.ellipse(x, y, u * 0.008, u * 0.005, shade(sand, -0.2))
    for _ in range(int(2 * w / u)):
        x, y, r = rng.uniform(0, w), rng.uniform(place.ground, canvas.height - u * 0.02), u * 0.03
        arms = []
        for k in range(10):
            reach = r if k % 2 == 0 else r * 0.4
            arms.append((x + reach * math.sin(k * math.pi / 5), y - reach * math.cos(k * math.pi / 5)))
        canvas.polygon(arms, (240, 130, 90), INK, u * 0.006)
    return place


def sky(canvas: Canvas, rng: Random) -> Place:
    """High up: clouds all around, the world small below."""
    place = _start(canvas, 0.94, 0.0)
    u = place.unit
    canvas.gradient(*rng.choice(SKIES))
    _sun(place, rng, rng.random() < 0.5)
    green = rng.choice(GREENS)
    for k in range(int(canvas.width / (u * 0.3)) + 2):
        canvas.ellipse(k * u * 0.3, canvas.height + u * 0.04, u * 0.24, u * rng.uniform(0.1, 0.18),
                       shade(green, 0.15 * (k % 2)))
    for _ in range(int(5 * canvas.width / u)):
        cloud(canvas, rng.uniform(0, canvas.width), rng.uniform(0.05, 0.85) * canvas.height,
              u * rng.uniform(0.16, 0.36))
    return place


def bird(p: Pose, colour: Colour) -> None:
    """A very small round bird that looks on in surprise."""
    p.polygon([(-0.3, 0.0), (-0.5, -0.12), (-0.48, 0.1)], colour)
    p.ellipse(0, 0, 0.34, 0.3, colour)
    p.ellipse(0.06, 0.1, 0.18, 0.16, shade(colour, 0.6), 0)
    p.ellipse(0.12, -0.08, 0.11, 0.12, WHITE, p.line * 0.6)
    p.ellipse(0.15, -0.07, 0.05, 0.06, INK, 0)
    p.polygon([(0.32, -0.06), (0.5, 0.02), (0.31, 0.08)], (250, 160, 40), p.line * 0.7)


def carrot(p: Pose) -> None:
    """A carrot."""
    for dx in (-0.12, 0, 0.12):
        p.stroke([(0, -0.22), (dx, -0.46)], (80, 160, 70), 0.1)
    p.shape([(-0.16, -0.22), (0.16, -0.22), (0.1, 0.14), (0, 0.46), (-0.1, 0.14)], (244, 132, 40))


Background = Callable[[Canvas, Random], Place]
