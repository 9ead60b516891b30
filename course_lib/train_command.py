"""`python -m course_lib train`: what was typed becomes recipe, records and folder; `training.train` does the work."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from course_lib.course_steps import LARGE, MINI, recipe_for, run_folder
from course_lib.dataset import Record
from course_lib.licences import consent_given, require_consent
from course_lib.mixture import read_mixture
from course_lib.recipes import RECIPES, Recipe
from course_lib.records import TASK_FILES, load_task, split_by_picture, training_file
from course_lib.run_folder import Run


def train_command(task: str | None, recipe: str | None, model: Path, data: Sequence[str], held_out: Sequence[str],
                  settings: Sequence[str], out: Path | None, *, resume: bool, overwrite: bool, deepspeed: str | None,
                  dry_run: bool, train_on_foodieqa: bool | None) -> Run | None:
    """The run, or None where `dry_run` only shows what it would be. Raises what `training.train` does, LicenceError."""
    from course_lib.loss_plot import LossPlot
    from course_lib.plan import make_plan
    from course_lib.training import train

    task = task or task_of(recipe, data)
    chosen = find_recipe(recipe, task, model, settings)
    train_records, held_out_records = find_records(task, data, held_out)
    require_consent(train_records, consent_given(train_on_foodieqa))
    folder = out or run_folder(chosen, train_records, held_out_records, model=model)
    if int(os.environ.get("RANK", 0)) == 0:
        processes = int(os.environ.get("WORLD_SIZE", 1))
        print(make_plan(chosen, model, train_records, held_out_records, processes=processes), flush=True)
        print(f"run folder       {folder}", flush=True)
    if dry_run:
        return None
    run = train(chosen, model, train_records, held_out_records, folder, resume=resume, overwrite=overwrite,
                deepspeed=deepspeed, train_on_foodieqa=train_on_foodieqa, callbacks=[LossPlot()])
    _leave_group()
    return run


def _leave_group() -> None:
    """Take leave of the other processes, if any: threads that still wait for them can abort Python as it ends."""
    import torch

    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


def find_recipe(named: str | None, task: str | None, model: Path, settings: Sequence[str] = ()) -> Recipe:
    """A preset, a recipe.json (an earlier run's), or what fits task and model; settings changed. Raises ValueError."""
    if not named:
        if task not in TASK_FILES:
            raise ValueError(f"no recipe for task {task!r}: name a task, {' or '.join(TASK_FILES)}, or give --recipe, "
                             f"one of {', '.join(RECIPES)} or an earlier run's recipe.json")
        return recipe_for(task, model).with_settings(settings)
    if named in RECIPES:
        return RECIPES[named].with_settings(settings)
    file = Path(named)
    if file.suffix != ".json":
        raise ValueError(f"no recipe {named!r}: there are {', '.join(RECIPES)}, or give an earlier run's recipe.json")
    try:
        recipe = Recipe(**json.loads(file.read_text(encoding="utf-8")))
    except (json.JSONDecodeError, TypeError) as error:
        raise ValueError(f"{file} is not a recipe as runs leave it: {error}") from error
    return recipe.with_settings(settings)


def task_of(recipe: str | None, data: Sequence[str]) -> str | None:
    """The task meant where none is named: whose training file the data's folder holds, or that the preset is for."""
    for folder in map(Path, data):
        for task in TASK_FILES:
            if training_file(task, folder) is not None:
                return task
    return next((task for task in TASK_FILES if recipe in (MINI[task].name, LARGE[task].name)), None)


def find_records(task: str | None, data: Sequence[str], held_out: Sequence[str]) \
        -> tuple[list[Record], list[Record]]:
    """(training, held-out) records: a task's folder, or files; what is not given as held-out is split off by picture."""
    if held_out or len(data) > 1 or (data and not Path(data[0]).is_dir()):
        if not data:
            raise ValueError("--held-out goes with --data: name the files to train on as well")
        records = read_mixture(data)
        return (records, read_mixture(held_out)) if held_out else split_by_picture(records)
    if task is None:
        raise ValueError("which records? Name a task, food or meme, or give --data: a folder with its files, or files")
    folder = data[0] if data else None
    return load_task(task, "train", folder), load_task(task, "test", folder)
