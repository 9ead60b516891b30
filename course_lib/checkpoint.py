"""Load an InternVL checkpoint's folder into transformers' own model, without remote code, and save it back.

Two layouts: the official InternVLChatModel (InternVL2 and later), and transformers' own (checkpoints named "-hf").
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from course_lib.layout import CheckpointError, count_parameters, empty_model, tensor_table
from course_lib.random_checkpoint import internvl2_2b_config, write_random_checkpoint
from course_lib.settings import pick_device
from course_lib.small_files import write_small_files
from course_lib.spec import load_spec, tensor_layout, transformers_config
from course_lib.vlm import VLM, ModelSpec
from course_lib.weights import StoredTensor, stored_tensors, write_weights

if TYPE_CHECKING:
    from transformers import InternVLConfig, InternVLForConditionalGeneration, PreTrainedTokenizerFast

__all__ = [
    "CheckpointError", "count_parameters", "empty_model", "internvl2_2b_config", "load_checkpoint", "load_spec",
    "save_checkpoint", "write_random_checkpoint",
]  # fmt: skip

def load_checkpoint(
    folder: str | Path,
    *,
    quantization: str | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> VLM:
    """A checkpoint's folder -> VLM. `quantization="nf4"` holds the language model's linear layers in 4 bits.

    `dtype=None` is the checkpoint's on a GPU and float32 on a CPU. Raises CheckpointError.
    """
    if quantization not in (None, "nf4"):
        raise ValueError(f"quantization must be None or 'nf4', got {quantization!r}")
    folder = Path(folder)
    tokenizer, spec = load_spec(folder)
    stored = stored_tensors(folder)
    native = transformers_config(folder, spec, stored)
    _check_vocabulary(folder, native, tokenizer)

    device = pick_device()[0] if device is None else torch.device(device)
    dtype = dtype or (torch.float32 if device.type == "cpu" else spec.stored_dtype)
    model = empty_model(native, ps_version=spec.ps_version)
    table = tensor_table(model, tensor_layout(spec))
    _check_tensors(folder, model, table, spec, stored)
    if quantization == "nf4":
        _prepare_nf4(model, dtype)
    _fill(model, table, spec, stored, dtype, device)
    model.generation_config.eos_token_id = list(spec.stop_token_ids)
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return VLM(model.eval(), tokenizer, spec)


def save_checkpoint(vlm: VLM, folder: str | Path, *, shard_bytes: int = 5_000_000_000) -> None:
    """Write the layout that was loaded, weights in the checkpoint's own dtype, ready for lmdeploy. CheckpointError.

    Beside the official files stand a tokenizer.json, a chat template and the stop tokens (small_files.py), so that
    lmdeploy and plain transformers need no remote code and build the very prompt of training.
    """
    folder, spec, model = Path(folder), vlm.spec, vlm.model
    if getattr(model, "is_loaded_in_4bit", False):
        raise CheckpointError("the language model is held in 4 bits: merge the adapter onto the 16-bit base, then save")
    if hasattr(model, "peft_config"):
        raise CheckpointError("the model still carries an adapter: merge it first (course_lib.merging)")
    folder.mkdir(parents=True, exist_ok=True)
    tensors, layout = model.state_dict(), tensor_layout(spec)
    table = tensor_table(model, layout)

    def make(name: str) -> torch.Tensor:
        return layout.join(name, [tensors[part].to("cpu", spec.stored_dtype) for part in table[name]])

    sizes = {
        name: sum(tensors[part].numel() for part in parts) * spec.stored_dtype.itemsize
        for name, parts in table.items()
    }
    write_weights(folder, sizes, make, shard_bytes=shard_bytes)
    write_small_files(folder, spec, vlm.tokenizer)


def _check_vocabulary(folder: Path, native: InternVLConfig, tokenizer: PreTrainedTokenizerFast) -> None:
    rows, tokens = native.text_config.vocab_size, len(tokenizer)
    # Qwen2's embeddings have a few spare rows, InternLM2's none.
    spare = 0 if (folder / "tokenizer.model").is_file() else rows // 100
    if not rows - spare <= tokens <= rows:
        raise CheckpointError(
            f"{folder}: the tokenizer has {tokens:,} tokens but the model's vocabulary {rows:,}: "
            "weights and tokenizer come from different checkpoints"
        )


def _check_tensors(
    folder: Path,
    model: InternVLForConditionalGeneration,
    table: Mapping[str, list[str]],
    spec: ModelSpec,
    stored: Mapping[str, StoredTensor],
) -> None:
    """Compare names and shapes with the file's before a single number is read."""
    shapes, layout = model.state_dict(), tensor_layout(spec)
    missing, unexpected = sorted(table.keys() - stored.keys()), sorted(stored.keys() - table.keys())
    wrong = []
    for name in table.keys() & stored.keys():
        expected = tuple(layout.join(name, [shapes[part] for part in table[name]]).shape)
        if expected != stored[name].shape:
            wrong.append(f"{name} is {list(stored[name].shape)} and should be {list(expected)}")
    problems = [
        f"{len(names)} tensors {what}: {', '.join(names[:3])}{' …' if len(names) > 3 else ''}"
        for names, what in (
            (missing, "are missing"),
            (unexpected, "are unexpected"),
            (sorted(wrong), "have the wrong shape"),
        )
        if names
    ]
    if problems:
        raise CheckpointError(f"{folder}: config.json and the weights do not fit. " + "; ".join(problems))


