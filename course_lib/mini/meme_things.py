"""What cartoon animals and people get into trouble with."""

from collections.abc import Callable

from course_lib.mini.canvas import Colour, shade, smooth
from course_lib.mini.meme_creatures import dark, face, light
from course_lib.mini.pose import INK, WHITE, Pose

WOOD, GLASS = (168, 112, 66), (190, 226, 244)


def umbrella(p: Pose, colour: Colour, mood: str) -> None:
    """An open umbrella with panels and a hooked handle."""
    p.stroke([(0, -0.12), (0, 0.3), (0.03, 0.41), (0.1, 0.41), (0.12, 0.34)], INK, 0.075)
    p.stroke([(0, -0.12), (0, 0.3), (0.03, 0.41), (0.1, 0.41), (0.12, 0.34)], (214, 164, 104), 0.035)
    rim = [(0.46, 0.02), (0.38, -0.05), (0.3, -0.05), (0.16, 0.02), (0.08, -0.06), (-0.08, -0.06), (-0.16, 0.02),
           (-0.3, -0.05), (-0.38, -0.05), (-0.46, 0.02)]
    top = [(-0.43, -0.14), (-0.32, -0.3), (-0.16, -0.39), (0, -0.42), (0.16, -0.39), (0.32, -0.3), (0.43, -0.14)]
    p.polygon([*rim, *smooth([(-0.46, 0.02), *top, (0.46, 0.02)], closed=False, steps=3)], colour)
    panel = smooth([(0.16, 0.02), (0.13, -0.2), (0, -0.42), (-0.13, -0.2), (-0.16, 0.02)], closed=False, steps=3)
    p.polygon([(-0.08, -0.06), (0.08, -0.06), *panel], light(colour), p.line * 0.5)
    p.stroke([(0, -0.42), (0, -0.47)], INK, 0.04)


def clock(p: Pose, colour: Colour, mood: str) -> None:
    """An alarm clock with two bells and a face of its own."""
    for side in (-1, 1):
        p.stroke([(side * 0.2, 0.3), (side * 0.29, 0.45)], INK, 0.07)
        p.ellipse(side * 0.23, -0.33, 0.15, 0.1, dark(colour), angle=side * 35)
    p.stroke([(0, -0.35), (0, -0.44)], INK, 0.05)
    p.ellipse(0, -0.45, 0.045, 0.03, INK, 0)
    p.ellipse(0, 0.05, 0.36, 0.36, colour)
    p.ellipse(0, 0.05, 0.26, 0.26, WHITE, p.line * 0.6)
    if p.fine:
        for dx, dy in ((0, -1), (1, 0), (0, 1), (-1, 0)):
            p.ellipse(dx * 0.215, 0.05 + dy * 0.215, 0.02, 0.02, INK, 0)
    p.stroke([(0, 0.05), (0.0, -0.12)], INK, 0.035)
    p.stroke([(0, 0.05), (0.13, 0.1)], (220, 60, 50), 0.035)
    if p.size > 70:
        face(p.at(0, 0.02, 1), mood, 0.1, 0.052, 0.12)


def book(p: Pose, colour: Colour, mood: str) -> None:
    """A thick closed book standing up, with a pale label and a ribbon."""
    p.box(0.03, 0.03, 0.62, 0.86, 0.04, shade(colour, -0.35))
    p.box(0.05, 0.01, 0.56, 0.82, 0.03, (250, 242, 222), p.line * 0.5)
    if p.fine:
        for x in (0.29, 0.315):
            p.stroke([(x, -0.36), (x, 0.38)], (200, 186, 160), 0.01)
    p.polygon([(0.12, 0.38), (0.2, 0.38), (0.2, 0.49), (0.16, 0.45), (0.12, 0.49)], (230, 70, 70), p.line * 0.5)
    p.box(-0.03, -0.02, 0.58, 0.84, 0.05, colour)
    p.box(-0.265, -0.02, 0.075, 0.83, 0.03, dark(colour), 0)
    p.box(0.02, -0.16, 0.32, 0.24, 0.03, light(colour), p.line * 0.6)
    p.polygon([(0.02, -0.24), (0.09, -0.16), (0.02, -0.08), (-0.05, -0.16)], dark(colour), 0)


def computer(p: Pose, colour: Colour, mood: str) -> None:
    """A chubby old computer: screen with a face, disk slot and keyboard."""
    p.polygon([(-0.44, 0.46), (-0.36, 0.3), (0.36, 0.3), (0.44, 0.46)], dark(colour))
    if p.fine:
        for k, y in enumerate((0.345, 0.385, 0.425)):
            for x in range(-3, 4):
                p.box(x * (0.098 + 0.006 * k), y, 0.07, 0.026, 0.008, (250, 246, 236), 0)
    p.box(0, 0.27, 0.36, 0.09, 0.03, dark(colour))
    p.box(0, -0.12, 0.8, 0.7, 0.09, colour)
    p.box(0, -0.17, 0.6, 0.46, 0.07, (30, 60, 84), p.line * 0.7)
    p.polygon([(-0.25, -0.36), (-0.1, -0.36), (-0.22, 0.02), (-0.27, 0.02)], (255, 255, 255, 40), 0)
    p.stroke([(0.12, 0.16), (0.3, 0.16)], INK, 0.03)
    p.ellipse(-0.28, 0.16, 0.026, 0.026, (120, 240, 120), 0)
    glow = (150, 246, 214)
    if mood in ("calm", "happy", "smug"):
        for side in (-1, 1):
            p.ellipse(side * 0.11, -0.21, 0.035, 0.055, glow, 0)
        p.stroke([(-0.1, -0.1), (0, -0.04), (0.1, -0.1)], glow, 0.035)
    else:
        for side in (-1, 1):
            for d in (-1, 1):
                p.stroke([(side * 0.12 - 0.045, -0.21 - d * 0.045), (side * 0.12 + 0.045, -0.21 + d * 0.045)], glow,
                         0.03)
        p.stroke([(-0.12, -0.06), (-0.04, -0.1), (0.04, -0.06), (0.12, -0.1)], glow, 0.03)


