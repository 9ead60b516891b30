"""An adapter becomes part of the weights: W + (alpha / r) B A, on one of three bases, measured and exported.

LoRA (arXiv 2106.09685, section 4.1) adds (alpha / r) B A to a frozen W; merging carries the sum out once, so that the
model is an ordinary checkpoint again and costs nothing extra to run. Which W? An adapter trained with QLoRA saw NF4
weights, so the pristine 16-bit base, the dequantised NF4 base and NF4 itself give three different models.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from course_lib.base_fingerprint import base_fingerprint
from course_lib.records import Record
from course_lib.run_folder import ABOUT
from course_lib.teacher_forcing import answer_logits

if TYPE_CHECKING:
    import torch

    from course_lib.vlm import VLM

BASES = ("16bit", "nf4-dequantised", "nf4")
EXPORT_TOLERANCE = 1e-3  # in logits; the weights are the same, but kernels may sum in another order
PREFIX = "base_model.model."  # peft's name for the model that it wraps


class MergeError(ValueError):
    """An adapter that cannot be merged here, or an export that is not what was saved; says why and what to do."""


@dataclass(frozen=True)
class Adapter:
    """What training saved: pairs (A `[r, in]`, B `[out, r]`) by layer name, and tensors that were trained whole."""

    folder: Path
    scaling: float  # alpha / r
    pairs: dict[str, tuple[torch.Tensor, torch.Tensor]]
    whole: dict[str, torch.Tensor]


def read_adapter(folder: Path | str) -> Adapter:
    """Read peft's `adapter_config.json` and `adapter_model.safetensors`. Raises MergeError if this is no plain LoRA."""
    from safetensors.torch import load_file

    folder = Path(folder)
    missing = [name for name in ("adapter_config.json", "adapter_model.safetensors") if not (folder / name).is_file()]
    if missing:
        raise MergeError(f"{folder} has no {' and no '.join(missing)}: give the adapter folder that training wrote")
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    unplain = [f"{name}={config[name]!r}" for name in
               ("use_dora", "use_rslora", "rank_pattern", "alpha_pattern", "lora_bias", "fan_in_fan_out")
               if config.get(name)]  # fmt: skip
    if config.get("peft_type") != "LORA" or unplain:
        kind = ", ".join([str(config.get("peft_type")), *unplain])
        raise MergeError(f"{folder}: only a plain LoRA adapter is merged here, this one is {kind}")
    tensors = {name.removeprefix(PREFIX): tensor
               for name, tensor in load_file(folder / "adapter_model.safetensors").items()}  # fmt: skip
    layers = [name.removesuffix(".lora_A.weight") for name in tensors if name.endswith(".lora_A.weight")]
    pairs = {name: (tensors.pop(f"{name}.lora_A.weight"), tensors.pop(f"{name}.lora_B.weight")) for name in layers}
    return Adapter(folder, config["lora_alpha"] / config["r"], pairs, tensors)


def merged_weight(
    weight: torch.Tensor, a: torch.Tensor, b: torch.Tensor, scaling: float, dtype: torch.dtype
) -> torch.Tensor:
    """W `[out, in]` + scaling * B `[out, r]` A `[r, in]`, summed in float32 and rounded once, to `dtype`."""
    a, b = a.to(weight.device).float(), b.to(weight.device).float()
    return (weight.float() + scaling * (b @ a)).to(dtype)


def merge_adapter(
    model_folder: Path | str, adapter_folder: Path | str, *, base: str = "16bit", rounding: bool = True,
    device: torch.device | str | None = None,
) -> VLM:
    """Load a base, merge an adapter into it, return the VLM; the folders stay as they are.

    base: "16bit" (the checkpoint's own weights), "nf4-dequantised" (what training with QLoRA saw, back in 16 bits) or
    "nf4" (dequantised, merged, quantised again). Merged weights are rounded to the checkpoint's dtype, as they will be
    when saved; `rounding=False` keeps them as exact as the loaded model is. Raises MergeError.
    """
    import torch

    from course_lib.checkpoint import load_checkpoint

    if base not in BASES:
        raise MergeError(f"base is one of {', '.join(BASES)}, not {base!r}")
    adapter = read_adapter(adapter_folder)
    check_base(adapter, model_folder)
    vlm = load_checkpoint(model_folder, quantization=None if base == "16bit" else "nf4", device=device)
    check_fits(adapter, vlm.model)
    if base == "nf4-dequantised":
        dequantise(vlm.model, vlm.dtype)
    with torch.no_grad():
        for name, (a, b) in adapter.pairs.items():
            layer = vlm.model.get_submodule(name)
            if is_4bit(layer):
                requantise(layer, merged_weight(dequantised_weight(layer), a, b, adapter.scaling, torch.float32))
            else:
                layer.weight.copy_(merged_weight(layer.weight, a, b, adapter.scaling, vlm.dtype))
        for name, tensor in adapter.whole.items():
            vlm.model.get_parameter(name).copy_(tensor)
        for parameter in vlm.model.parameters() if rounding else ():
            if parameter.is_floating_point():  # packed 4-bit weights are bytes
                parameter.copy_(parameter.to(vlm.spec.stored_dtype))
    return vlm


