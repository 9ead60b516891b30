"""The attention explorer, driven as a person would drive it, and its static form."""

import re

import numpy as np
import pytest
from PIL import Image

from course_lib.attention import answer_attention
from course_lib.widgets_attention import attention_explorer, readable, token_words

QUESTION, ANSWER = "图中有什么？", "A red dog."
WIDE = Image.radial_gradient("L").resize((168, 56)).convert("RGB")
SMALL = Image.new("RGB", (40, 40), "red")


@pytest.fixture
def explorer(tiny):
    return attention_explorer(tiny, QUESTION, WIDE, ANSWER)


def test_it_begins_with_the_token_that_looks_at_the_picture_most(explorer):
    first = int(np.argmax(explorer.attention.picture_share))
    assert explorer.buttons.value == explorer.slider.value == first
    assert f"Token {first + 1} of" in explorer._status.value and 'role="status"' in explorer._status.value


def test_button_and_slider_move_together_and_the_view_follows(explorer):
    seen = set()
    for token in range(len(explorer.attention.tokens)):
        (explorer.buttons if token % 2 else explorer.slider).value = token
        assert explorer.buttons.value == explorer.slider.value == token
        assert token_words(explorer.attention, token) in explorer._status.value
        seen.add(explorer._view.value)
    assert len(seen) == len(explorer.attention.tokens)
    plain = explorer._view.value
    explorer.relative.value = True
    assert explorer._view.value != plain and "purple" in explorer._view.value and "mean" in explorer._status.value


def test_the_model_runs_once_when_it_is_made(tiny, explorer, monkeypatch):
    monkeypatch.setattr(type(tiny.model), "forward", None)
    explorer.slider.value = 0
    explorer.relative.value = True
    assert explorer.static.html


def test_picture_every_tile_and_the_thumbnail_have_alt_texts(explorer):
    alts = re.findall(r'<img [^>]*alt="([^"]+)"', explorer._view.value)
    assert len(alts) == explorer._view.value.count("<img ") == 1 + 4
    assert alts[0].startswith("the picture under its heat; Token") and alts[-1].startswith("thumbnail: at most")


def test_static_form_has_the_four_tokens_that_look_at_the_picture_most_and_is_small(explorer):
    attention = explorer.attention
    most = sorted(np.argsort(-attention.picture_share, kind="stable")[:4])
    assert all(token_words(attention, int(token)) in explorer.static.text for token in most)
    assert explorer.static.html.count("<img ") == explorer.static.html.count(" alt=") == 1 + 4
    assert len(explorer.static.html) < 60_000 and "attention is not explanation" in explorer.static.text
    bundle = explorer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle and bundle["text/html"] == explorer.static.html


def test_of_several_pictures_the_chosen_one_is_shown(tiny):
    explorer = attention_explorer(tiny, QUESTION, [SMALL, WIDE], ANSWER)
    assert explorer._view.value.count("<img ") == 1 + 1
    explorer.picture.value = 1
    assert explorer._view.value.count("<img ") == 1 + 4 and "of picture 2" in explorer._status.value


def test_one_token_and_repeated_tokens_are_no_trouble(tiny):
    assert len(attention_explorer(tiny, QUESTION, SMALL, "a").attention.tokens) >= 1
    again = attention_explorer(tiny, QUESTION, SMALL, "aaaa")
    again.slider.value = len(again.attention.tokens) - 1
    assert f"Token {len(again.attention.tokens)} of" in again._status.value


def test_a_token_cannot_break_the_page(tiny):
    explorer = attention_explorer(tiny, QUESTION, SMALL, "<b>&")
    for token in range(len(explorer.attention.tokens)):
        explorer.slider.value = token
        assert "<b>" not in explorer._view.value + explorer._status.value + explorer.static.html


def test_words_say_share_and_place(tiny):
    attention = answer_attention(tiny, QUESTION, WIDE, ANSWER)
    assert f"{attention.picture_share[0]:.0%} of its attention goes to pictures; hottest" in token_words(attention, 0)
    assert readable("▁the") == "␣the" and readable("<0x0A>") == "⏎"
