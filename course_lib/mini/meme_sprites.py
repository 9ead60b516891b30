"""The cartoon things of the joke pictures as sprites, in any of the ten colours."""

from collections.abc import Callable
from functools import partial
from random import Random

from course_lib.mini.canvas import Canvas, Colour
from course_lib.mini.meme_creatures import (
    CHEERING, MOODS, RUNNING, STANDING, cat, cow, dog, fish, penguin, person, rabbit,
)
from course_lib.mini.meme_things import balloon, bed, book, car, clock, computer, tree, umbrella
from course_lib.mini.pose import Pose
from course_lib.mini.sprites import Sprite

Figure = Callable[[Pose, Colour, str], None]
FIGURES: dict[str, Figure] = {
    figure.__name__: figure
    for figure in (cat, dog, rabbit, cow, penguin, fish, person,
                   umbrella, clock, book, computer, bed, car, tree, balloon)
}


def _draw(figure: Figure, canvas: Canvas, x: float, y: float, size: float, colour: Colour, rng: Random) -> None:
    pose = Pose(canvas, x, y, size, rng.random() < 0.5, rng.uniform(-8, 8))
    if figure is person:
        person(pose, colour, rng.choice(MOODS), rng.choice((STANDING, CHEERING, RUNNING)))
    else:
        figure(pose, colour, rng.choice(MOODS))


def _sprite(name: str, zh: str, plural: str, measure: str) -> Sprite:
    return Sprite(zh, name, plural, measure, partial(_draw, FIGURES[name]))


MEME_SPRITES = {
    "cat": _sprite("cat", "猫", "cats", "只"),
    "dog": _sprite("dog", "狗", "dogs", "只"),
    "rabbit": _sprite("rabbit", "兔子", "rabbits", "只"),
    "cow": _sprite("cow", "牛", "cows", "头"),
    "penguin": _sprite("penguin", "企鹅", "penguins", "只"),
    "fish": _sprite("fish", "鱼", "fish", "条"),
    "person": _sprite("person", "人", "people", "个"),
    "umbrella": _sprite("umbrella", "雨伞", "umbrellas", "把"),
    "clock": _sprite("clock", "闹钟", "clocks", "个"),
    "book": _sprite("book", "书", "books", "本"),
    "computer": _sprite("computer", "电脑", "computers", "台"),
    "bed": _sprite("bed", "床", "beds", "张"),
    "car": _sprite("car", "汽车", "cars", "辆"),
    "tree": _sprite("tree", "树", "trees", "棵"),
    "balloon": _sprite("balloon", "气球", "balloons", "个"),
}
