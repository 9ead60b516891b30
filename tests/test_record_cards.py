"""Cards of records: the kit's own answers come with their English, others without, and nothing is invented."""

from pathlib import Path

import pytest
from PIL import Image

from course_lib.mini.food import CUISINES, QUESTIONS, answer_text
from course_lib.mini.food_dishes import DISHES
from course_lib.mini.meme_jokes import SCENES
from course_lib.record_cards import in_english, record_grid, subject
from course_lib.records import Record


def record(answer: str, *, record_id: str | None = None, images: tuple[Path, ...] = (), **meta) -> Record:
    question = "<image>\n这是什么?" if images else "这是什么?"
    messages = ({"role": "user", "content": question}, {"role": "assistant", "content": answer})
    return Record(Path("own.json"), 3, images, messages, record_id, meta)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.kind)
def test_every_answer_of_the_food_task_has_its_english(question):
    for dish in DISHES:
        english = in_english(record(answer_text(dish, question), food_name=dish.name))
        assert english is not None and dish.english in english and english.isascii()
    assert len(CUISINES) == 10


def test_every_joke_has_its_english_and_every_scene_its_name():
    for key, scene in SCENES.items():
        for joke, gloss in scene.glosses.items():
            one = record(joke, record_id=f"{key}-00-0")
            assert (in_english(one), subject(one)) == (gloss, scene.en)


def test_other_data_gets_no_english_and_a_neutral_description():
    one = record("一碗面")
    assert in_english(one) is None
    assert subject(one) == "picture of record 3 of own.json"


def test_a_card_shows_question_model_and_data_without_the_picture_mark(tmp_path):
    Image.new("RGB", (40, 30), "tomato").save(tmp_path / "a.png")
    grid = record_grid([record("一碗面", images=(tmp_path / "a.png",))], "one", answers=["<b>不知道</b>"])
    assert grid.text.splitlines()[1:] == ["question: 这是什么?", "model: <b>不知道</b>", "data: 一碗面", "", "one"]
    assert "&lt;b&gt;" in grid.html and "<b>不" not in grid.html and "&lt;image&gt;" not in grid.html


def test_a_text_only_record_has_a_card_without_a_picture():
    assert "(no picture)" in record_grid([record("一碗面")], "one").html


def test_answers_must_be_as_many_as_records():
    with pytest.raises(ValueError, match="2 answers for 1 records"):
        record_grid([record("一碗面")], "one", answers=["a", "b"])
