"""Asking, judging, saving and showing, on a tiny random model and on made-up answers."""

import json
import math
from dataclasses import replace

import pytest
import torch
from PIL import Image

from course_lib.conversation import encode_example
from course_lib.evaluation import (
    Evaluation, answer_records, before_after_grid, before_after_table, class_of, compare, error_gallery, evaluate,
    evaluate_command, held_out_loss, records_to_ask, scores_table, shuffled_pictures,
)  # fmt: skip
from course_lib.figures_evaluation import rates
from course_lib.measures import score_food, score_meme
from course_lib.records import Record

DISHES = [("松鼠鳜鱼", "苏菜"), ("宫保鸡丁", "川菜"), ("白切鸡", "粤菜"), ("佛跳墙", "闽菜")]
CUISINES = [cuisine for _, cuisine in DISHES]


@pytest.fixture(scope="module")
def food(tmp_path_factory):
    """Eight food records over four dishes, each with its own plain picture."""
    folder = tmp_path_factory.mktemp("food")
    records = []
    for i in range(8):
        dish, cuisine = DISHES[i % 4]
        picture = folder / f"{i}.png"
        Image.new("RGB", (56 + 30 * i, 56), (30 * i, 80, 120)).save(picture)
        meta = {"question_type": ("cuisine_type", "flavor")[i % 2], "choices": CUISINES, "answer": str(i % 4),
                "food_meta": {"food_name": dish, "food_type": cuisine}}  # fmt: skip
        messages = ({"role": "user", "content": "属于哪个菜系?\n<image>"},
                    {"role": "assistant", "content": f"{cuisine}，图中的菜是{dish}"})  # fmt: skip
        records.append(Record(folder / "food.json", i + 1, (picture,), messages, str(i), meta))
    return records


def judged(label, answers, records, loss=None):
    return Evaluation(label, "food", tuple(r.messages[0]["content"] for r in records),
                      tuple(r.messages[1]["content"] for r in records), tuple(answers),
                      score_food(answers, records), loss)  # fmt: skip


@pytest.fixture
def before_and_after(food):
    references = [record.messages[1]["content"] for record in food]
    return (judged("before", ["不知道"] * 8, food, 5.0),
            judged("after", references[:7] + ["<b>苏菜</b>"], food, 0.25))  # fmt: skip


def test_batched_answers_equal_single_ones_in_the_records_own_words(tiny, food):
    answers = answer_records(tiny, food, max_new_tokens=6, batch_size=3, progress=False)
    alone = [tiny.answer(record.messages[0]["content"], record.images[0], max_new_tokens=6) for record in food]
    assert answers == alone


def test_text_only_and_many_turn_records_are_answered_in_their_place(tiny, food):
    turns = (*food[0].messages, {"role": "user", "content": "再说"}, {"role": "assistant", "content": "好"})
    text = ({"role": "user", "content": "你好"}, {"role": "assistant", "content": "你好"})
    records = [replace(food[0], messages=turns), food[1], replace(food[2], images=(), messages=text)]
    answers = answer_records(tiny, records, max_new_tokens=4, progress=False)
    assert answers[0] == tiny.answer("再说", food[0].images[0], history=food[0].messages, max_new_tokens=4)
    assert answers[1] == answer_records(tiny, food[1:2], max_new_tokens=4, progress=False)[0]
    assert answers[2] == tiny.answer("你好", max_new_tokens=4)


def test_held_out_loss_is_the_mean_over_answer_tokens_alone(tiny, food):
    """The same number, the long way: one record at a time, all logits, a softmax by hand."""
    losses = []
    for record in food:
        pixels = tiny.pixel_values(record.images[0])
        example = encode_example(record.messages, tiny.tokenizer, [len(pixels) * tiny.spec.tokens_per_tile],
                                 system=tiny.spec.system, separator=tiny.spec.separator)  # fmt: skip
        with torch.no_grad():
            logits = tiny.model(input_ids=torch.tensor([example["input_ids"]]), pixel_values=pixels).logits[0]
        for position, label in enumerate(example["labels"]):
            if label != -100:
                losses.append(-logits[position - 1].log_softmax(-1)[label].item())
    expected = sum(losses) / len(losses)
    assert held_out_loss(tiny, food, batch_size=3) == pytest.approx(expected, abs=1e-4)
    assert held_out_loss(tiny, food, batch_size=8) == pytest.approx(expected, abs=1e-4)


def test_evaluation_of_a_random_model_scores_nothing_and_survives_its_file(tiny, food, tmp_path):
    evaluation = evaluate(tiny, "food", food, label="random", max_new_tokens=6, progress=False)
    assert evaluation.headline.successes == 0 and evaluation.headline.n == 4
    assert 0.5 * math.log(1009) < evaluation.loss < 3 * math.log(1009)
    assert Evaluation.load(evaluation.save(tmp_path / "new" / "e.json")) == evaluation


def test_meme_without_scenes_gives_loss_and_the_reason(tiny, food):
    plain = [replace(record, id=f"{i:06}", meta={}) for i, record in enumerate(food[:2])]
    evaluation = evaluate(tiny, "meme", plain, plain, max_new_tokens=4, progress=False)
    assert evaluation.headline is None and evaluation.loss > 0 and evaluation.verdicts == (None, None)
    assert "blind_vote" in scores_table([evaluation]).text
    with pytest.raises(ValueError, match="train_records"):
        evaluate(tiny, "meme", plain)


