"""Figures of training and merging: what is drawn is the data, and nothing needs a font that may be missing."""

import io

import pytest
import torch
from matplotlib.figure import Figure

from course_lib import figures_training as figures
from course_lib.adapters import NF4_LEVELS
from course_lib.memory import PARTS

MEMORY = {"full": dict.fromkeys(PARTS, 2**30), "small": {"gradients": 2**29}}
EVERY = {
    "levels": lambda: figures.levels_figure(torch.linspace(-1, 1, 640).numpy(), NF4_LEVELS),
    "error": lambda: figures.error_figure({"NF4": {32: 0.08, 64: 0.09}, "even steps": {32: 0.1, 64: 0.12}}),
    "lora": lambda: figures.lora_figure(512, 256, 32, 64),
    "memory": lambda: figures.memory_figure(MEMORY, reported=("reported", 8)),
    "rates": lambda: figures.learning_rate_figure({"1e-3": ([1, 2], [3.0, 1.0]), "1e-1": ([1, 2], [3.0, 9.0])}),
    "fidelity": lambda: figures.fidelity_figure({"16bit": 1e-3, "same": 0.0}),
}


def texts(figure: Figure) -> str:
    found = [text.get_text() for text in figure.findobj(match=lambda artist: hasattr(artist, "get_text"))]
    return "\n".join(found)


@pytest.mark.parametrize("name", EVERY)
def test_every_figure_draws_and_has_no_text_beyond_latin_and_greek(name, recwarn):
    figure = EVERY[name]()
    figure.savefig(io.BytesIO(), format="png")
    assert isinstance(figure, Figure)
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]
    assert max(texts(figure)) < "\u2e80"


def test_levels_are_drawn_where_they_are():
    top, bottom = figures.levels_figure([0.0, 0.5], NF4_LEVELS).axes
    assert [segment[0][0] for segment in top.collections[0].get_segments()] == list(NF4_LEVELS)
    assert list(bottom.lines[0].get_xdata()) == list(NF4_LEVELS)
    even = list(bottom.lines[1].get_xdata())
    assert len(even) == 16 and (even[0], even[-1]) == (-1, 1)


def test_error_is_in_percent():
    [axes] = EVERY["error"]().axes
    assert list(axes.lines[0].get_ydata()) == [8, 9]


def test_lora_matrices_are_drawn_to_scale_with_their_sizes():
    figure = EVERY["lora"]()
    sizes = [(patch.get_height(), patch.get_width()) for patch in figure.axes[0].patches]
    assert sizes == [(512, 256), (512, 32), (32, 256)]
    assert all(f"{number:,}" in texts(figure) for number in (512 * 256, 512 * 32, 32 * 256))


def test_memory_bars_stack_to_the_total_written_beside_them():
    figure = EVERY["memory"]()
    widths = [bar.get_width() for container in figure.axes[0].containers for bar in container]
    assert sum(widths) == pytest.approx(len(PARTS) + 0.5)
    assert {f"  {len(PARTS):.1f}", "  0.5"} <= set(texts(figure).split("\n"))


def test_a_distance_of_zero_has_a_place_on_the_logarithmic_axis():
    low, high = EVERY["fidelity"]().axes[0].get_xlim()
    assert 0 < low < 1e-9 and high > 1e-3
