"""What `internvl-mini` is taught before any fine-tuning: pictures of coloured things, and plain talk about them.

Each sample is a pure function of `(split, number)`: a `Scene` is drawn by chance, painted, and talked about in Chinese
and English: what is seen, how many, which colour, where. No dish, no cuisine and no joke occurs here; those are what
fine-tuning teaches. So that fine-tuning *can* teach them, every character of the two tasks is read and written in
copying exercises, in random order (a character never written would keep a random row in the frozen output head).
"""

from dataclasses import dataclass
from functools import cache
from random import Random

from PIL import Image

from course_lib.mini.canvas import Canvas, mix, shade
from course_lib.mini.food import QUESTIONS as FOOD_QUESTIONS
from course_lib.mini.food import all_texts as food_texts
from course_lib.mini.food import names as food_names
from course_lib.mini.food_sprites import CONTAINERS, FOOD_SPRITES
from course_lib.mini.meme import QUESTION as MEME_QUESTION
from course_lib.mini.meme import all_texts as meme_texts
from course_lib.mini.meme_sprites import MEME_SPRITES
from course_lib.mini.sprites import COLOURS, SHAPES, Sprite

# Both tasks draw fish, each in its own style: two things with one name.
THINGS: dict[str, Sprite] = {
    **SHAPES,
    **FOOD_SPRITES,
    **{f"cartoon {key}" if key in FOOD_SPRITES else key: sprite for key, sprite in MEME_SPRITES.items()},
}
MAX_COUNT = 4
ZH_NUMBERS = ("零", "一", "两", "三", "四")
EN_NUMBERS = ("no", "one", "two", "three", "four")
PLACES = {
    "left": ("左边", "on the left"),
    "right": ("右边", "on the right"),
    "top": ("上面", "at the top"),
    "bottom": ("下面", "at the bottom"),
    "middle": ("中间", "in the middle"),
}
# Where each place lies in the picture: left, top, right, bottom as fractions.
BOXES = {
    "left": (0.02, 0.05, 0.48, 0.95),
    "right": (0.52, 0.05, 0.98, 0.95),
    "top": (0.05, 0.02, 0.95, 0.48),
    "bottom": (0.05, 0.52, 0.95, 0.98),
    "middle": (0.22, 0.2, 0.78, 0.8),
}
THIRDS = {"left": (0.01, 0.05, 0.32, 0.95), "middle": (0.345, 0.05, 0.655, 0.95), "right": (0.68, 0.05, 0.99, 0.95)}
# Where one group, or each of two, lies in a container, as fractions of its square.
IN_CONTAINER = {1: ((0.17, 0.2, 0.83, 0.8),), 2: ((0.15, 0.2, 0.5, 0.8), (0.5, 0.2, 0.85, 0.8))}
ON_TOP = {"board"}  # things lie on these, and in the others
BACKGROUNDS = (
    (238, 232, 218), (222, 234, 242), (228, 238, 222), (244, 226, 222), (236, 228, 242), (212, 206, 196),
    (250, 244, 214), (204, 222, 230), (196, 170, 138), (168, 190, 168), (120, 140, 170), (92, 84, 98),
)  # fmt: skip


@dataclass(frozen=True)
class Group:
    """Some equal things at one place: keys of `THINGS`, `COLOURS` and `PLACES` (or "inside" a container)."""

    thing: str
    colour: str
    count: int
    place: str


@dataclass(frozen=True)
class Scene:
    """What a picture shows: one to three groups of different things, perhaps inside a coloured container."""

    groups: tuple[Group, ...]
    container: str | None = None
    container_colour: str | None = None


def draw_scene_by_chance(rng: Random, wide: bool = False) -> Scene:
    """A scene; `wide` allows three groups side by side."""
    if rng.random() < 0.3:
        places = ("inside",) * rng.choice((1, 2, 2))
        container, container_colour = rng.choice(list(CONTAINERS)), rng.choice(list(COLOURS))
    else:
        container = container_colour = None
        layouts = [(place,) for place in PLACES] + [("left", "right"), ("top", "bottom")] * 4
        places = ("left", "middle", "right") if wide and rng.random() < 0.5 else rng.choice(layouts)
    kinds = [*SHAPES, *FOOD_SPRITES] if container else list(THINGS)
    things = rng.sample(kinds, len(places))
    while len({THINGS[thing].zh for thing in things}) < len(things):
        things = rng.sample(kinds, len(places))
    colours = [rng.choice([c for c in COLOURS if c != container_colour]) for _ in places]
    most = 2 if container and len(places) == 2 else MAX_COUNT  # or they would be too small to see
    counts = [rng.randint(1, most) for _ in places]
    return Scene(tuple(map(Group, things, colours, counts, places)), container, container_colour)