def bed(p: Pose, colour: Colour, mood: str, sleeper: Callable[[], None] | None = None) -> None:
    """A wooden bed seen from the side: pillow on the left, blanket in the colour; `sleeper` draws who lies under it."""
    for x in (-0.42, 0.42):
        p.box(x, 0.29, 0.07, 0.22, 0.02, shade(WOOD, -0.2))
    p.box(-0.43, 0.0, 0.1, 0.56, 0.04, WOOD)
    p.box(0.44, 0.1, 0.09, 0.3, 0.04, WOOD)
    p.box(0, 0.2, 0.86, 0.12, 0.03, shade(WOOD, -0.1))
    p.box(0, 0.1, 0.82, 0.14, 0.05, WHITE)
    p.box(-0.27, 0.0, 0.22, 0.13, 0.06, (236, 242, 252), p.line * 0.8)
    if sleeper:
        sleeper()
    p.shape([(-0.12, -0.02), (0.1, -0.07), (0.36, -0.02), (0.4, 0.12), (0.38, 0.26), (0.1, 0.25), (-0.12, 0.27),
             (-0.15, 0.1)], colour)
    p.shape([(-0.14, 0.0), (-0.04, -0.03), (-0.03, 0.26), (-0.13, 0.26)], light(colour), p.line * 0.6)
    if p.fine:
        for x, y in ((0.08, 0.03), (0.2, 0.12), (0.31, 0.03), (0.08, 0.19), (0.31, 0.19)):
            p.ellipse(x, y, 0.022, 0.022, light(colour), 0)


def car(p: Pose, colour: Colour, mood: str) -> None:
    """A small round car driving to the right."""
    p.shape([(-0.3, -0.06), (-0.22, -0.26), (0.02, -0.31), (0.2, -0.24), (0.3, -0.04)], colour)
    p.shape([(-0.22, -0.06), (-0.17, -0.2), (-0.04, -0.23), (-0.03, -0.06)], GLASS, p.line * 0.7)
    p.shape([(0.03, -0.06), (0.03, -0.23), (0.14, -0.2), (0.22, -0.06)], GLASS, p.line * 0.7)
    p.shape([(-0.45, 0.04), (-0.38, -0.07), (0, -0.08), (0.3, -0.07), (0.45, 0.02), (0.46, 0.16), (0.3, 0.2),
             (-0.3, 0.2), (-0.46, 0.16)], colour)
    p.ellipse(0.41, 0.04, 0.05, 0.055, (255, 240, 150), p.line * 0.7)
    p.stroke([(-0.44, 0.13), (0.46, 0.13)], dark(colour), 0.03)
    if p.fine:
        p.stroke([(-0.1, 0.0), (-0.03, 0.0)], INK, 0.022)
        p.stroke([(-0.3, -0.02), (-0.18, -0.04)], shade(colour, 0.5), 0.025)
    for x in (-0.25, 0.25):
        p.ellipse(x, 0.21, 0.125, 0.125, (56, 52, 60))
        p.ellipse(x, 0.21, 0.06, 0.06, (220, 222, 228), 0)


def tree(p: Pose, colour: Colour, mood: str) -> None:
    """A tree with a cloud-shaped crown in the colour."""
    p.polygon([(-0.08, 0.47), (-0.05, 0.05), (0.05, 0.05), (0.08, 0.47)], WOOD)
    puffs = ((-0.27, -0.02, 0.19), (0.27, -0.02, 0.19), (0, 0.02, 0.19), (-0.2, -0.22, 0.18), (0.2, -0.22, 0.18),
             (0, -0.29, 0.19))
    for x, y, r in puffs:
        p.ellipse(x, y, r, r * 0.95, colour, p.line * 1.7)
    for x, y, r in puffs:
        p.ellipse(x, y, r, r * 0.95, colour, 0)
    p.ellipse(-0.17, -0.27, 0.09, 0.06, shade(colour, 0.28), 0, -35)
    if p.fine:
        for x, y in ((0.12, -0.12), (-0.16, 0.02), (0.24, 0.0), (0.06, -0.3)):
            p.stroke([(x - 0.05, y), (x, y + 0.04), (x + 0.05, y)], dark(colour), 0.028)


def balloon(p: Pose, colour: Colour, mood: str) -> None:
    """A balloon on a wavy string."""
    p.stroke([(0, 0.14), (0.04, 0.26), (-0.03, 0.36), (0.02, 0.48)], INK, 0.028)
    p.polygon([(0, 0.1), (0.06, 0.19), (-0.06, 0.19)], dark(colour), p.line * 0.8)
    p.shape([(0, -0.47), (0.2, -0.4), (0.29, -0.2), (0.2, 0.02), (0, 0.13), (-0.2, 0.02), (-0.29, -0.2), (-0.2, -0.4)],
            colour)
    p.ellipse(-0.11, -0.28, 0.045, 0.085, (255, 255, 255, 150), 0, 25)
