"""Widgets driven as a person would drive them, and their static forms."""

import io
from datetime import datetime

import pytest
import torch
from PIL import Image

from course_lib.widgets import VoteItem, blind_vote, sampling_explorer, tiling_explorer

VIEW = "application/vnd.jupyter.widget-view+json"


def items(n=6):
    return [VoteItem(Image.new("RGB", (64, 48), (40 * i, 90, 90)), f"question {i}", (f"old {i}", f"new {i}"))
            for i in range(n)]  # fmt: skip


def side_of(vote, text):
    """The button that stands for the answer `text` on the card now shown."""
    shown = vote._card.value
    return vote.a if shown.index(text) < shown.index("<strong>B</strong>") else vote.b


def test_clicks_become_votes_whatever_side_a_model_stands_on():
    vote = blind_vote(items(), seed=3)
    clicked = []
    for i in range(5):
        button = side_of(vote, f"new {i}")
        clicked.append(button is vote.a)
        button.click()
    vote.tie.click()
    assert vote.votes == ["after"] * 5 + ["tie"]
    assert (vote.score.successes, vote.score.n, vote.ties) == (5, 5, 1)
    assert any(clicked) and not all(clicked)  # the second model is not always on one side


def test_tally_and_model_names_stay_hidden_until_the_last_vote():
    vote = blind_vote(items(2), names=("vor", "nach"))
    assert "vor" not in vote._card.value + vote._status.value + vote.static.html
    vote.a.click()
    assert "nach" not in vote._status.value and "%" not in vote._status.value
    vote.b.click()
    assert "nach preferred" in vote._status.value and "%" in vote._status.value
    assert vote.a.disabled and vote.b.disabled and vote.tie.disabled and not vote.undo.disabled


def test_undo_takes_the_last_vote_back():
    vote = blind_vote(items(2))
    vote.undo.click()
    vote.a.click()
    vote.b.click()
    vote.undo.click()
    assert len(vote.votes) == 1 and not vote.a.disabled and "question 1" in vote._card.value


def test_same_seed_same_sides():
    assert blind_vote(items(), seed=5).static == blind_vote(items(), seed=5).static
    assert blind_vote(items(), seed=5).static != blind_vote(items(), seed=6).static


def test_vote_refuses_an_empty_list():
    with pytest.raises(ValueError, match="nothing to vote on"):
        blind_vote([])


def test_slider_changes_the_grid_and_the_static_form_follows():
    explorer = tiling_explorer(Image.new("RGB", (896, 448)), max_tiles=1)
    assert "1 x 256 = 256" in explorer.static.text
    explorer.slider.value = 12
    assert "grid of 2 x 1" in explorer._view.value and "3 x 256 = 768" in explorer.static.text


def uploaded(name, content):
    return ({"name": name, "type": "image/png", "size": len(content), "content": memoryview(content),
             "last_modified": datetime(2026, 1, 1)},)  # fmt: skip


def test_uploaded_picture_is_shown_and_a_broken_one_is_named():
    explorer = tiling_explorer(Image.new("RGB", (448, 448)))
    buffer = io.BytesIO()
    Image.new("RGBA", (300, 900)).save(buffer, "PNG")
    explorer.upload.value = uploaded("tall.png", buffer.getvalue())
    assert "300 x 900 px" in explorer._view.value
    explorer.upload.value = uploaded("<b>.png", b"not a picture")
    assert 'role="alert"' in explorer._view.value and "&lt;b&gt;.png" in explorer._view.value
    explorer.upload.value = ()
    assert "300 x 900 px" in explorer.static.text  # the last good picture stays


def test_sampling_sliders_give_what_the_model_gives(tiny):
    explorer = sampling_explorer(tiny, "你好", top=5)
    explorer.temperature.value, explorer.top_p.value = 0.5, 0.6
    expected = tiny.next_token_distribution("你好", temperature=0.5, top_p=0.6)
    torch.testing.assert_close(explorer.probabilities, expected, atol=1e-6, rtol=1e-4)
    assert "temperature 0.5, top-p 0.60" in explorer._view.value == explorer.static.html
    explorer.temperature.value = 0
    assert "100.0%" in explorer.static.text.splitlines()[1]


@pytest.mark.parametrize("make", [lambda: blind_vote(items(2)), lambda: tiling_explorer(Image.new("RGB", (600, 300)))])
def test_widget_and_static_form_come_in_one_output(make):
    bundle = make()._repr_mimebundle_()
    assert VIEW in bundle and "<img " in bundle["text/html"] and bundle["text/plain"]
    assert bundle["text/html"] == make()._repr_mimebundle_()["text/html"]
