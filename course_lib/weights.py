"""Reading and writing safetensors weights, one file or sharded, with never more than one tensor or shard at hand."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from course_lib.layout import CheckpointError

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
DTYPES = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32, "F64": torch.float64}


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor lies, and what it is: known from the file's header, without reading its numbers."""

    name: str
    file: Path
    shape: tuple[int, ...]
    dtype: torch.dtype

    def read(self, dtype: torch.dtype | None = None) -> torch.Tensor:
        """The tensor in memory of its own. Raises CheckpointError."""
        # safetensors maps the file, and mapped pages count as the process's memory once touched. Opening the file anew
        # for each tensor lets them go again, so that loading needs one copy of the model and not two.
        with _open(self.file) as file:
            return file.get_tensor(self.name).to(dtype or self.dtype, copy=True)


def read_json(file: Path) -> Any:
    """A JSON file's content. Raises CheckpointError that names file, line and column."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{file} is not valid JSON: {error}") from error


def stored_tensors(folder: Path) -> dict[str, StoredTensor]:
    """All tensors of a checkpoint's folder, by name. Raises CheckpointError for missing, damaged or cut-off files."""
    files = _files(folder)
    missing = sorted({file.name for file in files if not file.is_file()})
    if missing:
        raise CheckpointError(
            f"{folder}: {INDEX} names {len(files)} files, of which {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing: download the checkpoint again, completely"
        )
    found = {}
    for path, expected in files.items():
        with _open(path) as file:
            names = set(file.keys())
            for name in names:
                part = file.get_slice(name)
                if part.get_dtype() not in DTYPES:
                    raise CheckpointError(
                        f"{path}: the tensor {name} has the type {part.get_dtype()}, not a 16- or 32-bit float: "
                        "this looks like a quantised checkpoint; use the original one"
                    )
                found[name] = StoredTensor(name, path, tuple(part.get_shape()), DTYPES[part.get_dtype()])
        if lost := sorted(expected - names):
            raise CheckpointError(
                f"{folder / INDEX} says that {path.name} holds {lost[0]} ({len(lost)} such tensors), but it does not: "
                "index and shards come from different checkpoints"
            )
    if not found:
        raise CheckpointError(f"{folder}: its weight files hold no tensors")
    return found


def _files(folder: Path) -> dict[Path, set[str]]:
    """The weight files, each with the tensors that the index promises in it."""
    if (folder / SINGLE).is_file():
        return {folder / SINGLE: set()}
    if not (folder / INDEX).is_file():
        others = sorted(file.name for pattern in ("*.bin", "*.pth", "*.gguf") for file in folder.glob(pattern))
        hint = f" (it has {others[0]}, but only safetensors are read)" if others else ""
        raise CheckpointError(f"{folder} has no weights{hint}: expected {SINGLE}, or {INDEX} and its shards")
    index = read_json(folder / INDEX)
    if not isinstance(index, dict) or not isinstance(index.get("weight_map"), dict):
        raise CheckpointError(f"{folder / INDEX} has no weight_map, which says which file holds which tensor")
    files: dict[Path, set[str]] = {}
    for name, file in index["weight_map"].items():
        if Path(file).name != file:
            raise CheckpointError(f"{folder / INDEX} places {name} in {file!r}, which is outside the folder")
        files.setdefault(folder / file, set()).add(name)
    return files


def _open(file: Path) -> Any:
    try:
        return safe_open(file, framework="pt")
    except (SafetensorError, OSError) as error:
        size = file.stat().st_size
        pointer = size < 1000 and file.read_bytes().startswith(b"version https://git-lfs")
        what = "is a Git LFS pointer, not the weights" if pointer else f"is damaged or cut off at {size:,} bytes"
        raise CheckpointError(f"{file} {what}: download it again ({error})") from error


def write_weights(
    folder: Path,
    sizes: Mapping[str, int],
    make: Callable[[str], torch.Tensor],
    *,
    shard_bytes: int = 5_000_000_000,
    progress: bool = False,
) -> None:
    """Write tensors `make(name)`, of `sizes[name]` bytes, as one file or as shards with an index."""
    from tqdm.auto import tqdm

    shards: list[list[str]] = [[]]
    filled = 0
    for name, size in sizes.items():
        if shards[-1] and filled + size > shard_bytes:
            shards.append([])
            filled = 0
        shards[-1].append(name)
        filled += size
    count = len(shards)
    files = [SINGLE] if count == 1 else [f"model-{n:05d}-of-{count:05d}.safetensors" for n in range(1, count + 1)]
    total = sum(sizes.values())
    with tqdm(total=total, disable=not progress, unit="B", unit_scale=True, desc="writing weights") as bar:
        for file, names in zip(files, shards, strict=True):
            tensors = {}
            for name in names:
                tensors[name] = make(name).contiguous()
                bar.update(sizes[name])
            # Under another name first, so that an interrupted run leaves no half-written weights that look whole.
            save_file(tensors, folder / f"{file}.part", metadata={"format": "pt"})
            os.replace(folder / f"{file}.part", folder / file)
    if count > 1:
        weight_map = {name: file for file, names in zip(files, shards, strict=True) for name in names}
        index = {"metadata": {"total_size": total}, "weight_map": weight_map}
        (folder / INDEX).write_text(json.dumps(index, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        files.append(INDEX)
    # Weights of an earlier save would be read instead of these, or beside them.
    for stale in {*folder.glob("model-*-of-*.safetensors"), folder / SINGLE, folder / INDEX}:
        if stale.name not in files:
            stale.unlink(missing_ok=True)
