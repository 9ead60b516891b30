"""The kinds of cartoon scene of the joke task, each drawn from the sprites on one of a few backgrounds."""

import math
from collections.abc import Callable
from random import Random

from PIL import Image

from course_lib.mini import meme_backgrounds as places
from course_lib.mini.canvas import Canvas, shade
from course_lib.mini.meme_creatures import CHEERING, HAIR, RUNNING, SKIN, cat_head, dark, light, person
from course_lib.mini.meme_sprites import FIGURES
from course_lib.mini.meme_stage import Stage
from course_lib.mini.meme_things import WOOD, bed, book
from course_lib.mini.pose import INK, WHITE, Pose
from course_lib.mini.sprites import COLOURS


def cat_keyboard(s: Stage) -> None:
    """A desk, a computer in despair, and a cat asleep on its keyboard."""
    top = -0.26
    s.shadow(0, 0.0, 0.44)
    for x in (-0.36, 0.36):
        s.pose(x, top / 2, 0.26).box(0, 0.1, 0.16, 0.8, 0.03, shade(WOOD, -0.2))
    s.pose(0, top + 0.01, 0.96).box(0, 0, 0.98, 0.07, 0.02, WOOD)
    s.stand("computer", 0.0, top + 0.01, 0.62, s.second, "shocked")
    if s.rng.random() < 0.6:  # a mug of coffee
        mug = s.pose(0.38, top - 0.075, 0.12)
        mug.stroke([(0.3, -0.2), (0.55, 0), (0.3, 0.2)], INK, 0.12)
        mug.box(0, 0, 0.66, 0.8, 0.1, s.any_colour(), 0.07)
    p = s.pose(-0.04, top - 0.125, 0.4)
    p.limb([(0.4, 0.06), (0.56, 0.12), (0.66, 0.28), (0.6, 0.44)], s.first, 0.1)
    p.shape([(-0.4, 0.02), (-0.2, -0.16), (0.2, -0.2), (0.44, -0.04), (0.47, 0.16), (-0.4, 0.19)], s.first)
    for x in (0.12, 0.24, 0.36):
        p.stroke([(x, -0.15 + 0.2 * (x - 0.1)), (x + 0.02, -0.04)], dark(s.first), 0.035)
    p.ellipse(-0.42, 0.16, 0.13, 0.055, s.first)
    cat_head(p.at(-0.24, 0.1, 0.84, angle=-10), s.first, "sleepy")
    p.ellipse(-0.02, 0.17, 0.12, 0.055, s.first)
    s.bubble(-0.19, top - 0.115, s.rng.uniform(0.09, 0.14))


def alarm_chase(s: Stage) -> None:
    """A person running for dear life from an alarm clock with legs."""
    gap = min(0.34, s.half - 0.26)
    size = s.rng.uniform(0.42, 0.46)
    s.shadow(-gap, 0, 0.18)
    p = s.pose(-gap, -0.14 - size * 0.46, size, angle=8)
    for leg, bend in (((-0.12, 0.36), (-0.32, 0.52)), ((0.14, 0.36), (0.36, 0.56))):
        p.limb([leg, (bend[0] * 0.9, bend[1] - 0.04), (bend[0], bend[1] + 0.12)], (250, 236, 214), 0.06)
        p.ellipse(bend[0] + 0.05, bend[1] + 0.14, 0.1, 0.055, (226, 70, 60))
    for arm in ([(0.3, 0.1), (0.48, 0.02), (0.6, -0.12)], [(-0.32, 0.1), (-0.48, 0.2), (-0.44, 0.34)]):
        p.limb(arm, (250, 236, 214), 0.06)
        p.ellipse(*arm[-1], 0.07, 0.07, WHITE)
    FIGURES["clock"](p, s.first, s.rng.choice(("smug", "happy")))
    s.burst(-gap + 0.02, -0.2 - size * 0.7, 0.2, INK)
    s.shadow(gap, 0, 0.16)
    lift = s.rng.uniform(0.02, 0.06)
    person(s.pose(gap, -0.26 - lift, 0.56, angle=9), s.second, "shocked", RUNNING, s.rng.choice(HAIR))
    for dx, dy in ((-0.13, -0.5), (-0.17, -0.42), (0.0, -0.57)):
        s.drop(gap + dx, dy - lift, 0.05, angle=-40)
    s.dust(gap - 0.17, -0.03, 0.11)
    s.dust(-gap - 0.2, -0.03, 0.14)
    s.speed(-gap - 0.24, -0.3, 0.26)


