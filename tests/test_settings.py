from pathlib import Path

import pytest

from course_lib import settings


@pytest.fixture(autouse=True)
def no_choices(monkeypatch):
    monkeypatch.delenv("COURSE_MODEL", raising=False)
    monkeypatch.delenv("COURSE_DATA", raising=False)


@pytest.mark.parametrize("choice", [None, "", "mini"])
def test_the_mini_is_the_default(monkeypatch, choice):
    if choice is not None:
        monkeypatch.setenv("COURSE_MODEL", choice)
    assert settings.model_folder() == settings.ROOT / "data" / "internvl-mini"
    assert settings.is_mini()


def test_a_folder_replaces_the_mini(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_MODEL", str(tmp_path))
    assert settings.model_folder() == tmp_path.resolve()
    assert not settings.is_mini()


@pytest.mark.parametrize(("variable", "ask"), [
    ("COURSE_MODEL", settings.model_folder),
    ("COURSE_DATA", lambda: settings.data_folder("food")),
])  # fmt: skip
def test_a_folder_that_is_absent_is_named_with_its_variable(monkeypatch, variable, ask):
    monkeypatch.setenv(variable, "/nowhere/at-all")
    with pytest.raises(FileNotFoundError, match=f"{variable} is '/nowhere/at-all'"):
        ask()


def test_data_of_ones_own_may_hold_the_tasks_or_be_one(monkeypatch, tmp_path):
    assert settings.data_folder("food") == settings.ROOT / "data" / "food"
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    assert settings.data_folder("food") == tmp_path.resolve()
    (tmp_path / "food").mkdir()
    assert settings.data_folder("food") == tmp_path.resolve() / "food"
    assert settings.data_folder("meme") == tmp_path.resolve()


def test_the_root_is_the_repository():
    assert (settings.ROOT / "course_lib" / "settings.py").samefile(settings.__file__)
    assert Path(__file__).is_relative_to(settings.ROOT)


def test_the_device_comes_with_its_reason():
    import torch

    device, reason = settings.pick_device()
    assert device.type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert ("found" in reason) if device.type == "cuda" else ("CPU" in reason or "no usable" in reason)
