"""The picture under its grid, and its cost in tokens."""

import pytest
from PIL import Image

from course_lib.tile_view import tiling_html, with_grid


@pytest.mark.parametrize("size, max_tiles, summary, pictures", [
    ((448, 448), 12, "1 x 1 (columns x rows), 1 x 256 = 256", 2),
    ((800, 600), 12, "4 x 3 (columns x rows) and a thumbnail, 13 x 256 = 3328", 14),
    ((1, 5000), 4, "1 x 4 (columns x rows) and a thumbnail, 5 x 256 = 1280", 6),
])  # fmt: skip
def test_summary_counts_tiles_and_tokens(size, max_tiles, summary, pictures):
    shown = tiling_html(Image.new("RGB", size), max_tiles=max_tiles)
    assert summary in shown.text and summary in shown.html
    assert shown.html.count("<img ") == shown.html.count(" alt=") == pictures


def test_grid_lines_cut_the_picture_into_equal_cells():
    drawn = with_grid(Image.new("RGB", (320, 160), "red"), 4, 2)
    changed = [x for x in range(320) if drawn.getpixel((x, 20)) != (255, 0, 0)]
    assert {round(x / 80) for x in changed} == {1, 2, 3} and all(abs(x - 80 * round(x / 80)) <= 2 for x in changed)