def rain_dog(s: Stage) -> None:
    """A dog under its own umbrella in pouring rain."""
    s.rain()
    tilt = s.rng.uniform(-8, 6)
    s.stand("dog", -0.03, 0, 0.52, s.first, s.rng.choice(("smug", "happy", "calm")))
    s.put("umbrella", 0.15, -0.5, 0.72, s.second, angle=tilt)
    s.pose(0.14 - 0.002 * tilt, -0.22, 0.52).ellipse(0, 0, 0.075, 0.065, s.first)
    for x in (-0.42, -0.3, 0.34, 0.45):
        s.burst(x, 0.03, 0.03, (220, 236, 250), 220, 320)
    for x in (-0.36, 0.42):
        s.drop(x, -0.4 + s.rng.uniform(-0.05, 0.1), 0.045)


def cow_car(s: Stage) -> None:
    """A cow far too large for its car, on the roof or through it."""
    if s.rng.random() < 0.5:
        s.shadow(0, 0, 0.36)
        s.stand("cow", 0.0, -0.34, 0.52, s.first, s.rng.choice(("shocked", "happy", "smug")))
        s.put("car", 0, -0.18, 0.74, s.second)
        s.line([(-0.2, -0.36), (-0.1, -0.66), (0.02, -0.62), (0.1, -0.38)], (200, 150, 90), 0.014)
    else:
        s.put("cow", -0.03, -0.5, 0.56, s.first, s.rng.choice(("shocked", "happy", "smug")), angle=-34)
        s.stand("car", 0, 0, 0.78, s.second)
        s.burst(-0.02, -0.42, 0.3, INK, 190, 240)
    s.speed(-0.38, -0.16, 0.16)
    s.dust(-0.42, -0.03, 0.12)
    s.drop(0.33, -0.6, 0.05, angle=20)


def rabbit_bed(s: Stage) -> None:
    """A rabbit several times too large for its bed."""
    sleepy = s.rng.random() < 0.65
    s.shadow(0, 0, 0.4)
    s.put("bed", 0, -0.27, 0.68, s.second)
    s.put("rabbit", 0.05, -0.47, 0.72, s.first, "sleepy" if sleepy else "smug", angle=s.rng.uniform(-7, 7))
    if sleepy:
        s.bubble(0.1, -0.4, 0.12)
    for x in (-0.42, 0.42, 0.36):
        places.carrot(s.pose(x, 0.03, 0.13, angle=s.rng.uniform(50, 110)))


def penguin_beach(s: Stage) -> None:
    """A penguin in sunglasses under a parasol by the sea."""
    s.put("umbrella", -0.18, -0.42, 0.86, s.second, angle=-12)
    s.shadow(0.12, 0.0, 0.22)
    p = s.pose(0.12, -0.27, 0.56, angle=s.rng.uniform(-4, 4))
    FIGURES["penguin"](p, s.first, "happy")
    if s.rng.random() < 0.7:
        for side in (-1, 1):
            p.box(side * 0.11, -0.23, 0.17, 0.12, 0.045, (40, 36, 60))
            p.polygon([(side * 0.11 - 0.05, -0.2), (side * 0.11, -0.27), (side * 0.11 + 0.03, -0.27),
                       (side * 0.11 - 0.02, -0.2)],
                      (110, 120, 170), 0)
        p.stroke([(-0.04, -0.26), (0.04, -0.26)], INK, 0.035)
    else:
        for x in (-0.18, 0.2):
            s.drop(0.12 + x * 0.7, -0.48, 0.05, angle=x * 90)
    drink = p.at(0.44, 0.1, 0.22, angle=10)
    drink.stroke([(0.1, -0.2), (0.25, -0.62)], (250, 120, 120), 0.09)
    drink.polygon([(-0.3, -0.4), (0.3, -0.4), (0.2, 0.42), (-0.2, 0.42)], (255, 190, 70))
    drink.ellipse(-0.3, -0.4, 0.2, 0.2, (250, 226, 90))
    crab = s.pose(-0.3, 0.02, 0.14)
    for side in (-1, 1):
        crab.stroke([(side * 0.3, 0), (side * 0.5, -0.2)], INK, 0.08)
        crab.ellipse(side * 0.52, -0.3, 0.14, 0.13, (236, 92, 70))
        crab.stroke([(side * 0.2, 0.2), (side * 0.4, 0.34)], INK, 0.07)
    crab.ellipse(0, 0, 0.36, 0.25, (236, 92, 70))
    for side in (-1, 1):
        crab.ellipse(side * 0.12, -0.2, 0.09, 0.1, WHITE)
        crab.ellipse(side * 0.12, -0.19, 0.05, 0.05, INK, 0)