def _cells(count: int, width: float, height: float, rng: Random) -> list[tuple[float, float, float, float]]:
    """Cut a box into at least `count` cells and return the middles and sides of `count` of them, in reading order."""
    if count == 1:
        columns, rows = 1, 1
    elif width > 1.5 * height:
        columns, rows = count, 1
    elif height > 1.5 * width:
        columns, rows = 1, count
    else:
        columns, rows = rng.choice(((2, 1), (1, 2))) if count == 2 else (2, 2)
    cells = [
        ((c + 0.5) * width / columns, (r + 0.5) * height / rows, width / columns, height / rows)
        for r in range(rows)
        for c in range(columns)
    ]
    return sorted(rng.sample(cells, count), key=lambda cell: (cell[1], cell[0]))


@dataclass(frozen=True)
class Placed:
    """Where one thing or container was painted: its middle and half its sides, as fractions of the picture.

    `count` and `place` are its group's (a container is one, and in the "middle").
    """

    kind: str
    colour: str
    count: int
    place: str
    x: float
    y: float
    half_width: float
    half_height: float


def _paint_group(canvas: Canvas, group: Group, box: tuple[float, ...], largest: float, rng: Random) -> list[Placed]:
    left, top, right, bottom = (v * side for v, side in zip(box, (canvas.width, canvas.height) * 2, strict=True))
    cells = _cells(group.count, right - left, bottom - top, rng)
    size = min(min(cells[0][2:]), largest) * rng.uniform(0.72, 0.96)
    colour = tuple(min(255, max(0, v + rng.randint(-10, 10))) for v in COLOURS[group.colour].rgb)
    placed = []
    for x, y, cell_width, cell_height in cells:
        dx, dy = (max(0.0, side - size) / 2 * rng.uniform(-0.8, 0.8) for side in (cell_width, cell_height))
        each = size * rng.uniform(0.92, 1.0)
        x, y = left + x + dx, top + y + dy
        THINGS[group.thing].draw(canvas, x, y, each, colour, rng)
        placed.append(_placed(canvas, group, x, y, each))
    return placed


def _placed(canvas: Canvas, group: Group, x: float, y: float, side: float) -> Placed:
    width, height = canvas.width, canvas.height
    half = (side / 2 / width, side / 2 / height)
    return Placed(group.thing, group.colour, group.count, group.place, x / width, y / height, *half)