def test_shuffled_pictures_never_keep_the_class_and_never_touch_the_text(food):
    for seed in range(5):
        shuffled = shuffled_pictures(food, seed)
        own = {record.images: class_of(record) for record in food}
        assert all(own[new.images] != class_of(old) for new, old in zip(shuffled, food))
        assert [new.messages for new in shuffled] == [old.messages for old in food]
    assert shuffled_pictures(food, 1) == shuffled_pictures(food, 1) != shuffled_pictures(food, 2)
    with pytest.raises(ValueError, match="one class"):
        shuffled_pictures(food[:1])


def test_a_model_that_ignores_pictures_is_caught_by_the_control(food):
    """A perfect looker drops to nothing on shuffled pictures: it names what it is shown."""
    seen = {record.images: record.messages[1]["content"] for record in food}
    shuffled = shuffled_pictures(food)
    assert score_food([seen[record.images] for record in food], food)["overall"].rate == 1
    assert score_food([seen[record.images] for record in shuffled], shuffled)["overall"].rate == 0


def test_before_after_table_states_change_and_p(before_and_after):
    shown = before_after_table(*before_and_after)
    pair = compare(*before_and_after, "overall")
    assert (pair.only_before, pair.only_after) == (0, 7) and pair.p_value == pytest.approx(2 / 2**7)
    assert "+87.5 points (+7 −0)" in shown.text and "0.016" in shown.text and "-4.750" in shown.text
    assert "cuisine: " not in shown.text
    assert "cuisine: 苏菜" in before_after_table(*before_and_after, per_cuisine=True).text


def test_other_records_cannot_be_compared(before_and_after, food):
    before, after = before_and_after
    with pytest.raises(ValueError, match="were asked other records"):
        compare(before, judged("after", ["x"] * 7, food[:7]))
    with pytest.raises(ValueError, match="other records"):
        before_after_grid(food[:7], before, after)


def test_grid_shows_pictures_questions_and_verdicts_and_is_deterministic(before_and_after, food):
    shown = before_after_grid(food, *before_and_after, n=8)
    assert shown == before_after_grid(food, *before_and_after, n=8)
    assert shown.html.count("<img ") == shown.html.count(" alt=") == 8
    assert shown.html.count("✓ right") == 7 and shown.html.count("✗ wrong") == 9
    assert "&lt;b&gt;苏菜" in shown.html and "<image>" not in shown.text and "picture of 松鼠鳜鱼 (苏菜)" in shown.html
    assert "4 of 8 held-out records" in before_after_grid(food, *before_and_after, n=4).text


def test_error_gallery_holds_the_wrong_answers_only(before_and_after, food):
    shown = error_gallery(food, before_and_after[1])
    assert shown.html.count("<img ") == 1 and "1 of 1 wrong answers among 8 records" in shown.text


def test_figure_draws_every_rate_with_whiskers_and_no_chinese(before_and_after):
    figure = rates(before_and_after, list(before_and_after[0].scores.verdicts), title="food")
    axes = figure.axes[0]
    assert len(axes.containers) == 2 and len(axes.get_yticks()) == 5 + 4
    assert len(rates(before_and_after).axes[0].get_yticks()) == 5
    figure.draw_without_rendering()
    words = [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]
    assert {"cuisine and dish name (n=4)", "Sichuan cuisine (n=2)"} <= set(words)
    assert all(character < "\u2e80" for word in words for character in word)


def test_jokes_are_compared_like_dishes(food):
    records = [replace(record, id=f"cat-c{i}-0", meta={}) for i, record in enumerate(food[:3])]
    train = [replace(records[0], id="cat-a-0"), replace(records[1], id="rain-a-0")]
    told = [train[0].messages[1]["content"]] * 3
    questions = tuple(record.messages[0]["content"] for record in records)
    first, second = (
        Evaluation(label, "meme", questions, questions, tuple(answers), score_meme(answers, records, train))
        for label, answers in (("before", ["图中有猫"] * 3), ("after", told))
    )
    shown = before_after_table(first, second).text
    assert "joke fits the scene" in shown and "100.0%" in shown and "distinct answers" in shown


def write_foodieqa(folder, food, **files):
    """FoodieQA's files, {name: indices into `food`}, with the pictures of `food`."""
    for name, chosen in files.items():
        raw = [{**food[i].meta, "question": f"问题{i}", "question_id": i,
                "food_meta": {**food[i].meta["food_meta"], "food_file": f"{i}.png"}} for i in chosen]  # fmt: skip
        (folder / f"{name}.json").write_text(json.dumps(raw, ensure_ascii=False), encoding="utf-8")
    for i, record in enumerate(food):
        (folder / f"{i}.png").write_bytes(record.images[0].read_bytes())
    return folder


def test_all_of_a_learners_own_set_can_be_asked_in_its_own_order(food, tmp_path):
    own = write_foodieqa(tmp_path, food, sivqa_tidy=range(8))
    assert [record.id for record in records_to_ask("food", "all", own)] == list("01234567")
    assert len(records_to_ask("food", "test", own)) == 1 and len(records_to_ask("food", "train", own)) == 7


def test_all_of_a_set_with_a_test_file_is_the_training_file_and_then_the_test_file(food, tmp_path, tiny_folder):
    own = write_foodieqa(tmp_path, food, sivqa_tidy=(5, 2, 7), sivqa_test=(6, 0))
    assert [record.id for record in records_to_ask("food", "all", own)] == list("52760")
    evaluation = evaluate_command(tiny_folder, "food", split="all", data=own, limit=4)
    assert evaluation.questions == tuple(f"问题{i}\n<image>" for i in (5, 2, 7, 6))