def book_tower(s: Stage) -> None:
    """A person on top of, or underneath, a mountain of books."""
    buried = s.rng.random() < 0.5
    hair = s.rng.choice(HAIR)
    s.shadow(0, 0, 0.42)
    if buried:
        person(s.pose(0.0, -0.5, 0.6, angle=s.rng.uniform(-8, 8)), s.second, s.rng.choice(("dizzy", "shocked")),
               CHEERING, hair)
        heap = [(-0.34, -0.1), (0.34, -0.1), (-0.2, -0.24), (0.21, -0.24), (-0.09, -0.1), (0.12, -0.1)]
        for k, (x, y) in enumerate(heap):
            s.put("book", x, y, s.rng.uniform(0.26, 0.31), s.first if k % 2 else s.any_colour(),
                  angle=s.rng.choice((-1, 1)) * s.rng.uniform(8, 75))
        for x in (-0.36, 0.38):
            s.put("book", x, s.rng.uniform(-0.66, -0.5), 0.17, s.first, angle=s.rng.uniform(-60, 60))
    else:
        y, k = 0.0, 0
        while y > -0.36:
            size = s.rng.uniform(0.34, 0.42) + y * 0.1
            x, high = s.rng.uniform(-0.035, 0.035), size * 0.26
            p = s.pose(x, y - high / 2, size)
            colour = s.first if k % 2 == 0 else s.any_colour()
            p.box(0, 0, 1.05, 0.26, 0.05, colour, 0.03)
            p.box(0.12, 0, 0.84, 0.17, 0.02, (250, 242, 222), 0.02)
            p.stroke([(-0.4, -0.08), (-0.4, 0.08)], light(colour), 0.05)
            y, k = y - high, k + 1
        figure = s.pose(0.0, y - 0.23, 0.48, angle=s.rng.uniform(-6, 6))
        person(figure, s.second, s.rng.choice(("shocked", "dizzy", "happy")), CHEERING, hair)
        for x in (-0.36, 0.36):
            s.put("book", x, -0.12, 0.27, s.first, angle=s.rng.uniform(-25, 25))
            s.stand("book", x * 1.05, 0.0, 0.2, s.any_colour(), angle=s.rng.choice((-1, 1)) * 80)


def cow_tree(s: Stage) -> None:
    """A cow in the crown of a tree, watched by a bird."""
    s.stand("tree", 0, 0, 0.84, s.second)
    s.put("cow", s.rng.uniform(-0.06, 0.04), -0.56, s.rng.uniform(0.5, 0.58), s.first,
          s.rng.choice(("shocked", "smug", "happy")), angle=s.rng.uniform(-8, 8))
    p = s.pose(0, -0.36, 0.84)
    for x, y in ((-0.22, 0.02), (0.0, 0.05), (0.2, 0.03)):  # leaves in front of the hooves
        p.ellipse(x, y, 0.13, 0.085, s.second)
        p.ellipse(x - 0.03, y - 0.03, 0.04, 0.02, shade(s.second, 0.28), 0)
    places.bird(s.pose(-0.4, -0.68, 0.11), s.any_colour())
    s.leaves(s.second, 0.42)


