"""Make `internvl-mini` from nothing: vocabulary, random weights, five stages of training, examination, card.

    python -m course_lib.mini.pretrain --out data/internvl-mini --work build/pretrain

First the vision tower alone learns to see, and the language model alone to read; then they are joined, on pictures of one
tile first and of up to six tiles and a thumbnail after that; at last everything learns together. Every sample is drawn when
it is needed. The work folder holds checkpoints; the same command goes on where it was interrupted. A GPU is used if there
is one: on an H200 the five stages took 18 minutes; on two CPU cores they take hours.
"""

import argparse
import json
import os
import platform
import time
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import Dataset
from transformers import InternVLForConditionalGeneration, PreTrainedTokenizerFast, Trainer, TrainingArguments

from course_lib.checkpoint import load_checkpoint, save_checkpoint
from course_lib.conversation import encode_example
from course_lib.dataset import collate
from course_lib.layout import native_config
from course_lib.mini import exam, sight, world
from course_lib.mini.vocabulary import train_tokenizer
from course_lib.random_checkpoint import write_random_checkpoint
from course_lib.settings import ROOT
from course_lib.tiling import tile_image, to_pixel_values
from course_lib.tokenizer import load_tokenizer
from course_lib.vlm import VLM, ModelSpec


@dataclass(frozen=True)
class Stage:
    """One stage of pre-training: `samples` pictures of the given sizes, `batch` at a time.

    `learns` is "sight": the vision tower alone, from what lies at each patch; "read": the language model alone, from
    conversations without pictures; "talk": projector and language model, before a tower that is frozen; "all": everything.
    """

    name: str
    samples: int
    batch: int
    sizes: tuple[tuple[int, int], ...]
    turns: int
    learning_rate: float
    last_rate: float  # where the cosine ends, as a fraction of learning_rate
    learns: str


ALL_SIZES = world.SINGLE_SIZES + world.TILED_SIZES
STAGES = (
    Stage("seeing", 384_000, 64, ALL_SIZES, 1, 1.5e-3, 0.02, learns="sight"),
    Stage("reading", 96_000, 64, world.SINGLE_SIZES, 3, 1e-3, 0.2, learns="read"),
    Stage("single tiles", 256_000, 64, world.SINGLE_SIZES, 5, 1e-3, 0.2, learns="talk"),
    Stage("several tiles", 320_000, 64, ALL_SIZES, 5, 1e-3, 0.2, learns="talk"),
    Stage("finishing", 448_000, 64, ALL_SIZES, 5, 4e-4, 0.0, learns="all"),
)

CARD = """# internvl-mini

A small InternVL2 for laptops: the architecture, chat template, tokens and file layout of InternVL2-2B, with
{parameters:,} parameters, tiles of 112 x 112 pixels (16 visual tokens each) and a vocabulary of {vocabulary:,}.
It talks plainly, in Chinese and English, about drawn things: what is seen, how many, which colour, where. It has met no
dish, no cuisine and no joke: those are what the course's fine-tuning teaches.

It was trained from random weights on pictures drawn and texts written by this repository's own code, by

    {command}

on {date} ({machine}). Licence: the repository's, MIT.

| stage | samples | batch | learning rate | minutes |
|---|---|---|---|---|
{stages}

Held-out pictures, exact answers ({n} questions a row; 95 % Wilson intervals):

| question | language | picture | right | rate | interval |
|---|---|---|---|---|---|
{rows}
"""


def mini_config(vocab_size: int) -> dict:
    """The official-layout `config.json` of the mini: InternVL2's architecture, smaller."""
    return {
        "architectures": ["InternVLChatModel"],
        "model_type": "internvl_chat",
        "downsample_ratio": 0.5,
        "dynamic_image_size": True,
        "force_image_size": 112,
        "max_dynamic_patch": 6,
        "min_dynamic_patch": 1,
        "pad2square": False,
        "ps_version": "v2",
        "select_layer": -1,
        "template": "internlm2-chat",
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "use_thumbnail": True,
        "llm_config": {
            "architectures": ["InternLM2ForCausalLM"],
            "model_type": "internlm2",
            "attn_implementation": "eager",
            "bias": False,
            "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2,
            "hidden_act": "silu",
            "hidden_size": 256,
            "initializer_range": 0.02,
            "intermediate_size": 512,
            "max_position_embeddings": 4096,
            "num_attention_heads": 4,
            "num_hidden_layers": 5,
            "num_key_value_heads": 2,
            "rms_norm_eps": 1e-05,
            "rope_scaling": {"factor": 2.0, "type": "dynamic"},
            "rope_theta": 1000000,
            "tie_word_embeddings": False,
            "torch_dtype": "bfloat16",
            "use_cache": True,
            "vocab_size": vocab_size,
        },
        "vision_config": {
            "architectures": ["InternVisionModel"],
            "model_type": "intern_vit_6b",
            "attention_dropout": 0.0,
            "drop_path_rate": 0.0,
            "dropout": 0.0,
            "hidden_act": "gelu",
            "hidden_size": 192,
            "image_size": 112,
            "initializer_factor": 1.0,
            "initializer_range": 0.02,
            "intermediate_size": 768,
            "layer_norm_eps": 1e-06,
            "norm_type": "layer_norm",
            "num_attention_heads": 3,
            "num_channels": 3,
            "num_hidden_layers": 8,
            "patch_size": 14,
            "qk_normalization": False,
            "qkv_bias": True,
            "torch_dtype": "bfloat16",
            "use_flash_attn": False,
        },
    }  # fmt: skip


