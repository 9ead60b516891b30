"""A small grid of trainings, compared: which setting matters, and by more than chance?

Every variant is a run folder of its own, named by content, with its scored answers kept inside. So a grid that was
interrupted goes on where it stopped, and a variant that is added later is the only one trained.
"""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from course_lib import settings
from course_lib.course_steps import run_folder
from course_lib.evaluation import Evaluation, evaluate, score_food
from course_lib.experiment_results import Experiment, Experiments
from course_lib.licences import consent_given, require_consent
from course_lib.recipes import Recipe
from course_lib.records import TASK_FILES, Record
from course_lib.run_folder import RECIPE, Run, fingerprint, write_json
from course_lib.variants import Variants, check_recipes, full_grid, one_at_a_time, variant_recipes

if TYPE_CHECKING:
    import torch
    from tqdm import tqdm
    from transformers import TrainerCallback

__all__ = ["Experiment", "Experiments", "full_grid", "one_at_a_time", "run_experiments"]

Features = dict[Path, "torch.Tensor"]  # {picture: what the projector sees of it}
FAILED = "failed.json"  # in a run's folder: why its training broke down; without this note it is tried again


def run_experiments(
    base: Recipe, variants: Variants, train_records: Sequence[Record], held_out_records: Sequence[Record],
    folder: Path | str, *, model_folder: Path | str | None = None, task: str | None = None, score_records: int = 64,
    resume: bool = True, train_on_foodieqa: bool | None = None,
) -> Experiments:
    """Train `base` with each variant's settings, one run folder each under `folder`, and compare them.

    With a `task` ("food", "meme"), each variant answers `score_records` held-out questions, spread evenly. Where the
    loss is no number the variant is "failed" and the next one runs. What is finished is read; `resume=False` refuses
    folders that hold runs. `train_on_foodieqa` is what a person answers to licences.FOODIEQA. All settings and records
    are checked first. Raises ValueError, DataError, LicenceError, FileExistsError.
    """
    from filelock import FileLock
    from tqdm.auto import tqdm

    from course_lib.training import evenly

    recipes = variant_recipes(base, variants)
    if not recipes or task not in (None, *TASK_FILES):
        raise ValueError(f'{len(recipes)} variants, task {task!r}: give at least one, and None, "food" or "meme"')
    model_folder = Path(model_folder) if model_folder is not None else settings.model_folder()
    asked = evenly(held_out_records, score_records) if task else []
    if task == "food":
        score_food([""] * len(asked), asked)  # or it would say after the first training that a field is missing
    answers = f"evaluation-{task}-{fingerprint(asked)[:8]}.json" if asked else ""
    folders: dict[str, Path] = {}
    for name, recipe in recipes.items():
        place = run_folder(recipe, train_records, held_out_records, Path(folder), model=model_folder)
        if place in folders.values():
            same = next(other for other in folders if folders[other] == place)
            raise ValueError(f"variants {same!r} and {name!r} would learn the same: leave one of them out")
        if not resume and (place / RECIPE).exists():
            raise FileExistsError(f"{place} holds the run of {name!r} already: give another folder, or resume=True")
        folders[name] = place
    todo = [name for name in recipes if not _done(folders[name], answers)]
    if not all(_trained(folders[name]) for name in todo):
        require_consent(train_records, consent_given(train_on_foodieqa))
    if todo:
        check_recipes([recipes[name] for name in todo], model_folder, train_records, held_out_records)
    shared: dict[tuple, Features] = {}
    with tqdm(total=100 * len(todo), disable=not todo, smoothing=0,  # hundredths of a variant, for the time left
              bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}") as bar:  # fmt: skip
        for number, name in enumerate(todo):
            bar.set_description(f"{name} ({number + 1} of {len(todo)})")
            folders[name].parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{folders[name]}.lock"):  # another notebook may run the same grid
                if not _trained(folders[name]):
                    features = _features(recipes[name], model_folder, train_records, held_out_records, shared)
                    _train(recipes[name], model_folder, train_records, held_out_records, folders[name], features,
                           train_on_foodieqa, bar)
                if not _done(folders[name], answers):
                    _score(task, asked, model_folder, train_records, folders[name], answers)
            bar.update(100 * (number + 1) - bar.n)
    return Experiments(base, tuple(_read(name, variants[name], folders[name], answers) for name in recipes))


