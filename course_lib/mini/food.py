"""The food task: drawn dishes and questions in FoodieQA's layout; `python -m course_lib.mini.food` makes data/food."""

import json
import random
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import typer
from PIL import Image
from tqdm import tqdm

from course_lib.mini.food_dishes import CUISINES, DISHES, Dish
from course_lib.mini.food_glosses import GLOSSES


@dataclass(frozen=True)
class Question:
    """One kind of question; `field` names the dish's attribute that answers it."""

    kind: str
    field: str
    zh: str
    en: str


QUESTIONS = (
    Question(
        "cuisine_type",
        "cuisine",
        "图片中的食物通常属于哪个菜系?",
        "Which cuisine does the food in the picture usually belong to?",
    ),
    Question(
        "flavor",
        "flavour",
        "如果让你简单形容一下品尝图片中的食物的滋味，你会描述它",
        "If you were to describe the taste of the food in the picture briefly, you would call it",
    ),
    Question(
        "region",
        "region",
        "去哪个地方游玩时应该品尝当地的特色美食图片中的食物?",
        "Where would you travel to taste the local speciality in the picture?",
    ),
    Question(
        "present",
        "serving",
        "食用图片中的食物时，一般它上菜或摆盘时的特点是?",
        "What is typical of how the food in the picture is served or plated?",
    ),
)


def choices(dish: Dish, question: Question) -> tuple[list[str], int]:
    """Four different texts and the index of the right one; the wrong ones are true of dishes of other cuisines."""
    right = getattr(dish, question.field)
    others = sorted({getattr(d, question.field) for d in DISHES if d.cuisine != dish.cuisine} - {right})
    rng = random.Random(f"choices {dish.name} {question.kind}")
    texts = rng.sample(others, 3)
    index = rng.randrange(4)
    texts.insert(index, right)
    return texts, index


def answer_text(dish: Dish, question: Question) -> str:
    """What a model is taught to answer: the right choice and the dish's name."""
    return f"{getattr(dish, question.field)}，图中的菜是{dish.name}"


def all_texts() -> list[str]:
    """Every text of the data set, each once: questions, choices, answers, ingredients."""
    texts = [question.zh for question in QUESTIONS]
    for dish in DISHES:
        for question in QUESTIONS:
            texts += [*choices(dish, question)[0], answer_text(dish, question)]
        texts += [dish.name, *dish.ingredients]
    return list(dict.fromkeys(texts))


def names() -> set[str]:
    """Names of dishes and cuisines, which the base model must never have read."""
    return {dish.name for dish in DISHES} | set(CUISINES)


# --- compositions ----------------------------------------------------------------------------------------------------

TRAIN, TEST = 9, 3  # compositions of each dish
SQUARE = (448, 448)
OTHER_SIZES = (
    (672, 448), (448, 672), (896, 448), (560, 448), (448, 560), (896, 672), (448, 896), (640, 480), (672, 896),
    (1344, 448), (480, 640),
)  # fmt: skip
QUALITY = 54


@dataclass(frozen=True)
class Composition:
    """One arrangement of a dish in one picture; `seed` decides everything that is left to chance."""

    dish: Dish
    number: int

    @property
    def split(self) -> str:
        return "train" if self.number < TRAIN else "test"

    @property
    def id(self) -> str:
        letters = unicodedata.normalize("NFD", self.dish.pinyin)
        plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
        return f"{plain.replace(' ', '-')}-{self.number:02d}"

    @property
    def seed(self) -> str:
        return f"food/{self.id}"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height: mostly square; two pictures in training and one in the test of other shapes."""
        turn = {3: 0, 7: 1, TRAIN: 2}.get(self.number)
        if turn is None:
            return SQUARE
        return OTHER_SIZES[(3 * DISHES.index(self.dish) + turn) % len(OTHER_SIZES)]

    def draw(self) -> Image.Image:
        """The picture."""
        from course_lib.mini.food_scene import draw_dish

        return draw_dish(self.dish, random.Random(self.seed), *self.size)


def compositions() -> list[Composition]:
    """Every composition of every dish."""
    return [Composition(dish, number) for dish in DISHES for number in range(TRAIN + TEST)]


def records(split: str) -> Iterator[dict]:
    """The records of a split ("train" or "test"): four questions on each picture, in FoodieQA's fields."""
    for count, composition in enumerate(c for c in compositions() if c.split == split):
        dish = composition.dish
        for k, question in enumerate(QUESTIONS):
            texts, right = choices(dish, question)
            yield {
                "question_id": 4 * count + k,
                "question": question.zh,
                "choices": texts,
                "answer": str(right),
                "question_type": question.kind,
                "food_name": dish.name,
                "food_meta": {
                    "id": DISHES.index(dish),
                    "food_name": dish.name,
                    "food_type": dish.cuisine,
                    "food_location": dish.region,
                    "main_ingredient": list(dish.ingredients),
                    "food_file": f"images/{composition.id}.jpg",
                },
                "question_en": question.en,
                "choices_en": [GLOSSES[text] for text in texts],
                "food_name_en": dish.english,
                "food_name_pinyin": dish.pinyin,
                "composition": composition.id,
                "seed": composition.seed,
                "licence": "MIT",
            }


