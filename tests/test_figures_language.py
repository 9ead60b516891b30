"""Figures of notebooks 03 and 04: they show the numbers given, and mark what colour alone would not tell."""

import pytest
import torch

from course_lib import figures_language as figures


def test_distribution_bars_are_the_probabilities_and_cut_off_tokens_carry_a_cross():
    panels = {"temperature 1": torch.tensor([0.5, 0.3, 0.2]), "top-p 0.8": torch.tensor([0.625, 0.375, 0.0])}
    figure = figures.distribution_figure(panels, ["a", "b", "c"], columns=2)
    for axis, (title, probabilities) in zip(figure.axes, panels.items(), strict=True):
        assert axis.get_title() == title
        assert [bar.get_height() for bar in axis.patches] == pytest.approx(probabilities.tolist())
    assert [text.get_text() for text in figure.axes[1].texts] == ["0.62", "0.38", "×"]


def test_distribution_figure_names_the_panel_whose_length_differs():
    with pytest.raises(ValueError, match="'top-p' has 2 probabilities for 3 labels"):
        figures.distribution_figure({"top-p": [0.5, 0.5]}, ["a", "b", "c"])


@pytest.mark.parametrize(("piece", "label"), [("▁Red", "␣Red"), ("\n", "⏎"), ("红", "id 7"), ("", "id 7"), (".", ".")])
def test_tokens_that_fonts_may_lack_are_shown_by_their_id(piece, label):
    assert figures.token_label(piece, 7) == label


def test_each_curve_of_the_hesitation_figure_has_its_own_marker():
    figure = figures.hesitation_figure([0, 1], {"Red": [1, 0], "Orange": [0, 1], "other": [0, 0]}, xlabel="hue")
    lines = figure.axes[0].lines
    assert [list(line.get_ydata()) for line in lines] == [[1, 0], [0, 1], [0, 0]]
    assert len({line.get_marker() for line in lines}) == len(lines)


def test_lengths_are_stacked_to_their_sum_and_the_limit_is_drawn():
    records = [{"visual": 16, "prompt": 40, "learned": 9}, {"visual": 112, "prompt": 41, "learned": 12}]
    axis = figures.length_figure({"food": records}, max_length=128).axes[0]
    assert max(path.vertices[:, 1].max() for area in axis.collections for path in area.get_paths()) == 165
    assert list(axis.lines[0].get_ydata()) == [128, 128]


def test_batch_figure_tells_visual_masked_learned_and_padding_apart():
    batch = {
        "input_ids": torch.tensor([[1, 9, 9, 5, 6, 0], [1, 9, 9, 9, 5, 6]]),
        "labels": torch.tensor([[-100, -100, -100, -100, 6, -100], [-100] * 5 + [6]]),
        "attention_mask": torch.tensor([[1, 1, 1, 1, 1, 0], [1] * 6]),
    }
    axis = figures.batch_figure(batch, image_token_id=9).axes[0]
    widths = [(bar.get_x(), bar.get_width()) for bar in axis.patches]
    assert widths == [(0, 1), (1, 2), (3, 1), (4, 1), (5, 1), (0, 1), (1, 3), (4, 1), (5, 1)]
    assert len({(bar.get_facecolor(), bar.get_hatch()) for bar in axis.patches}) == 4


def test_grouped_bars_show_each_model_at_each_measure():
    curves = {"question": {"right": 2.0, "wrong": 0.5}, "answer": {"right": 0.1, "wrong": 0.2}}
    axis = figures.mask_figure(curves, ylabel="loss").axes[0]
    assert [[bar.get_height() for bar in bars] for bars in axis.containers] == [[2.0, 0.1], [0.5, 0.2]]
