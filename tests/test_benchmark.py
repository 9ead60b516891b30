import pytest

from course_lib.benchmark import (
    Speed, benchmark_command, greedy_with_cache, greedy_without_cache, held_out_questions, measure_speed, read_speeds,
    seconds_to_first_piece, speed_table, stopwatch,
)  # fmt: skip
from course_lib.sampling import Sampling


def test_with_and_without_cache_the_tokens_are_those_of_the_stream(tiny):
    inputs = tiny.encode_prompt([{"role": "user", "content": "hi"}])
    slow, slow_laps = greedy_without_cache(tiny, inputs, 6)
    fast, fast_laps = greedy_with_cache(tiny, inputs, 6)
    assert slow == fast and len(slow_laps) == len(fast_laps) == 6 and min(slow_laps + fast_laps) > 0
    assert tiny.tokenizer.decode(fast).strip() == tiny.answer("hi", max_new_tokens=6)


def test_a_speed_has_the_engines_own_answers_and_counts_their_tokens(tiny):
    conversations = [([{"role": "user", "content": question}], ()) for question in ("hi", "x", "你好")]
    speed = measure_speed(tiny, conversations, count=len, batch_size=2, sampling=Sampling(4))
    assert speed.answers == tuple(tiny.answer_conversations(conversations, Sampling(4)))
    assert speed.tokens == sum(map(len, speed.answers)) and speed.engine == "transformers" and speed.batch == 2
    assert speed.answers_a_second == pytest.approx(3 / speed.seconds) and speed.first_token > 0


def test_a_stopwatch_stands_still_after_its_block():
    with stopwatch() as seconds:
        pass
    assert seconds() == seconds()


def test_the_first_piece_comes_before_the_whole_answer(tiny):
    conversation = ([{"role": "user", "content": "hi"}], ())
    with stopwatch() as whole:
        "".join(tiny.stream_messages(*conversation, Sampling(60)))
    assert seconds_to_first_piece(tiny, *conversation) < whole()


def test_the_table_counts_equal_answers():
    speeds = [Speed("a", 1, ("x", "y"), 4, 2.0, 0.1), Speed("b", 2, ("x", "z"), 4, 1.0, 0.05)]
    text = speed_table(speeds, "two").text
    assert "2 of 2" in text and "1 of 2" in text and "100 ms" in text


def test_the_command_asks_both_tasks_and_writes_what_it_saw(tmp_path):
    from course_lib.settings import ROOT

    mini = ROOT / "data" / "internvl-mini"
    out = tmp_path / "b.json"
    speeds = benchmark_command(mini, ["transformers"], questions=4, batches=(4,), max_new_tokens=3, out=out)
    about, read = read_speeds(out)
    assert read == speeds and about["model"] == "data/internvl-mini" and about["machine"]
    folders = {images[0].parent.parent.name for _, images in held_out_questions(4)}
    assert folders == {"food", "meme"}
