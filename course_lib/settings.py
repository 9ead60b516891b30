"""Which model, which data, which device: the three choices a learner makes without editing a notebook."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

ROOT = Path(__file__).resolve().parents[1]


def model_folder() -> Path:
    """Folder of the checkpoint to use: `COURSE_MODEL` is `mini` (the default) or a path. Raises FileNotFoundError."""
    choice = os.environ.get("COURSE_MODEL", "").strip() or "mini"
    if choice == "mini":
        return ROOT / "data" / "internvl-mini"
    folder = Path(choice).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(
            f"COURSE_MODEL is {choice!r}, which is not a folder (looked in {folder.resolve()}): "
            "set it to 'mini' or to a checkpoint's folder"
        )
    return folder.resolve()


def is_mini(model: Path | None = None) -> bool:
    """True when a model (the one in use, if none is given) is the small one that ships with the kit."""
    return (model or model_folder()).resolve() == ROOT / "data" / "internvl-mini"


def data_folder(task: str) -> Path:
    """Folder of a task's data (`food`, `meme`), under `COURSE_DATA` or the kit's `data/`. Raises FileNotFoundError."""
    choice = os.environ.get("COURSE_DATA", "").strip()
    if not choice:
        return ROOT / "data" / task
    base = Path(choice).expanduser()
    if not base.is_dir():
        raise FileNotFoundError(
            f"COURSE_DATA is {choice!r}, which is not a folder (looked in {base.resolve()}): "
            "unset it to use the kit's own data, or set it to the folder that holds yours"
        )
    base = base.resolve()
    return base / task if (base / task).is_dir() else base


def pick_device() -> tuple[torch.device, str]:
    """The device to compute on, and why, in words to show to a person."""
    import torch

    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        memory = properties.total_memory / 2**30
        return torch.device("cuda", 0), f"CUDA GPU found: {properties.name}, {memory:.0f} GiB"
    if torch.version.cuda is None and torch.version.hip is None:
        return torch.device("cpu"), "this build of torch is for the CPU only"
    return torch.device("cpu"), "torch finds no usable CUDA GPU on this machine"
