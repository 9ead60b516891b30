"""Widgets driven as a person would drive them, and their static forms."""

import ipywidgets
import pytest
import torch
from PIL import Image
from test_widgets_drop import png

from course_lib.tile_view import candidates_html
from course_lib.widgets import (
    VoteItem, blind_vote, chat_box, prompt_viewer, sampling_explorer, space_to_depth_stepper, tiling_explorer,
)  # fmt: skip
from course_lib.widgets_drop import PictureDrop

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


def test_result_is_counts_share_interval_and_p():
    vote = blind_vote(items(8), seed=1)
    for i in range(7):
        side_of(vote, f"new {i}").click()
    assert "7 of 8 voted" in vote.result.text
    vote.tie.click()
    assert "[64.6%, 100.0%] (7/7)" in vote.result.text and "0.016" in vote.result.text  # 2 * 0.5**7
    assert "voters prefer after" in vote.result.text and vote.result.html in vote._card.value
    assert 'role="status"' in vote._status.value and "8 of 8 voted" in vote._status.value


def test_an_even_vote_is_not_called_a_preference():
    vote = blind_vote(items(2), seed=1)
    side_of(vote, "new 0").click()
    side_of(vote, "old 1").click()
    assert "do not tell which model is better" in vote.result.text


def test_focus_is_never_left_on_a_button_that_is_switched_off(monkeypatch):
    vote = blind_vote(items(1))
    focused = []
    for name in ("a", "undo"):
        monkeypatch.setattr(getattr(vote, name), "focus", lambda name=name: focused.append(name))
    vote.b.click()
    vote.undo.click()
    assert focused == ["undo", "a"]


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


def test_a_picture_of_ones_own_is_tiled_from_its_own_shape_on():
    explorer = tiling_explorer(Image.new("RGB", (448, 448)))
    explorer.shape.value = "stretched to"
    explorer.drop.hand_over("tall.png", png(Image.new("RGBA", (300, 900))))
    assert "300 x 900 px" in explorer._view.value and (explorer.width.value, explorer.height.value) == (300, 900)
    assert explorer.shape.value == "as it is"
    explorer.drop.hand_over("torn.png", b"not a picture")
    assert "300 x 900 px" in explorer.static.text  # the last good picture stays
    explorer.drop.hand_over("flat.png", png(Image.new("RGB", (900, 300))))
    assert "900 x 300 px" in explorer._view.value


def test_other_shapes_of_the_picture_are_tried_by_cropping_or_stretching():
    halves = Image.new("RGB", (400, 200), "red")
    halves.paste("blue", (0, 0, 100, 200))
    explorer = tiling_explorer(halves)
    assert explorer.width.disabled
    explorer.shape.value, explorer.width.value, explorer.height.value = "cropped to", 448, 448
    assert not explorer.width.disabled and "448 x 448 px" in explorer._view.value
    assert explorer.shown.getpixel((5, 5)) == (255, 0, 0)  # the blue quarter is cut off
    explorer.shape.value = "stretched to"
    assert explorer.shown.size == (448, 448) and explorer.shown.getpixel((5, 5)) == (0, 0, 255)


def test_thumbnail_switch_changes_the_number_of_tokens():
    explorer = tiling_explorer(Image.new("RGB", (896, 448)))
    explorer.thumbnail.value = False
    assert "2 x 256 = 512" in explorer._status.value


@pytest.mark.parametrize("side, verdicts", [
    (448, {"1 x 1": "✓", "2 x 2": "too few pixels", "3 x 3": "too few pixels", "3 x 4": "farther"}),
    (634, {"1 x 1": "pixels enough for the chosen", "2 x 2": "✓", "3 x 3": "too few pixels"}),
])  # fmt: skip
def test_candidates_say_why_a_grid_won_the_tie(side, verdicts):
    lines = {line[:5]: line for line in candidates_html(side, side).text.splitlines()[1:]}
    assert all(verdict in lines[grid] for grid, verdict in verdicts.items())


