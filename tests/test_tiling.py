import json

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.tiling import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    candidate_grids,
    choose_grid,
    grid_search,
    tile_image,
    to_pixel_values,
)


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(width * 10007 + height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def test_grids_equal_the_official_ones(golden):
    table = json.loads((golden / "tiling.json").read_text())
    assert len(table["rows"]) >= 300
    for width, height, max_tiles, tile_size, columns, rows, tiles in table["rows"]:
        grid = choose_grid(width, height, max_tiles=max_tiles, tile_size=tile_size)
        assert grid == (columns, rows), (width, height, max_tiles, tile_size)
        assert tiles == columns * rows + (columns * rows > 1)


@pytest.mark.parametrize(("width", "height", "tiles"), [
    (448, 448, 1), (633, 633, 1), (634, 634, 5), (800, 600, 13), (1920, 1080, 9), (1024, 1024, 10),
    (1, 1, 1), (5000, 1, 13), (1, 5000, 13),
])  # fmt: skip
def test_number_of_tiles_with_the_thumbnail(width, height, tiles):
    assert len(tile_image(Image.new("RGB", (width, height)))) == tiles


def test_there_are_35_grids_of_up_to_12_tiles_by_area():
    grids = candidate_grids(1, 12)
    areas = [columns * rows for columns, rows in grids]
    assert len(grids) == len(set(grids)) == 35
    assert areas == sorted(areas) and min(areas) == 1 and max(areas) == 12


def test_a_caller_cannot_spoil_the_list_of_grids():
    candidate_grids(1, 4).clear()
    assert candidate_grids(1, 4)


@pytest.mark.parametrize("size", [(640, 480), (448, 448), (900, 900), (1, 5000), (1920, 1080)])
def test_the_search_shows_one_choice_which_is_the_closest(size):
    steps = grid_search(*size)
    (chosen,) = [step for step in steps if step.chosen]
    assert (chosen.columns, chosen.rows) == choose_grid(*size)
    assert chosen.aspect_difference == min(step.aspect_difference for step in steps)
    assert chosen == [step for step in steps if step.took_the_lead][-1]
    assert steps[0].took_the_lead and not steps[0].ties_best


def test_on_a_tie_the_bigger_grid_wins_only_with_pixels_enough():
    squares = {step.columns: step for step in grid_search(700, 700) if step.columns == step.rows}
    assert [squares[side].ties_best for side in (1, 2, 3)] == [False, True, True]
    assert squares[2].large_enough and squares[2].chosen
    assert not squares[3].large_enough and not squares[3].took_the_lead


@pytest.mark.parametrize(("arguments", "message"), [
    ({"width": 0, "height": 5}, "at least 1 x 1"),
    ({"width": 5, "height": 5, "min_tiles": 0}, "min_tiles=0"),
    ({"width": 5, "height": 5, "min_tiles": 3, "max_tiles": 2}, "max_tiles=2"),
])  # fmt: skip
def test_impossible_requests_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        choose_grid(**arguments)


def test_tiles_are_the_bicubic_pixels_row_by_row_and_the_thumbnail_last():
    image, side = noise(200, 130), 56
    tiles = tile_image(image, tile_size=side, max_tiles=6)
    assert choose_grid(200, 130, tile_size=side, max_tiles=6) == (3, 2) and len(tiles) == 7
    whole = np.asarray(image.resize((3 * side, 2 * side), Image.Resampling.BICUBIC))
    for number, tile in enumerate(tiles[:-1]):
        row, column = divmod(number, 3)
        expected = whole[row * side : (row + 1) * side, column * side : (column + 1) * side]
        assert np.array_equal(np.asarray(tile), expected)
    assert np.array_equal(np.asarray(tiles[-1]), np.asarray(image.resize((side, side), Image.Resampling.BICUBIC)))


def test_one_tile_needs_no_thumbnail_and_a_thumbnail_can_be_left_out():
    assert len(tile_image(noise(56, 56), tile_size=56)) == 1
    assert len(tile_image(noise(112, 56), tile_size=56, thumbnail=False)) == 2


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
def test_pictures_of_any_mode_become_rgb_tiles(mode):
    assert {tile.mode for tile in tile_image(noise(60, 40, mode), tile_size=28)} == {"RGB"}


def test_pixel_values_are_normalised_channel_by_channel():
    tiles = [Image.new("RGB", (4, 4), colour) for colour in ((0, 0, 0), (255, 0, 51))]
    values = to_pixel_values(tiles)
    assert values.shape == (2, 3, 4, 4) and values.dtype == torch.float32
    expected = [(level - mean) / std for level, mean, std in zip((1, 0, 0.2), IMAGENET_MEAN, IMAGENET_STD, strict=True)]
    torch.testing.assert_close(values[1, :, 2, 3], torch.tensor(expected))


def test_pixel_values_equal_the_official_ones(golden):
    from safetensors.torch import load_file

    expected = load_file(golden / "internvl_tiny" / "expected.safetensors")["pixel_values"]
    image = Image.open(golden / "internvl_tiny" / "image.png")
    torch.testing.assert_close(to_pixel_values(tile_image(image, tile_size=56)), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("tiles", [[], [Image.new("RGB", (4, 4)), Image.new("RGB", (5, 5))]])
def test_no_tiles_or_tiles_of_two_sizes_are_refused(tiles):
    with pytest.raises(ValueError, match="one size"):
        to_pixel_values(tiles)
