"""Is the predicted memory what training takes? Real steps, their measured peak beside course_lib.memory's prediction.

`python -m course_lib.gpu_memory --model DIR --out FILE.json`, where DIR may come from
`python -m course_lib.checkpoint DIR --size 2b`: memory depends on shapes and not on what the weights are.
"""

from __future__ import annotations

import argparse
import gc
import json
import tempfile
import weakref
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from course_lib.adapters import PROJECTOR, add_adapter
from course_lib.checkpoint import load_checkpoint
from course_lib.dataset import collate
from course_lib.memory import Numbers, Workload, model_shapes, step_moments
from course_lib.recipes import Recipe
from course_lib.run_folder import PACKAGES, machine
from course_lib.trainer import VLTrainer
from course_lib.training import choose_precision, training_arguments
from course_lib.vlm import VLM

STEPS = 3  # AdamW's moments are there from the second on
HOW = {"cuda": "torch.cuda.max_memory_allocated", "cpu": "the largest sum of all tensors alive between two operations"}
SMALL = Recipe("rank 16", lora_rank=16, lora_alpha=32, batch_size=1, accumulation=1, epochs=1)
LARGE = replace(SMALL, name="rank 128, head, dropout", lora_rank=128, lora_alpha=256, lora_dropout=0.05,
                lora_on_head=True)


@dataclass(frozen=True)
class Case:
    """A recipe, and what each record of a batch has. `uneven`: lengths differ, so the batch is padded."""

    recipe: Recipe
    tiles: int
    text: int = 80
    labelled: int = 24
    uneven: bool = False

    def workload(self, tokens_per_tile: int) -> Workload:
        """The batch: of uneven records each is one token longer than the one before."""
        records = self.recipe.batch_size
        text = tuple(self.text + record * self.uneven for record in range(records))
        return Workload((self.tiles,) * records, text, (self.labelled,) * records, tokens_per_tile)


CASES = (
    Case(SMALL, 1),
    Case(LARGE, 1),
    Case(SMALL, 7),
    Case(LARGE, 13),
    Case(replace(LARGE, batch_size=2), 7),
    Case(replace(LARGE, batch_size=2), 7, uneven=True),
    Case(replace(SMALL, batch_size=2, train_projector=False), 7),
    Case(replace(SMALL, batch_size=2), 1, text=1200, labelled=1100, uneven=True),
    Case(replace(LARGE, batch_size=4, accumulation=2), 13, uneven=True),
    Case(replace(LARGE, batch_size=4, accumulation=2, gradient_checkpointing=True), 13, uneven=True),
    Case(replace(SMALL, batch_size=4, gradient_checkpointing=True), 7),
    Case(replace(LARGE, quantization="nf4"), 1),
    Case(replace(SMALL, batch_size=2, quantization="nf4"), 13),
    Case(replace(LARGE, batch_size=4, accumulation=2, quantization="nf4"), 7, uneven=True),
    Case(replace(LARGE, batch_size=4, quantization="nf4", gradient_checkpointing=True), 13, uneven=True),
)


class RandomRecords:
    """As many random examples as STEPS steps take, in the form of VLDataset's."""

    def __init__(self, case: Case, vlm: VLM):
        self.load, self.spec = case.workload(vlm.spec.tokens_per_tile), vlm.spec
        self.lengths = [*self.load.lengths] * STEPS * case.recipe.accumulation

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> dict[str, Any]:
        generator, record = torch.Generator().manual_seed(index), index % len(self.load.tiles)
        tiles, length = self.load.tiles[record], self.lengths[index]
        ids = torch.randint(5, 100, (length,), generator=generator)
        ids[1:1 + tiles * self.spec.tokens_per_tile] = self.spec.image_token_id
        labels = ids.clone()
        labels[:-self.load.labelled[record]] = -100
        pixels = torch.randn(tiles, 3, self.spec.tile_size, self.spec.tile_size, generator=generator)
        return {"input_ids": ids, "labels": labels, "pixel_values": pixels, "length": length}


