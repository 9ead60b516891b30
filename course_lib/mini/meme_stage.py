"""The stage on which a scene is played: things placed by fractions of the picture, and the tricks of cartoons."""

import math
from dataclasses import dataclass
from random import Random

from course_lib.mini.canvas import Canvas, Colour, Point
from course_lib.mini.meme_backgrounds import Place
from course_lib.mini.meme_sprites import FIGURES
from course_lib.mini.pose import INK, WHITE, Pose
from course_lib.mini.sprites import COLOURS

# How far below its middle a thing ends.
FOOT = {"cat": 0.47, "dog": 0.47, "rabbit": 0.48, "cow": 0.46, "penguin": 0.48, "fish": 0.28, "person": 0.48,
        "umbrella": 0.42,
         "clock": 0.46, "book": 0.46, "computer": 0.46, "bed": 0.4, "car": 0.335, "tree": 0.47, "balloon": 0.48}
WATER = (120, 190, 240)


@dataclass(frozen=True)
class Stage:
    """A background with the place of the action on it, and the colours of the two leading things.

    Lengths are in `unit` pixels, the shorter side of the picture or a little less; x counts from the middle of the
    action (mirrored where `mirror`), y from the ground, upwards negative.
    """

    canvas: Canvas
    place: Place
    unit: float
    rng: Random
    middle: float
    mirror: bool
    first: Colour
    second: Colour

    @property
    def half(self) -> float:
        """How far the picture reaches from the middle of the action to its nearer edge."""
        return min(self.middle, self.canvas.width - self.middle) / self.unit

    def point(self, x: float, y: float) -> Point:
        """A point of the stage in pixels."""
        return self.middle + (-x if self.mirror else x) * self.unit, self.place.ground + y * self.unit

    def pose(self, x: float, y: float, size: float, angle: float = 0, flip: bool = False) -> Pose:
        """The place for a thing centred on (x, y); outlines are equally thick on large and small things."""
        px, py = self.point(x, y)
        line = min(max(0.012 / size, 0.02), 0.045)
        return Pose(self.canvas, px, py, size * self.unit, flip != self.mirror, -angle if self.mirror else angle, line)

    def put(self, name: str, x: float, y: float, size: float, colour: Colour, mood: str = "happy", angle: float = 0,
            flip: bool = False) -> Pose:
        """Draw a thing centred on (x, y)."""
        pose = self.pose(x, y, size, angle, flip)
        FIGURES[name](pose, colour, mood)
        return pose

    def stand(self, name: str, x: float, y: float, size: float, colour: Colour, mood: str = "happy", angle: float = 0,
              flip: bool = False) -> Pose:
        """Draw a thing whose foot is at height `y`, with a shadow where that is the ground."""
        if y > -0.02:
            self.shadow(x, y, size * 0.42)
        return self.put(name, x, y - FOOT[name] * size, size, colour, mood, angle, flip)

    def shadow(self, x: float, y: float, width: float) -> None:
        """A soft shadow on the ground."""
        self.canvas.shadow(*self.point(x, y), width * self.unit, 0.035 * self.unit, 70)

    def line(self, points: list[Point], colour: Colour = INK, width: float = 0.012) -> None:
        """A smooth line."""
        self.canvas.curve([self.point(x, y) for x, y in points], colour, width * self.unit)

    def any_colour(self) -> Colour:
        """A colour for things of no importance."""
        return COLOURS[self.rng.choice(list(COLOURS))].rgb

    def speed(self, x: float, y: float, height: float, length: float = 0.14, count: int = 4) -> None:
        """Motion lines that trail behind something moving to the right."""
        for k in range(count):
            dy, start = (k / max(count - 1, 1) - 0.5) * height, self.rng.uniform(0, 0.05)
            self.line([(x - start, y + dy), (x - start - length * self.rng.uniform(0.6, 1), y + dy)], (*WHITE, 235),
                      0.014)

    def dust(self, x: float, y: float, size: float) -> None:
        """A puff of dust."""
        p = self.pose(x, y, size)
        for dx, dy, r in ((-0.3, 0.05, 0.2), (0.0, -0.08, 0.28), (0.28, 0.05, 0.2)):
            p.ellipse(dx, dy, r, r, (240, 234, 222), 0.05)
        p.ellipse(0, 0.06, 0.3, 0.16, (240, 234, 222), 0)

    def drop(self, x: float, y: float, size: float = 0.05, colour: Colour = WATER, angle: float = 0) -> None:
        """A drop: sweat, rain, drool."""
        self.pose(x, y, size, angle).shape([(0, -0.5), (0.26, 0.1), (0.2, 0.4), (-0.2, 0.4), (-0.26, 0.1)], colour, 0.1)

    def bubble(self, x: float, y: float, size: float) -> None:
        """The bubble of somebody fast asleep."""
        p = self.pose(x, y, size)
        p.ellipse(0, 0, 0.46, 0.46, (206, 236, 250), 0.05)
        p.ellipse(-0.16, -0.18, 0.1, 0.07, WHITE, 0, -40)

    def burst(self, x: float, y: float, radius: float, colour: Colour = INK, start: float = 200,
              end: float = 340) -> None:
        """Short lines radiating from (x, y), between two angles in degrees (270 is up): ringing, impact, surprise."""
        for k in range(5):
            t = math.radians(start + (end - start) * k / 4)
            c, s = math.cos(t), math.sin(t)
            self.line([(x + c * radius, y + s * radius), (x + c * radius * 1.3, y + s * radius * 1.3)], colour, 0.014)

    def rain(self) -> None:
        """Rain over the whole picture."""
        slant = self.rng.uniform(-0.03, 0.03)
        for _ in range(int(48 * self.canvas.width * self.canvas.height / self.unit**2)):
            x, y = self.rng.uniform(0, self.canvas.width), self.rng.uniform(-0.05, 1) * self.canvas.height
            length = self.unit * self.rng.uniform(0.03, 0.07)
            self.canvas.line([(x, y), (x + slant * self.unit, y + length)], (206, 226, 246), self.unit * 0.006)

    def heart(self, x: float, y: float, size: float) -> None:
        """A small heart."""
        self.pose(x, y,
                  size).shape([(0, -0.2), (0.28, -0.42), (0.48, -0.12), (0, 0.46), (-0.48, -0.12), (-0.28, -0.42)],
                                    (240, 84, 104), 0.07)

    def leaves(self, colour: Colour, reach: float) -> None:
        """Falling leaves, up to `reach` to either side."""
        for _ in range(5):
            x, y = self.rng.uniform(-reach, reach), self.rng.uniform(-0.28, 0)
            self.pose(x, y, 0.05, self.rng.uniform(0, 180)).ellipse(0, 0, 0.45, 0.22, colour, 0.1)
