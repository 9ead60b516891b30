"""What a training leaves behind: recipe, data fingerprint, versions, metrics, checkpoints and the adapter."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from course_lib.base_fingerprint import base_fingerprint
from course_lib.dataset import Record
from course_lib.recipes import Recipe

RECIPE, ABOUT, METRICS, ADAPTER = "recipe.json", "run.json", "metrics.jsonl", "adapter"
UNFINISHED = "unfinished"  # where a checkpoint is being written, or deleted
PACKAGES = ("torch", "transformers", "peft", "bitsandbytes", "accelerate", "deepspeed")
MAY_CHANGE = {"name", "keep", "workers", "log_every"}  # by a resumed run: nothing here changes what is learned


@dataclass(frozen=True)
class Run:
    """A training's folder, read back; `metrics` are its logged steps, oldest first."""

    folder: Path
    recipe: Recipe
    about: dict[str, Any]
    metrics: list[dict[str, Any]]

    @classmethod
    def read(cls, folder: Path | str) -> Run:
        """Raises FileNotFoundError where no run was started."""
        folder = Path(folder)
        if not (folder / RECIPE).is_file():
            raise FileNotFoundError(f"no {RECIPE} in {folder}: this is not a run's folder")
        recipe, about = (json.loads((folder / name).read_text(encoding="utf-8")) for name in (RECIPE, ABOUT))
        return cls(folder, Recipe(**recipe), about, read_metrics(folder / METRICS))

    @property
    def adapter_folder(self) -> Path:
        return self.folder / ADAPTER

    @property
    def finished(self) -> bool:
        return bool(self.about.get("finished"))

    def held_out_losses(self) -> dict[int, float]:
        """{step: held-out loss}; step 0 is before training."""
        return {line["step"]: line["eval_loss"] for line in self.metrics if "eval_loss" in line}


def fingerprint(records: Iterable[Record]) -> str:
    """SHA-256 over texts and pictures, order included: two runs with the same one learned from the same data."""
    digest = hashlib.sha256()
    pictures: dict[Path, str] = {}
    for record in records:
        for image in record.images:
            if image not in pictures:
                pictures[image] = hashlib.sha256(image.read_bytes()).hexdigest()
        content = [list(record.messages), [pictures[image] for image in record.images]]
        digest.update(json.dumps(content, ensure_ascii=False, sort_keys=True).encode())
    return digest.hexdigest()