def load_with_adapter(
    model_folder: Path | str, adapter_folder: Path | str, quantization: str | None = None,
    device: torch.device | str | None = None,
) -> VLM:
    """The base with the adapter beside it, not merged: exactly what training optimised. Raises MergeError."""
    from course_lib.adapters import attach_adapter
    from course_lib.checkpoint import load_checkpoint

    adapter = read_adapter(adapter_folder)
    check_base(adapter, model_folder)
    vlm = load_checkpoint(model_folder, quantization=quantization, device=device)
    check_fits(adapter, vlm.model)
    attach_adapter(vlm, adapter_folder)
    return vlm


def check_base(adapter: Adapter, model_folder: Path | str) -> None:
    """Raises MergeError if the run beside the adapter tuned other weights, even of the same shapes."""
    about = adapter.folder.parent / ABOUT
    if not about.is_file():
        return  # an adapter from elsewhere: shapes are all that can be checked
    tuned = json.loads(about.read_text(encoding="utf-8"))
    if tuned.get("model_fingerprint", found := base_fingerprint(model_folder)) != found:
        raise MergeError(f"{adapter.folder} tuned the weights of {tuned['model']}, and {model_folder} holds others: "
                         "added to those, it would give neither model. Merge it into the base it tuned.")  # fmt: skip


def check_fits(adapter: Adapter, model: torch.nn.Module) -> None:
    """Raises MergeError listing every tensor of the adapter that the model has no place of that shape for."""
    modules, parameters = dict(model.named_modules()), dict(model.named_parameters())
    problems = []
    for name, (a, b) in adapter.pairs.items():
        if name not in modules:
            problems.append(f"the base has no layer {name}")
            continue
        wanted = (modules[name].out_features, modules[name].in_features)
        if (found := (b.shape[0], a.shape[1])) != wanted or a.shape[0] != b.shape[1]:
            problems.append(f"{name} is {wanted[0]} x {wanted[1]}, the adapter was made for {found[0]} x {found[1]}")
    for name, tensor in adapter.whole.items():
        if name not in parameters:
            problems.append(f"the base has no tensor {name}")
        elif parameters[name].shape != tensor.shape:
            problems.append(f"{name} is {list(parameters[name].shape)}, the adapter's is {list(tensor.shape)}")
    if "lm_head" in adapter.pairs and model.config.tie_word_embeddings:
        problems.append("its output head is the embeddings themselves, and the adapter would change both")
    if problems:
        shown = "\n  ".join(problems[:5] + [f"… and {len(problems) - 5} more"] * (len(problems) > 5))
        raise MergeError(f"{adapter.folder} belongs to another base model:\n  {shown}\nMerge it into its own.")


def is_4bit(layer: torch.nn.Module) -> bool:
    """Whether bitsandbytes holds this layer in 4 bits (its weights are then packed, two to a byte)."""
    import bitsandbytes

    return isinstance(layer, bitsandbytes.nn.Linear4bit)


def dequantised_weight(layer: torch.nn.Module) -> torch.Tensor:
    """The weight `[out, in]` that a 4-bit layer computes with. Raises MergeError once the layer has been repacked."""
    import bitsandbytes

    if getattr(layer.weight.quant_state, "packing_format_for_cpu", False):
        raise MergeError("this 4-bit model has answered something, and this processor repacked its weights for that: "
                         "load it again, then read or merge")  # fmt: skip
    return bitsandbytes.functional.dequantize_4bit(layer.weight.data, layer.weight.quant_state)


