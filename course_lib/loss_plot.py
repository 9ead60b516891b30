"""Live curves of a training: in a notebook one picture, redrawn in place; elsewhere a PNG in the run's folder.

The picture is one display that is updated, with a constant text form. So a strict notebook test, which compares
texts and not PNGs, passes, and the saved notebook shows the last frame.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from course_lib.run_folder import read_metrics

if TYPE_CHECKING:
    from IPython.display import DisplayHandle
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Metrics = Sequence[dict[str, Any]]
TEXT_FORM = "<training curves: loss, learning rate, gradient norm, tokens per second>"
TRAINING, HELD_OUT = "#2f6db5", "#d1495b"
SMALL_PANELS = (("learning_rate", "learning rate"), ("grad_norm", "gradient norm (before clipping)"),
                ("tokens_per_second", "tokens per second"))


class LossPlot(TrainerCallback):
    """Trainer callback that draws as training goes on; `LossPlot.from_metrics(file)` redraws a finished run.

    Drawing takes at most a tenth of the time: a frame about every `interval` seconds, later if frames are slow.
    The last frame is kept as `loss.png` beside metrics.jsonl.
    """

    def __init__(self, *, interval: float = 1.0):
        self.interval = interval
        self.handle: DisplayHandle | None = None
        self.metrics: list[dict[str, Any]] = []
        self.frames = 0

    @property
    def shows_progress(self) -> bool:
        """In a notebook the title says how far training is, and no other progress bar is needed."""
        return in_notebook()

    @staticmethod
    def from_metrics(file: Path | str) -> Figure:
        """The curves of a metrics.jsonl, also of a run that another process is just writing."""
        return figure(read_metrics(Path(file)))

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if not state.is_world_process_zero:
            return
        folder = Path(args.output_dir)
        self.file = folder / "loss.png"
        self.metrics = read_metrics(folder / "metrics.jsonl")  # of before, if the run is resumed
        self.max_steps, self.first_step, self.began = state.max_steps, state.global_step, time.monotonic()
        self.due = 0.0
        if in_notebook():
            from IPython.display import display

            self.handle = display(self._frame(), raw=True, display_id=True)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
        if not state.is_world_process_zero or not {"loss", "eval_loss"} & logs.keys():
            return
        self.metrics.append({"step": state.global_step, **logs})
        if time.monotonic() >= self.due:
            self._show()

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.is_world_process_zero:
            self._show()

    def _show(self) -> None:
        began = time.monotonic()
        bundle = self._frame()
        if self.handle is not None:
            self.handle.update(bundle, raw=True)
        part = self.file.with_suffix(".part")
        part.write_bytes(bundle["image/png"])
        os.replace(part, self.file)
        now = time.monotonic()
        self.due = now + max(self.interval, 9 * (now - began))

    def _frame(self) -> dict[str, Any]:
        self.frames += 1
        png = io.BytesIO()
        figure(self.metrics, title=self._title()).savefig(png, format="png", dpi=80)
        return {"image/png": png.getvalue(), "text/plain": TEXT_FORM}

    def _title(self) -> str:
        step = self.metrics[-1]["step"] if self.metrics else self.first_step
        title = f"step {step} of {self.max_steps}"
        if self.first_step < step < self.max_steps:
            left = (time.monotonic() - self.began) / (step - self.first_step) * (self.max_steps - step)
            title += f", about {duration(left)} left"
        elif self.metrics and step >= self.max_steps:
            title += f", done in {duration(self.metrics[-1].get('seconds', 0))}"
        return title


def figure(metrics: Metrics, *, title: str = "") -> Figure:
    """Loss (each step, smoothed, held-out), learning rate, gradient norm and speed over steps."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Not pyplot: the notebook would show its figures a second time.
    drawn = Figure(figsize=(10, 4.6))
    FigureCanvasAgg(drawn)
    grid = drawn.add_gridspec(3, 2, width_ratios=(2, 1), left=0.07, right=0.985, top=0.88, bottom=0.11, hspace=0.75,
                              wspace=0.2)
    _draw_losses(drawn.add_subplot(grid[:, 0]), metrics)
    for row, (name, label) in enumerate(SMALL_PANELS):
        axes = drawn.add_subplot(grid[row, 1])
        steps, values = series(metrics, name)
        axes.plot(steps, values, color=TRAINING, linewidth=1)
        axes.set_title(label, fontsize=8, loc="left", pad=3)
        axes.set_ylim(bottom=0)
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.3)
        axes.locator_params(axis="y", nbins=4)
        axes.margins(x=0.02)
    axes.set_xlabel("step", fontsize=8)
    drawn.suptitle(title, x=0.07, ha="left", fontsize=10)
    return drawn


def _draw_losses(axes: Axes, metrics: Metrics) -> None:
    steps, losses = series(metrics, "loss")
    if steps:
        axes.plot(steps, losses, color=TRAINING, alpha=0.25, linewidth=1)
        smooth = smoothed(losses)
        axes.plot(steps, smooth, color=TRAINING, linewidth=2, label=f"training, smoothed: {smooth[-1]:.3f}")
    steps, losses = series(metrics, "eval_loss")
    if steps:
        axes.plot(steps, losses, color=HELD_OUT, marker="o", markersize=4, linewidth=1.5,
                  label=f"held-out: {losses[0]:.3f} -> {losses[-1]:.3f}")
    axes.set_xlabel("step", fontsize=8)
    axes.set_ylabel("loss (nats a token)", fontsize=8)
    axes.set_ylim(bottom=0)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3)
    axes.margins(x=0.02)
    if axes.lines:
        axes.legend(fontsize=8, loc="upper right")


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
