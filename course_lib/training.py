"""Recipe, model and records become a run: checked, loaded, adapted, trained, and told in its folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import TrainerCallback, TrainingArguments, set_seed

from course_lib import run_folder as runs
from course_lib.adapters import add_adapter
from course_lib.callbacks import ProgressBar, StopWhenAsked
from course_lib.dataset import Record, VLDataset, check_records, collate
from course_lib.deepspeed_settings import deepspeed_config
from course_lib.licences import consent_given, require_consent
from course_lib.plan import expected_steps, out_of_memory_advice
from course_lib.recipes import FOOD_LORA, MEME_QLORA, MINI_FOOD, MINI_MEME, RECIPES, Recipe
from course_lib.run_folder import Run
from course_lib.trainer import VLTrainer
from course_lib.vision_features import cache_features

if TYPE_CHECKING:
    from course_lib.vlm import VLM

__all__ = ["FOOD_LORA", "MEME_QLORA", "MINI_FOOD", "MINI_MEME", "RECIPES", "Recipe", "Run", "VLTrainer", "train"]

NEVER = 10**9  # steps
DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def train(recipe: Recipe, model_folder: Path | str, train_records: Sequence[Record],
          held_out_records: Sequence[Record], run_folder: Path | str, *, resume: bool = False, overwrite: bool = False,
          deepspeed: str | None = None, train_on_foodieqa: bool | None = None,
          features: dict[Path, torch.Tensor] | None = None, callbacks: Sequence[TrainerCallback] = ()) -> Run:
    """Fine-tune a checkpoint as the recipe says; leaves metrics, checkpoints and `adapter/` in `run_folder`.

    All records are checked first. `resume=True` goes on from the newest checkpoint (or begins, or returns a finished
    run) and ends as an undisturbed run would have. Ctrl-C and SIGTERM leave a checkpoint. Under torchrun all processes
    share the work, on a disk that all can reach; `deepspeed` is None, "zero1", "zero2" or "zero3".
    `train_on_foodieqa` answers licences.FOODIEQA; `features` (vision_features.cache_features) may serve several runs.
    Raises DataError, LicenceError, FileExistsError, ValueError, OSError, KeyboardInterrupt.
    """
    from course_lib.checkpoint import load_spec

    require_consent(train_records, consent_given(train_on_foodieqa))
    model_folder, folder = Path(model_folder), Path(run_folder)
    device = own_device()
    precision = choose_precision(recipe, device, deepspeed)
    if deepspeed and "RANK" not in os.environ:
        alone()
    held_out = evenly(held_out_records, recipe.eval_records)
    tokenizer, spec = load_spec(model_folder)
    check_records([*train_records, *held_out], tokenizer, spec, recipe.max_length, recipe.max_tiles)

    arguments = training_arguments(recipe, folder, device, precision, deepspeed, evaluate=bool(held_out))
    about = partial(runs.describe, model_folder, train_records, held_out, arguments.world_size, deepspeed)
    checkpoint = _together(arguments, lambda: runs.start(
        folder, recipe, about() | {"steps": expected_steps(recipe, len(train_records), arguments.world_size)},
        resume=resume, overwrite=overwrite))
    if resume and (done := Run.read(folder)).finished:
        return done
    arguments.eval_on_start = bool(held_out) and checkpoint is None

    with _whole_weights(arguments):
        set_seed(recipe.seed)  # the adapter's first values follow from it
        vlm = load_base(recipe, model_folder, device, precision, on_cpu=deepspeed == "zero3")
        adapted = add_adapter(vlm, rank=recipe.lora_rank, alpha=recipe.lora_alpha, dropout=recipe.lora_dropout,
                              head=recipe.lora_on_head, train_projector=recipe.train_projector)
    runs.require_room(folder, sum(p.numel() for p in adapted.parameters() if p.requires_grad), recipe.keep)
    if recipe.cache_vision and features is None:
        features = cache_features(vlm, [*train_records, *held_out], max_tiles=recipe.max_tiles)
    add = partial(VLDataset, tokenizer=vlm.tokenizer, spec=vlm.spec, max_length=recipe.max_length,
                  max_tiles=recipe.max_tiles, features=features if recipe.cache_vision else None)
    shows_progress = any(getattr(callback, "shows_progress", False) for callback in callbacks)
    stop = StopWhenAsked()
    trainer = VLTrainer(
        recipe=recipe,
        model=adapted,
        args=arguments,
        data_collator=partial(collate, pad_token_id=vlm.tokenizer.pad_token_id),
        train_dataset=add(train_records, mask_labels=recipe.mask_labels),
        eval_dataset=add(held_out) if held_out else None,
        callbacks=[*callbacks, stop, *([] if shows_progress else [ProgressBar()])],
    )
    try:
        with stop:
            trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    except torch.OutOfMemoryError as error:
        error.add_note(out_of_memory_advice(recipe, model_folder, train_records, device.type, arguments.world_size))
        raise
    if stop.stopped:
        step = trainer.state.global_step
        raise KeyboardInterrupt(f"stopped after step {step} of {trainer.state.max_steps}; checkpoint-{step} is written "
                                f"in {folder}, and --resume (resume=True) goes on from it")
    with runs.writing(folder, "the adapter"):
        trainer.save_model(str(folder / runs.ADAPTER))
    _together(arguments, lambda: runs.finish(folder))  # an adapter folder without this note may be half of one
    return Run.read(folder)


def load_base(recipe: Recipe, model_folder: Path, device: torch.device, precision: str, *,
              on_cpu: bool = False) -> VLM:
    """The checkpoint as a training on `device` computes with it; `on_cpu`: its weights wait there (for ZeRO-3)."""
    from course_lib.checkpoint import load_checkpoint

    vlm = load_checkpoint(model_folder, quantization=recipe.quantization, device="cpu" if on_cpu else device,
                          dtype=DTYPES[precision] if device.type == "cuda" else torch.float32)
    if device.type == "cpu":
        vlm.model.set_attn_implementation("eager")  # in bf16 a fifth faster there than fused attention
    return vlm


@contextmanager
def _whole_weights(arguments: TrainingArguments) -> Iterator[None]:
    """With ZeRO-3 transformers would build models in pieces, for loading with its own code: ours are cut up later."""
    from transformers.integrations.deepspeed import set_hf_deepspeed_config, unset_hf_deepspeed_config

    unset_hf_deepspeed_config()
    yield
    if arguments.deepspeed:
        set_hf_deepspeed_config(arguments.hf_deepspeed_config)


def own_device() -> torch.device:
    """What this process computes on: under torchrun the GPU that it was given."""
    from course_lib.settings import pick_device

    device, _ = pick_device()
    if device.type == "cpu":
        os.environ.setdefault("DS_ACCELERATOR", "cpu")  # or deepspeed, once imported, warns that it found no GPU
        return device
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
    torch.cuda.set_device(device)
    return device


def alone() -> None:
    """Tell DeepSpeed that this process, which no torchrun started, is the only one."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.environ |= {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1",
                   "MASTER_PORT": str(port)}


