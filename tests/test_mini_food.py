"""The food task: what its pictures, questions and splits promise."""

import hashlib
import json
from pathlib import Path
from random import Random

import numpy as np
import pytest
from PIL import Image

from course_lib.mini import food
from course_lib.mini.canvas import Canvas
from course_lib.mini.food_dishes import CUISINES, DISHES
from course_lib.mini.food_glosses import GLOSSES
from course_lib.mini.food_scene import DULL, GARNISHES, LIQUIDS, SWING
from course_lib.mini.food_sprites import CONTAINERS, FOOD_SPRITES, INSIDES
from course_lib.mini.food_table import SIDES, TABLES, draw_side, draw_table
from course_lib.mini.sprites import COLOURS
from course_lib.tiling import choose_grid

DATA = Path(__file__).resolve().parents[1] / "data" / "food"


def shipped(split: str) -> list[dict]:
    name = {"train": "sivqa_tidy.json", "test": "sivqa_test.json"}[split]
    return json.loads((DATA / name).read_text(encoding="utf-8"))


def test_ten_cuisines_with_at_least_three_dishes_each_and_the_squirrel_fish():
    assert len(CUISINES) == 10 and len(DISHES) >= 30
    for cuisine in CUISINES:
        assert sum(dish.cuisine == cuisine for dish in DISHES) >= 3, cuisine
    assert {dish.name: dish.cuisine for dish in DISHES}["松鼠鳜鱼"] == "苏菜"
    assert len({dish.name for dish in DISHES}) == len(DISHES)


def test_answers_are_short_and_each_has_an_english_gloss():
    for dish in DISHES:
        for text in (dish.flavour, dish.region, dish.serving):
            assert 0 < len(text) <= 14, text
            assert GLOSSES[text].isascii(), text
    used = {getattr(dish, question.field) for dish in DISHES for question in food.QUESTIONS}
    assert set(GLOSSES) == used


def test_looks_use_known_sprites_colours_and_fillings_only():
    for dish in DISHES:
        look = dish.look
        assert look.container in CONTAINERS and look.container_colour in DULL and look.garnish in GARNISHES, dish.name
        assert look.filling == "none" or look.filling_colour in LIQUIDS, dish.name
        for part in look.parts:
            assert part.sprite in FOOD_SPRITES and part.colour in COLOURS and part.sprite in SWING, dish.name
            assert 1 <= part.count[0] <= part.count[1], dish.name


def test_no_two_dishes_share_a_signature():
    seen = {dish.look.signature: dish.name for dish in DISHES}
    assert len(seen) == len(DISHES)


def test_each_dish_is_told_from_all_others_by_the_colours_of_its_thumbnail():
    """At 112 px a held-out picture's nearest training picture, by colour histogram alone, shows the same dish."""
    colours: dict[str, list] = {"train": [], "test": []}
    for composition in food.compositions():
        if composition.size == (448, 448):
            with Image.open(DATA / "images" / f"{composition.id}.jpg") as image:
                pixels = np.asarray(image.reduce(4))[22:-22, 22:-22].reshape(-1, 3) // 52
            counts = np.bincount(pixels @ [25, 5, 1], minlength=125)
            colours[composition.split].append((composition.dish.name, counts))
    for name, counts in colours["test"]:
        nearest = min(colours["train"], key=lambda other: abs(other[1] - counts).sum())
        assert nearest[0] == name


def test_generic_sprites_are_never_called_like_a_dish_or_cuisine():
    for sprite in (*FOOD_SPRITES.values(), *CONTAINERS.values()):
        for name in food.names():
            assert name not in sprite.zh and name != sprite.zh
        for dish in DISHES:
            assert dish.english.lower() not in (sprite.en.lower(), sprite.en_plural.lower())
    sprites = [*FOOD_SPRITES.values(), *CONTAINERS.values()]
    assert len({s.zh for s in sprites}) == len({s.en for s in sprites}) == len(sprites)
    assert set(INSIDES) == set(CONTAINERS)


@pytest.mark.parametrize("name", [*FOOD_SPRITES, *CONTAINERS])
def test_sprites_stay_in_their_square_and_show_their_colour(name):
    sprite = {**FOOD_SPRITES, **CONTAINERS}[name]
    for colour in COLOURS.values():
        canvas = Canvas(180, 180, (1, 2, 3))
        sprite.draw(canvas, 90, 90, 120, colour.rgb, Random(name))
        image = canvas.finish()
        left, top, right, bottom = Image.eval(image, lambda v: 255 if v > 8 else 0).getbbox()
        assert min(left, top) >= 18 and max(right, bottom) <= 162, (left, top, right, bottom)
        main = sum(
            count
            for count, pixel in image.getcolors(180 * 180)
            if sum(abs(a - b) for a, b in zip(pixel, colour.rgb, strict=True)) < 130
        )
        assert main > 700, f"{colour.en} {name}: {main} pixels"