def _features(recipe: Recipe, model_folder: Path, train_records: Sequence[Record], held_out_records: Sequence[Record],
              shared: dict[tuple, Features]) -> Features | None:
    """The vision features that `train` would compute for this recipe, once for all recipes with the same ones.

    The ViT is frozen and never in 4 bits: only tiles, held-out pictures and precision make a difference.
    """
    if not recipe.cache_vision:
        return None
    from course_lib.training import choose_precision, evenly, load_base, own_device
    from course_lib.vision_features import cache_features

    device = own_device()
    precision = choose_precision(recipe, device)
    key = (recipe.max_tiles, recipe.eval_records, precision)
    if key not in shared:
        _free_memory()
        vlm = load_base(recipe, model_folder, device, precision)
        pictured = [*train_records, *evenly(held_out_records, recipe.eval_records)]
        shared[key] = cache_features(vlm, pictured, max_tiles=recipe.max_tiles)
    return shared[key]


def _train(recipe: Recipe, model_folder: Path, train_records: Sequence[Record], held_out_records: Sequence[Record],
           folder: Path, features: Features | None, train_on_foodieqa: bool | None, bar: tqdm) -> None:
    """Train, or go on; a loss that is no number is written down."""
    from course_lib.training import train

    _free_memory()
    try:
        train(recipe, model_folder, train_records, held_out_records, folder, resume=True, features=features,
              train_on_foodieqa=train_on_foodieqa, callbacks=[_follow(bar)])
    except FloatingPointError as error:
        write_json(folder / FAILED, {"message": str(error)})


def _free_memory() -> None:
    """Let go of earlier models, which cycles or a failed variant's traceback still hold; peaks are measured anew."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _score(task: str, asked: Sequence[Record], model_folder: Path, train_records: Sequence[Record], folder: Path,
           answers: str) -> None:
    """Greedy answers to the questions, judged, kept in the run's folder."""
    from course_lib.merging import load_with_adapter

    run = Run.read(folder)
    vlm = load_with_adapter(model_folder, run.adapter_folder, run.recipe.quantization)
    found = evaluate(vlm, task, asked, train_records, loss=False, max_tiles=run.recipe.max_tiles, progress=False)
    os.replace(found.save(folder / f"{answers}.part"), folder / answers)  # a file of this name is always whole


def _trained(folder: Path) -> bool:
    return (folder / FAILED).exists() or ((folder / RECIPE).exists() and Run.read(folder).finished)


def _done(folder: Path, answers: str) -> bool:
    """Whether nothing is left to do: trained and scored, or failed."""
    return (folder / FAILED).exists() or (_trained(folder) and (not answers or (folder / answers).exists()))


def _read(name: str, changes: Mapping[str, Any], folder: Path, answers: str) -> Experiment:
    run = Run.read(folder)
    if (folder / FAILED).exists():
        message = json.loads((folder / FAILED).read_text(encoding="utf-8"))["message"]
        return Experiment(name, dict(changes), run, failed=message)
    evaluation = replace(Evaluation.load(folder / answers), label=name) if answers else None
    return Experiment(name, dict(changes), run, evaluation)


def _follow(bar: tqdm) -> TrainerCallback:
    """A callback that moves the grid's bar on while one variant trains."""
    from transformers import TrainerCallback

    begun = bar.n

    class Follow(TrainerCallback):
        shows_progress = True  # train adds no bar of its own

        def on_log(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            bar.update(begun + 100 * state.global_step // state.max_steps - bar.n)

    return Follow()
