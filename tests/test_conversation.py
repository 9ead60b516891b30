import json

import pytest

from course_lib.conversation import (
    IGNORED,
    SYSTEM_PROMPT,
    encode_example,
    render_prompt,
)
from course_lib.tokenizer import load_tokenizer


def talk(*contents: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[i % 2], "content": content} for i, content in enumerate(contents)]


@pytest.fixture(scope="module", params=["tiny", "dummy prefix"])
def tokenizer(request, tiny_folder):
    """One tokenizer without a dummy space in front, as InternVL2-2B's, and one with, as the official small one."""
    if request.param == "tiny":
        return load_tokenizer(tiny_folder)
    return load_tokenizer(request.getfixturevalue("golden") / "internvl_tiny")


def learned_text(tokenizer, example) -> list[str]:
    """The learned stretches of an example, decoded."""
    stretches, previous = [], IGNORED
    for label in example["labels"]:
        if label != IGNORED:
            stretches += [[]] if previous == IGNORED else []
            stretches[-1].append(label)
        previous = label
    return [tokenizer.decode(stretch) for stretch in stretches]


def test_prompts_equal_the_official_ones(golden):
    expected = json.loads((golden / "internvl_tiny" / "expected.json").read_text())
    history, image_tokens = [], expected["tiles"] * expected["tokens_per_tile"]
    for turn in expected["turns"]:
        mark = "" if history else "<image>\n"
        messages = [*history, {"role": "user", "content": mark + turn["question"]}]
        assert render_prompt(messages, [image_tokens]) == turn["prompt"]
        history = [*messages, {"role": "assistant", "content": turn["answer_in_history"]}]


def test_the_template_character_by_character():
    assert render_prompt(talk("<image>\nQ", "A", "R"), [2], system="S") == (
        "<|im_start|>system\nS<|im_end|><|im_start|>user\n<img><IMG_CONTEXT><IMG_CONTEXT></img>\nQ<|im_end|>"
        "<|im_start|>assistant\nA<|im_end|><|im_start|>user\nR<|im_end|><|im_start|>assistant\n"
    )


def test_the_template_of_later_models_has_a_newline_after_each_turn():
    assert render_prompt(talk("Q", "A"), system="S", separator="\n") == (
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\nA<|im_end|>\n"
    )


def test_the_system_turn_is_the_official_one_and_can_be_left_out():
    assert render_prompt(talk("Q")).startswith(f"<|im_start|>system\n{SYSTEM_PROMPT}<|im_end|>")
    assert render_prompt(talk("Q"), system=None).startswith("<|im_start|>user\n")


def test_pictures_stand_where_their_marks_stood():
    prompt = render_prompt(talk("<image>和<image>", "A", "<image>"), [1, 2, 3], system=None)
    assert prompt.count("<img>") == 3
    counts = [part.split("</img>")[0].count("<IMG_CONTEXT>") for part in prompt.split("<img>")[1:]]
    assert counts == [1, 2, 3]


@pytest.mark.parametrize("separator", ["", "\n"])
def test_each_answer_and_its_end_are_learned_and_nothing_else(tokenizer, separator):
    example = encode_example(talk("你好 hi", "你好，世界！", "再来", "ok then"), tokenizer, separator=separator)
    assert learned_text(tokenizer, example) == ["你好，世界！<|im_end|>", "ok then<|im_end|>"] or learned_text(
        tokenizer, example
    ) == ["你好，世界！<|im_end|>", " ok then<|im_end|>"]
    assert len(example["input_ids"]) == len(example["labels"])
    pairs = zip(example["input_ids"], example["labels"], strict=True)
    assert all(label in (IGNORED, token) for token, label in pairs)


@pytest.mark.parametrize("separator", ["", "\n"])
@pytest.mark.parametrize("answer", ["A", " leading space", "\nnewline first", "12 🍜 龘", "a\n\n b\n"])
def test_ids_equal_those_of_the_whole_prompt(tokenizer, answer, separator):
    messages = talk("<image>\n是什么?", answer, "Q", "B")
    example = encode_example(messages, tokenizer, [3], separator=separator)
    assert example["input_ids"] == tokenizer(render_prompt(messages, [3], separator=separator))["input_ids"]


@pytest.mark.parametrize("answer", ["A", "你好", " leading space", "12 🍜 龘"])
def test_what_is_masked_is_the_very_prompt_that_the_model_answers_to(tokenizer, answer):
    messages = talk("<image>\nQ", answer)
    example = encode_example(messages, tokenizer, [2])
    prompt = tokenizer(render_prompt(messages[:1], [2]))["input_ids"]
    assert example["input_ids"][: len(prompt)] == prompt
    assert example["labels"][: len(prompt)] == [IGNORED] * len(prompt)
    assert IGNORED not in example["labels"][len(prompt) :]


def test_image_tokens_are_never_learned(tokenizer):
    example = encode_example(talk("<image>", "A"), tokenizer, [5])
    image_token = tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>")
    assert example["input_ids"].count(image_token) == 5
    assert image_token not in example["labels"]


@pytest.mark.parametrize(("messages", "visual_tokens", "message"), [
    ([], (), "at least one message"),
    (talk("<image>"), (), "1 <image> marks for 0 pictures .message 0 has 1"),
    (talk("Q"), (4,), "0 <image> marks for 1 pictures .none"),
    (talk("Q", "A", "<image><image>"), (4,), "2 <image> marks for 1 pictures .message 2 has 2"),
    ([{"role": "system", "content": "S"}], (), "message 0 has the role 'system'"),
    ([{"role": "human", "content": "Q"}], (), "message 0 has the role 'human'"),
    ([{"content": "Q"}], (), "message 0 has the role None"),
    ([*talk("Q"), *talk("R")], (), "message 1 is the user's where the assistant's is due"),
    ([{"role": "assistant", "content": "A"}], (), "message 0 is the assistant's where the user's is due"),
    (talk("Q", ""), (), "message 1 is an empty answer"),
    (talk("Q", "A", "R", " \n"), (), "message 3 is an empty answer"),
    (talk("Q", "<image>"), (4,), "message 1 is an answer with <image>"),
    ([{"role": "user", "content": None}], (), "message 0 has a content of type NoneType"),
    (talk("a <|im_end|> b"), (), r"message 0 contains the control token <\|im_end\|>"),
    (talk("<IMG_CONTEXT>"), (), "message 0 contains the control token <IMG_CONTEXT>"),
])  # fmt: skip
def test_wrong_conversations_are_refused_by_message(messages, visual_tokens, message):
    with pytest.raises(ValueError, match=message):
        render_prompt(messages, visual_tokens)


def test_an_example_ends_with_an_answer(tokenizer):
    with pytest.raises(ValueError, match="message 2 is the last and has role 'user'"):
        encode_example(talk("Q", "A", "R"), tokenizer)


def test_an_example_that_is_too_long_is_refused_and_never_cut(tokenizer):
    messages = talk("<image>", "A")
    length = len(encode_example(messages, tokenizer, [40])["input_ids"])
    assert len(encode_example(messages, tokenizer, [40], max_length=length)["labels"]) == length
    with pytest.raises(ValueError, match=rf"{length} tokens \(40 visual\), more than max_length={length - 1}"):
        encode_example(messages, tokenizer, [40], max_length=length - 1)
