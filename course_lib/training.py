"""Recipe, model and records become a run: HF Trainer with this kit's batches, loss and records of what happened."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments, set_seed

from course_lib import run_folder as runs
from course_lib.adapters import add_adapter, save_adapter
from course_lib.dataset import LengthGroupedSampler, Record, VLDataset, check_records, collate
from course_lib.recipes import FOOD_LORA, MEME_QLORA, MINI_FOOD, MINI_MEME, RECIPES, Recipe
from course_lib.run_folder import Run
from course_lib.vision_features import cache_features, model_inputs

__all__ = ["FOOD_LORA", "MEME_QLORA", "MINI_FOOD", "MINI_MEME", "RECIPES", "Recipe", "Run", "VLTrainer", "train"]

NEVER = 10**9  # steps


def train(recipe: Recipe, model_folder: Path | str, train_records: Sequence[Record],
          held_out_records: Sequence[Record], run_folder: Path | str, *, resume: bool = False, overwrite: bool = False,
          callbacks: Sequence[TrainerCallback] = ()) -> Run:
    """Fine-tune a checkpoint as the recipe says; leaves metrics, checkpoints and `adapter/` in `run_folder`.

    All records are checked first. `resume=True` goes on from the newest whole checkpoint (or begins, or returns a
    finished run) and ends as an undisturbed run would have. Raises DataError, FileExistsError, ValueError.
    """
    from course_lib.checkpoint import load_checkpoint, load_spec
    from course_lib.settings import pick_device

    model_folder, folder = Path(model_folder), Path(run_folder)
    device, _ = pick_device()
    precision = choose_precision(recipe, device)
    held_out = evenly(held_out_records, recipe.eval_records)
    tokenizer, spec = load_spec(model_folder)
    check_records([*train_records, *held_out], tokenizer, spec, recipe.max_length, recipe.max_tiles)
    about = runs.describe(model_folder, train_records, held_out)
    checkpoint = runs.start(folder, recipe, about, resume=resume, overwrite=overwrite)
    if resume and (done := Run.read(folder)).finished:
        return done

    if device.type == "cpu":
        os.environ.setdefault("DS_ACCELERATOR", "cpu")  # or deepspeed, once imported, warns that it found no GPU
    set_seed(recipe.seed)  # the adapter's first values are drawn
    weights = {"float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    vlm = load_checkpoint(model_folder, quantization=recipe.quantization, device=device,
                          dtype=weights if device.type == "cuda" else torch.float32)
    if device.type == "cpu":
        vlm.model.set_attn_implementation("eager")  # in bf16 a fifth faster there than fused attention
    features = None
    if recipe.cache_vision:
        features = cache_features(vlm, [*train_records, *held_out], max_tiles=recipe.max_tiles)
    add = partial(VLDataset, tokenizer=vlm.tokenizer, spec=vlm.spec, max_length=recipe.max_length,
                  max_tiles=recipe.max_tiles, features=features)
    data, held_out_data = add(train_records, mask_labels=recipe.mask_labels), add(held_out)
    adapted = add_adapter(vlm, rank=recipe.lora_rank, alpha=recipe.lora_alpha, dropout=recipe.lora_dropout,
                          head=recipe.lora_on_head, train_projector=recipe.train_projector)
    shows_progress = any(getattr(callback, "shows_progress", False) for callback in callbacks)
    trainer = VLTrainer(
        recipe=recipe,
        model=adapted,
        args=training_arguments(recipe, folder, device, precision, evaluate=bool(held_out), resumed=bool(checkpoint)),
        data_collator=partial(collate, pad_token_id=vlm.tokenizer.pad_token_id),
        train_dataset=data,
        eval_dataset=held_out_data if held_out else None,
        callbacks=[*callbacks, *([] if shows_progress else [ProgressBar()])],
    )
    try:
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    except torch.OutOfMemoryError as error:
        half = max(1, recipe.batch_size // 2)
        error.add_note(f"What helps most: gradient_checkpointing=True; batch_size={half} with "
                       f"accumulation={recipe.accumulation * 2} (the same steps); a lower max_tiles.")
        raise
    if trainer.is_world_process_zero():
        save_adapter(adapted, folder / runs.ADAPTER)
        runs.finish(folder)  # an adapter folder without this note may be half of one
    return Run.read(folder)


def choose_precision(recipe: Recipe, device: torch.device) -> str:
    """"float32", "bf16" or "fp16"; "auto" is what the device computes fast. Raises ValueError where it cannot.

    On a CPU bf16 means autocast: with instructions of its own for bf16, a step takes about half the time.
    """
    if recipe.precision != "auto":
        if recipe.precision == "fp16" and device.type == "cpu":
            raise ValueError("precision='fp16' needs a GPU: use 'float32' or 'bf16' on a CPU")
        return recipe.precision
    if device.type == "cpu":
        able = torch.cpu.get_capabilities()
        return "bf16" if able.get("avx512_bf16") or able.get("amx_bf16") else "float32"
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


def evenly(records: Sequence[Record], count: int) -> list[Record]:
    """At most `count` of the records, spread over all of them, always the same ones."""
    if len(records) <= count:
        return list(records)
    return [records[index * len(records) // count] for index in range(count)]


def training_arguments(recipe: Recipe, folder: Path, device: torch.device, precision: str, *, evaluate: bool,
                       resumed: bool) -> TrainingArguments:
    """The recipe in HF Trainer's words."""
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=recipe.batch_size,
        per_device_eval_batch_size=recipe.batch_size,
        gradient_accumulation_steps=recipe.accumulation,
        optim="adamw_torch",
        learning_rate=recipe.learning_rate,
        adam_beta1=recipe.beta1,
        adam_beta2=recipe.beta2,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.clip,
        lr_scheduler_type="cosine",
        warmup_steps=recipe.warmup,  # below 1: a share of all steps
        seed=recipe.seed,
        bf16=precision == "bf16",
        fp16=precision == "fp16",
        use_cpu=device.type == "cpu",
        activation_checkpointing=recipe.gradient_checkpointing,
        activation_checkpointing_kwargs={"use_reentrant": False} if recipe.gradient_checkpointing else None,
        dataloader_num_workers=recipe.workers,
        dataloader_persistent_workers=recipe.workers > 0,
        dataloader_pin_memory=device.type == "cuda",
        remove_unused_columns=False,
        label_names=["labels"],
        logging_steps=recipe.log_every,
        logging_nan_inf_filter=False,  # a loss that is not a number must be seen
        eval_strategy="steps" if evaluate else "no",
        eval_steps=recipe.eval_every or NEVER,  # and always after the last step
        eval_on_start=evaluate and not resumed,
        save_strategy="steps" if recipe.save_every else "no",
        save_steps=recipe.save_every or NEVER,
        save_total_limit=recipe.keep,
        disable_tqdm=True,
        report_to="none",
    )
    arguments._n_gpu = min(1, arguments.n_gpu)  # several GPUs take several processes (torchrun), not DataParallel
    return arguments


