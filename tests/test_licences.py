"""FoodieQA is not trained on without consent; the kit's own food data needs none."""

from dataclasses import replace
from pathlib import Path

import pytest

from course_lib.licences import (
    FOODIEQA, VARIABLE, LicenceError, consent_given, is_foodieqa, needs_consent, require_consent,
)  # fmt: skip
from course_lib.records import Record, load_task
from course_lib.settings import ROOT

FOOD = Record(
    Path("sivqa_tidy.json"), 1, (), ({"role": "user", "content": "哪个菜系?\n<image>"},
                                     {"role": "assistant", "content": "苏菜，图中的菜是松鼠鳜鱼"}),
    meta={"food_meta": {"food_name": "松鼠鳜鱼"}},
)  # fmt: skip
JOKE = Record(Path("ex_cn.json"), 1, (), ({"role": "user", "content": "讲"}, {"role": "assistant", "content": "梗"}))


@pytest.fixture(autouse=True)
def no_consent(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.mark.parametrize("record, expected", [
    (FOOD, True),
    (replace(FOOD, meta={}), True),  # the old lesson's conversion keeps the answer's form only
    (replace(JOKE, meta={"food_meta": {}}), True),
    (replace(FOOD, meta={**FOOD.meta, "licence": "MIT"}), False),
    (replace(FOOD, meta={"licence": "MIT"}), False),
    (replace(FOOD, meta={**FOOD.meta, "licence": ""}), True),
    (replace(FOOD, meta={**FOOD.meta, "licence": "cc by-nc-nd 4.0"}), True),  # says itself that it is not free
    (JOKE, False),
])  # fmt: skip
def test_foodieqas_records_are_known_by_layout_or_answer_unless_a_licence_frees_them(record, expected):
    assert is_foodieqa(record) == expected
    assert needs_consent([JOKE, record]) == expected


@pytest.mark.parametrize("task", ["food", "meme"])
def test_the_kits_own_data_need_no_consent(task):
    records = [record for split in ("train", "test") for record in load_task(task, split, ROOT / "data" / task)]
    require_consent(records, consent=False)


def test_one_record_of_foodieqa_among_others_stops_training_and_says_how_to_opt_in():
    with pytest.raises(LicenceError) as caught:
        require_consent([JOKE, FOOD, JOKE], consent=False)
    text = str(caught.value)
    assert text.startswith("1 of 3 records") and FOODIEQA in text
    assert all(way in text for way in ("train_on_foodieqa=True", "--train-on-foodieqa", f"{VARIABLE}=yes"))
    assert isinstance(caught.value, ValueError)
    require_consent([JOKE, FOOD], consent=True)


def test_the_notice_names_the_licence_evaluation_and_passing_on():
    for phrase in ("CC BY-NC-ND 4.0", "for evaluation only", "Evaluate on your own copy freely", "Do not pass on"):
        assert phrase in FOODIEQA


@pytest.mark.parametrize("explicit, variable, expected", [
    (None, None, False), (None, "yes", True), (None, " YES ", True), (None, "no", False), (None, "", False),
    (True, "no", True), (False, "yes", False), (True, None, True),
])  # fmt: skip
def test_consent_is_what_was_said_explicitly_else_the_environment(monkeypatch, explicit, variable, expected):
    if variable is not None:
        monkeypatch.setenv(VARIABLE, variable)
    assert consent_given(explicit) is expected


def test_consent_that_is_neither_yes_nor_no_is_not_guessed(monkeypatch):
    monkeypatch.setenv(VARIABLE, "maybe")
    with pytest.raises(ValueError, match="set it to yes or no"):
        consent_given()