class LiveTensors(TorchDispatchMode):
    """Adds up the memory of all tensors that are alive, at each operation while it is entered; `.peak` in bytes.

    Tensors from before count if given to `watch`. What an operation needs inside itself is not seen.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.known: dict[int, weakref.ref] = {}

    def watch(self, tensors: Iterable[torch.Tensor]) -> None:
        """Count these tensors, each piece of memory once, until it is given back."""
        for tensor in tensors:
            memory = tensor.untyped_storage()
            if id(memory) not in self.known:
                self.now += memory.nbytes()
                self.known[id(memory)] = weakref.ref(memory, partial(self._gone, id(memory), memory.nbytes()))
        self.peak = max(self.peak, self.now)

    def _gone(self, key: int, size: int, _: weakref.ref) -> None:
        self.now -= size
        del self.known[key]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.watch(leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor))
        return result


def measure_peak(vlm: VLM, case: Case) -> int:
    """Bytes that STEPS real steps take at most (see HOW). Leaves `vlm` as it was. Raises torch.OutOfMemoryError."""
    recipe, model, device = case.recipe, vlm.model, vlm.device
    projector = model.model.multi_modal_projector
    adapted = add_adapter(vlm, rank=recipe.lora_rank, alpha=recipe.lora_alpha, dropout=recipe.lora_dropout,
                          head=recipe.lora_on_head, train_projector=recipe.train_projector)
    watching = LiveTensors() if device.type == "cpu" else nullcontext()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        watching.watch(_held(adapted))
    try:
        with tempfile.TemporaryDirectory() as folder, watching:
            precision = choose_precision(recipe, device)
            trainer = VLTrainer(
                recipe=recipe, model=adapted, train_dataset=RandomRecords(case, vlm),
                args=training_arguments(recipe, Path(folder), device, precision, None, evaluate=False),
                data_collator=partial(collate, pad_token_id=vlm.tokenizer.pad_token_id),
            )
            trainer.train()
        return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else watching.peak
    finally:
        model.activation_checkpointing_disable()
        adapted.unload()
        model.model.multi_modal_projector = projector  # peft would leave its trained copy
        for parameter in model.parameters():
            parameter.grad = None


def _held(model: torch.nn.Module) -> list[torch.Tensor]:
    """All weights, NF4's constants included."""
    states = [state for p in model.parameters() if (state := getattr(p, "quant_state", None)) is not None]
    constants = [tensor for state in states for tensor in (state.absmax, state.state2.absmax, state.state2.code)]
    return [*model.parameters(), *constants]


def compare(model_folder: Path | str, cases: Sequence[Case] = CASES, *, device: str = "cuda") -> list[dict[str, Any]]:
    """A row a case: what it is, "measured" (None: out of memory) and "predicted" bytes, "error", "moment", "parts"."""
    torch_device = torch.device(device, 0) if device == "cuda" else torch.device(device)
    rows, vlm, loaded, shapes = [], None, None, model_shapes(model_folder)
    for case in sorted(cases, key=lambda case: case.recipe.quantization or ""):  # 16 bits first
        if vlm is None or loaded != case.recipe.quantization:
            vlm, loaded = None, case.recipe.quantization
            _collect(device)
            vlm = load_checkpoint(model_folder, quantization=loaded, device=torch_device,
                                  dtype=torch.bfloat16 if device == "cuda" else torch.float32)
            vlm.model.set_attn_implementation("sdpa" if device == "cuda" else "eager")
        precision = choose_precision(case.recipe, torch_device)
        moments = step_moments(shapes, case.recipe, case.workload(vlm.spec.tokens_per_tile),
                               Numbers.of(case.recipe, device, precision=precision))
        moment, parts = max(moments.items(), key=lambda pair: sum(pair[1].values()))
        predicted = sum(parts.values())
        try:
            measured = measure_peak(vlm, case)
        except torch.OutOfMemoryError:
            measured = None
        _collect(device)
        rows.append({
            "recipe": asdict(case.recipe), "tiles": case.tiles, "text": case.text, "labelled": case.labelled,
            "padded": case.uneven, "tokens": case.workload(vlm.spec.tokens_per_tile).tokens, "precision": precision,
            "measured": measured, "predicted": predicted, "error": measured and predicted / measured - 1,
            "moment": moment, "parts": parts,
        })
        print(_line(rows[-1]), flush=True)
    return rows


def _collect(device: str) -> None:
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()


def _line(row: dict[str, Any]) -> str:
    recipe = row["recipe"]
    what = [f"{recipe['quantization'] or '16 bit'}, {recipe['name']}", f"batch {recipe['batch_size']}",
            f"{row['tiles']} tiles", f"{row['tokens']} tokens"]
    what += ["padded"] * row["padded"] + ["checkpointing"] * recipe["gradient_checkpointing"]
    what += ["frozen projector"] * (not recipe["train_projector"])
    measured = "out of memory" if row["measured"] is None else f"{row['measured'] / 2**20:10,.1f} MiB"
    error = "" if row["error"] is None else f"{100 * row['error']:+6.1f} %"
    predicted = f"{row['predicted'] / 2**20:10,.1f} MiB predicted"
    return f"{measured:>14} {predicted} {error}  {', '.join(what)} ({row['moment']})"


def main(arguments: Sequence[str] | None = None, cases: Sequence[Case] = CASES) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m course_lib.gpu_memory",
                                     description="Train a few steps in many settings; measured and predicted memory.")
    parser.add_argument("--model", type=Path, required=True, help="a checkpoint's folder; random weights will do")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="default: %(default)s")
    options = parser.parse_args(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("torch finds no usable CUDA GPU: give --device cpu, which sums up tensors instead")
    rows = compare(options.model, cases, device=options.device)
    errors = [abs(row["error"]) for row in rows if row["error"] is not None]
    report = {
        "machine": machine(), "device": options.device, "measured_is": HOW[options.device],
        "date": datetime.now(UTC).isoformat(timespec="seconds"), "steps": STEPS,
        "versions": {name: version(name) for name in PACKAGES}, "largest_error": max(errors, default=None),
        "rows": rows,
    }
    options.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    largest = f"{100 * max(errors):.1f} %" if errors else "unknown"
    print(f"{len(rows)} settings on {report['machine']}, largest error {largest}: {options.out}")


if __name__ == "__main__":
    main()
