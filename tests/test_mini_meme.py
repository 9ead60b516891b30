"""The joke task's data: enough scenes and jokes, told apart, split by composition, and the same bits each time."""

import json
from pathlib import Path
from random import Random

import pytest
from PIL import Image

from course_lib.measures import JOKE_MATCH, bigram_f1
from course_lib.mini import meme
from course_lib.mini.canvas import Canvas
from course_lib.mini.meme_scenes import DRAWERS, draw_scene
from course_lib.mini.meme_sprites import MEME_SPRITES
from course_lib.mini.sprites import COLOURS
from course_lib.records import load_task
from course_lib.tiling import choose_grid

DATA = Path(__file__).resolve().parents[1] / "data" / "meme"


@pytest.fixture(scope="module")
def everything():
    return list(meme.compositions())


@pytest.fixture(scope="module")
def rows():
    return {name: json.loads((DATA / name).read_text(encoding="utf-8")) for name in ("ex_cn.json", "ex_cn_test.json")}


def test_at_least_twelve_scenes_with_several_glossed_jokes_each():
    jokes = meme.jokes()
    assert len(jokes) >= 12 and set(jokes) == set(DRAWERS)
    assert all(len(set(told)) >= 4 for told in jokes.values())
    assert all(8 <= len(joke) <= 22 and gloss for joke, gloss in meme.glosses().items())
    assert meme.all_texts()[0] == meme.QUESTION == "<image>\n请你根据这张图片，讲一个脑洞大开的梗"


def test_a_joke_of_one_scene_is_never_taken_for_a_joke_of_another():
    jokes = meme.jokes()
    for scene, told in jokes.items():
        for other in set(jokes) - {scene}:
            assert max(bigram_f1(a, b) for a in told for b in jokes[other]) < JOKE_MATCH / 2, (scene, other)


def test_no_pair_of_colours_of_a_test_picture_is_trained_on_in_its_scene(everything):
    for scene in DRAWERS:
        mine = [c for c in everything if c.scene == scene]
        seen = {split: [c.colours for c in mine if c.split == split] for split in ("train", "test")}
        assert (len(seen["train"]), len(seen["test"])) == (meme.TRAIN, meme.TEST)
        assert not set(seen["train"]) & set(seen["test"])
        assert all(meme.is_held_out(pair) for pair in seen["test"])


def test_every_colour_can_occur_in_both_splits_in_both_places():
    for colour in COLOURS:
        for held_out in (True, False):
            assert any(meme.is_held_out((colour, other)) == held_out for other in COLOURS if other != colour)
            assert any(meme.is_held_out((other, colour)) == held_out for other in COLOURS if other != colour)


def test_pictures_are_all_different_and_span_several_grids(everything):
    assert len({composition.seed for composition in everything}) == len(everything)
    assert len({(DATA / "ex_images" / f"{c.name}.jpg").read_bytes() for c in everything}) == len(everything)
    sizes = {(c.width, c.height) for c in everything}
    assert all(448 <= side <= 1344 for size in sizes for side in size)
    for split in ("train", "test"):
        mine = {(c.width, c.height) for c in everything if c.split == split}
        assert len({choose_grid(*size, max_tiles=6, tile_size=112) for size in mine}) >= 4
    assert len({choose_grid(*size) for size in sizes}) >= 5


def test_the_whole_data_set_is_regenerated_bit_for_bit(tmp_path):
    meme.write(tmp_path)
    written = {file.relative_to(tmp_path): file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    shipped = {file.relative_to(DATA): file.read_bytes() for file in DATA.rglob("*") if file.is_file()}
    assert set(written) == set(shipped)
    assert [str(name) for name in written if written[name] != shipped[name]] == []
    assert sum(map(len, shipped.values())) <= 14_000_000


def test_the_layout_is_clots(rows):
    for file, records in rows.items():
        turns = 2 if file == "ex_cn.json" else 1
        pictures = [record["image"] for record in records]
        assert len(records) == turns * len(set(pictures))
        for record in records:
            assert set(record) == {"id", "image", "conversations"}
            assert [turn["from"] for turn in record["conversations"]] == ["human", "gpt"]
            assert record["conversations"][0]["value"] == meme.QUESTION
            scene = record["id"].rsplit("-", 2)[0]
            assert record["conversations"][1]["value"] in meme.jokes()[scene]
        assert len({record["id"] for record in records}) == len(records)
        assert len({(record["image"], record["conversations"][1]["value"]) for record in records}) == len(records)


def test_every_joke_is_trained_on(rows):
    assert {record["conversations"][1]["value"] for record in rows["ex_cn.json"]} == set(meme.glosses())


@pytest.mark.parametrize("split, pictures", [("train", meme.TRAIN), ("test", meme.TEST)])
def test_the_course_reads_the_data_set(split, pictures):
    records = load_task("meme", split, DATA)
    images = {record.images[0] for record in records}
    assert len(images) == pictures * len(DRAWERS)
    for image in images:
        with Image.open(image) as picture:
            assert picture.mode == "RGB" and picture.format == "JPEG"


@pytest.mark.parametrize("scene", DRAWERS)
def test_a_scene_is_a_function_of_its_seed_and_varies_with_it(scene):
    first, again, other = (draw_scene(scene, Random(seed), 224, 160, ("red", "blue")).tobytes() for seed in (1, 1, 2))
    assert first == again != other


def test_an_unknown_scene_or_colour_is_an_error():
    with pytest.raises(KeyError):
        draw_scene("nowhere", Random(0), 224, 224)
    with pytest.raises(KeyError):
        draw_scene("cat_fish", Random(0), 224, 224, ("red", "mauve"))


@pytest.mark.parametrize("name", MEME_SPRITES)
def test_a_sprite_fills_its_square_in_its_colour_and_stays_inside(name):
    for colour in ("red", "blue"):
        canvas = Canvas(160, 160, (250, 250, 250))
        MEME_SPRITES[name].draw(canvas, 80, 80, 100, COLOURS[colour].rgb, Random(5))
        picture = canvas.finish()
        counts = dict((rgb, count) for count, rgb in picture.getcolors(160 * 160))
        assert counts[COLOURS[colour].rgb] >= 500
        picture.paste((250, 250, 250), (18, 18, 142, 142))
        assert picture.getcolors() == [(160 * 160, (250, 250, 250))]