def requantise(layer: torch.nn.Module, weight: torch.Tensor) -> None:
    """Put `weight` `[out, in]` into a 4-bit layer, quantised as its old weight was."""
    import bitsandbytes

    old = layer.weight
    layer.weight = bitsandbytes.nn.Params4bit(
        weight.to("cpu"), requires_grad=False, blocksize=old.blocksize, compress_statistics=old.compress_statistics,
        quant_type=old.quant_type, quant_storage=old.quant_storage,
    ).to(old.device)  # quantises on arrival


def dequantise(model: torch.nn.Module, dtype: torch.dtype) -> None:
    """Replace every 4-bit layer by an ordinary one that holds the same numbers in `dtype`."""
    import torch

    for name, layer in [(name, layer) for name, layer in model.named_modules() if is_4bit(layer)]:
        plain = torch.nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None, device="meta")
        plain.weight = torch.nn.Parameter(dequantised_weight(layer).to(dtype), requires_grad=False)
        plain.bias = layer.bias
        model.set_submodule(name, plain)
    model.is_loaded_in_4bit = False  # what transformers, peft and save_checkpoint ask
    model.hf_quantizer = model.quantization_method = None
    del model.config.quantization_config


def compare_logits(
    a: VLM, b: VLM, records: Sequence[Record], *, n: int | None = None, max_tiles: int | None = None
) -> dict[str, float]:
    """How far two models differ where the answers of the first `n` records are formed (both on their own device).

    Gives "positions"; "max_abs" and "mean_abs" differences of logits; "top1_agreement", the share of positions with
    the same likeliest token; "kl", the mean Kullback-Leibler divergence of b from a, in nats.
    """
    import torch

    positions, largest, total, agreed, divergence, logits = 0, 0.0, 0.0, 0, 0.0, 0
    batches = zip(*(answer_logits(vlm, records[:n], max_tiles=max_tiles) for vlm in (a, b)), strict=True)
    for (logits_a, wanted), (logits_b, _) in batches:
        difference = (logits_a - logits_b).abs()
        positions, logits = positions + wanted.numel(), logits + difference.numel()
        largest, total = max(largest, difference.max().item()), total + difference.sum().item()
        agreed += (logits_a.argmax(-1) == logits_b.argmax(-1)).sum().item()
        log_a, log_b = logits_a.log_softmax(-1), logits_b.log_softmax(-1)
        divergence += torch.nn.functional.kl_div(log_b, log_a, reduction="sum", log_target=True).item()
    if not positions:
        raise MergeError("no record to compare on: give at least one")
    return {
        "positions": positions, "max_abs": largest, "mean_abs": total / logits, "top1_agreement": agreed / positions,
        "kl": divergence / positions,
    }  # fmt: skip


def verify_export(
    folder: Path | str, vlm: VLM, records: Sequence[Record] = (), *, n: int = 8
) -> dict[str, float]:
    """Load an exported folder again: every tensor must be the saved model's, bit for bit, and so must the logits.

    Gives "tensors" and, with `records`, what `compare_logits` gives on the first `n`. Raises MergeError.
    """
    import torch

    from course_lib.checkpoint import load_checkpoint

    reloaded = load_checkpoint(folder, dtype=vlm.dtype, device=vlm.device)
    saved, found = vlm.model.state_dict(), reloaded.model.state_dict()
    different = [name for name in sorted(saved.keys() | found.keys())
                 if name not in saved or name not in found or not torch.equal(saved[name], found[name])]  # fmt: skip
    if different:
        raise MergeError(
            f"{folder} is not the model in memory: {len(different)} tensors differ, the first is {different[0]}. "
            "Only a merged model is saved whole, and rounding=False keeps digits that the file's dtype has no room for."
        )
    report = {"tensors": len(saved)}
    if records:
        report |= compare_logits(vlm, reloaded, records, n=n)
        if report["max_abs"] > EXPORT_TOLERANCE:
            raise MergeError(f"{folder}: same tensors, yet logits differ by {report['max_abs']:.3g}: its small files "
                             "(config.json, tokenizer) are not those of the saved model")  # fmt: skip
    return report


def merge_command(
    model: Path, adapter: Path, out: Path, *, base: str = "16bit", records: Sequence[Record] = ()
) -> dict[str, float]:
    """What `python -m course_lib merge` does: merge, save to `out` in the official layout, verify on `records`."""
    from course_lib.checkpoint import save_checkpoint

    if base == "nf4":
        raise MergeError("the official layout has no 4-bit weights: export base 16bit or nf4-dequantised")
    vlm = merge_adapter(model, adapter, base=base)
    save_checkpoint(vlm, out)
    return verify_export(out, vlm, records)
