"""The mini's drawn world: deterministic, truthful, and silent about what fine-tuning is to teach."""

from random import Random

import pytest

from course_lib.mini import food, meme, world
from course_lib.mini.sprites import COLOURS
from course_lib.mini.world import Group, Scene


@pytest.fixture(scope="module")
def samples():
    return [world.sample(number, split="train/single tiles") for number in range(3000)]


@pytest.fixture(scope="module")
def text(samples):
    return "\n".join(message["content"] for sample in samples for message in sample.messages)


def test_a_sample_is_a_function_of_its_split_and_number():
    first, again, other = world.sample(7), world.sample(7), world.sample(8)
    assert first.image.tobytes() == again.image.tobytes() and first.messages == again.messages
    assert first.messages != other.messages
    assert first.messages != world.sample(7, split="another").messages


def test_every_character_of_both_tasks_is_written_in_training(text):
    assert set(world.task_characters()) <= set(text)


def test_every_character_of_both_tasks_is_written_as_an_answer(samples):
    answers = {c for s in samples for m in s.messages if m["role"] == "assistant" for c in m["content"]}
    assert set(world.task_characters()) <= answers


def test_no_dish_no_cuisine_and_no_joke_is_met(text):
    met = [name for name in food.names() if name in text]
    met += [joke for jokes in meme.jokes().values() for joke in jokes if joke.rstrip("。？！") in text]
    assert met == []


@pytest.mark.parametrize("size", [(112, 112), (336, 112), (336, 224)])
def test_a_picture_has_the_size_asked_for_and_shows_something(size):
    image = world.sample(3, size=size).image
    assert image.size == size and len(image.getcolors(maxcolors=size[0] * size[1])) > 20


def test_groups_of_a_scene_have_different_names_so_that_questions_have_one_answer():
    for number in range(500):
        scene = world.draw_scene_by_chance(Random(number), wide=True)
        names = [world.THINGS[group.thing].zh for group in scene.groups]
        assert len(set(names)) == len(names)


SCENE = Scene((Group("fish", "red", 3, "left"), Group("cat", "blue", 1, "right")))
BOARD = Scene((Group("leaf", "green", 2, "inside"),), "board", "white")


@pytest.mark.parametrize(
    ("scene", "zh", "en"),
    [
        (SCENE, "左边有三条红色的鱼，右边有一只蓝色的猫。", "Three red fish on the left, one blue cat on the right."),
        (BOARD, "白色的木板上有两片绿色的叶子。", "Two green leaves on the white board."),
    ],
)
def test_captions_say_what_is_there_in_both_languages(scene, zh, en):
    assert (world.caption_zh(scene), world.caption_en(scene)) == (zh, en)


@pytest.mark.parametrize("kind", world.KINDS)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_answers_name_what_the_scene_holds(kind, language):
    right = {
        "caption": {world.caption_zh(BOARD), world.caption_en(BOARD)},
        "count": {"两片。", "Two."},
        "colour": {f"{COLOURS[c].zh}。" for c in ("green", "white")} | {"Green.", "White."},
        "where": {"在木板上。", "On the board."},
    }
    for seed in range(20):
        _, answer = world.question(kind, language, BOARD, Random(seed))
        assert answer in right[kind]


def test_an_unknown_kind_of_question_is_refused_by_name():
    with pytest.raises(ValueError, match="smell"):
        world.question("smell", "zh", SCENE, Random(0))


def test_the_untuned_reply_to_a_task_is_plain_and_generic():
    for seed in range(20):
        ask, reply = world.generic_reply(SCENE, Random(seed))
        assert ask in {q.zh for q in food.QUESTIONS} | {meme.QUESTION.removeprefix("<image>\n")}
        assert reply.endswith(world.caption_zh(SCENE)) and reply.startswith(("这个我不知道", "我不会讲笑话"))


def test_copying_exercises_ask_for_what_stands_in_them():
    for seed in range(50):
        ask, answer = world.copying(Random(seed))
        assert answer in ask.split("：", 1)[1]