def cat_fish(s: Stage) -> None:
    """A cat that cannot take its eyes off a fish bowl."""
    x, table = 0.22, -0.2
    s.shadow(x, 0, 0.24)
    for leg in (-0.16, 0.16):
        s.pose(x + leg, table / 2, 0.2).box(0, 0.05, 0.16, 0.9, 0.02, shade(WOOD, -0.2))
    s.pose(x, table + 0.015, 0.46).box(0, 0, 1, 0.1, 0.03, WOOD)
    p = s.pose(x, table - 0.2, 0.42)
    p.ellipse(0, 0.02, 0.48, 0.44, (226, 242, 250))
    p.shape([(-0.46, -0.1), (-0.2, -0.07), (0.1, -0.12), (0.46, -0.09), (0.46, 0.12), (0.32, 0.36), (0, 0.45),
             (-0.32, 0.36), (-0.46, 0.12)], (140, 206, 240), 0)
    p.stroke([(-0.3, 0.36), (-0.24, 0.2), (-0.3, 0.1)], (70, 160, 90), 0.05)
    p.ellipse(0.1, 0.37, 0.2, 0.05, (222, 190, 130), 0)
    FIGURES["fish"](p.at(0.02, 0.13, 0.66, angle=s.rng.uniform(-10, 10), flip=True), s.second,
                    s.rng.choice(("shocked", "smug", "calm")))
    for dx, dy, r in ((-0.32, 0.02, 0.03), (-0.28, -0.06, 0.02)):
        p.ellipse(dx, dy, r, r, WHITE, 0.012)
    p.ellipse(0, -0.4, 0.3, 0.06, (240, 250, 254), 0.03)
    p.stroke([(-0.34, -0.18), (-0.38, 0.02), (-0.32, 0.2)], WHITE, 0.03)
    s.stand("cat", -0.22, 0, s.rng.uniform(0.52, 0.6), s.first, s.rng.choice(("shocked", "calm")), angle=6)
    s.drop(-0.16, -0.24, 0.06)
    s.heart(-0.02, -0.62, 0.07)


def dog_professor(s: Stage) -> None:
    """A dog in spectacles and mortarboard behind a lectern, and its attentive class."""
    p = s.pose(0, -0.42, 0.56)
    FIGURES["dog"](p, s.first, s.rng.choice(("smug", "calm")))
    for side in (-1, 1):
        p.canvas.line(p.to_canvas([(side * 0.105 + 0.085 * math.cos(t / 3),
                                    -0.23 + 0.085 * math.sin(t / 3)) for t in range(20)]),
                      (60, 50, 80), 0.022 * p.size)
    p.stroke([(-0.03, -0.24), (0.03, -0.24)], (60, 50, 80), 0.022)
    p.box(0, -0.4, 0.3, 0.1, 0.03, (52, 48, 66))
    p.polygon([(0, -0.58), (0.32, -0.47), (0, -0.37), (-0.32, -0.47)], (66, 60, 84))
    p.stroke([(0, -0.47), (0.26, -0.44), (0.28, -0.3)], (250, 200, 70), 0.022)
    s.line([(0.16, -0.3), (0.4, -0.62)], (180, 120, 70), 0.016)
    p.ellipse(0.27, 0.2, 0.065, 0.06, s.first)
    desk = s.pose(0, -0.1, 0.6)
    desk.box(0, 0.02, 0.84, 0.34, 0.03, WOOD)
    desk.box(0, -0.15, 0.94, 0.07, 0.02, shade(WOOD, 0.15))
    desk.ellipse(0, 0.04, 0.09, 0.09, (250, 226, 150))
    book(s.pose(-0.13, -0.31, 0.21, angle=-14), s.any_colour(), "calm")
    book(s.pose(-0.21, -0.33, 0.26), s.second, "calm")
    count = max(3, int(s.canvas.width / s.unit / 0.3))
    for k in range(count):  # heads of the class, seen from behind
        x = (k + 0.5) * s.canvas.width / count
        pupil = Pose(s.canvas, x, s.canvas.height - s.unit * 0.035, s.unit * 0.19, False, s.rng.uniform(-8, 8), 0.05)
        colour = s.any_colour()
        pupil.ellipse(0, 0, 0.36, 0.36, colour)
        for side in (-1, 1):
            pupil.shape([(side * 0.25, -0.3), (side * 0.48, -0.22), (side * 0.52, 0.16), (side * 0.36, 0.1)],
                        dark(colour))


def car_tree(s: Stage) -> None:
    """A car parked at the top of a tree."""
    s.stand("tree", 0, 0, 0.7, s.second)
    tilt = s.rng.choice((-12, -8, 9, 13))
    s.put("car", 0.0, -0.62, 0.54, s.first, angle=tilt)
    p = s.pose(0, -0.33, 0.7)
    for x, y in ((-0.24, -0.22), (0.02, -0.17), (0.25, -0.22)):
        p.ellipse(x, y, 0.14, 0.1, s.second)
        p.ellipse(x - 0.03, y - 0.03, 0.045, 0.022, shade(s.second, 0.28), 0)
    places.bird(s.pose(0.4, -0.5, 0.12, flip=True), s.any_colour())
    places.bird(s.pose(-0.39, -0.38, 0.1), s.any_colour())
    s.leaves(s.second, 0.4)


