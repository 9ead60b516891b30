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

from course_lib.run_folder import ABOUT, METRICS, RECIPE, Run, write_json
from course_lib.settings import ROOT

KEPT = (RECIPE, ABOUT, METRICS, "loss.png")


@dataclass(frozen=True)
class GpuRun:
    """A training for `python -m course_lib train`, and what the old course's learners reported of theirs."""

    name: str
    task: str
    settings: tuple[str, ...]
    lesson_steps: int  # of the old lesson in full
    reported: str


RUNS = (
    GpuRun("food-lora", "food", ("epochs=2",), 640, "32 GB, 1 h 33 min"),
    GpuRun("food-lora-checkpointing", "food", ("epochs=0.5", "gradient_checkpointing=true"), 640, "32 GB, 1 h 33 min"),
    GpuRun("meme-qlora", "meme", ("epochs=3", "save_every=72"), 250, "half an A100 (40 GB), 2 h"),
)


def train(run: GpuRun, model: Path, work: Path, out: Path) -> dict[str, object]:
    """Train, or go on; copy the run's story to `out`; a row of the summary."""
    folder = work / run.name
    recipe = {"food": "food-lora", "meme": "meme-qlora"}[run.task]
    command = [sys.executable, "-m", "course_lib", "train", run.task, "--recipe", recipe, "--model", str(model),
               "--data", str(ROOT / "data" / run.task), "--out", str(folder), "--resume"]
    for setting in run.settings:
        command += ["--set", setting]
    plan = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    print(plan, flush=True)
    kept = out / run.name
    kept.mkdir(parents=True, exist_ok=True)
    for name in KEPT:
        shutil.copy(folder / name, kept / name)
    about = json.loads((kept / ABOUT).read_text(encoding="utf-8"))
    write_json(kept / ABOUT, about | {"model": model.name})  # where it lies on that machine is nobody's business
    (kept / "plan.txt").write_text(plan.replace(str(work), "runs"), encoding="utf-8")
    return row_of(run, Run.read(folder))


def row_of(run: GpuRun, done: Run) -> dict[str, object]:
    """What a run took: seconds a step, held-out measurements left out, peak GiB beside the plan's, losses.

    "heaviest" are the slowest twentieth of the steps: those whose pictures have 13 tiles, as photographs do.
    """
    steps = [line for line in done.metrics if "loss" in line]
    laps = sorted(after["seconds"] - before["seconds"] for before, after in zip(done.metrics, done.metrics[1:])
                  if "loss" in before and "loss" in after)
    heaviest = statistics.median(laps[-max(1, len(laps) // 10):])
    return {
        "run": run.name, "machine": done.about["machine"], "steps": len(steps),
        "records a step": done.recipe.batch_size * done.recipe.accumulation,
        "seconds a step": round(statistics.mean(laps), 2), "of the heaviest": round(heaviest, 2),
        "peak GiB": round(max(line["memory_mib"] for line in steps) / 1024, 1),
        "first loss": round(steps[0]["loss"], 2), "last loss": round(steps[-1]["loss"], 2),
        "lesson steps": run.lesson_steps, "lesson minutes at most": round(run.lesson_steps * heaviest / 60, 1),
        "old course": run.reported,
    }


def main(
    out: Annotated[Path, typer.Option(help="folder for what is kept")],
    model: Annotated[Path | None, typer.Option(help="a checkpoint's folder; random 2B weights if not given")] = None,
    work: Annotated[Path, typer.Option(help="folder for runs and random weights")] = ROOT / "build" / "gpu",
    only: Annotated[str, typer.Option(help="memory, or one run's name; all if not given")] = "",
) -> None:
    """Measure memory and train on a CUDA GPU; go on where an earlier call ended."""
    if model is None:
        model = work / "random-2b"
        if not (model / "config.json").is_file():  # it is written last but for the tokenizer
            command = [sys.executable, "-m", "course_lib.checkpoint", str(model), "--size", "2b"]
            subprocess.run(command, cwd=ROOT, check=True)
    out.mkdir(parents=True, exist_ok=True)
    if only in ("", "memory"):
        subprocess.run([sys.executable, "-m", "course_lib.gpu_memory", "--model", str(model), "--out",
                        str(out / "memory.json")], cwd=ROOT, check=True)
    summary = out / "summary.json"
    rows = {row["run"]: row for row in json.loads(summary.read_text(encoding="utf-8"))} if summary.is_file() else {}
    for run in RUNS:
        if only in ("", run.name):
            rows[run.name] = train(run, model, work, out)
            write_json(summary, [*rows.values()])
    for row in rows.values():
        print(", ".join(f"{name}: {value}" for name, value in row.items()))


if __name__ == "__main__":
    typer.run(main)
