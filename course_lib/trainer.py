"""HF Trainer with what this kit adds: loss at labelled positions, length groups, whole checkpoints, metrics.jsonl."""

from __future__ import annotations

import math
import shutil
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer

from course_lib import run_folder as runs
from course_lib.adapters import save_adapter
from course_lib.dataset import LengthGroupedSampler, VLDataset
from course_lib.recipes import Recipe
from course_lib.vision_features import model_inputs


class VLTrainer(Trainer):
    """HF Trainer for `recipe`, on one process or many (DistributedDataParallel or DeepSpeed)."""

    def __init__(self, *, recipe: Recipe, **arguments: Any):
        super().__init__(**arguments)
        self.remove_callback(PrinterCallback)
        self.recipe, self.folder = recipe, Path(self.args.output_dir)
        earlier = runs.read_metrics(self.folder / runs.METRICS)
        self.seconds_before = earlier[-1]["seconds"] if earlier else 0.0
        self.started = self.lap = time.perf_counter()
        self.tokens = torch.zeros((), dtype=torch.long, device=self.args.device)  # since the last line of metrics

    def _get_train_sampler(self, train_dataset: VLDataset | None = None) -> LengthGroupedSampler:
        data = self.train_dataset if train_dataset is None else train_dataset
        group = self.recipe.records_a_step(self.args.world_size)
        return LengthGroupedSampler(data.lengths, group, seed=self.recipe.seed, grouped=self.recipe.group_by_length)

    def compute_loss(self, model: torch.nn.Module, inputs: dict[str, torch.Tensor], return_outputs: bool = False,
                     num_items_in_batch: torch.Tensor | None = None) -> Any:
        if model.training:
            self.tokens += inputs["attention_mask"].sum()
        base = self.accelerator.unwrap_model(model).get_base_model()
        with self.accelerator.autocast():  # the model's own forward has it; the projector is called outside of that
            arguments = model_inputs(base, inputs, every_part=self.args.world_size > 1)
        return super().compute_loss(model, arguments, return_outputs, num_items_in_batch)

    @torch.no_grad()
    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Held-out loss, each labelled token counting once (Trainer's own would weigh batches alike).

        Every process measures all records: shared out, they would be filled up with copies to be as many for each.
        """
        pause = time.perf_counter()
        model = self.model_wrapped
        model.eval()
        total = torch.zeros(2, dtype=torch.float64, device=self.args.device)  # loss over labelled tokens, their number
        for batch in DataLoader(self.eval_dataset, self.args.per_device_eval_batch_size, collate_fn=self.data_collator):
            batch = self._prepare_inputs(batch)
            labelled = (batch["labels"][:, 1:] != -100).sum()
            total += torch.stack([self.compute_loss(model, batch).double() * labelled, labelled.double()])
        metrics = {"eval_loss": (total[0] / total[1]).item()}
        self.lap += time.perf_counter() - pause  # not training time
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add speed (of all processes) and memory (of the fullest), refuse a loss that is no number, write it down."""
        now = time.perf_counter()
        if "loss" in logs:
            if not math.isfinite(logs["loss"]):
                raise FloatingPointError(f"the loss became {logs['loss']} at step {self.state.global_step}: use a "
                                         "lower learning_rate, or precision='bf16' instead of 'fp16'")
            logs["tokens_per_second"] = int(self.accelerator.reduce(self.tokens, "sum")) / (now - self.lap)
            self.tokens.zero_()
            self.lap = now
        if "loss" in logs or "eval_loss" in logs:
            held = torch.tensor(memory_mib(self.args.device), device=self.args.device)
            logs["memory_mib"] = self.accelerator.gather(held).max().item()
            logs["seconds"] = self.seconds_before + now - self.started
            finite = {name: value if math.isfinite(value) else None for name, value in logs.items()}
            if self.is_world_process_zero():
                line = {"step": self.state.global_step, "epoch": self.state.epoch or 0.0, **finite}
                runs.append_metrics(self.folder / runs.METRICS, line)
        super().log(logs, start_time)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """What is trained, as an adapter's folder. All processes call it; the first writes."""
        context = nullcontext()
        if self.is_deepspeed_enabled:
            import deepspeed

            trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
            sharded = self.accelerator.state.deepspeed_plugin.zero_stage == 3
            if sharded:
                self.model_wrapped.empty_partition_cache()  # a measurement leaves weights half fetched
            context = deepspeed.zero.GatheredParameters(trained, enabled=sharded)
        with context:
            if self.args.should_save:
                save_adapter(self.model, output_dir or self.args.output_dir)

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        """Write a checkpoint under another name and rename it: a folder `checkpoint-N` is always a whole one."""
        unfinished, first = self.folder / runs.UNFINISHED, self.is_world_process_zero()
        if (self.folder / f"checkpoint-{self.state.global_step}").is_dir():
            return  # asked to stop just after it was written
        if first:
            shutil.rmtree(unfinished, ignore_errors=True)
        self.accelerator.wait_for_everyone()
        place, self.args.output_dir = self.args.output_dir, str(unfinished)
        try:
            with runs.writing(self.folder, f"the checkpoint of step {self.state.global_step}"):
                super()._save_checkpoint(model, trial)
        finally:
            self.args.output_dir = place
        self.accelerator.wait_for_everyone()
        if first:
            runs.keep_checkpoint(self.folder, self.state.global_step, self.recipe.keep)


def memory_mib(device: torch.device) -> float:
    """MiB in use: the peak of what this process allocated on a GPU; on a CPU what the process holds now."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    import psutil

    return psutil.Process().memory_info().rss / 2**20
