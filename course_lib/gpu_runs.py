"""Everything that needs a GPU, in one command: `python -m course_lib.gpu_runs --out data/gpu-runs`.

Writes a random-weight InternVL2-2B (time and memory depend on shapes, not on what weights are), compares measured with
predicted memory, and trains a few hundred steps with each of the old course's two recipes. Each run's story is kept.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from course_lib.live_figure import PICTURE
from course_lib.plan import make_plan
from course_lib.records import load_task
from course_lib.run_folder import ABOUT, METRICS, RECIPE, Run, write_json
from course_lib.settings import ROOT

KEPT = (RECIPE, ABOUT, METRICS, PICTURE)


@dataclass(frozen=True)
class GpuRun:
    """A training for `python -m course_lib train`, and what the old course's learners reported of theirs."""

    name: str
    task: str
    recipe: str
    settings: tuple[str, ...]
    lesson_steps: int  # of the old lesson in full
    reported: str


RUNS = (
    GpuRun("food-lora", "food", "food-lora", ("epochs=2",), 640, "32 GB, 1 h 33 min"),
    GpuRun("food-lora-checkpointing", "food", "food-lora", ("epochs=0.5", "gradient_checkpointing=true"), 640,
           "32 GB, 1 h 33 min"),
    GpuRun("meme-qlora", "meme", "meme-qlora", ("epochs=3", "save_every=72"), 250, "half an A100 (40 GB), 2 h"),
)


def train(run: GpuRun, model: Path, work: Path, out: Path) -> None:
    """Train, or go on; copy the run's story to `out`."""
    folder, kept = work / run.name, out / run.name
    command = [sys.executable, "-m", "course_lib", "train", run.task, "--recipe", run.recipe, "--model", str(model),
               "--data", str(ROOT / "data" / run.task), "--out", str(folder), "--resume"]
    for setting in run.settings:
        command += ["--set", setting]
    subprocess.run(command, cwd=ROOT, check=True)
    kept.mkdir(parents=True, exist_ok=True)
    for name in KEPT:
        shutil.copy(folder / name, kept / name)
    about = json.loads((kept / ABOUT).read_text(encoding="utf-8"))
    write_json(kept / ABOUT, about | {"model": model.name})  # where it lies on that machine is nobody's business


def row_of(run: GpuRun, done: Run, model: Path) -> dict[str, object]:
    """What a run took: seconds a step, held-out measurements left out, peak GiB beside the predicted one, losses.

    "of the heaviest" is the median of the slowest tenth of the steps: those whose pictures all have 13 tiles.
    """
    steps = [line for line in done.metrics if "loss" in line]
    laps = sorted(after["seconds"] - before["seconds"] for before, after in zip(done.metrics, done.metrics[1:])
                  if "loss" in before and "loss" in after)
    heaviest = statistics.median(laps[-max(1, len(laps) // 10):])
    plan = make_plan(done.recipe, model, load_task(run.task, "train", ROOT / "data" / run.task), device="cuda")
    measured = max(line["memory_mib"] for line in steps) / 1024
    return {
        "run": run.name, "machine": done.about["machine"], "date": done.about["started"][:10], "steps": len(steps),
        "records a step": done.recipe.records_a_step(), "seconds a step": round(statistics.mean(laps), 2),
        "of the heaviest": round(heaviest, 2), "peak GiB": round(measured, 1), "predicted GiB": round(plan.peak, 1),
        "first loss": round(steps[0]["loss"], 2), "last loss": round(steps[-1]["loss"], 2),
        "lesson steps": run.lesson_steps, "lesson minutes at most": round(run.lesson_steps * heaviest / 60, 1),
        "old course": run.reported,
    }


def random_2b(work: Path) -> Path:
    """The folder of a random-weight InternVL2-2B under `work`, written if it is not there."""
    model = work / "random-2b"
    if not (model / "config.json").is_file():  # it is written last but for the tokenizer
        command = [sys.executable, "-m", "course_lib.checkpoint", str(model), "--size", "2b"]
        subprocess.run(command, cwd=ROOT, check=True)
    return model


def main(
    out: Annotated[Path, typer.Option(help="folder for what is kept")],
    model: Annotated[Path | None, typer.Option(help="a checkpoint's folder; random 2B weights if not given")] = None,
    work: Annotated[Path, typer.Option(help="folder for runs and random weights")] = ROOT / "build" / "gpu",
    only: Annotated[
        str, typer.Option(help="memory, one run's name, or summary (of what is kept); all if not given")
    ] = "",
) -> None:
    """Measure memory and train on a CUDA GPU; go on where an earlier call ended."""
    model = model or random_2b(work)
    out.mkdir(parents=True, exist_ok=True)
    if only in ("", "memory"):
        subprocess.run([sys.executable, "-m", "course_lib.gpu_memory", "--model", str(model), "--out",
                        str(out / "memory.json")], cwd=ROOT, check=True)
    for run in RUNS:
        if only in ("", run.name):
            train(run, model, work, out)
    rows = [row_of(run, Run.read(out / run.name), model) for run in RUNS if (out / run.name / RECIPE).is_file()]
    write_json(out / "summary.json", rows)
    for row in rows:
        print(", ".join(f"{name}: {value}" for name, value in row.items()))


if __name__ == "__main__":
    typer.run(main)