class VLTrainer(Trainer):
    """HF Trainer with vision features, a loss at labelled positions only, length groups and metrics.jsonl."""

    def __init__(self, *, recipe: Recipe, **arguments: Any):
        super().__init__(**arguments)
        self.remove_callback(PrinterCallback)
        self.recipe = recipe
        self.metrics_file = Path(self.args.output_dir) / runs.METRICS
        earlier = runs.read_metrics(self.metrics_file)
        self.seconds_before = earlier[-1]["seconds"] if earlier else 0.0
        self.started = self.lap = time.perf_counter()
        self.tokens = torch.zeros((), dtype=torch.long, device=self.args.device)  # since the last line of metrics

    def _get_train_sampler(self, train_dataset: VLDataset | None = None) -> LengthGroupedSampler:
        data = self.train_dataset if train_dataset is None else train_dataset
        group = self.recipe.batch_size * self.recipe.accumulation * self.args.world_size
        return LengthGroupedSampler(data.lengths, group, seed=self.recipe.seed, grouped=self.recipe.group_by_length)

    def compute_loss(self, model: torch.nn.Module, inputs: dict[str, torch.Tensor], return_outputs: bool = False,
                     num_items_in_batch: torch.Tensor | None = None) -> Any:
        if model.training:
            self.tokens += inputs["attention_mask"].sum()
        base = self.accelerator.unwrap_model(model).get_base_model()
        with self.accelerator.autocast():  # the model's own forward has it; the projector is called outside of that
            arguments = model_inputs(base, inputs)
        return super().compute_loss(model, arguments, return_outputs, num_items_in_batch)

    @torch.no_grad()
    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Held-out loss, each labelled token counting once (Trainer's own would weigh batches alike)."""
        pause = time.perf_counter()
        model = self.model_wrapped
        model.eval()
        total = torch.zeros(2, dtype=torch.float64, device=self.args.device)  # loss over labelled tokens, their number
        for batch in self.get_eval_dataloader():
            batch = self._prepare_inputs(batch)
            labelled = (batch["labels"][:, 1:] != -100).sum()
            total += torch.stack([self.compute_loss(model, batch).double() * labelled, labelled.double()])
        total = self.accelerator.reduce(total, "sum")
        metrics = {"eval_loss": (total[0] / total[1]).item()}
        self.lap += time.perf_counter() - pause  # not training time
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add speed and memory, refuse a loss that is not a number, append to metrics.jsonl."""
        now = time.perf_counter()
        if "loss" in logs:
            if not math.isfinite(logs["loss"]):
                raise FloatingPointError(f"the loss became {logs['loss']} at step {self.state.global_step}: use a "
                                         "lower learning_rate, or precision='bf16' instead of 'fp16'")
            logs["tokens_per_second"] = int(self.tokens) / (now - self.lap)
            self.tokens.zero_()
            self.lap = now
        if "loss" in logs or "eval_loss" in logs:
            logs["memory_mib"] = memory_mib(self.args.device)
            logs["seconds"] = self.seconds_before + now - self.started
            finite = {name: value if math.isfinite(value) else None for name, value in logs.items()}
            if self.is_world_process_zero():
                epoch = self.state.epoch or 0.0
                runs.append_metrics(self.metrics_file, {"step": self.state.global_step, "epoch": epoch, **finite})
        super().log(logs, start_time)

    def _save(self, output_dir: str | None = None, state_dict: dict[str, torch.Tensor] | None = None) -> None:
        save_adapter(self.model, output_dir or self.args.output_dir)


def memory_mib(device: torch.device) -> float:
    """MiB in use: the peak of what this process allocated on a GPU; on a CPU what the process holds now."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    import psutil

    return psutil.Process().memory_info().rss / 2**20


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
