"""The curves of a training: in a notebook one picture, redrawn in place; elsewhere a PNG in the run's folder.

The picture is one display that is updated, with a constant text form. So a strict notebook test, which compares
texts and not PNGs, passes, and the saved notebook shows the last frame. All that is drawn comes from the metrics, so
a run that another process is writing is drawn in the same way, and without torch the first picture is there at once.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.display import DisplayHandle
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Metrics = Sequence[dict[str, Any]]
PICTURE = "loss.png"
TEXT_FORM = "<training curves: loss, learning rate, gradient norm, tokens per second, memory>"
TRAINING, HELD_OUT = "#2f6db5", "#d1495b"
SMALL_PANELS = (("learning_rate", "learning rate", 1), ("grad_norm", "gradient norm (before clipping)", 1),
                ("tokens_per_second", "tokens per second", 1), ("memory_mib", "memory (GiB)", 1 / 1024))
RECENT = 100  # lines of metrics whose pace tells the time left: a run may have been resumed on a faster machine


class LiveFigure:
    """The curves of a run: in a notebook one display that is updated in place; everywhere the PNG `file`.

    Drawing takes at most a tenth of the time: a frame about every `interval` seconds, later if frames are slow.
    """

    def __init__(self, file: Path, *, interval: float = 1.0):
        self.file, self.interval = file, interval
        self.handle: DisplayHandle | None = None
        self.frames, self.due = 0, 0.0
        self.shown: tuple[int, str] | None = None

    def show(self, metrics: Metrics, title: str, *, last: bool = False) -> None:
        """Draw if a frame is due, or `last`, and something has changed."""
        began = time.monotonic()
        if (began < self.due and not last) or self.shown == (len(metrics), title):
            return
        bundle = frame(metrics, title)
        if self.handle is not None:
            self.handle.update(bundle, raw=True)
        elif in_notebook():
            from IPython.display import display

            self.handle = display(bundle, raw=True, display_id=True)
        part = self.file.with_suffix(f".{os.getpid()}.part")  # of this process: two may watch the same run
        part.write_bytes(bundle["image/png"])
        os.replace(part, self.file)
        now = time.monotonic()
        cost = now - began if self.frames else 0.0  # the first frame's is mostly that of loading matplotlib
        self.due = now + max(self.interval, 9 * cost)
        self.frames, self.shown = self.frames + 1, (len(metrics), title)


def frame(metrics: Metrics, title: str = "") -> dict[str, Any]:
    """The picture as Jupyter displays it, `display(frame(metrics), raw=True)`: a PNG and its constant text form."""
    png = io.BytesIO()
    figure(metrics, title=title).savefig(png, format="png", dpi=80)
    return {"image/png": png.getvalue(), "text/plain": TEXT_FORM}


def progress(metrics: Metrics, steps: int | None = None, *, ended: str = "") -> str:
    """"step 30 of 400, about 2 min 10 s left"; `steps` is the run's last step, if known.

    `ended` is said instead of the time left where a run ended before its last step.
    """
    step = metrics[-1]["step"] if metrics else 0
    said = f"step {step} of {steps}" if steps else f"step {step}"
    if ended:
        return f"{said}, {ended}"
    if steps and step >= steps:
        return f"{said}, done in {duration(metrics[-1].get('seconds', 0))}"
    left = seconds_left(metrics, steps)
    return said if left is None else f"{said}, about {duration(left)} left"


def seconds_left(metrics: Metrics, steps: int | None) -> float | None:
    """Seconds to the step `steps` at the recent pace, held-out measurements included; None before two steps."""
    timed = [line for line in metrics[-RECENT:] if "seconds" in line]
    if not steps or not timed or timed[-1]["step"] == timed[0]["step"]:
        return None
    pace = (timed[-1]["seconds"] - timed[0]["seconds"]) / (timed[-1]["step"] - timed[0]["step"])
    return pace * (steps - timed[-1]["step"])


def figure(metrics: Metrics, *, title: str = "") -> Figure:
    """Loss (each step, smoothed, held-out), learning rate, gradient norm, speed and memory over steps."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Not pyplot: the notebook would show its figures a second time.
    drawn = Figure(figsize=(10, 5.2))
    FigureCanvasAgg(drawn)
    grid = drawn.add_gridspec(len(SMALL_PANELS), 2, width_ratios=(2, 1), left=0.07, right=0.985, top=0.89, bottom=0.1,
                              hspace=0.6, wspace=0.2)
    losses = drawn.add_subplot(grid[:, 0])
    _draw_losses(losses, metrics)
    for row, (name, label, scale) in enumerate(SMALL_PANELS):
        axes = drawn.add_subplot(grid[row, 1], sharex=losses)
        steps, values = series(metrics, name)
        values = [scale * value for value in values]
        axes.plot(steps, values, color=TRAINING, linewidth=1)
        axes.set_title(label, fontsize=8, loc="left", pad=3)
        axes.set_ylim(0, _top(values))
        axes.tick_params(labelsize=7, labelbottom=row == len(SMALL_PANELS) - 1)
        axes.grid(alpha=0.3)
        axes.locator_params(axis="y", nbins=4)
    axes.set_xlabel("step", fontsize=8)
    drawn.suptitle(title, x=0.07, ha="left", fontsize=10)
    return drawn


def _draw_losses(axes: Axes, metrics: Metrics) -> None:
    steps, losses = series(metrics, "loss")
    highest = _top(losses + series(metrics, "eval_loss")[1])
    if steps:
        axes.plot(steps, losses, color=TRAINING, alpha=0.25, linewidth=1)
        smooth = smoothed(losses)
        axes.plot(steps, smooth, color=TRAINING, linewidth=2, label=f"training, smoothed: {smooth[-1]:.3f}")
    steps, losses = series(metrics, "eval_loss")
    if steps:
        axes.plot(steps, losses, color=HELD_OUT, marker="o", markersize=4, linewidth=1.5,
                  label="held-out: " + " -> ".join(f"{losses[index]:.3f}" for index in sorted({0, len(losses) - 1})))
    axes.set_xlabel("step", fontsize=8)
    axes.set_ylabel("loss (nats a token)", fontsize=8)
    axes.set_ylim(0, highest)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3)
    axes.margins(x=0.02)
    axes.xaxis.get_major_locator().set_params(integer=True)
    if axes.lines:
        axes.legend(fontsize=8, loc="upper right")
    else:
        axes.set_xlim(0, 1)


def _top(values: Sequence[float]) -> float:
    """The upper end of an axis that begins at 0, with room above the highest value."""
    return 1.08 * max(values, default=0) or 1.0


def series(metrics: Metrics, name: str) -> tuple[list[int], list[float]]:
    """(steps, values) of the lines that have a finite value of that name."""
    pairs = [(line["step"], line[name]) for line in metrics if line.get(name) is not None]
    return [step for step, _ in pairs], [value for _, value in pairs]


def smoothed(values: Sequence[float], memory: float = 0.9) -> list[float]:
    """Exponential moving average, corrected for its start as in Adam (arXiv 1412.6980, section 3)."""
    average, result = 0.0, []
    for count, value in enumerate(values, start=1):
        average = memory * average + (1 - memory) * value
        result.append(average / (1 - memory**count))
    return result


def duration(seconds: float) -> str:
    """"40 s", "3 min 20 s", "1 h 05 min"."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"


def in_notebook() -> bool:
    """True inside a Jupyter kernel (JupyterLab, VS Code, nbconvert), False in a script or a terminal's IPython."""
    from IPython import get_ipython

    shell = get_ipython()
    return shell is not None and hasattr(shell, "kernel")
