"""QLoRA's two halves: a frozen language model in NF4's sixteen levels, and small trained matrices beside it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas
    import torch
    from peft import PeftModel

    from course_lib.vlm import VLM

PROJECTOR = "multi_modal_projector"


def _nf4_levels() -> tuple[float, ...]:
    """Quantiles of the normal distribution, scaled to [-1, 1], with an exact zero (QLoRA, arXiv 2305.14314, app. E).

    The zero leaves 15 levels: 8 above it and 7 below. The outermost quantile is not 1 (that would be infinite) but
    the mean of 1 - 1/32 and 1 - 1/30, half a step of either side's grid.
    """
    outermost = 1 - (1 / 32 + 1 / 30) / 2
    quantile = NormalDist().inv_cdf
    above = [quantile(outermost + (0.5 - outermost) * step / 8) for step in range(8)]
    below = [-quantile(outermost + (0.5 - outermost) * step / 7) for step in range(7)]
    return tuple(level / max(above) for level in sorted([*below, 0.0, *above]))


NF4_LEVELS = _nf4_levels()


def quantise_nf4_by_hand(w: torch.Tensor, block: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    """(codes [blocks, block] uint8 in 0..15, absmax [blocks] float32): each block over its largest value, to the
    nearest level. The last block is filled up with zeros. Equal to bitsandbytes without double quantisation."""
    import torch

    flat = w.detach().float().flatten()
    blocks = torch.nn.functional.pad(flat, (0, -len(flat) % block)).view(-1, block)  # [blocks, block]
    absmax = blocks.abs().amax(dim=1)  # [blocks]
    scaled = blocks / absmax.clamp(min=torch.finfo(torch.float32).tiny)[:, None]
    levels = torch.tensor(NF4_LEVELS, dtype=torch.float32, device=w.device)
    codes = torch.bucketize(scaled, (levels[1:] + levels[:-1]) / 2)  # the borders lie half-way between levels
    return codes.to(torch.uint8), absmax


def dequantise_nf4_by_hand(codes: torch.Tensor, absmax: torch.Tensor, shape: Iterable[int]) -> torch.Tensor:
    """The float32 weights of `shape` that codes [blocks, block] and absmax [blocks] stand for."""
    import torch

    levels = torch.tensor(NF4_LEVELS, dtype=torch.float32, device=codes.device)
    shape = tuple(shape)
    count = int(torch.tensor(shape).prod())
    return (levels[codes.long()] * absmax[:, None]).flatten()[:count].view(shape)


def lora_targets(model: torch.nn.Module, head: bool = False) -> list[str]:
    """Full names of every linear layer of the language model (q, k, v, o, gate, up, down), and `lm_head` if asked.

    Full names, because the ViT has a `q_proj` too. The head is not in the language model: the old course's trainer
    (target_modules=None) did adapt it.
    """
    import torch

    names = [name for name, module in model.named_modules()
             if isinstance(module, torch.nn.Linear) and ".language_model.layers." in f".{name}"]
    return names + ["lm_head"] * head


def add_adapter(vlm: VLM, *, rank: int, alpha: float, dropout: float = 0.0, head: bool = False,
                train_projector: bool = True) -> PeftModel:
    """Freeze `vlm.model`, add LoRA to its language model and make its projector trainable; changes it in place.

    `rank=0` trains the projector alone (stage 1). Returns peft's view of the model, which saves and merges what is
    trained. Trained weights are float32 whatever the model is. Raises ValueError where nothing would be trained.
    """
    import peft
    from peft.utils.constants import DUMMY_TARGET_MODULES

    if rank == 0 and not train_projector:
        raise ValueError("rank=0 and train_projector=False would train nothing")
    _keep_nf4_trainable(vlm.model)
    config = peft.LoraConfig(
        r=rank or 1,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=lora_targets(vlm.model, head) if rank else DUMMY_TARGET_MODULES,  # peft's word for "no layer"
        modules_to_save=[PROJECTOR] if train_projector else None,
    )
    with _peft_is_quiet():
        adapted = peft.get_peft_model(vlm.model, config)
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return adapted


def save_adapter(adapted: PeftModel, folder: Path | str) -> None:
    """LoRA and projector as `adapter_model.safetensors` and `adapter_config.json`, the layout that peft loads."""
    # "auto" would store the whole head beside its LoRA, and look on the network whether the vocabulary has grown.
    adapted.save_pretrained(str(folder), save_embedding_layers=False)


def attach_adapter(vlm: VLM, folder: Path | str) -> PeftModel:
    """Put a saved adapter (and its projector) into a freshly loaded VLM, ready to answer; changes it in place."""
    import peft

    folder = Path(folder)
    if not (folder / "adapter_config.json").is_file():
        raise FileNotFoundError(f"no adapter_config.json in {folder}: give a run's adapter/ or checkpoint-… folder")
    with _peft_is_quiet():
        adapted = peft.PeftModel.from_pretrained(vlm.model, str(folder))
    vlm.model.model.multi_modal_projector.to(vlm.dtype)
    return adapted.eval()


@contextmanager
def _peft_is_quiet() -> Iterator[None]:
    """peft 0.21 asks transformers 5.23 by a name that became another, and each call would say so."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        yield


def _keep_nf4_trainable(model: torch.nn.Module) -> None:
    """On some processors bitsandbytes repacks NF4 weights at the first evaluation, for a kernel without gradients."""
    import bitsandbytes

    for name, module in model.named_modules():
        if isinstance(module, bitsandbytes.nn.Linear4bit):
            if getattr(module.weight.quant_state, "packing_format_for_cpu", False):
                raise ValueError(f"{name} was repacked for inference when this NF4 model answered something, and no "
                                 "gradient passes it any more: load the checkpoint again and train that")
            module.support_avx512bf16_for_cpu = False


def parameter_table(model: torch.nn.Module) -> pandas.DataFrame:
    """Parameters, trained parameters and MiB of each part of an InternVL model, adapters included; "total" is last.

    A 4-bit layer's parameters are counted as the numbers they stand for; its MiB include its block constants.
    """
    import pandas

    rows: dict[str, list[float]] = {}
    for name, parameter in model.named_parameters():
        row = rows.setdefault(_part(name), [0, 0, 0.0])
        state = getattr(parameter, "quant_state", None)
        count = parameter.numel() if state is None else state.shape.numel()
        row[0] += count
        row[1] += count * parameter.requires_grad
        row[2] += (parameter.nbytes + (0 if state is None else _constants_bytes(state))) / 2**20
    parts = [part for part in PARTS if part in rows]
    table = pandas.DataFrame([rows[part] for part in parts], index=pandas.Index(parts, name="part"),
                             columns=["parameters", "trained", "MiB"])
    table.loc["total"] = table.sum()
    return table.astype({"parameters": "int64", "trained": "int64"})


PARTS = ("ViT", "projector", "projector before training", "embeddings", "language model", "head", "LoRA")


def _part(name: str) -> str:
    if "lora_" in name:
        return "LoRA"
    if "vision_tower" in name:
        return "ViT"
    if PROJECTOR in name:
        return "projector before training" if "original_module" in name else "projector"
    if "embed_tokens" in name:
        return "embeddings"
    return "head" if "lm_head" in name else "language model"


def _constants_bytes(state: object) -> int:
    """Bytes of a bitsandbytes QuantState: the blocks' largest values, themselves quantised once more or not."""
    nested = getattr(state, "state2", None)
    return state.absmax.nbytes + (0 if nested is None else nested.absmax.nbytes + nested.code.nbytes)
