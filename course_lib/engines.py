"""Open a model with one engine or another; from then on both are used alike (engine.py says how)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from course_lib.settings import model_folder, pick_device

if TYPE_CHECKING:
    from course_lib.engine import Engine

ENGINES = {
    "transformers": "in this process, on a CPU or a GPU; keeps keys and values between a chat's turns",
    "lmdeploy": "in this process, on a GPU",
    "lmdeploy-server": "in a process of its own, on a GPU; gives its memory back, and other programs can use it",
}


def default_engine(model: Path) -> str:
    """What "auto" means for a checkpoint on this machine."""
    from course_lib.lmdeploy_folder import is_served

    return "lmdeploy-server" if pick_device()[0].type == "cuda" and is_served(model) else "transformers"


def open_engine(model: str | Path | None = None, engine: str = "auto", **settings: Any) -> Engine:
    """The engine named (see ENGINES) with the checkpoint in the folder `model` (None: the course's model).

    "auto" is lmdeploy's server where there is a CUDA GPU and lmdeploy knows the checkpoint's kind, else transformers.
    `settings` are the engine's own: `load_checkpoint`'s, `LMDeployEngine`'s, `LMDeployServer`'s. Use it in a `with`, so
    that its memory comes back.
    """
    folder = model_folder() if model is None else Path(model)
    if engine == "auto":
        engine = default_engine(folder)
    if engine == "transformers":
        from course_lib.checkpoint import load_checkpoint

        return load_checkpoint(folder, **settings)
    if engine == "lmdeploy":
        from course_lib.lmdeploy_engine import LMDeployEngine

        return LMDeployEngine(folder, **settings)
    if engine == "lmdeploy-server":
        from course_lib.lmdeploy_server import serve

        return serve(folder, **settings)
    raise ValueError(f"engine must be 'auto' or one of {', '.join(map(repr, ENGINES))}, got {engine!r}")
