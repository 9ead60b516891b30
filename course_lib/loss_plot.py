"""Live curves of a training in this process: Trainer tells the steps, `live_figure` draws them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from course_lib.live_figure import PICTURE, LiveFigure, figure, in_notebook, progress
from course_lib.run_folder import METRICS, read_metrics

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class LossPlot(TrainerCallback):
    """Trainer callback that draws as training goes on; `LossPlot.from_metrics(file)` redraws a finished run.

    Draws about every `interval` seconds. The last frame is kept as `loss.png` beside metrics.jsonl.
    """

    def __init__(self, *, interval: float = 1.0):
        self.interval = interval
        self.metrics: list[dict[str, Any]] = []

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
        self.live = LiveFigure(folder / PICTURE, interval=self.interval)
        self.metrics = read_metrics(folder / METRICS)  # of before, if the run is resumed
        self._show(state)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
        if not state.is_world_process_zero or not {"loss", "eval_loss"} & logs.keys():
            return
        self.metrics.append({"step": state.global_step, **logs})
        self._show(state)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.is_world_process_zero:
            self._show(state, last=True)

    def _show(self, state: Any, *, last: bool = False) -> None:
        ended = "stopped" if last and state.global_step < state.max_steps else ""
        self.live.show(self.metrics, progress(self.metrics, state.max_steps, ended=ended), last=last)