def write_untrained(folder: Path, seed: int = 0) -> None:
    """Vocabulary, configuration and freshly initialised weights, in the official layout."""
    train_tokenizer(folder)
    tokenizer = load_tokenizer(folder)
    config = mini_config(len(tokenizer))
    write_random_checkpoint(folder, config, seed=seed)
    train_tokenizer(folder)  # again: a random checkpoint brings a tokenizer of its own
    vlm = load_checkpoint(folder, device="cpu")
    torch.manual_seed(seed)
    vlm.model = InternVLForConditionalGeneration(native_config(config, vlm.spec.image_token_id))
    for name, parameter in vlm.model.named_parameters():
        if name.endswith(("cls_token", "position_embeddings")):  # transformers starts these at zero
            torch.nn.init.normal_(parameter, std=0.02)
        elif "lambda_" in name:  # layer scale: 0.1 helps very deep towers, 1 learns faster in this one
            torch.nn.init.ones_(parameter)
    save_checkpoint(vlm, folder)


class DrawnSamples(Dataset):
    """The samples of a stage, each drawn and encoded when asked for; all samples of a batch have one size."""

    def __init__(self, stage: Stage, tokenizer: PreTrainedTokenizerFast, spec: ModelSpec):
        self.stage, self.tokenizer, self.spec = stage, tokenizer, spec

    def __len__(self) -> int:
        return self.stage.samples

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        stage, spec = self.stage, self.spec
        if stage.learns == "read":
            messages = world.reading(number, split=f"train/{stage.name}", turns=stage.turns)
            return {name: torch.tensor(ids) for name, ids in encode_example(messages, self.tokenizer).items()}
        size = stage.sizes[(number // stage.batch * 7) % len(stage.sizes)]
        drawn = world.sample(number, split=f"train/{stage.name}", size=size, turns=stage.turns)
        max_tiles = 1 if max(size) < 200 else spec.max_tiles
        pixel_values = to_pixel_values(tile_image(drawn.image, max_tiles=max_tiles, tile_size=spec.tile_size))
        if stage.learns == "sight":
            regions = sight.tile_regions(drawn.image, len(pixel_values), max_tiles=max_tiles, tile_size=spec.tile_size)
            side = spec.tile_size // spec.patch_size
            patches = torch.stack([sight.patch_labels(drawn.placed, region, side) for region in regions])
            return {"pixel_values": pixel_values, "patches": patches}
        visual_tokens = (len(pixel_values) * spec.tokens_per_tile,)
        example = encode_example(drawn.messages, self.tokenizer, visual_tokens)
        return {name: torch.tensor(ids) for name, ids in example.items()} | {"pixel_values": pixel_values}


def collate_patches(examples: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """All tiles of the examples in one row, with their patches' labels."""
    return {name: torch.cat([example[name] for example in examples]) for name in ("pixel_values", "patches")}


class Whole(nn.Module):
    """The model in a module of its own: Trainer saves a bare one under names by which it does not find it again."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, **inputs: torch.Tensor) -> dict:
        """What the model returns for `inputs`, its loss among it."""
        return self.model(**inputs)


def train_stage(
    stage: Stage, start: Path, work: Path, *, workers: int, seed: int = 0, save_steps: int = 250
) -> tuple[VLM, float]:
    """Train the checkpoint in `start` for one stage; returns the model and the minutes taken by this call."""
    cuda = torch.cuda.is_available()
    vlm = load_checkpoint(start, dtype=torch.float32)
    if not cuda:
        vlm.model.set_attn_implementation("eager")  # 1.5 times as fast as fused attention here, on a processor
    torch.manual_seed(seed)
    pad = vlm.tokenizer.pad_token_id
    if stage.learns == "sight":
        module = sight.Sight(vlm.model.model.vision_tower, vlm.model.config.vision_config.hidden_size)
        collator = collate_patches
    else:
        module, collator = Whole(vlm.model), partial(collate, pad_token_id=pad)
        # A tower that learns along with a language model that cannot talk yet forgets what it has seen.
        vlm.model.model.vision_tower.requires_grad_(stage.learns == "all")
        vlm.model.model.multi_modal_projector.requires_grad_(stage.learns != "read")
    arguments = TrainingArguments(
        output_dir=str(work),
        max_steps=stage.samples // stage.batch,
        per_device_train_batch_size=stage.batch,
        train_sampling_strategy="sequential",
        learning_rate=stage.learning_rate,
        lr_scheduler_type="cosine_with_min_lr",
        lr_scheduler_kwargs={"min_lr_rate": stage.last_rate},
        warmup_steps=200,
        weight_decay=0.05,
        adam_beta2=0.98,
        max_grad_norm=1.0,
        bf16=True,  # autocast: 1.8 times as fast on a processor with AVX512-BF16
        use_cpu=not cuda,
        logging_steps=25,
        save_steps=save_steps,
        save_total_limit=2,
        dataloader_num_workers=workers,
        remove_unused_columns=False,
        report_to="none",
        seed=seed,
    )
    samples = DrawnSamples(stage, vlm.tokenizer, vlm.spec)
    trainer = Trainer(module.train(), arguments, train_dataset=samples, data_collator=collator)
    begun = time.monotonic()
    trainer.train(resume_from_checkpoint=any(work.glob("checkpoint-*")))
    vlm.model.eval()
    return vlm, (time.monotonic() - begun) / 60


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "data" / "internvl-mini", help="where the checkpoint goes")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "pretrain", help="checkpoints while training")
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the samples, to try the command")
    workers = max(1, (os.cpu_count() or 2) - 1) if torch.cuda.is_available() else 1
    parser.add_argument("--workers", type=int, default=workers, help="processes that draw pictures")
    parser.add_argument("--exam", type=int, default=200, help="held-out questions of each kind")
    args = parser.parse_args(argv)
    print(f"work folder: {args.work} (run the same command again to go on after an interruption)")
    folder = args.work / "untrained"
    if not (folder / "config.json").exists():
        write_untrained(folder)
    minutes_file = args.work / "minutes.json"
    minutes = json.loads(minutes_file.read_text()) if minutes_file.exists() else {}
    for stage in STAGES:
        stage = replace(stage, samples=max(stage.batch, round(stage.samples * args.scale)))
        start, folder = folder, args.work / stage.name.replace(" ", "-")
        if (folder / "config.json").exists():
            print(f"{stage.name}: already trained, {folder}")
            continue
        print(f"{stage.name}: {stage.samples:,} samples, {stage.samples // stage.batch:,} steps")
        vlm, taken = train_stage(stage, start, args.work / f"run-{folder.name}", workers=args.workers)
        minutes[stage.name] = minutes.get(stage.name, 0.0) + taken
        minutes_file.write_text(json.dumps(minutes))
        save_checkpoint(vlm, folder)
    vlm = load_checkpoint(folder)
    with torch.inference_mode():
        scores = exam.examine(vlm, args.exam)
    save_checkpoint(vlm, args.out)
    card = write_card(vlm, scores, minutes, args)
    (args.out / "README.md").write_text(card, encoding="utf-8")
    print(card)


def write_card(vlm: VLM, scores: dict, minutes: dict[str, float], args: argparse.Namespace) -> str:
    """The model card: what it is, how it was made, how it did in its examination."""
    parameters = sum(p.numel() for p in vlm.model.parameters())
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {torch.get_num_threads()} threads"
    command = f"python -m course_lib.mini.pretrain --scale {args.scale:g} --exam {args.exam}"
    rows = "\n".join(
        f"| {kind} | {language} | {tiles} | {score.successes} of {score.n} | {score.rate:.1%} "
        f"| {score.low:.1%} to {score.high:.1%} |"
        for (kind, language, tiles), score in scores.items()
    )
    stages = "\n".join(
        f"| {s.name} | {round(s.samples * args.scale):,} | {s.batch} | {s.learning_rate:g} | {minutes[s.name]:.0f} |"
        for s in STAGES
    )
    return CARD.format(
        parameters=parameters, vocabulary=len(vlm.tokenizer), command=command, date=date.today().isoformat(),
        machine=f"{platform.system()} {platform.machine()}, {device}", stages=stages, rows=rows, n=args.exam,
    )  # fmt: skip


if __name__ == "__main__":
    main()
