"""Pictures in HTML: small, described, the same every time, and safe."""

import base64
import io

import pytest
from PIL import Image

from course_lib.cards import Card, Line, card_grid, picture_html, table, thumbnail_uri


@pytest.mark.parametrize("mode, size", [("RGB", (1000, 500)), ("RGBA", (10, 3000)), ("P", (1, 1)), ("L", (160, 160))])
def test_thumbnail_is_a_small_jpeg_and_the_same_every_time(mode, size):
    picture = Image.new(mode, size)
    uri = thumbnail_uri(picture)
    small = Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))))
    assert small.format == "JPEG" and max(small.size) <= 160 and min(small.size) >= 1
    assert uri == thumbnail_uri(picture.copy()) and picture.size == size


def test_transparent_pictures_are_laid_on_white(tmp_path):
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    uri = thumbnail_uri(tmp_path / "clear.png")
    assert Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))).getpixel((4, 4)) == (255, 255, 255)


def test_every_picture_has_an_alt_text():
    with pytest.raises(ValueError, match="alt text"):
        picture_html(Image.new("RGB", (8, 8)), " ")
    assert 'alt="a &quot;dish&quot;"' in picture_html(Image.new("RGB", (8, 8)), 'a "dish"')


def test_cards_escape_texts_and_say_verdicts_in_words():
    lines = (Line("after", "<script>x</script>", True), Line("before", "y", False), Line("question", "z"))
    grid = card_grid([Card(Image.new("RGB", (8, 8)), "a", lines), Card(None, "text only", ())], "two cards")
    assert "<script>" not in grid.html and "✓ right" in grid.html and "✗ wrong" in grid.html
    assert grid.html.count("<img ") == 1 and "no picture" in grid.html
    assert "before: y  ✗ wrong" in grid.text and repr(grid) == grid.text and grid._repr_html_() == grid.html


def test_table_has_row_and_column_headers_and_an_aligned_text_form():
    shown = table(["score", "before"], [["a<b", "1"], ["longer name", "22"]], "caption")
    assert shown.html.count('scope="row"') == 2 and shown.html.count('scope="col"') == 2 and "a&lt;b" in shown.html
    assert shown.text.splitlines() == ["caption", "score        before", "a<b          1", "longer name  22"]