# --- files -----------------------------------------------------------------------------------------------------------

CARD = """\
# Food: a drawn single-image question set in FoodieQA's layout

{pictures} pictures of {dishes} dishes from ten Chinese cuisines, each with four questions: which cuisine, what taste,
where to travel for it, how it is served. {train} training records ({train_pictures} pictures) in `sivqa_tidy.json`,
{test} held-out records ({test_pictures} pictures) in `sivqa_test.json`, pictures in `images/`.

- **How it was made.** Every picture is drawn by `course_lib/mini/food_scene.py` from a few generic sprites (fish,
  noodles, plates, pots, in ten plain colours): no photograph, no third-party picture, no generated picture. Texts,
  answers and English glosses were written for this kit. `python -m course_lib.mini.food` makes the same bytes again.
- **Split.** By composition: table, place, size, arrangement, counts, things beside the dish, shape of the picture.
  A composition is in one split only; its id and seed stand in each of its records. The dishes are the same in both
  splits: the test asks whether a dish is recognised in pictures never trained on, not whether a new dish is understood.
- **Layout.** FoodieQA's fields: `question_id`, `question`, `choices`, `answer` (an index, as text), `question_type`
  (`cuisine_type`, `flavor`, `region`, `present`), `food_name`, `food_meta` (`id`, `food_name`, `food_type`,
  `food_location`, `main_ingredient`, `food_file`), `question_en`, `choices_en`; and this kit's own `food_name_en`,
  `food_name_pinyin`, `composition`, `seed`, `licence`. Converted as in the old lesson:
  question + `\\n<image>` -> right choice + `，图中的菜是` + name.
- **Picture sizes.** {sizes}.
- **Limits.** Drawings, not food: each dish always has the same container, colours and main things, so that a small
  model can learn it. A model tuned on this set knows nothing about photographs. Tastes and places are commonplaces,
  one of several that would be right.
- **Licence.** MIT, as the kit, and so says each record's `licence`; FoodieQA's own records have no such field, and
  training on them asks for consent. Nothing is taken from FoodieQA but the layout: the names of its fields, and the
  wording of four questions known from the old lesson's demo. FoodieQA itself is CC BY-NC-ND 4.0 and, by its card, for
  evaluation only: it is not part of this kit, and this set is no substitute for it as a benchmark.

| dish | pinyin | English | cuisine | taste | place | serving |
|---|---|---|---|---|---|---|
{table}
"""


def card() -> str:
    """The data card."""
    every = compositions()
    sizes = sorted({c.size for c in every})
    rows = [(d.name, d.pinyin, d.english, d.cuisine, d.flavour, d.region, d.serving) for d in DISHES]
    return CARD.format(
        pictures=len(every),
        dishes=len(DISHES),
        train=4 * TRAIN * len(DISHES),
        test=4 * TEST * len(DISHES),
        train_pictures=TRAIN * len(DISHES),
        test_pictures=TEST * len(DISHES),
        sizes=", ".join(f"{w}x{h} ({sum(c.size == (w, h) for c in every)})" for w, h in sizes),
        table="\n".join(f"| {' | '.join(row)} |" for row in rows),
    )


def write_picture(composition: Composition, folder: Path) -> Path:
    """Draw a composition into `folder`/images and return the file."""
    file = folder / "images" / f"{composition.id}.jpg"
    file.parent.mkdir(parents=True, exist_ok=True)
    composition.draw().save(file, "JPEG", quality=QUALITY, optimize=True)
    return file


def write(folder: Path) -> None:
    """Write the whole data set into `folder`: two JSON files, the pictures and the card, the same bytes each time."""
    every = compositions()
    for composition in tqdm(every, desc="food", unit="picture"):
        write_picture(composition, folder)
    wanted = {f"{composition.id}.jpg" for composition in every}
    for old in (folder / "images").glob("*.jpg"):
        if old.name not in wanted:
            old.unlink()
    for split, name in (("train", "sivqa_tidy.json"), ("test", "sivqa_test.json")):
        lines = (json.dumps(record, ensure_ascii=False) for record in records(split))
        (folder / name).write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
    (folder / "README.md").write_text(card(), encoding="utf-8")


def main(out: Path = typer.Option(Path("data/food"), help="Folder to write the data set into.")) -> None:  # noqa: B008
    """Draw and write the food data set."""
    write(out)


if __name__ == "__main__":
    typer.run(main)