def test_tables_and_side_things_are_told_apart_from_unknown_names():
    canvas = Canvas(64, 64)
    for table in TABLES:
        draw_table(canvas, table, Random(0))
    for side in SIDES:
        draw_side(canvas, side, 32, 32, 20, Random(0))
    with pytest.raises(ValueError, match="unknown table"):
        draw_table(canvas, "marble", Random(0))


@pytest.mark.parametrize("question", food.QUESTIONS, ids=lambda question: question.kind)
def test_choices_are_four_different_texts_with_the_right_one_once(question):
    positions = []
    for dish in DISHES:
        texts, right = food.choices(dish, question)
        answer = getattr(dish, question.field)
        assert len(texts) == len(set(texts)) == 4 and texts[right] == answer and texts.count(answer) == 1
        assert food.choices(dish, question) == (texts, right)
        positions.append(right)
    assert all(positions.count(k) >= 2 for k in range(4)), "the right choice must not have a favourite place"


def test_all_texts_cover_every_record():
    texts = set(food.all_texts())
    for record in [*food.records("train"), *food.records("test")]:
        assert {record["question"], record["food_name"], *record["choices"]} <= texts
        assert f"{record['choices'][int(record['answer'])]}，图中的菜是{record['food_name']}" in texts
    assert food.names() == {dish.name for dish in DISHES} | set(CUISINES)


def test_splits_share_dishes_but_no_composition_seed_or_picture():
    train, test = shipped("train"), shipped("test")
    for field in ("composition", "seed"):
        assert not {r[field] for r in train} & {r[field] for r in test}
    assert {r["food_name"] for r in train} == {r["food_name"] for r in test} == {dish.name for dish in DISHES}
    digests = {
        split: {hashlib.sha256((DATA / r["food_meta"]["food_file"]).read_bytes()).digest() for r in records}
        for split, records in (("train", train), ("test", test))
    }
    assert not digests["train"] & digests["test"]
    assert len(digests["train"]) + len(digests["test"]) == len(food.compositions())


@pytest.mark.parametrize("split", ["train", "test"])
def test_shipped_records_have_the_layout_and_every_picture_all_four_questions(split):
    records = shipped(split)
    assert records == list(food.records(split))
    assert [r["question_id"] for r in records] == list(range(len(records)))
    kinds: dict[str, list[str]] = {}
    for record in records:
        assert isinstance(record["answer"], str) and 0 <= int(record["answer"]) < len(record["choices"]) == 4
        assert record["food_meta"]["food_name"] == record["food_name"]
        file = record["food_meta"]["food_file"]
        assert file.startswith("images/") and (DATA / file).is_file()
        assert len(record["choices_en"]) == 4 and record["question_en"].isascii()
        kinds.setdefault(file, []).append(record["question_type"])
    assert {record["licence"] for record in records} == {"MIT"}  # what tells them from FoodieQA's own
    assert all(found == ["cuisine_type", "flavor", "region", "present"] for found in kinds.values())


def test_shipped_pictures_have_the_planned_sizes_which_span_many_tilings():
    grids = set()
    for composition in food.compositions():
        with Image.open(DATA / "images" / f"{composition.id}.jpg") as image:
            assert image.size == composition.size, composition.id
        grids.add(choose_grid(*composition.size))
        assert 448 <= max(composition.size) <= 1344
    assert len(grids) >= 7, grids
    sizes = {composition.size for composition in food.compositions()}
    assert sizes >= {(448, 448), (1344, 448), (896, 672), (672, 896)}


def test_shipped_data_stay_under_nine_megabytes_and_hold_nothing_else():
    files = [file for file in DATA.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= 9 * 2**20
    wanted = {"README.md", "sivqa_tidy.json", "sivqa_test.json"} | {f"{c.id}.jpg" for c in food.compositions()}
    assert {file.name for file in files} == wanted
    assert (DATA / "README.md").read_text(encoding="utf-8") == food.card()


def test_regenerated_pictures_equal_the_shipped_ones_bit_for_bit(tmp_path):
    every = food.compositions()
    for composition in every[:: len(every) // 12]:
        fresh = food.write_picture(composition, tmp_path).read_bytes()
        assert fresh == (DATA / "images" / f"{composition.id}.jpg").read_bytes(), composition.id
