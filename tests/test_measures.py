"""What counts as right: tables of answers a reader can judge by eye."""

from pathlib import Path

import pytest

from course_lib.measures import bigram_f1, named_choices, question_of, scene_of, score_food, score_meme
from course_lib.record_layouts import NAMES_THE_DISH
from course_lib.records import Record

CHOICES = ["川菜", "苏菜", "粤菜", "闽菜"]


def food(kind="cuisine_type", choices=CHOICES, answer="1", dish="松鼠鳜鱼", cuisine="苏菜"):
    meta = {"question_type": kind, "choices": choices, "answer": answer,
            "food_meta": {"food_name": dish, "food_type": cuisine}}  # fmt: skip
    messages = ({"role": "user", "content": "属于哪个菜系?\n<image>"},
                {"role": "assistant", "content": f"{choices[int(answer)]}，图中的菜是{dish}"})  # fmt: skip
    return Record(Path("f.json"), 1, (Path("x.jpg"),), messages, "0", meta)


def meme(record_id, joke):
    messages = ({"role": "user", "content": "<image>\n讲一个梗"}, {"role": "assistant", "content": joke})
    return Record(Path("m.json"), 1, (Path("x.jpg"),), messages, record_id)


@pytest.mark.parametrize("answer, choice, dish", [
    ("苏菜，图中的菜是松鼠鳜鱼", True, True),
    ("这道菜属于苏菜，是松鼠鳜鱼。", True, True),
    ("苏菜，图中的菜是宫保鸡丁", True, False),
    ("川菜，图中的菜是松鼠鳜鱼", False, True),
    ("川菜、苏菜、粤菜、闽菜，图中的菜是松鼠鳜鱼", False, True),  # naming every choice is no answer
    ("图中的菜是苏菜", False, False),  # a cuisine in the dish's place
    ("", False, False),
])  # fmt: skip
def test_food_answer_is_right_when_one_choice_and_the_dish_are(answer, choice, dish):
    scores = score_food([answer], [food()])
    assert scores["choice"].successes == choice
    assert scores["dish_name"].successes == dish
    assert scores["overall"].successes == scores["cuisine_and_name"].successes == (choice and dish)


def test_longer_choice_hides_the_shorter_one_inside_it():
    assert named_choices("酸甜可口", ["酸甜", "酸甜可口", "苦"], "x") == ["酸甜可口"]


def test_choice_inside_the_dish_name_does_not_count():
    record = food("region", ["西湖", "长城", "泰山", "黄河"], "0", "西湖醋鱼", "浙菜")
    assert score_food(["我看到西湖醋鱼"], [record])["choice"].successes == 0
    assert score_food(["西湖，图中的菜是西湖醋鱼"], [record])["choice"].successes == 1


def test_what_the_answer_calls_the_dish_is_told_from_its_choice_by_the_phrase_that_records_are_made_with():
    assert named_choices(f"川菜{NAMES_THE_DISH}苏菜小炒", CHOICES, "松鼠鳜鱼") == ["川菜"]
    assert ("松鼠鳜鱼", "苏菜小炒", 1) in score_food([f"川菜{NAMES_THE_DISH}苏菜小炒"], [food()]).confusions["dish_name"]


def test_food_scores_split_by_kind_and_cuisine_and_count_confusions():
    records = [food(), food("flavor", ["辣", "酸甜", "苦", "咸"]), food(answer="0", dish="宫保鸡丁", cuisine="川菜")]
    scores = score_food(["苏菜，图中的菜是松鼠鳜鱼", "辣，图中的菜是松鼠鳜鱼", "苏菜，图中的菜是松鼠鳜鱼"], records)
    assert scores.verdicts["cuisine_and_name"] == (True, None, False)
    assert scores.verdicts["flavor"] == (None, False, None)
    assert scores["cuisine: 苏菜"].n == 2 and scores["cuisine: 川菜"].successes == 0
    assert scores.headline == "cuisine_and_name"
    assert scores.confusions["cuisine"] == (("川菜", "苏菜", 1), ("苏菜", "苏菜", 1))
    assert ("宫保鸡丁", "松鼠鳜鱼", 1) in scores.confusions["dish_name"]


def test_food_names_the_record_that_lacks_a_field():
    with pytest.raises(ValueError, match="record 1: field 'choices'"):
        score_food(["x"], [meme(None, "y")])


@pytest.mark.parametrize("record_id, scene", [
    ("cat-on-keyboard-c3-0", "cat-on-keyboard"), ("rain-12-3", "rain"), ("000123", None), (None, None), ("a-b-c", None),
])  # fmt: skip
def test_scene_comes_from_the_id(record_id, scene):
    assert scene_of(meme(record_id, "x")) == scene


@pytest.mark.parametrize("a, b, f1", [
    ("今天不想上班", "今天不想上班。", 1.0), ("abcd", "wxyz", 0.0), ("", "", 0.0), ("好", "好！", 1.0), ("好", "坏", 0.0),
    ("abcd", "abcx", 2 * 2 / 6), ("aaaa", "aa", 2 * 1 / 4),
])  # fmt: skip
def test_bigram_f1_by_hand(a, b, f1):
    assert bigram_f1(a, b) == bigram_f1(b, a) == pytest.approx(f1)


TRAIN = [meme("cat-a-0", "键盘是我的热水袋"), meme("cat-b-0", "这个文件我压住了"), meme("rain-a-0", "雨伞先下班了")]


@pytest.mark.parametrize("record_id, answer, fits, exact", [
    ("cat-z-0", "键盘是我的热水袋！", True, True),
    ("cat-z-0", "键盘是我的大热水袋", True, False),
    ("cat-z-0", "雨伞先下班了", False, False),  # a good joke about another scene
    ("cat-z-0", "图中有一只猫", False, False),
])  # fmt: skip
def test_joke_fits_when_its_best_match_belongs_to_the_scene(record_id, answer, fits, exact):
    scores = score_meme([answer], [meme(record_id, "x")], TRAIN)
    assert (scores["fits_scene"].successes, scores["exact_joke"].successes) == (fits, exact)


def test_scenes_unknown_to_training_are_left_out_and_reported():
    scores = score_meme(["雨伞先下班了"] * 2, [meme("rain-z-0", "x"), meme("moon-z-0", "x")], TRAIN)
    assert scores.verdicts["fits_scene"] == (True, None)
    assert "1 of 2" in scores.note and scores.counts["distinct answers"] == 1


def test_jokes_without_scenes_have_no_rate_but_a_reason():
    scores = score_meme(["哈哈"], [meme("000123", "x")], [meme("000001", "y")])
    assert scores.headline == "" and not scores.verdicts and "blind_vote" in scores.note


def test_one_answer_per_record_is_required():
    with pytest.raises(ValueError, match="1 answers for 2 records"):
        score_food(["x"], [food(), food()])


def test_question_keeps_its_image_mark_where_the_record_puts_it():
    assert question_of(food()).endswith("\n<image>") and question_of(meme("a-b-0", "x")).startswith("<image>\n")
