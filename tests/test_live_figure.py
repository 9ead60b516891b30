"""What the curves show: every series, the time left at the recent pace, smoothing; and all of it without torch."""

import io
import subprocess
import sys

import pytest
from PIL import Image

from course_lib.live_figure import TEXT_FORM, duration, figure, frame, progress, series, smoothed
from course_lib.settings import ROOT

METRICS = [{"step": 0, "eval_loss": 2.0}] + [
    {"step": step, "loss": 2 / step, "learning_rate": 1e-3 / step, "grad_norm": None if step == 2 else 1.0,
     "tokens_per_second": 900.0 + step, "memory_mib": 2048.0, "seconds": float(step)} for step in range(1, 6)
] + [{"step": 5, "eval_loss": 0.5}]  # fmt: skip


def test_the_figure_shows_every_series_below_the_top_of_its_axes():
    drawn = figure(METRICS)
    losses, rate, norm, speed, memory = drawn.axes
    thin, smooth, held_out = losses.lines
    assert thin.get_ydata().tolist() == [2 / step for step in range(1, 6)]
    assert held_out.get_xdata().tolist() == [0, 5]
    assert norm.lines[0].get_xdata().tolist() == [1, 3, 4, 5]  # a step without a finite value leaves a gap
    assert speed.lines[0].get_ydata()[0] == 901
    assert memory.lines[0].get_ydata().tolist() == [2.0] * 5 and "GiB" in memory.get_title(loc="left")
    assert all(axes.get_ylim()[1] > max(line.get_ydata().max() for line in axes.lines) for axes in drawn.axes)
    assert len(figure([]).axes) == 5  # before the first step


def test_a_frame_is_a_picture_and_a_text_that_never_changes():
    early, late = frame(METRICS[:2], "step 1 of 5"), frame(METRICS)
    assert early["text/plain"] == late["text/plain"] == TEXT_FORM and early["image/png"] != late["image/png"]
    with Image.open(io.BytesIO(late["image/png"])) as image:
        assert image.format == "PNG" and image.size == (800, 416)


def test_drawing_does_without_torch():
    code = "import sys; from course_lib.live_figure import frame; frame([{'step': 1, 'loss': 2.0}])\n" \
           "import course_lib.detached; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"  # fmt: skip
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


@pytest.mark.parametrize(
    ("lines", "steps", "text"),
    [
        (0, 400, "step 0 of 400"),
        (1, 400, "step 1 of 400"),
        (2, 402, "step 2 of 402, about 13 min 20 s left"),  # 2 seconds a step
        (2, None, "step 2"),
        (300, 400, "step 300 of 400, about 1 min 40 s left"),  # 1 second a step of late
        (300, 300, "step 300 of 300, done in 8 min 20 s"),
    ],
)
def test_the_title_tells_the_time_left_at_the_recent_pace(lines, steps, text):
    metrics = [{"step": step, "loss": 1.0, "seconds": step + min(step, 200.0)} for step in range(1, lines + 1)]
    assert progress(metrics, steps) == text
    assert progress(metrics, steps, ended="stopped").endswith(", stopped")


def test_smoothing_is_right_from_the_first_value_on():
    assert smoothed([3.0, 3.0, 3.0]) == pytest.approx([3, 3, 3])
    assert smoothed([1.0, 2.0], memory=0.5) == pytest.approx([1, 5 / 3])
    assert series([{"step": 1, "loss": 2.0}, {"step": 2}], "loss") == ([1], [2.0])


@pytest.mark.parametrize("seconds, text", [(0.4, "0 s"), (59, "59 s"), (200, "3 min 20 s"), (3900, "1 h 05 min")])
def test_durations_are_written_for_people(seconds, text):
    assert duration(seconds) == text
