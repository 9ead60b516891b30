"""The drawn figures say what the code computes: their labels, marks and cells are read back and compared."""

import math

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from course_lib import figures, figures_architecture, figures_pixel_shuffle, figures_tiling
from course_lib.figures_pixel_shuffle import numbered_patches
from course_lib.model_family import FAMILY, STAGE_1_MIXTURE
from course_lib.pixel_shuffle import space_to_depth, space_to_depth_v1
from course_lib.scores import Score
from course_lib.tiling import choose_grid


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def picture(width: int, height: int) -> Image.Image:
    return Image.new("RGB", (width, height), "#6699cc")


EVERY_FIGURE = {
    "family": figures_architecture.family,
    "mixture": figures_architecture.mixture,
    "parameters": lambda: figures_architecture.parameters({"large": {"vision": 30, "language": 65, "projector": 5}}),
    "training": lambda: figures_architecture.projector_training([3.0, 2.0], {0: 3.0, 2: 2.0}, {"a": 3.0}, "loss"),
    "routing": figures_architecture.routing,
    "pointing": lambda: figures_architecture.pointing([picture(9, 9)] * 3, [(0.5, 0.5)] * 3, [(0.4, 0.5)] * 3),
    "candidates": lambda: figures_tiling.candidates(512, 600),
    "tiles": lambda: figures_tiling.tiles_over_picture(picture(800, 600)),
    "budget": lambda: figures_tiling.token_budget({"photo": (800, 600)}, tile_size=448, tokens_per_tile=256),
    "withheld": lambda: figures_tiling.withheld({"count": (Score("a", 9, 10), Score("b", 2, 10))}, ("with", "without")),
    "cells": lambda: figures_pixel_shuffle.cells({"x": numbered_patches(4, 4, 2)}, width=4, channels=2),
}  # fmt: skip


@pytest.mark.parametrize("name", EVERY_FIGURE)
def test_each_figure_draws_without_warning_and_is_not_shown_twice(name: str, recwarn: pytest.WarningsRecorder):
    open_before = plt.get_fignums()
    figure = EVERY_FIGURE[name]()
    figure.canvas.draw()
    assert isinstance(figure, Figure)
    assert plt.get_fignums() == open_before, "an open figure is shown a second time by the notebook's inline backend"
    assert not [str(w.message) for w in recwarn if "missing from" in str(w.message) or "layout" in str(w.message)]


@pytest.mark.parametrize("name", EVERY_FIGURE)
def test_no_figure_needs_a_chinese_font(name: str):
    assert all(ord(character) < 0x2E80 for text in texts(EVERY_FIGURE[name]()) for character in text)


@pytest.mark.parametrize("colour", [figures.BLUE, figures.INK])
def test_tint_runs_from_white_to_the_colour(colour: str):
    assert figures.tint(colour, 0) == (1, 1, 1)
    assert figures.tint(colour, 1) == pytest.approx(matplotlib.colors.to_rgb(colour))


def test_the_family_figure_names_every_model_and_its_token_count():
    written = texts(figures_architecture.family())
    for member in FAMILY:
        assert member.name in written
        assert any(f"{member.tokens[1]:,}" in text for text in written)
        assert {member.encoder.name, member.connector.name, member.language.name} <= set(written)


def test_the_family_s_most_tokens_follow_from_pixels_pieces_and_connector():
    patches_per_token = {"projector": 1, "space-to-depth": 4}
    for member in FAMILY:
        if member.connector_kind in patches_per_token:
            patches = (member.pixels // 14) ** 2
            pieces = member.tiles + member.overview
            assert member.tokens[1] == pieces * patches // patches_per_token[member.connector_kind], member.name


def test_the_stage_1_mixture_is_complete():
    assert math.isclose(sum(STAGE_1_MIXTURE.values()), 100)


@pytest.mark.parametrize("size", [(512, 600), (448, 448), (1024, 1024), (1, 1), (5000, 1)])
def test_the_search_figure_names_the_grid_that_the_library_chooses(size: tuple[int, int]):
    columns, rows = choose_grid(*size)
    title = figures_tiling.candidates(*size).axes[0].get_title(loc="left")
    assert f"35 candidates; chosen: {columns}x{rows}" in title


def test_the_search_figure_names_what_tied():
    assert "as close, but not chosen: 1x1, 2x2" in figures_tiling.candidates(1024, 1024).axes[0].get_title(loc="left")
    assert "as close" not in figures_tiling.candidates(512, 600).axes[0].get_title(loc="left")


@pytest.mark.parametrize(
    ("size", "words"),
    [((800, 600), "13 x 256 = 3,328"), ((448, 448), "1 x 256 = 256"), ((5000, 1), "13 x 256"), ((1, 1), "1 x 256")],
)
def test_the_tiles_figure_counts_the_tokens(size: tuple[int, int], words: str):
    figure = figures_tiling.tiles_over_picture(picture(*size))
    figure.canvas.draw()
    assert figure.get_supxlabel().startswith(words)


def test_the_budget_figure_has_the_tokens_of_every_limit():
    figure = figures_tiling.token_budget({"photo": (800, 600)}, tile_size=448, tokens_per_tile=256)
    counts = [int(text.replace(",", "")) for text in texts(figure) if text.replace(",", "").isdigit()]
    assert counts[12:] == [256] * 3 + [1280] * 2 + [1792] * 6 + [3328]  # after the header's 1 to 12


def test_the_whiskers_are_the_wilson_intervals():
    score = Score("count", 45, 60)
    axes = figures_tiling.withheld({"count": [score]}, ["with tiles"]).axes[0]
    (segment,) = axes.collections[0].get_segments()
    assert segment[:, 0] == pytest.approx([100 * score.low, 100 * score.high])


def test_the_cells_are_what_the_function_made():
    x = numbered_patches(4, 4, 2)

    def labels(tensor: torch.Tensor) -> list[str]:
        figure = figures_pixel_shuffle.cells({"panel": tensor}, width=4, channels=2)
        return [text.get_text() for text in figure.axes[0].texts]

    assert labels(space_to_depth(x))[:8] == ["a0", "a1", "b0", "b1", "e0", "e1", "f0", "f1"]
    assert labels(x.reshape(1, 2, 2, 8))[:8] == ["a0", "a1", "b0", "b1", "c0", "c1", "d0", "d1"]
    assert labels(space_to_depth_v1(x))[8:10] == ["i0", "i1"]  # version 1: below comes to the right


def test_too_many_patches_for_the_alphabet_are_refused():
    with pytest.raises(ValueError, match="at most 26"):
        figures_pixel_shuffle.cells({"x": numbered_patches(6, 6, 1)}, width=6, channels=1)
