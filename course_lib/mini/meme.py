"""The joke task's data set: cartoon scenes drawn by code, each with jokes that fit it, in CLoT_cn's layout.

`python -m course_lib.mini.meme [--out data/meme]` writes it, the same bits each time.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Annotated

import typer
from PIL import Image

from course_lib.mini.meme_jokes import QUESTION, SCENES
from course_lib.mini.meme_scenes import draw_scene
from course_lib.mini.sprites import COLOURS

SEED = 20
TRAIN, TEST = 36, 5  # compositions of each scene
JPEG = {"format": "JPEG", "quality": 62, "optimize": True, "progressive": True}
SIZES = {  # (width, height) -> how often
    (448, 448): 24, (560, 448): 6, (448, 560): 4, (672, 448): 6, (448, 672): 4,
    (896, 448): 3, (896, 672): 1, (672, 896): 1, (1344, 448): 1,
}


@dataclass(frozen=True)
class Composition:
    """One picture of a scene: all that its drawing depends on."""

    scene: str
    number: int
    split: str
    width: int
    height: int
    colours: tuple[str, str]

    @property
    def name(self) -> str:
        """Name of the picture, without folder and suffix."""
        return f"{self.scene}-{self.number:02d}"

    @property
    def seed(self) -> str:
        """The seed of everything that is drawn by lot."""
        return f"{SEED}-{self.name}"

    def draw(self) -> Image.Image:
        """The picture."""
        return draw_scene(self.scene, Random(self.seed), self.width, self.height, self.colours)


def jokes() -> dict[str, tuple[str, ...]]:
    """The jokes that fit each kind of scene."""
    return {name: tuple(scene.glosses) for name, scene in SCENES.items()}


def glosses() -> dict[str, str]:
    """The English meaning of each joke."""
    return {joke: gloss for scene in SCENES.values() for joke, gloss in scene.glosses.items()}


def all_texts() -> list[str]:
    """Every text of the data set, once: the question and all jokes (for the mini's alphabet)."""
    return [QUESTION, *glosses()]


def is_held_out(colours: tuple[str, str]) -> bool:
    """Whether the two leading things of a test picture may have these colours; training pictures have the others.

    Each colour occurs in both splits, in both places, but never with the same partner.
    """
    order = list(COLOURS)
    return (order.index(colours[0]) + 3 * order.index(colours[1])) % 5 == 0


def compositions() -> Iterator[Composition]:
    """Every picture of the data set: TRAIN and then TEST of each scene."""
    for scene in SCENES:
        rng = Random(f"{SEED}-{scene}")
        pairs = [(first, second) for first in COLOURS for second in COLOURS if first != second]
        train = rng.sample([pair for pair in pairs if not is_held_out(pair)], TRAIN)
        test = rng.sample([pair for pair in pairs if is_held_out(pair)], TEST)
        for number, colours in enumerate(train + test):
            (width, height), = rng.choices(list(SIZES), list(SIZES.values()))
            yield Composition(scene, number, "train" if number < TRAIN else "test", width, height, colours)


def records(composition: Composition) -> list[dict]:
    """The records of a picture in CLoT's layout: two jokes for a training picture, one for a test picture."""
    fitting = jokes()[composition.scene]
    k = composition.number
    chosen = (k, k + 1 + (k // len(fitting)) % 2) if composition.split == "train" else (k,)
    return [
        {
            "id": f"{composition.name}-{turn}",
            "image": f"ex_images/{composition.name}.jpg",
            "conversations": [
                {"from": "human", "value": QUESTION},
                {"from": "gpt", "value": fitting[joke % len(fitting)]},
            ],
        }
        for turn, joke in enumerate(chosen)
    ]


def _card(everything: list[Composition], megabytes: float) -> str:
    rows = "\n".join(
        f"| `{name}` | {scene.zh} | {scene.en} | {next(iter(scene.glosses))} | {next(iter(scene.glosses.values()))} |"
        for name, scene in SCENES.items()
    )
    count = {split: sum(c.split == split for c in everything) for split in ("train", "test")}
    scenes, texts, question = len(SCENES), len(all_texts()) - 1, QUESTION.replace("\n", "\\n")
    sizes = ", ".join(f"{w}x{h}" for w, h in sorted({(c.width, c.height) for c in everything}))
    return f"""# Cartoon scenes and jokes (`data/meme`)

{len(everything)} cartoon pictures of {scenes} kinds of scene, with jokes that fit them: the joke task of this course.

| file | what | records | pictures |
|---|---|---|---|
| `ex_cn.json` | training: each picture with two of its scene's jokes | {2 * count["train"]} | {count["train"]} |
| `ex_cn_test.json` | held out: each picture with one joke | {count["test"]} | {count["test"]} |
| `ex_images/` | the pictures, JPEG, {megabytes:.1f} MB in all | | {len(everything)} |

The layout is that of CLoT_cn: a list of `{{"id", "image", "conversations"}}`; the question is always
`{question}`
("From this picture, make a wildly imaginative joke"); `id` is scene, composition and turn.
Only this layout comes from CLoT / Oogiri-GO: no picture and no joke of theirs, or of anyone else's, is in here.

**Pictures** are drawn by `course_lib/mini/meme_scenes.py` from the things in `meme_creatures.py` and `meme_things.py`.
What varies: the colours of the two leading things, background, place, direction, size, expressions and props, and the
picture's own shape ({sizes} pixels). No picture contains text.

**Jokes**: {texts}, written for this kit, in Chinese, with English glosses
in `course_lib/mini/meme_jokes.py`.

**Split**: by composition, {TRAIN} for training and {TEST} for the test in each scene. A fifth of the pairs of colours
is kept for the test: the two leading things of a test picture never have the same colours as in a training picture of
that scene, and place, background and props are drawn from a seed of its own. The jokes of a scene are the same in both
splits: what is tested is whether an unseen picture gets a joke of its own scene. The seed of a picture is
`{SEED}-<scene>-<composition>`.

**Limits**: {scenes} subjects in one style of drawing. A model that does well here can tell scenes apart and remember
jokes; it has not learned humour.

**Regenerate**, bit for bit with the locked Pillow: `python -m course_lib.mini.meme --out data/meme`

**Licence**: MIT, as the kit.

| scene | | | a joke | in English |
|---|---|---|---|---|
{rows}
"""


def write(out: Path) -> list[Composition]:
    """Write pictures, records and data card to `out`."""
    everything = list(compositions())
    (out / "ex_images").mkdir(parents=True, exist_ok=True)
    for composition in everything:
        composition.draw().save(out / "ex_images" / f"{composition.name}.jpg", **JPEG)
    for split, file in (("train", "ex_cn.json"), ("test", "ex_cn_test.json")):
        rows = [record for composition in everything if composition.split == split for record in records(composition)]
        (out / file).write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    size = sum((out / "ex_images" / f"{composition.name}.jpg").stat().st_size for composition in everything)
    (out / "README.md").write_text(_card(everything, size / 1e6), encoding="utf-8")
    return everything


def main(out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("data/meme")) -> None:
    """Draw and write the joke task's data set."""
    everything = write(out)
    typer.echo(f"{out}: {len(everything)} pictures of {len(SCENES)} scenes")


if __name__ == "__main__":
    typer.run(main)
