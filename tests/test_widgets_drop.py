"""The drop zone, Python's side of it: what a file's bytes become, what is refused and how it is told."""

import io
import re

import pytest
from PIL import Image

from course_lib.widgets_drop import ACCEPT, ENDINGS, FORMATS, MOST_BYTES, PictureDrop, read_picture


def png(picture):
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("content, problem", [
    (b"x" * (MOST_BYTES + 1), "8.0 MiB"),
    (png(Image.new("1", (8000, 6000))), "8000 x 6000 pixels"),
    (png(Image.effect_noise((50, 50), 90))[:600], "is damaged"),
    (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is not a picture"),
    (b"", "is not a picture"),
], ids=["bytes", "pixels", "cut off", "svg", "empty"])  # fmt: skip
def test_unfit_file_is_named_with_the_rule_and_not_taken(content, problem):
    taken = []
    drop = PictureDrop("your picture", taken.append)
    drop.hand_over("holiday.png", content)
    assert re.search(rf"holiday\.png .*{problem}.*at most 8 MiB", drop.problem) and taken == []


def test_photograph_stands_upright():
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[274] = 6  # lies on its side, as telephones store pictures
    Image.new("RGB", (60, 20)).save(buffer, "JPEG", exif=exif)
    assert read_picture("phone.jpg", buffer.getvalue()).size == (20, 60)


def test_message_of_the_page_becomes_a_picture_as_often_as_it_comes():
    taken = []
    drop = PictureDrop("your picture", taken.append)
    for _ in range(2):
        drop._handle_custom_msg({"name": "a.png"}, [memoryview(png(Image.new("RGBA", (30, 20))))])
    assert [(picture.mode, picture.size) for picture in taken] == [("RGB", (30, 20))] * 2


def test_each_problem_reaches_the_page_even_twice_the_same_and_goes_with_a_good_picture():
    told, drop = [], PictureDrop("your picture", lambda picture: None)
    drop.observe(lambda change: told.append(change["new"]), "problem")
    for content in (b"no", b"no", png(Image.new("L", (9, 9)))):
        drop.hand_over("a.png", content)
    assert len(told) == 4 and told[0] == told[2] != "" and told[1] == told[3] == ""


@pytest.mark.parametrize("kind", FORMATS)
def test_the_page_lets_through_what_python_reads(kind):
    Image.init()
    assert Image.MIME[kind] in ACCEPT.split(",")
    assert kind in {Image.EXTENSION[ending] for ending in ENDINGS}


def test_the_page_gets_script_style_and_limits_and_nothing_of_them_lies_elsewhere():
    state = PictureDrop("your picture", print).get_state()
    assert (state["label"], state["accept"], state["most_bytes"]) == ("your picture", ACCEPT, MOST_BYTES)
    assert "export default" in state["_esm"] and ".course-picture-drop" in state["_css"]
    assert not re.search(r"https?:|^\s*import|import\(|@import|url\(", state["_esm"] + state["_css"], re.MULTILINE)