def _in_bed(s: Stage, sleeper: Callable[[Pose], None]) -> Pose:
    s.shadow(0, 0, 0.46)
    p = s.pose(0, -0.35, 0.88)
    bed(p, s.second, "calm", lambda: sleeper(p))
    return p


def fish_bed(s: Stage) -> None:
    """A fish flat out in bed."""
    mood = s.rng.choice(("sleepy", "sleepy", "calm"))
    p = _in_bed(s,
                lambda p: FIGURES["fish"](p.at(-0.03, -0.12, 0.78, angle=s.rng.uniform(-6, 4), flip=True), s.first,
                                          mood))
    if mood == "sleepy":
        s.bubble(-0.32, -0.52, s.rng.uniform(0.09, 0.14))
    if s.rng.random() < 0.6:  # a lemon and a shaker of salt by the bed
        p.at(-0.46, 0.44, 0.12).ellipse(0, 0, 0.48, 0.36, (250, 222, 80))
        shaker = p.at(-0.3, 0.42, 0.15, angle=12)
        shaker.box(0, 0.1, 0.5, 0.7, 0.1, WHITE)
        shaker.box(0, -0.32, 0.44, 0.26, 0.1, (170, 176, 190))


def dog_walks_person(s: Stage) -> None:
    """A dog taking its person for a walk, on a lead."""
    gap = min(0.27, s.half - 0.24)
    s.stand("dog", gap, 0, 0.48, s.first, s.rng.choice(("smug", "happy")), flip=True)
    mood = s.rng.choice(("happy", "dizzy", "shocked"))
    s.shadow(-gap, 0, 0.16)
    person(s.pose(-gap, -0.27, 0.56, angle=s.rng.uniform(-6, 10)), s.second, mood, s.rng.choice((RUNNING, CHEERING)),
           s.rng.choice(HAIR))
    s.pose(-gap, -0.265, 0.56).box(0, 0, 0.28, 0.06, 0.03, (226, 62, 66))
    s.line([(-gap + 0.06, -0.265), (-gap * 0.2, -0.13), (gap - 0.1, -0.17)], (226, 62, 66), 0.02)
    s.pose(gap - 0.1, -0.17, 0.48).ellipse(0, 0, 0.075, 0.065, s.first)
    s.heart(gap + 0.05, -0.54, 0.06)
    if mood != "happy":
        s.drop(-gap - 0.14, -0.5, 0.055, angle=-25)
    s.speed(-gap - 0.2, -0.26, 0.2, 0.1, 3)


def penguin_balloons(s: Stage) -> None:
    """A penguin carried into the sky by a bunch of balloons."""
    height = -s.place.ground / s.unit / 2 + s.rng.uniform(-0.05, 0.05) + 0.22
    knot = (0.0, height - 0.16)
    spots = [(-0.24, -0.38), (0.25, -0.36), (-0.11, -0.46), (0.12, -0.47), (0.0, -0.36)]
    for x, y in spots:
        s.line([(knot[0], knot[1] + 0.1), (x * 0.6, height + y * 0.62), (x, height + y + 0.1)], INK, 0.008)
    for k, (x, y) in enumerate(spots):
        p = s.pose(x, height + y, 0.34, angle=x * 60)
        colour = s.second if k % 2 == 0 else s.any_colour()
        FIGURES["balloon"](p, colour, "calm")
    s.put("penguin", 0, height + 0.04, 0.42, s.first, s.rng.choice(("shocked", "happy", "smug")),
          angle=s.rng.uniform(-10, 10))
    for x in (-0.36, 0.38):
        places.bird(s.pose(x, height + s.rng.uniform(-0.05, 0.15), 0.11, flip=x > 0), s.any_colour())


