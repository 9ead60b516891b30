"""What a training will take, said before it begins: its data, its steps, its memory and its room on disk."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from course_lib.dataset import Record, Summary, shared_pictures, summarise, tile_counts
from course_lib.memory import estimate_peak, model_shapes, what_helps
from course_lib.recipes import Recipe
from course_lib.workload import Workload

if TYPE_CHECKING:
    from course_lib.vlm import ModelSpec


@dataclass(frozen=True)
class Plan:
    """`memory` is the predicted peak by part, bytes on each device; `shared` are held-out pictures also trained on."""

    recipe: Recipe
    summary: Summary
    held_out: int  # records
    shared: tuple[Path, ...]
    processes: int
    steps: int
    memory: dict[str, int]
    device: str  # "cuda" or "cpu"

    @property
    def peak(self) -> float:
        """GiB on each device."""
        return sum(self.memory.values()) / 2**30

    @property
    def rows(self) -> list[tuple[str, str]]:
        """(name, value) pairs, as shown."""
        recipe, group = self.recipe, self.recipe.records_a_step(self.processes)
        largest = sorted(self.memory, key=self.memory.__getitem__, reverse=True)[:3]
        parts = ", ".join(f"{part} {self.memory[part] / 2**30:.2f}" for part in largest)
        where = "GPU" if self.device == "cuda" else "CPU"
        devices = f", on each of {self.processes} {where}s" if self.processes > 1 else f", on a {where}"
        curve = f", {recipe.eval_records} of them for the curve" if self.held_out > recipe.eval_records else ""
        rows = [
            ("recipe", recipe.name),
            *self.summary.rows,
            ("held-out", f"{self.held_out} records{curve}"),
            ("steps", f"{self.steps} of {group} records: {recipe.epochs:g} epochs"),
            ("memory", f"about {self.peak:.2f} GiB at most{devices} ({parts}, …)"),
        ]
        if self.shared:
            rows.append(("LEAK", f"{len(self.shared)} held-out pictures are trained on as well, {self.shared[0].name} "
                                 "among them: the held-out loss will look better than it is"))
        return rows

    def __str__(self) -> str:
        return "\n".join(f"{name:<16} {value}" for name, value in self.rows)

    def _repr_html_(self) -> str:
        from course_lib.cards import table

        return table(["what", "how much"], [list(row) for row in self.rows], "What this training will take").html


def expected_steps(recipe: Recipe, records: int, processes: int = 1) -> int:
    """Optimizer steps of a run on so many records; an epoch's last step may have fewer records than the others."""
    return math.ceil(recipe.epochs * math.ceil(records / recipe.records_a_step(processes)))


def make_plan(recipe: Recipe, model_folder: Path | str, train_records: Sequence[Record],
              held_out_records: Sequence[Record] = (), *, processes: int = 1, device: str | None = None) -> Plan:
    """What `training.train` would take, on "cuda" or "cpu" (this machine's, if not given); reads no weights."""
    from course_lib.checkpoint import load_spec
    from course_lib.settings import pick_device

    tokenizer, spec = load_spec(model_folder)
    summary = summarise(train_records, tokenizer, spec, recipe.max_tiles)
    device = device or pick_device()[0].type
    heaviest = heaviest_batch(recipe, summary, train_records, spec, processes)
    memory = estimate_peak(model_shapes(model_folder), recipe, heaviest, device=device)
    return Plan(recipe, summary, len(held_out_records), tuple(shared_pictures(train_records, held_out_records)),
                processes, expected_steps(recipe, len(train_records), processes), memory, device)


def heaviest_batch(recipe: Recipe, summary: Summary, records: Sequence[Record], spec: ModelSpec,
                   processes: int = 1) -> Workload:
    """The batch of a run that needs the most memory."""
    tiles = [sum(tile_counts(record, spec, recipe.max_tiles)) for record in records]
    learned = summary.learned if recipe.mask_labels else summary.lengths
    return Workload.of(summary.lengths, tiles, learned, recipe, tokens_per_tile=spec.tokens_per_tile,
                       processes=processes)


def out_of_memory_advice(recipe: Recipe, model_folder: Path | str, records: Sequence[Record], device: str,
                         processes: int = 1) -> str:
    """The three settings that would lower the peak most, each with its estimate."""
    from course_lib.checkpoint import load_spec

    tokenizer, spec = load_spec(model_folder)
    summary = summarise(records, tokenizer, spec, recipe.max_tiles)
    found = what_helps(model_shapes(model_folder), recipe, heaviest_batch(recipe, summary, records, spec, processes),
                       device=device)
    lines = [f"  - {words}" for words, _, _ in found]
    return "\n".join(["What would help most, each for as many records a step (estimates of the peak):", *lines])
