"""What watches a training from beside it: a progress bar, and the wish to stop after the step that is running."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Any

import torch
from transformers import TrainerCallback, TrainingArguments


class ProgressBar(TrainerCallback):
    """One line in a terminal (a bar in a notebook): steps, loss, held-out loss, time left."""

    def on_train_begin(self, args: TrainingArguments, state: Any, control: Any, **_: Any) -> None:
        from tqdm.auto import tqdm

        self.shown: dict[str, str] = {}
        self.bar = tqdm(total=state.max_steps, initial=state.global_step, desc="training", unit="step",
                        disable=not state.is_world_process_zero)

    def on_log(self, args: TrainingArguments, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
        names = {"loss": "loss", "eval_loss": "held-out"}
        self.shown |= {names[name]: f"{logs[name]:.3f}" for name in names if name in logs}
        self.bar.set_postfix(self.shown, refresh=False)
        self.bar.update(state.global_step - self.bar.n)

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self.bar.close()


class StopWhenAsked(TrainerCallback):
    """Ctrl-C (SIGINT) or SIGTERM ends training after the running step, with a checkpoint; a second Ctrl-C at once.

    Signals are listened to while it is entered, and only in a process's main thread, as Python wants it.
    """

    def __init__(self) -> None:
        self.asked = self.stopped = False

    def __enter__(self) -> StopWhenAsked:
        self.process, self.before = os.getpid(), {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self.process:  # a loader's worker, forked from here: its parent decides
            return
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True

    def on_step_end(self, args: TrainingArguments, state: Any, control: Any, **_: Any) -> None:
        asked = self.asked
        if args.world_size > 1:  # the signal reaches processes at different steps: they stop together
            flag = torch.tensor(float(asked), device=args.device)
            torch.distributed.all_reduce(flag, op=torch.distributed.ReduceOp.MAX)
            asked = bool(flag)
        if asked and state.global_step < state.max_steps:
            self.stopped = control.should_training_stop = control.should_save = True
