"""Mixtures: every file weighs what it was given, the same way each time, and all faults are listed at once."""

import json
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from course_lib.data_problems import DataError
from course_lib.mixture import Source, read_meta, read_mixture


def turns(answer: str, mark: str = "") -> list[dict[str, str]]:
    return [{"from": "human", "value": f"{mark}问"}, {"from": "gpt", "value": answer}]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten records with pictures in a.jsonl, four of text only in text.json."""
    (tmp_path / "pictures").mkdir()
    for i in range(10):
        Image.new("RGB", (8, 8), (i, 0, 0)).save(tmp_path / "pictures" / f"{i}.png")
    seen = [{"image": f"{i}.png", "conversations": turns(f"a{i}", "<image>")} for i in range(10)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, seen)), encoding="utf-8")
    (tmp_path / "text.json").write_text(json.dumps([{"conversations": turns(f"t{i}")} for i in range(4)]))
    return tmp_path


def answers(records: list) -> list[str]:
    return [record.messages[-1]["content"] for record in records]


def pictures(folder: Path, repeat: float = 1.0) -> Source:
    return Source(folder / "a.jsonl", repeat, folder / "pictures")


def meta(folder: Path, content: object) -> Path:
    file = folder / "meta.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return file


@pytest.mark.parametrize("text, expected", [
    ("data/a.jsonl", Source(Path("data/a.jsonl"))),
    ("data/a.jsonl*2.5", Source(Path("data/a.jsonl"), 2.5)),
    ("odd*name/a.json*3", Source(Path("odd*name/a.json"), 3)),
])
def test_a_source_is_a_path_with_its_repeat_behind_a_star(text, expected):
    assert Source.parse(text) == expected


@pytest.mark.parametrize("text", ["a.jsonl*", "a.jsonl*two", "a.jsonl*0", "a.jsonl*-1", "a.jsonl*inf", "a.jsonl*nan"])
def test_a_repeat_that_is_no_number_above_zero_is_refused(text):
    with pytest.raises(ValueError, match="number above 0"):
        Source.parse(text)


@pytest.mark.parametrize("repeat, times", [(1, {1: 10}), (2.5, {2: 5, 3: 5}), (0.3, {1: 3}), (3, {3: 10})])
def test_a_repeat_takes_whole_rounds_and_samples_the_rest(folder, repeat, times):
    counts = Counter(answers(read_mixture([pictures(folder, repeat)])))
    assert Counter(counts.values()) == times


def test_sources_follow_each_other_in_order_with_text_only_records_among_them(folder):
    mixed = read_mixture([pictures(folder, 0.5), f"{folder / 'text.json'}*2"])
    assert len(mixed) == 5 + 8 and answers(mixed)[5:] == ["t0", "t1", "t2", "t3"] * 2
    assert answers(mixed)[:5] == sorted(answers(mixed)[:5])
    assert [len(record.images) for record in mixed] == [1] * 5 + [0] * 8


def test_the_sample_depends_on_the_seed_alone(folder):
    drawn = {seed: tuple(answers(read_mixture([pictures(folder, 0.5)], seed=seed))) for seed in range(6)}
    assert drawn[3] == tuple(answers(read_mixture([pictures(folder, 0.5)], seed=3)))
    assert len(set(drawn.values())) > 1


def test_the_problems_of_all_files_are_in_one_error(folder):
    (folder / "bad.json").write_text(json.dumps([{"conversations": turns("")}]))
    with pytest.raises(DataError) as caught:
        read_mixture([folder / "bad.json", folder / "none.jsonl", f"{folder / 'text.json'}*0.01"])
    text = str(caught.value)
    assert text.startswith("3 problems") and "bad.json, record 1" in text and "no such file" in text
    assert "repeat 0.01 of 4 records is none: use at least 0.25" in text


def test_a_mixture_of_no_files_is_refused():
    with pytest.raises(ValueError, match="no files to mix"):
        read_mixture([])


def test_internvls_meta_file_names_roots_annotations_and_repeats(folder):
    file = meta(folder, {
        "seen": {"root": "pictures/", "annotation": "a.jsonl", "data_augment": False, "repeat_time": 0.5, "length": 10},
        "said": {"root": "", "annotation": str(folder / "text.json"), "repeat_time": 2},
    })  # fmt: skip
    assert read_meta(file) == [
        Source(folder / "a.jsonl", 0.5, folder / "pictures"), Source(folder / "text.json", 2, folder),
    ]  # fmt: skip
    assert len(read_mixture(file)) == 5 + 8
    assert len(read_mixture([f"{file}*2", folder / "text.json"])) == 10 + 16 + 4


def test_a_meta_files_paths_may_be_relative_to_the_current_folder(folder, monkeypatch):
    (folder / "shell").mkdir()
    monkeypatch.chdir(folder)
    entry = {"root": "pictures", "annotation": "a.jsonl", "repeat_time": 1}
    assert len(read_mixture(meta(folder / "shell", {"seen": entry}))) == 10


@pytest.mark.parametrize("change, field, what", [
    ({"annotation": None}, "seen.annotation", "should be a path"),
    ({"annotation": "b.jsonl"}, "seen.annotation", "no b.jsonl beside meta.json"),
    ({"root": "elsewhere"}, "seen.root", "no elsewhere beside meta.json"),
    ({"root": 3}, "seen.root", "should be a path, but is 3"),
    ({"repeat_time": 0}, "seen.repeat_time", "should be a number above 0, but is 0"),
    ({"repeat_time": "2"}, "seen.repeat_time", "should be a number above 0"),
    ({"repeat_time": True}, "seen.repeat_time", "should be a number above 0"),
    ({"data_augment": True}, "seen.data_augment", "should be false"),
    ({"max_dynamic_patch": 6}, "seen.max_dynamic_patch", "max_tiles in the recipe"),
    ({"annotation_train": "a.jsonl"}, "seen.annotation_train", "the keys are root, annotation"),
])  # fmt: skip
def test_a_meta_entry_of_unknown_shape_is_refused_by_name(folder, change, field, what):
    good = {"root": "pictures", "annotation": "a.jsonl", "repeat_time": 1}
    with pytest.raises(DataError) as caught:
        read_mixture(meta(folder, {"fine": good, "seen": {**good, **change}}))
    [problem] = caught.value.problems
    assert problem.field == field and what in problem.what


@pytest.mark.parametrize("content, what", [
    ("{}", "should be {"), ("{", "no JSON that can be read"), ('{"seen": ["a.jsonl"]}', "should be {"),
])
def test_a_meta_file_that_is_none_is_refused(folder, content, what):
    with pytest.raises(DataError, match=what):
        read_mixture([meta(folder, content)])


def test_a_meta_file_takes_no_image_folder(folder):
    entry = {"root": "pictures", "annotation": "a.jsonl"}
    with pytest.raises(DataError, match='names "root"'):
        read_mixture(Source(meta(folder, {"seen": entry}), image_folder=folder))
