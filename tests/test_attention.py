"""Attention of answer tokens to visual tokens: the model's own numbers, the right rows, the right place."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.adapters import add_adapter
from course_lib.attention import (
    Attention, TiledPicture, answer_attention, answer_rows, as_tiles, box_share, cell_cover, heat_map, middle_layers,
    tile_heats, tiled_pictures, with_answer,
)  # fmt: skip
from course_lib.checkpoint import load_checkpoint
from course_lib.figures_attention import answer_strip, attention_figure, hottest_place, overlay
from course_lib.mini.gaze import gaze_report
from course_lib.settings import ROOT

QUESTION, ANSWER = "图中有什么？", "一只红色的狗。"
WIDE = Image.linear_gradient("L").resize((168, 56)).convert("RGB")  # 3 x 1 tiles of 56 px
SMALL = Image.new("RGB", (40, 40), "red")  # one tile


def synthetic(picture, tokens=1, side=2, **lit):
    """All attention of token 0 on the cells given as t0_1_0=weight (tile 0, row 1, column 0); later tokens even."""
    weights = np.zeros((tokens, picture.first + picture.tiles, side, side), np.float32)
    for name, weight in lit.items():
        weights[(0, *map(int, name[1:].split("_")))] = weight
    weights[1:] = 0.01
    return Attention("q", "a", ("a",) * tokens, tuple(range(tokens)), weights, (picture,), (0,))


def own_attentions(vlm, inputs):
    """What transformers returns for the whole sequence at once, [layers, heads, n, n]."""
    vlm.model.set_attn_implementation({"text_config": "eager"})
    with torch.no_grad():
        attentions = vlm.model(**inputs, output_attentions=True).attentions
    vlm.model.set_attn_implementation({"text_config": "sdpa"})
    return torch.stack(attentions)[:, 0]


@pytest.mark.parametrize("pictures", [[WIDE], [SMALL], [SMALL, WIDE]], ids=["tiles", "one tile", "two pictures"])
def test_rows_are_those_the_model_returns_itself_sum_to_one_and_see_no_later_token(tiny, pictures):
    inputs, start, _ = with_answer(tiny, QUESTION, pictures, ANSWER)
    rows = torch.stack(answer_rows(tiny, inputs, start, lambda weights: weights))  # [layers, heads, answer, n - 1]
    n = inputs["input_ids"].shape[1]
    own = own_attentions(tiny, inputs)[:, :, start - 1 : n - 1, : n - 1]
    torch.testing.assert_close(rows, own, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(rows.sum(-1), torch.ones(rows.shape[:-1]))
    for token in range(n - start):
        assert not rows[:, :, token, start + token :].any() and (rows[:, :, token, : start + token] > 0).all()


def test_attention_is_the_mean_over_heads_and_chosen_layers_and_keeps_every_visual_token(tiny):
    found = answer_attention(tiny, QUESTION, [SMALL, WIDE], ANSWER, layers=(1, 0))
    inputs, start, _ = with_answer(tiny, QUESTION, [SMALL, WIDE], ANSWER)
    visual = inputs["input_ids"][0] == tiny.spec.image_token_id
    expected = own_attentions(tiny, inputs)[:, :, start - 1 : -1, visual].mean((0, 1))
    np.testing.assert_allclose(found.weights.reshape(len(expected), -1), expected.numpy(), atol=1e-6)
    assert found.weights.shape[1:] == (1 + 4, 2, 2) and len(found.tokens) == len(found.weights) == len(expected)
    assert found.layers == (0, 1) and [picture.first for picture in found.pictures] == [0, 1]
    np.testing.assert_allclose(found.picture_share, expected.sum(-1).numpy(), rtol=1e-5)
    assert (0 < found.picture_share).all() and (found.picture_share < 1).all()


def test_a_token_s_row_is_the_one_that_chooses_it_so_it_does_not_depend_on_the_token_itself(tiny):
    one, other = (answer_attention(tiny, QUESTION, WIDE, answer, layers=(0, 1)) for answer in ("dog", "dot"))
    assert one.token_ids[-1] != other.token_ids[-1] and one.token_ids[:-1] == other.token_ids[:-1]
    np.testing.assert_allclose(one.weights, other.weights, atol=1e-7)
    third = answer_attention(tiny, QUESTION, WIDE, "cot", layers=(0, 1))
    np.testing.assert_allclose(third.weights[0], one.weights[0], atol=1e-7)
    assert np.abs(third.weights[1] - one.weights[1]).max() > 1e-7  # the next row has read another token


def test_without_an_answer_it_is_the_greedy_one(tiny):
    found = answer_attention(tiny, QUESTION, SMALL, max_new_tokens=5)
    assert found.answer == tiny.answer(QUESTION, SMALL, max_new_tokens=5)


def test_an_adapted_model_in_training_is_looked_at_without_dropout_and_given_back_as_it_was(tiny_folder):
    vlm = load_checkpoint(tiny_folder, device="cpu")
    adapted = replace(vlm, model=add_adapter(vlm, rank=4, alpha=8, dropout=0.5))
    adapted.model.train()
    first, second = (answer_attention(adapted, QUESTION, WIDE, ANSWER).weights for _ in range(2))
    assert (first == second).all() and adapted.model.training
    assert adapted.model.config.text_config._attn_implementation == "sdpa"


def test_kind_of_attention_mode_and_hooks_are_put_back_after_a_failure(tiny):
    inputs, start, _ = with_answer(tiny, QUESTION, [SMALL], ANSWER)

    def fails(weights):
        raise MemoryError

    with pytest.raises(MemoryError):
        answer_rows(tiny, inputs, start, fails)
    assert tiny.model.config.text_config._attn_implementation == "sdpa"
    with torch.no_grad():
        tiny.model(**inputs)  # a hook left behind would fail again


@pytest.mark.parametrize("arguments, message", [
    ({"images": []}, "no picture"),
    ({"answer": ""}, "the answer is empty"),
    ({"layers": (0, 7)}, "no layer 7: the language model's layers are 0 to 1"),
])  # fmt: skip
def test_errors_name_what_to_do(tiny, arguments, message):
    with pytest.raises(ValueError, match=message):
        answer_attention(tiny, QUESTION, **{"images": SMALL, "answer": ANSWER} | arguments)


@pytest.mark.parametrize("layers, expected", [(1, (0,)), (2, (0,)), (5, (1, 2)), (24, tuple(range(6, 14)))])
def test_default_layers_are_in_the_middle(layers, expected):
    assert middle_layers(layers) == expected


@pytest.mark.parametrize("size, max_tiles", [((168, 56), 12), ((40, 40), 12), ((168, 56), 1), ((57, 300), 5)])
def test_grid_and_number_of_tiles_are_those_the_model_gets(tiny, size, max_tiles):
    [picture] = tiled_pictures(tiny, [Image.new("RGB", size)], max_tiles)
    assert picture.tiles == len(tiny.tiles(Image.new("RGB", size), max_tiles))
    assert picture.thumbnail == (picture.tiles > 1)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_cells_stand_where_their_patches_stood_whichever_way_the_checkpoint_orders_them(tiny, version):
    from course_lib.pixel_shuffle import space_to_depth, space_to_depth_v1

    down, across = torch.meshgrid(torch.arange(4.0), torch.arange(4.0), indexing="ij")
    patches = torch.stack([down, across], -1)[None]  # [1, 4, 4, (row, column)]
    shuffled = (space_to_depth if version == "v2" else space_to_depth_v1)(patches)
    if version == "v2":
        assert torch.equal(shuffled, tiny.model.model.pixel_shuffle(patches, 0.5))
    vlm = replace(tiny, spec=replace(tiny.spec, ps_version=version))
    rows, columns = (as_tiles(shuffled[..., axis].reshape(1, -1).numpy(), vlm)[0, 0] for axis in (0, 1))
    assert rows.tolist() == [[0, 0], [2, 2]] and columns.tolist() == [[0, 2], [0, 2]]


GRID = TiledPicture(120, 80, 3, 2, True)  # a cell of a tile is 20 x 20 px, one of the thumbnail 60 x 40
PLAIN = TiledPicture(60, 100, 1, 1, False)  # a single tile: 30 x 50


@pytest.mark.parametrize("picture, cell, box", [
    (GRID, "t0_0_0", (0, 0, 20, 20)), (GRID, "t2_0_1", (100, 0, 120, 20)), (GRID, "t3_1_0", (0, 60, 20, 80)),
    (GRID, "t4_0_1", (60, 40, 80, 60)), (GRID, "t6_1_0", (0, 40, 60, 80)), (PLAIN, "t0_0_1", (30, 0, 60, 50)),
])  # fmt: skip
def test_a_cell_lights_exactly_its_rectangle_of_the_picture(picture, cell, box):
    heat = heat_map(synthetic(picture, **{cell: 0.3}), 0)
    left, top, right, bottom = box
    expected = np.zeros((picture.height, picture.width))
    expected[top:bottom, left:right] = picture.width * picture.height / ((right - left) * (bottom - top))
    np.testing.assert_allclose(heat, expected, rtol=1e-6)
    assert heat.mean() == pytest.approx(1)
    share = box_share(synthetic(picture, **{cell: 0.3}).weights[0], picture, [tuple(
        edge / side for edge, side in zip(box, (picture.width, picture.height) * 2))])
    assert share == pytest.approx(1)


def test_tiles_and_thumbnail_count_by_the_attention_they_get():
    attention = synthetic(GRID, t0_0_0=0.3, t6_1_1=0.1)
    tiles, thumbnail, both = (heat_map(attention, 0, part=part) for part in ("tiles", "thumbnail", "both"))
    np.testing.assert_allclose(both, 0.75 * tiles + 0.25 * thumbnail, rtol=1e-5)
    assert tiles[0, 0] == pytest.approx(24) and thumbnail[-1, -1] == pytest.approx(4) and not tiles[-1, -1]
    with pytest.raises(ValueError, match=r"part 'thumbnail' should be one of \('both', 'tiles'\)"):
        heat_map(synthetic(PLAIN, t0_0_0=1), 0, part="thumbnail")


@pytest.mark.parametrize("size", [(120, 80), (31, 17), (1, 1), (500, 3)])
def test_an_even_spread_is_one_everywhere_at_any_size(size):
    heat = heat_map(synthetic(GRID, tokens=2), 1, size=size)
    assert heat.shape == size[::-1]
    np.testing.assert_allclose(heat, 1, rtol=1e-5)
    np.testing.assert_allclose(tile_heats(synthetic(GRID, tokens=2), 1), 1, rtol=1e-5)


def test_relative_heat_is_what_the_answer_s_mean_has_not():
    attention = synthetic(GRID, tokens=3, t0_0_0=0.28)
    own, mean = heat_map(attention, 0), heat_map(attention)
    np.testing.assert_allclose(heat_map(attention, 0, relative=True), own - mean, atol=1e-5)
    assert heat_map(attention, 0, relative=True)[0, 0] > 0 > heat_map(attention, 0, relative=True)[-1, -1]
    np.testing.assert_allclose(heat_map(attention, 1, relative=True), heat_map(attention, 2, relative=True))
    assert not heat_map(synthetic(GRID, t0_0_0=1), 0, relative=True).any()


def test_each_of_several_pictures_has_its_own_map():
    second = replace(PLAIN, first=GRID.tiles)
    attention = replace(synthetic(second, t7_1_1=0.2, t0_0_0=0.5), pictures=(GRID, second))
    assert heat_map(attention, 0, picture=1)[-1, -1] == pytest.approx(4) and heat_map(attention, 0)[0, 0] > 4
    assert heat_map(attention, 0).shape == (80, 120) and heat_map(attention, 0, picture=1).shape == (100, 60)


def test_a_box_counts_cells_by_the_part_it_covers():
    quarter = [(0.0, 0.0, 0.25, 0.5)]  # half of the single tile's upper left cell
    np.testing.assert_allclose(cell_cover(PLAIN, (2, 2), quarter), [[[0.5, 0], [0, 0]]])
    assert cell_cover(GRID, (2, 2), [(0, 0, 1, 1), (0.1, 0.1, 0.4, 0.4)]).tolist() == np.ones((7, 2, 2)).tolist()
    even = np.full((7, 2, 2), 0.01)
    assert box_share(even, GRID, [(0.2, 0.1, 0.7, 0.3)]) == pytest.approx(0.5 * 0.2)


@pytest.fixture(scope="module")
def mini():
    return load_checkpoint(ROOT / "data" / "internvl-mini", device="cpu")


def test_the_mini_s_middle_layers_look_at_the_thing_whose_colour_they_name_and_not_at_another(mini):
    report = gaze_report(mini, "colour", 8)
    assert report.on_thing.shape == report.on_other.shape == (8, 5, 4) and report.pictures == 8
    thing, other = report.on_thing[:, 2].mean(), report.on_other[:, 2].mean()
    assert thing > 2 * report.area.mean() > 0 and thing > 5 * other
    assert report.on_thing[:, 4].mean() < 2 * report.area.mean()  # the last layer does not
    assert "layer 2" in report.as_table("colour").text and "8 of 8" in report.as_table("colour").text


def test_every_phrase_of_a_caption_is_measured_on_its_own_thing(mini):
    report = gaze_report(mini, "caption", 4, language="zh")
    assert len(report.area) >= 8 and report.on_thing[:, 2].mean() > 2 * report.on_other[:, 2].mean()


def test_heat_shows_and_its_lines_go_around_what_is_warm():
    heat = heat_map(synthetic(PLAIN, t0_0_1=1), 0)
    shown = np.asarray(overlay(Image.new("RGB", (60, 100), "white"), heat)).astype(int)
    assert shown[25, 45, :2].sum() > shown[75, 15, :2].sum() and shown[25, 45, 2] < shown[75, 15, 2]  # yellow, violet
    assert shown[25, 30].tolist() == [255] * 3 and shown[25, 31].tolist() == [0] * 3  # a white line, a black one inside
    even = np.asarray(overlay(Image.new("RGB", (60, 100), "white"), np.ones((100, 60))))
    assert (even == even[0, 0]).all()
    assert overlay(Image.new("RGB", (1920, 1080)), heat).size == (480, 270)


def test_the_hottest_place_is_named():
    assert hottest_place(heat_map(synthetic(GRID, t2_0_1=1), 0)) == "upper right"
    assert hottest_place(np.ones((5, 9))) == "centre"


@pytest.mark.parametrize("relative", [False, True])
def test_figures_show_the_picture_every_tile_and_every_token(tiny, relative):
    attention = answer_attention(tiny, QUESTION, WIDE, ANSWER)
    figure = attention_figure(WIDE, tiny.tiles(WIDE), attention, 1, relative=relative)
    assert sum(len(axes.images) for axes in figure.axes[:3]) == 1 + 4
    figure.canvas.draw()
    assert f"{attention.picture_share[1]:.0%} of its attention" in figure.axes[0].get_title()
    strip = answer_strip(WIDE, attention, relative=relative)
    assert sum(len(axes.images) for axes in strip.axes) == len(attention.tokens)
    assert all(title.isascii() for title in (axes.get_title() for axes in strip.axes))
    assert len(strip.axes) == 6 * math.ceil(len(attention.tokens) / 6)
    with pytest.raises(ValueError, match="1 tiles for a picture of 4"):
        attention_figure(WIDE, [WIDE], attention, 1)