def computer_bed(s: Stage) -> None:
    """A computer in bed with a thermometer in its mouth and an ice bag on its head."""
    tilt = s.rng.uniform(-14, -6)

    def patient(p: Pose) -> None:
        place = p.at(-0.18, -0.15, 0.52, angle=tilt)
        FIGURES["computer"](place, s.first, "shocked")
        place.stroke([(0.06, -0.06), (0.34, 0.06)], INK, 0.075)
        place.stroke([(0.06, -0.06), (0.34, 0.06)], WHITE, 0.04)
        place.stroke([(0.22, 0.01), (0.34, 0.06)], (230, 60, 60), 0.05)
        place.shape([(-0.26, -0.46), (-0.2, -0.6), (0, -0.66), (0.2, -0.6), (0.26, -0.46), (0, -0.42)], (130, 190, 240))
        place.box(0, -0.66, 0.14, 0.07, 0.03, (240, 244, 250))

    _in_bed(s, patient)
    for k, x in enumerate((-0.36, 0.06, 0.1)):  # steam
        y = -0.72 - 0.03 * k
        s.line([(x, y), (x + 0.02, y - 0.03), (x - 0.01, y - 0.06), (x + 0.02, y - 0.09)], (*WHITE, 235), 0.014)
    bug = s.pose(0.28, -0.6, 0.11)
    for t in range(0, 360, 60):
        c, d = math.cos(math.radians(t)), math.sin(math.radians(t))
        bug.stroke([(c * 0.3, d * 0.3), (c * 0.5, d * 0.5)], INK, 0.08)
    bug.ellipse(0, 0, 0.34, 0.34, (130, 206, 90), 0.06)
    for side in (-1, 1):
        bug.ellipse(side * 0.12, -0.06, 0.08, 0.09, WHITE, 0.03)
        bug.ellipse(side * 0.12, -0.05, 0.04, 0.05, INK, 0)
    bug.stroke([(-0.12, 0.12), (0, 0.18), (0.12, 0.12)], INK, 0.05)


def fish_umbrella(s: Stage) -> None:
    """A fish walking upright in rubber boots, hiding from the rain."""
    s.rain()
    s.shadow(0, 0, 0.18)
    p = s.pose(-0.02, -0.27, 0.56, angle=s.rng.uniform(-16, -6))
    for x, bend in ((-0.05, -0.06), (0.1, 0.06)):
        p.limb([(x, 0.18), (x + bend * 0.4, 0.32)], SKIN, 0.045)
        p.box(x + bend * 0.4, 0.37, 0.1, 0.14, 0.03, (250, 196, 50))
        p.box(x + bend * 0.4 + 0.03, 0.43, 0.16, 0.07, 0.03, (250, 196, 50))
    FIGURES["fish"](p, s.first, s.rng.choice(("shocked", "calm", "smug")))
    s.put("umbrella", -0.05, -0.52, 0.74, s.second, angle=s.rng.uniform(-4, 6))
    p.limb([(-0.14, 0.12), (-0.08, 0.04), (-0.01, 0.02)], dark(s.first), 0.07)
    for x in (-0.4, -0.26, 0.3, 0.42):
        s.burst(x, 0.03, 0.03, (220, 236, 250), 220, 320)


ROOMS, OUTDOORS, WET = (places.room, places.night_room), (places.park, places.street), (places.wet_street,
    places.wet_park)
STAGINGS: dict[Callable[[Stage], None], tuple[places.Background, ...]] = {
    cat_keyboard: (places.office, *ROOMS),
    alarm_chase: (places.street, places.park, places.room),
    rain_dog: WET,
    cow_car: OUTDOORS,
    rabbit_bed: ROOMS,
    penguin_beach: (places.beach,),
    book_tower: (places.room, places.office),
    cow_tree: OUTDOORS,
    cat_fish: (places.room, places.office, places.night_room),
    dog_professor: (places.classroom,),
    car_tree: OUTDOORS,
    fish_bed: ROOMS,
    dog_walks_person: OUTDOORS,
    penguin_balloons: (places.sky,),
    computer_bed: ROOMS,
    fish_umbrella: WET,
}
DRAWERS = {drawer.__name__: drawer for drawer in STAGINGS}


def draw_scene(
    scene: str, composition_rng: Random, width: int, height: int, colours: tuple[str, str] = ("orange", "blue")
) -> Image.Image:
    """A picture of `scene`, `width` x `height` pixels, its two leading things in `colours`; the rest is drawn by lot.

    Raises KeyError for a scene that is not in DRAWERS or a colour that is not in COLOURS.
    """
    drawer = DRAWERS[scene]
    canvas = Canvas(width, height, supersample=3)
    place = composition_rng.choice(STAGINGS[drawer])(canvas, composition_rng)
    unit = place.unit * composition_rng.uniform(0.86, 1)
    middle = unit / 2 + (width - unit) * composition_rng.uniform(0.06, 0.94)
    first, second = (COLOURS[name].rgb for name in colours)
    drawer(Stage(canvas, place, unit, composition_rng, middle, composition_rng.random() < 0.5, first, second))
    return canvas.finish()