def choose_precision(recipe: Recipe, device: torch.device, deepspeed: str | None = None) -> str:
    """"float32", "bf16" or "fp16"; "auto" is what the device computes fast. Raises ValueError where it cannot.

    On a CPU bf16 means autocast: with instructions of its own for bf16, a step takes about half the time. DeepSpeed
    would turn the weights themselves to bf16, so there "auto" is float32.
    """
    if recipe.precision != "auto":
        if recipe.precision == "fp16" and device.type == "cpu":
            raise ValueError("precision='fp16' needs a GPU: use 'float32' or 'bf16' on a CPU")
        return recipe.precision
    if device.type == "cpu":
        able = torch.cpu.get_capabilities()
        return "bf16" if deepspeed is None and (able.get("avx512_bf16") or able.get("amx_bf16")) else "float32"
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


def evenly(records: Sequence[Record], count: int) -> list[Record]:
    """At most `count` of the records, spread over all of them, always the same ones."""
    if len(records) <= count:
        return list(records)
    return [records[index * len(records) // count] for index in range(count)]


def training_arguments(recipe: Recipe, folder: Path, device: torch.device, precision: str, deepspeed: str | None, *,
                       evaluate: bool) -> TrainingArguments:
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
        ddp_backend="gloo" if device.type == "cpu" and "RANK" in os.environ else None,
        ddp_find_unused_parameters=False,
        deepspeed=deepspeed and deepspeed_config(deepspeed, on_cpu=device.type == "cpu",
                                                 quantization=recipe.quantization),
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
        save_strategy="steps" if recipe.save_every else "no",
        save_steps=recipe.save_every or NEVER,
        disable_tqdm=True,
        report_to="none",
    )
    arguments._n_gpu = min(1, arguments.n_gpu)  # several GPUs take several processes (torchrun), not DataParallel
    return arguments


def _together(arguments: TrainingArguments, work: Callable[[], Any]) -> Any:
    """The first process does the work; all get its result, or raise its error."""
    if arguments.world_size == 1:
        return work()
    outcome: list[Any] = [None, None]
    if arguments.process_index == 0:
        try:
            outcome[0] = work()
        except Exception as error:  # told to the other processes, and raised below in all of them
            outcome[1] = error
    torch.distributed.broadcast_object_list(outcome, src=0)
    if outcome[1] is not None:
        raise outcome[1]
    return outcome[0]
