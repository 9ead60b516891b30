"""A checkpoint's folder as lmdeploy needs it: links to the weights, and small files that leave nothing to guess.

So an official download is served as well as an export of this kit: with the prompt and the stop tokens of training,
without remote code, and whatever the folder is called.
"""

from __future__ import annotations

import importlib.util
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from course_lib.small_files import write_small_files
from course_lib.spec import load_spec
from course_lib.weights import stored_tensors

if TYPE_CHECKING:
    from course_lib.vlm import ModelSpec

BACKENDS = ("auto", "turbomind", "pytorch")
TURBOMIND_HEADS = (64, 128)  # the head sizes that TurboMind has kernels for


def link_checkpoint(folder: str | Path, place: Path) -> ModelSpec:
    """Fill the empty folder `place` with what lmdeploy serves `folder` from. ValueError, CheckpointError."""
    folder = Path(folder).resolve()
    tokenizer, spec = load_spec(folder)
    _check_layout(folder, spec)
    weights = {tensor.file for tensor in stored_tensors(folder).values()}
    for file in weights | set(folder.glob("*.safetensors.index.json")):
        (place / file.name).symlink_to(file)
    config = {name: value for name, value in spec.config.items() if name != "auto_map"} | {
        # lmdeploy has defaults of its own for what a config.json leaves out.
        "dynamic_image_size": True, "min_dynamic_patch": spec.min_tiles, "max_dynamic_patch": spec.max_tiles,
        "use_thumbnail": spec.thumbnail, "force_image_size": spec.tile_size, "torch_dtype": _dtype(spec),
    }  # fmt: skip
    files = {name: content for name, content in spec.files.items() if not name.endswith(".py")}
    write_small_files(place, replace(spec, config=config, files=files), tokenizer)
    return spec


def is_served(folder: str | Path) -> bool:
    """Whether lmdeploy reads a checkpoint of this kind as this kit does. Raises CheckpointError."""
    return _known(load_spec(folder)[1])


def choose_backend(folder: str | Path, backend: str = "auto") -> str:
    """"turbomind" or "pytorch": what is asked for, or for "auto" TurboMind where it is built and has kernels.

    ValueError for another name, or where TurboMind cannot run this model.
    """
    if backend not in BACKENDS:
        raise ValueError(f"backend must be one of {', '.join(BACKENDS)}, got {backend!r}")
    if backend == "pytorch":
        return backend
    spec = load_spec(folder)[1]
    _check_layout(folder, spec)
    llm = spec.config["llm_config"]
    head = llm["hidden_size"] // llm["num_attention_heads"]
    if head in TURBOMIND_HEADS and (backend == "turbomind" or _turbomind_loads()):
        return "turbomind"
    if backend == "turbomind":
        raise ValueError(f"TurboMind has kernels for heads of 64 and 128, this model has {head}: use backend='pytorch'")
    return "pytorch"


def require_gpu() -> None:
    """Raises RuntimeError where there is no NVIDIA GPU, or no lmdeploy, which says what to do instead."""
    import torch

    if not torch.cuda.is_available():
        raise RuntimeError(
            "lmdeploy needs an NVIDIA GPU, and torch finds none here: use engine='transformers', which needs none"
        )
    if importlib.util.find_spec("lmdeploy") is None:
        raise RuntimeError("lmdeploy is not installed: run `make env`, or use engine='transformers'")


def memory_advice(text: str) -> str:
    """What to do, if `text` (an error or a log) tells of a shortage of GPU memory; else an empty text."""
    if not re.search(r"out ?of ?memory|enough (free |gpu )?memory|cudaErrorMemoryAllocation", text, re.IGNORECASE):
        return ""
    return (
        "The GPU's memory was not enough: lower cache_fraction (the part of the free memory that keys and values take) "
        "or session_len, or free memory first (close other engines, restart other notebooks)."
    )


def _check_layout(folder: str | Path, spec: ModelSpec) -> None:
    if not _known(spec):
        what = "ps_version v1" if spec.layout == "internvl_chat" else "transformers' own layout"
        raise ValueError(
            f"{folder} has {what}: lmdeploy would make other prompts or visual tokens from it than this kit; "
            "use engine='transformers'"
        )


def _known(spec: ModelSpec) -> bool:
    return spec.layout == "internvl_chat" and spec.ps_version == "v2"


def _dtype(spec: ModelSpec) -> str:
    """What lmdeploy computes in: the weights' own 16-bit format, or bfloat16, which holds what float32 holds."""
    name = str(spec.stored_dtype).removeprefix("torch.")
    return name if name in ("float16", "bfloat16") else "bfloat16"


def _turbomind_loads() -> bool:
    from lmdeploy import turbomind

    return turbomind.is_available()
