"""Tokens in boxes: nothing lost, runs folded, learned tokens told apart without colour."""

import pytest

from course_lib.conversation import encode_example
from course_lib.token_view import distribution_html, token_html, token_runs
from course_lib.tokenizer import load_tokenizer

MESSAGES = [{"role": "user", "content": "<image>\n<b>几只?"}, {"role": "assistant", "content": "三只"}]


@pytest.fixture(scope="module")
def example(tiny_folder):
    tokenizer = load_tokenizer(tiny_folder)
    return tokenizer, encode_example(MESSAGES, tokenizer, [28])


def test_runs_cover_every_token_once(example):
    tokenizer, encoded = example
    runs = token_runs(encoded["input_ids"], encoded["labels"], tokenizer)
    assert [run.token_id for run in runs for _ in range(run.count)] == encoded["input_ids"]
    assert [run.count for run in runs if run.count > 1] == [28]
    kinds = [run.kind for run in runs for _ in range(run.count)]
    assert [kind == "learned" for kind in kinds] == [label != -100 for label in encoded["labels"]]


def test_learned_tokens_are_marked_by_sign_and_border_and_text_is_escaped(example):
    tokenizer, encoded = example
    shown = token_html(encoded["input_ids"], encoded["labels"], tokenizer)
    learned = sum(label != -100 for label in encoded["labels"])
    assert shown.html.count(">●") == shown.html.count("2px solid") == shown.text.splitlines()[0].count("●") == learned
    assert f"{learned} learned" in shown.text and "<b>" not in shown.html
    assert "&lt;IMG_CONTEXT&gt; × 28" in shown.html and "⏎" in shown.text
    assert shown == token_html(encoded["input_ids"], encoded["labels"], tokenizer)


def test_prompt_without_labels_has_neither_mask_nor_sign(example):
    tokenizer, encoded = example
    shown = token_html(encoded["input_ids"], None, tokenizer)
    assert "●" not in shown.html and "masked" not in shown.html


def test_wrong_labels_are_refused(example):
    tokenizer, encoded = example
    with pytest.raises(ValueError, match="one label per token"):
        token_html(encoded["input_ids"], encoded["labels"][1:], tokenizer)
    shifted = [-100, *encoded["labels"][:-1]]
    with pytest.raises(ValueError, match="neither -100 nor the token's own id"):
        token_html(encoded["input_ids"], shifted, tokenizer)


def test_distribution_lists_the_likeliest_and_what_is_left(example):
    tokenizer, _ = example
    probabilities = [0.0] * len(tokenizer)
    probabilities[300], probabilities[400], probabilities[13] = 0.5, 0.25, 0.25
    shown = distribution_html(probabilities, tokenizer, top=2, caption="next token")
    assert shown.text.splitlines()[0] == "next token" and shown.text.count("%") == 3
    assert shown.text.splitlines()[1].endswith("50.0%") and shown.text.endswith("(all others)  25.0%")
    assert "width:150px" in shown.html