def _prepare_nf4(model: InternVLForConditionalGeneration, dtype: torch.dtype) -> None:
    """Put 4-bit layers in the place of the language model's linear layers, and of nothing else."""
    from bitsandbytes.nn import Linear4bit
    from transformers import BitsAndBytesConfig
    from transformers.quantizers import AutoHfQuantizer
    from transformers.utils.quantization_config import QuantizationMethod

    layers = model.model.language_model.layers
    for name, module in list(layers.named_modules()):
        if type(module) is not torch.nn.Linear:
            continue
        layer = Linear4bit(
            module.in_features, module.out_features, module.bias is not None, compute_dtype=dtype,
            compress_statistics=True, quant_type="nf4", device="meta",
        )  # fmt: skip
        # On those processors bitsandbytes would repack the weights when first used in eval mode. That rounds more,
        # gives other answers than elsewhere, and lets no gradient through when training goes on after an evaluation.
        layer.support_avx512bf16_for_cpu = False
        layers.set_submodule(name, layer)
    # What transformers would have set: Trainer and peft ask for it.
    quantization = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )
    model.hf_quantizer = AutoHfQuantizer.from_config(quantization, pre_quantized=False)
    model.config.quantization_config = quantization
    model.quantization_method = QuantizationMethod.BITS_AND_BYTES
    model.is_loaded_in_4bit = True


def _fill(
    model: InternVLForConditionalGeneration,
    table: Mapping[str, list[str]],
    spec: ModelSpec,
    stored: Mapping[str, StoredTensor],
    dtype: torch.dtype,
    device: torch.device,
) -> None:
    """Read tensor after tensor into the empty model, each quantised or moved before the next is read."""
    layout = tensor_layout(spec)
    for name, parts in table.items():
        shapes = [model.get_parameter(part).shape for part in parts]
        for part, tensor in zip(parts, layout.split(name, stored[name].read(dtype), shapes), strict=True):
            _assign(model, part, tensor, device)
    model.tie_weights()
    model.model.language_model.rotary_emb.to(device)


def _assign(model: torch.nn.Module, name: str, tensor: torch.Tensor, device: torch.device) -> None:
    owner, _, attribute = name.rpartition(".")
    module, empty = model.get_submodule(owner), model.get_parameter(name)
    if hasattr(empty, "quant_type"):  # bitsandbytes' Params4bit, which quantises when it is moved to a device
        parameter = type(empty)(
            tensor, requires_grad=False, quant_type=empty.quant_type, compress_statistics=empty.compress_statistics,
            module=module,
        ).to(device)  # fmt: skip
    else:
        parameter = torch.nn.Parameter(tensor.to(device))
    setattr(module, attribute, parameter)


if __name__ == "__main__":
    from course_lib.random_checkpoint import main

    main()