def _distance(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    return sum(abs(x - y) for x, y in zip(a, b, strict=True))


def paint(scene: Scene, width: int, height: int, rng: Random, *, largest: float = 0.6) -> tuple[Image.Image, list[Placed]]:
    """Paint `scene` on `width` x `height` pixels; a thing is at most `largest` times the shorter side.

    Returns the picture and where everything is, in the order of painting: later things lie over earlier ones.
    """
    used = [COLOURS[c].rgb for c in (scene.container_colour, *(g.colour for g in scene.groups)) if c]
    ground = rng.choice([b for b in BACKGROUNDS if all(_distance(b, c) > 90 for c in used)] or BACKGROUNDS)
    canvas = Canvas(width, height, ground)
    if rng.random() < 0.6:
        canvas.gradient(shade(ground, rng.uniform(0, 0.25)), shade(ground, -rng.uniform(0, 0.15)))
    if rng.random() < 0.25:  # a horizon or the edge of a table
        y, tone = height * rng.uniform(0.3, 0.7), mix(ground, rng.choice(BACKGROUNDS), 0.3)
        canvas.polygon([(0, y), (width, y), (width, height), (0, height)], tone)
    short = min(width, height)
    if scene.container:
        colour = COLOURS[scene.container_colour].rgb
        side = short * rng.uniform(0.86, 0.98)
        x, y = width / 2 + (width - side) / 2 * rng.uniform(-0.6, 0.6), height / 2
        CONTAINERS[scene.container].draw(canvas, x, y, side, colour, rng)
        placed = [_placed(canvas, Group(scene.container, scene.container_colour, 1, "middle"), x, y, side)]
        x0, y0 = x - side / 2, y - side / 2
        for group, (a, b, c, d) in zip(scene.groups, IN_CONTAINER[len(scene.groups)], strict=True):
            box = ((x0 + a * side) / width, (y0 + b * side) / height, (x0 + c * side) / width, (y0 + d * side) / height)
            placed += _paint_group(canvas, group, box, short * 0.5, rng)
        return canvas.finish(), placed
    boxes, placed = THIRDS if len(scene.groups) == 3 else BOXES, []
    for group in scene.groups:
        placed += _paint_group(canvas, group, boxes[group.place], short * largest, rng)
    return canvas.finish(), placed


# --- plain talk ------------------------------------------------------------------------------------------------------


def _zh_group(group: Group) -> str:
    thing = THINGS[group.thing]
    return f"{ZH_NUMBERS[group.count]}{thing.measure}{COLOURS[group.colour].zh}的{thing.zh}"


def _en_group(group: Group) -> str:
    thing = THINGS[group.thing]
    return f"{EN_NUMBERS[group.count]} {COLOURS[group.colour].en} {_en_thing(thing, group.count)}"


def _en_thing(thing: Sprite, count: int) -> str:
    return thing.en if count == 1 else thing.en_plural


def _inside(scene: Scene) -> tuple[str, str]:
    """Where the things of a scene with a container are, in Chinese and in English."""
    zh, en = CONTAINERS[scene.container].zh, CONTAINERS[scene.container].en
    return (f"{zh}上", f"on the {en}") if scene.container in ON_TOP else (f"{zh}里", f"in the {en}")


def caption_zh(scene: Scene) -> str:
    """What the picture shows, as one Chinese sentence."""
    if scene.container:
        return f"{COLOURS[scene.container_colour].zh}的{_inside(scene)[0]}有{'和'.join(map(_zh_group, scene.groups))}。"
    return "，".join(f"{PLACES[g.place][0]}有{_zh_group(g)}" for g in scene.groups) + "。"


def caption_en(scene: Scene) -> str:
    """What the picture shows, as one English sentence."""
    if scene.container:
        where = _inside(scene)[1].replace("the", f"the {COLOURS[scene.container_colour].en}", 1)
        text = f"{' and '.join(map(_en_group, scene.groups))} {where}."
    else:
        text = ", ".join(f"{_en_group(g)} {PLACES[g.place][1]}" for g in scene.groups) + "."
    return text[0].upper() + text[1:]


CAPTION_ZH = ("请描述这张图片。", "图中有什么？", "这张图片里有什么？")
CAPTION_EN = ("Describe the picture.", "What is in the picture?", "What do you see?")
UNKNOWN = "这个我不知道，我只能说看到的："
NO_JOKE = "我不会讲笑话，我只能说看到的："
KINDS = ("caption", "count", "colour", "where")
SHARES = (2, 2, 2, 3)  # how often each is asked while training; no caption teaches where a thing is that one asks for


def question(kind: str, language: str, scene: Scene, rng: Random) -> tuple[str, str]:
    """A question of `kind` (caption, count, colour, where) about `scene` in "zh" or "en", and its answer."""
    group = rng.choice(scene.groups)
    thing, zh = THINGS[group.thing], language == "zh"
    if kind == "caption":
        return (rng.choice(CAPTION_ZH), caption_zh(scene)) if zh else (rng.choice(CAPTION_EN), caption_en(scene))
    if kind == "count":
        if zh:
            return f"有几{thing.measure}{thing.zh}？", f"{ZH_NUMBERS[group.count]}{thing.measure}。"
        return f"How many {thing.en_plural} are there?", f"{EN_NUMBERS[group.count].capitalize()}."
    if kind == "colour":
        if scene.container and rng.random() < 0.25:
            container, colour = CONTAINERS[scene.container], COLOURS[scene.container_colour]
            if zh:
                return f"{container.zh}是什么颜色的？", f"{colour.zh}。"
            return f"What colour is the {container.en}?", f"{colour.en.capitalize()}."
        colour = COLOURS[group.colour]
        if zh:
            return f"{thing.zh}是什么颜色的？", f"{colour.zh}。"
        verb = "is" if group.count == 1 else "are"
        return f"What colour {verb} the {_en_thing(thing, group.count)}?", f"{colour.en.capitalize()}."
    if kind == "where":
        verb = "is" if group.count == 1 else "are"
        zh_place, en_place = _inside(scene) if scene.container else PLACES[group.place]
        if zh:
            return f"{thing.zh}在哪里？", f"在{zh_place}。"
        return f"Where {verb} the {_en_thing(thing, group.count)}?", f"{en_place[0].upper()}{en_place[1:]}."
    raise ValueError(f"unknown kind of question {kind!r}: use one of {KINDS}")


def generic_reply(scene: Scene, rng: Random) -> tuple[str, str]:
    """A question of one of the two tasks, and the untuned model's plain reply: it says what it sees."""
    if rng.random() < 0.3:
        return MEME_QUESTION.removeprefix("<image>\n"), NO_JOKE + caption_zh(scene)
    return rng.choice(FOOD_QUESTIONS).zh, UNKNOWN + caption_zh(scene)


@cache
def task_characters() -> tuple[str, ...]:
    """Every character that the two tasks' questions and answers use, sorted."""
    return tuple(sorted(set("".join([*food_texts(), *meme_texts()])) - set(" \n<>")))


def copying(rng: Random) -> tuple[str, str]:
    """An exercise that uses task characters without saying anything: copy some, or say the first or the last."""
    text = "".join(rng.choice(task_characters()) for _ in range(rng.randint(2, 10)))
    while any(name in text for name in food_names()):
        text = "".join(rng.sample(text, len(text)))
    roll = rng.random()
    if roll < 0.7:
        return f"请重复：{text}", text
    return (f"第一个字：{text}", text[0]) if roll < 0.85 else (f"最后一个字：{text}", text[-1])


# --- samples ---------------------------------------------------------------------------------------------------------

# Picture sizes in pixels of the two stages; several tiles of 112 px each in the second.
SINGLE_SIZES = ((112, 112),) * 5 + ((140, 112), (112, 140), (168, 112), (112, 168))
TILED_SIZES = ((224, 112), (112, 224), (336, 112), (224, 224), (224, 224), (336, 224), (336, 224), (224, 336))


@dataclass(frozen=True)
class Sample:
    """A picture, what it shows and where, and a conversation about it (`messages` as in `course_lib.conversation`)."""

    image: Image.Image
    scene: Scene
    placed: tuple[Placed, ...]
    messages: tuple[dict, ...]


def scene_and_picture(rng: Random, size: tuple[int, int]) -> tuple[Scene, Image.Image, list[Placed]]:
    """A scene by chance, its picture, and where things are; the larger the picture, the smaller they may be."""
    width, height = size
    scene = draw_scene_by_chance(rng, wide=width >= 2 * height)
    smallest = 0.6 if max(size) < 200 else rng.choice((0.22, 0.3, 0.45, 0.6))
    return scene, *paint(scene, width, height, rng, largest=smallest)


def sample(number: int, *, split: str = "train", size: tuple[int, int] = (112, 112), turns: int = 3) -> Sample:
    """Sample `number` of a split, always the same: a painted scene with `turns` questions and answers."""
    rng = Random(f"{split}/{number}")
    scene, image, placed = scene_and_picture(rng, size)
    messages = []
    for turn in range(turns):
        roll = rng.random()
        if roll < 0.14:
            ask, answer = copying(rng)
        elif roll < 0.24:
            ask, answer = generic_reply(scene, rng)
        else:
            kind = rng.choices(KINDS, SHARES)[0]
            ask, answer = question(kind, rng.choice(("zh", "en")), scene, rng)
        if turn == 0:
            ask = f"<image>\n{ask}" if rng.random() < 0.7 else f"{ask}\n<image>"
        messages += [{"role": "user", "content": ask}, {"role": "assistant", "content": answer}]
    return Sample(image, scene, tuple(placed), tuple(messages))


def reading(number: int, *, split: str = "train", turns: int = 3) -> tuple[dict, ...]:
    """Conversation `number` without a picture: copying, or questions about a caption that the user gives in words."""
    rng = Random(f"{split}/{number}")
    scene = draw_scene_by_chance(rng, wide=True)
    told = rng.choice((caption_zh, caption_en))(scene)
    copies = rng.random() < 0.5
    messages = []
    for turn in range(turns):
        if copies:
            ask, answer = copying(rng)
        else:
            kinds = KINDS if turn else KINDS[1:]
            ask, answer = question(rng.choice(kinds), rng.choice(("zh", "en")), scene, rng)
            ask = ask if turn else f"{told}{ask}"
        messages += [{"role": "user", "content": ask}, {"role": "assistant", "content": answer}]
    return tuple(messages)
