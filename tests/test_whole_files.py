"""lmdeploy tells Pillow, for the whole process, to take pictures that broke off. This kit does not."""

import pytest
from PIL import Image, ImageFile

from course_lib import cards, dataset, vlm, widgets_drop
from course_lib.records import _picture_problem


@pytest.fixture
def cut_off(tmp_path, monkeypatch):
    Image.effect_noise((300, 200), 90).convert("RGB").save(tmp_path / "whole.jpg")
    file = tmp_path / "cut.jpg"
    file.write_bytes((tmp_path / "whole.jpg").read_bytes()[:4000])
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    return file


def test_lmdeploy_does_so():
    import lmdeploy.vl.media.image  # noqa: F401

    assert "ImageFile.LOAD_TRUNCATED_IMAGES = True" in open(lmdeploy.vl.media.image.__file__, encoding="utf-8").read()


@pytest.mark.parametrize("read", [
    vlm.open_picture, cards.open_picture, lambda file: widgets_drop.read_picture(file.name, file.read_bytes()),
])  # fmt: skip
def test_a_picture_that_broke_off_is_refused_all_the_same(cut_off, read):
    with pytest.raises((ValueError, OSError), match="truncated"):
        read(cut_off)


def test_no_record_with_such_a_picture_is_trained_on(cut_off, tiny):
    assert "cut short" in _picture_problem(cut_off)
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    with pytest.raises(OSError, match="truncated"):
        dataset.load_pixels(cut_off, tiny.spec)