def describe(model_folder: Path, train: Sequence[Record], held_out: Sequence[Record], processes: int = 1,
             deepspeed: str | None = None) -> dict[str, Any]:
    """What made a result, beyond its recipe."""
    data = {name: {"records": len(records), "files": sorted({record.source.name for record in records}),
                   "sha256": fingerprint(records)} for name, records in (("train", train), ("held_out", held_out))}
    return {
        "model": str(model_folder),
        "model_fingerprint": base_fingerprint(model_folder),
        "data": data,
        "processes": processes,
        "deepspeed": deepspeed,
        "machine": machine(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "finished": None,
    }


def machine() -> str:
    """The GPU's name, or how many cores there are."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()} CPU cores"


def start(folder: Path, recipe: Recipe, about: dict[str, Any], *, resume: bool, overwrite: bool) -> Path | None:
    """Prepare a run's folder; the checkpoint to go on from, if any.

    Raises FileExistsError where another run would be lost, ValueError where a resumed run would not be the same run.
    """
    exists = (folder / RECIPE).exists()
    if exists and not resume and not overwrite:
        raise FileExistsError(f"{folder} holds a run already: give another folder, or resume=True to go on with it, "
                              "or overwrite=True to replace it")
    if exists and resume:
        before = Run.read(folder)
        changed = {name: pair for name, pair in before.recipe.differences(recipe).items() if name not in MAY_CHANGE}
        for name, words in (("data", ("other records", "these")), ("model_fingerprint", ("another model", "this one"))):
            if before.about[name] != about[name]:
                changed[name.removesuffix("_fingerprint")] = words
        for name, usual in (("processes", 1), ("deepspeed", None)):  # they decide what a step is and a checkpoint holds
            if before.about.get(name, usual) != about[name]:
                changed[name] = (before.about.get(name, usual), about[name])
        if changed:
            listed = ", ".join(f"{name} was {was!r}, is {now!r}" for name, (was, now) in changed.items())
            raise ValueError(f"cannot resume {folder} with other settings: {listed}")
        checkpoint = newest_checkpoint(folder)
        keep_metrics(folder / METRICS, -1 if checkpoint is None else int(checkpoint.name.split("-")[1]))
        return checkpoint
    folder.mkdir(parents=True, exist_ok=True)
    if exists:
        (folder / RECIPE).unlink()  # first: what is left, if this is interrupted, is not taken for a run
        for old in [*checkpoints(folder), folder / UNFINISHED, folder / ADAPTER]:
            shutil.rmtree(old, ignore_errors=not old.exists())
    (folder / METRICS).unlink(missing_ok=True)
    write_json(folder / ABOUT, about)
    write_json(folder / RECIPE, asdict(recipe))
    return None


def finish(folder: Path) -> None:
    """Note in run.json that all steps are done and the adapter is saved."""
    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    write_json(folder / ABOUT, about | {"finished": datetime.now(UTC).isoformat(timespec="seconds")})


def checkpoints(folder: Path) -> list[Path]:
    """The folders `checkpoint-N`, oldest first."""
    return sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))


def newest_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint; it is whole, as its folder gets its name last."""
    return next(reversed(checkpoints(folder)), None)


def keep_checkpoint(folder: Path, step: int, keep: int) -> None:
    """Give the checkpoint under `unfinished/` its name, and delete all but the newest `keep`."""
    unfinished, name = folder / UNFINISHED, f"checkpoint-{step}"
    for file in (unfinished / name).rglob("*"):
        if file.is_file():
            with file.open("rb") as written:
                os.fsync(written.fileno())  # or, after a power cut, there might be the name without the content
    (unfinished / name).rename(folder / name)
    for old in checkpoints(folder)[:-keep]:
        old.rename(unfinished / old.name)  # what is half deleted must not look like a checkpoint
    shutil.rmtree(unfinished)


def require_room(folder: Path, trained: int, keep: int) -> None:
    """Raises OSError where the disk has no room for `keep` checkpoints of `trained` numbers, one more, and the adapter.

    A checkpoint holds 12 bytes a trained number: its float32 value and AdamW's two moments.
    """
    needed = ((keep + 1) * 12 + 4) * trained
    free = shutil.disk_usage(folder).free + sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    if free < needed:
        raise OSError(f"{folder} needs room for {keep + 1} checkpoints and the adapter, {needed / 2**20:.0f} MiB, and "
                      f"{free / 2**20:.0f} MiB are free: make room, give a folder on another disk, or use a lower rank")


@contextmanager
def writing(folder: Path, what: str) -> Iterator[None]:
    """Say what to do where `what` cannot be written, a full disk most likely; half of it is removed. Raises OSError."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:  # torch and safetensors have errors of their own
        free = shutil.disk_usage(folder).free / 2**20
        shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
        before = newest_checkpoint(folder)
        raise OSError(
            f"{what} could not be written to {folder} ({str(error).splitlines()[0]}; {free:.0f} MiB were free): make "
            f"room there; then --resume (resume=True) goes on from {'the beginning' if before is None else before.name}"
        ) from error


def write_json(file: Path, content: Any) -> None:
    """Write so that a reader, or a run killed half-way, never meets half a file."""
    part = file.with_suffix(".part")
    part.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    os.replace(part, file)


def append_metrics(file: Path, line: dict[str, Any]) -> None:
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(line) + "\n")


def read_metrics(file: Path) -> list[dict[str, Any]]:
    """The lines of a metrics.jsonl; of a run that is just writing, or was killed, up to its last whole line."""
    if not file.exists():
        return []
    whole, _, _ = file.read_text(encoding="utf-8").rpartition("\n")
    return [json.loads(line) for line in whole.splitlines()]


def keep_metrics(file: Path, last_step: int) -> None:
    """Drop the lines after `last_step`: a resumed run writes them again."""
    kept = [line for line in read_metrics(file) if line["step"] <= last_step]
    part = file.with_suffix(".part")
    part.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
    os.replace(part, file)