def test_sampling_sliders_give_what_the_model_gives(tiny):
    explorer = sampling_explorer(tiny, "你好", top=5)
    explorer.temperature.value, explorer.top_p.value = 0.5, 0.6
    expected = tiny.next_token_distribution("你好", temperature=0.5, top_p=0.6)
    torch.testing.assert_close(explorer.probabilities, expected, atol=1e-6, rtol=1e-4)
    assert "temperature 0.5, top-p 0.60" in explorer._view.value == explorer.static.html
    explorer.temperature.value = 0
    assert "100.0%" in explorer.static.text.splitlines()[1]


def test_top_k_leaves_k_tokens(tiny):
    explorer = sampling_explorer(tiny, "你好", top_k=3)
    before = [line.split()[0] for line in explorer.static.text.splitlines()[1:]]
    assert int((explorer.probabilities > 0).sum()) == 3 and explorer.static.text.count("never drawn") == 5 + 1
    explorer.top_k.value = 0
    assert "never drawn" not in explorer.static.text
    assert [line.split()[0] for line in explorer.static.text.splitlines()[1:]] == before  # each row in its place
    explorer.top_k.value = 3
    torch.testing.assert_close(explorer.probabilities.sum(), torch.tensor(1.0))


def test_draws_are_repeatable_possible_and_forgotten_when_a_slider_moves(tiny):
    explorer = sampling_explorer(tiny, "你好", top_k=4, seed=7)
    explorer.draw.click()
    first = explorer.draws
    assert len(first) == 20 and all(explorer.probabilities[token] > 0 for token in first)
    counts = [int(line.rsplit(" ", 1)[1]) for line in explorer.static.text.splitlines()[1:]]
    assert sum(counts) == 20 and "drawn with seed 7" in explorer._view.value
    explorer.seed.value = 8
    assert explorer.draws == [] and "drawn with seed" not in explorer._view.value
    explorer.seed.value = 7
    explorer.draw.click()
    assert explorer.draws == first


def controls(widget):
    """The widget and everything inside it."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from controls(child)


NOISE = Image.effect_noise((1024, 768), 90).convert("RGB")  # compresses badly
WIDGETS = {
    "course-blind-vote": lambda tiny: blind_vote(items(2)),
    "course-tiling-explorer": lambda tiny: tiling_explorer(NOISE),
    "course-sampling-explorer": lambda tiny: sampling_explorer(tiny, "你好"),
    "course-shuffle-stepper": lambda tiny: space_to_depth_stepper(NOISE.crop((0, 0, 448, 448))),
    "course-prompt-viewer": lambda tiny: prompt_viewer(tiny, "几只?", Image.new("RGB", (112, 56)), answer="三只"),
    "course-chat-box": lambda tiny: chat_box(tiny, Image.new("RGB", (56, 56)), turns=[("几只?", "三只")]),
}


@pytest.mark.parametrize("name", WIDGETS)
def test_widget_and_small_static_form_come_in_one_output(name, tiny):
    widget = WIDGETS[name](tiny)
    bundle = widget._repr_mimebundle_()
    assert VIEW in bundle and bundle["text/plain"].strip() and 300 < len(bundle["text/html"]) < 60_000
    assert bundle["text/html"] == WIDGETS[name](tiny).static.html
    assert bundle["text/html"].count("<img ") == bundle["text/html"].count(" alt=")
    assert name in widget.box._dom_classes


@pytest.mark.parametrize("name", WIDGETS)
def test_every_control_has_a_whole_label_and_a_tooltip(name, tiny):
    for control in controls(WIDGETS[name](tiny).box):
        if isinstance(control, (ipywidgets.HTML, ipywidgets.Box)):
            continue
        if isinstance(control, PictureDrop):
            assert control.label and control.rule  # the page makes both of them
            continue
        assert control.description, control
        if isinstance(control, ipywidgets.ToggleButtons):
            assert all(control.tooltips), control
        else:
            assert control.tooltip, control
        if not isinstance(control, (ipywidgets.Button, ipywidgets.Checkbox)):
            assert control.style.description_width == "initial", control
