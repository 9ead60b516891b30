"""Fixtures that several tests share. Everything runs offline, on few threads, so that tests can run side by side."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read by torch when it is first imported
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def golden() -> Path:
    """The official code's results on random weights, kept beside the repository by those who develop the kit."""
    folder = REPOSITORY.parent / "shared" / "golden"
    if not folder.is_dir():
        pytest.skip("../shared/golden is absent: only the comparison with the official code's results is left out")
    return folder


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random checkpoint in the official layout: 56-px tiles, 4 tokens a tile. Read only."""
    from course_lib.checkpoint import write_random_checkpoint

    return write_random_checkpoint(tmp_path_factory.mktemp("checkpoint") / "tiny", "tiny")


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path):
    """The VLM of `tiny_folder`, float32 on the CPU. Not to be changed: load one's own for that."""
    from course_lib.checkpoint import load_checkpoint

    return load_checkpoint(tiny_folder, device="cpu")
