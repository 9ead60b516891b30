"""What one notebook of the course needs from an earlier one: its fine-tuned runs and its merged models.

A run's folder is named after everything that decides what is learned: recipe, records and base model. So what is there
is used again, a changed setting gets a folder of its own, and no run is ever overwritten. Two notebooks that need the
same run at the same time wait for each other.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from course_lib import settings
from course_lib.base_fingerprint import base_fingerprint
from course_lib.detached import DetachedRun
from course_lib.live_figure import frame, progress
from course_lib.recipes import FOOD_LORA, MEME_QLORA, MINI_FOOD, MINI_MEME, Recipe
from course_lib.records import Record, load_task
from course_lib.run_folder import MAY_CHANGE, Run, fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNS = settings.ROOT / "runs"
MINI, LARGE = {"food": MINI_FOOD, "meme": MINI_MEME}, {"food": FOOD_LORA, "meme": MEME_QLORA}


def recipe_for(task: str, model: Path | None = None) -> Recipe:
    """The task's recipe for a model (the one in use, if none is given): the mini's own, or the old course's lesson."""
    return (MINI if settings.is_mini(model) else LARGE)[task]


def run_folder(
    recipe: Recipe, train_records: Sequence[Record], held_out: Sequence[Record], runs: Path | None = None,
    model: Path | None = None,
) -> Path:
    """Where the run of this recipe, on these records, from a model (the one in use, if none is given), belongs."""
    decisive = {name: value for name, value in asdict(recipe).items() if name not in MAY_CHANGE}
    base = base_fingerprint(model or settings.model_folder())
    parts = [decisive, fingerprint(train_records), fingerprint(held_out), base]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    return (runs or RUNS) / f"{recipe.name}-{digest[:8]}"


def ensure_run(
    task: str, *, recipe: Recipe | None = None, records: tuple[Sequence[Record], Sequence[Record]] | None = None,
    plot: bool = False, runs: Path | None = None,
) -> Run:
    """The finished run of a task: read if it is there, resumed if it was interrupted, else trained now.

    `records` are (training, held-out), the task's own if not given. `plot` draws live curves instead of a bar. A run
    that `course_lib.detached` has at work is watched to its end. Raises RuntimeError with its log if it fails.
    """
    recipe = recipe or recipe_for(task)
    train_records, held_out = records or (load_task(task, "train"), load_task(task, "test"))
    folder = run_folder(recipe, train_records, held_out, runs)
    with _alone(folder):
        watched = _watch_detached(folder)
        if (folder / "recipe.json").is_file() and (run := Run.read(folder)).finished:
            if plot and not watched:
                _show_curves(run)
            return run
        from course_lib.loss_plot import LossPlot
        from course_lib.training import train

        return train(
            recipe, settings.model_folder(), train_records, held_out, folder, resume=True,
            callbacks=[LossPlot()] if plot else [],
        )  # fmt: skip


def ensure_merged(task: str, run: Run | None = None) -> Path:
    """The folder of the task's model: its run's adapter merged into the 16-bit base, in the checkpoint's layout."""
    run = run or ensure_run(task)
    folder, part = run.folder / "merged", run.folder / "merged.part"
    with _alone(run.folder):
        if not folder.is_dir():
            from course_lib.merging import merge_command

            shutil.rmtree(part, ignore_errors=True)  # of a merge that was interrupted
            merge_command(settings.model_folder(), run.adapter_folder, part)
            part.rename(folder)  # a folder of this name is always a whole one
    return folder


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time works on a run; a second one says that it waits, and waits."""
    from filelock import FileLock, Timeout

    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(f"{folder}.lock")
    try:
        lock.acquire(timeout=1)
    except Timeout:
        print(f"another notebook is making {folder.name}: waiting for it", flush=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _watch_detached(folder: Path) -> bool:
    """Watch the process that trains in this folder, if any, to its end; whether there was one.

    Raises RuntimeError if it fails, KeyboardInterrupt where the watching is interrupted: the training goes on then.
    """
    detached = DetachedRun(folder)
    if not (alive := detached.processes):
        return False
    print(f"process {alive[0].pid} is training {folder.name}: watching it", flush=True)
    detached.watch()
    if detached.running:
        raise KeyboardInterrupt(f"{folder.name} is not finished yet: ask again to go on watching")
    return True


def _show_curves(run: Run) -> None:
    """The curves of a finished run, in the same form in which a live plot leaves them."""
    from IPython.display import display

    print(f"already trained: {run.folder.name}")
    last_step = run.metrics[-1]["step"] if run.metrics else None
    display(frame(run.metrics, progress(run.metrics, last_step)), raw=True)
