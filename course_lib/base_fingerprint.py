"""Which base model was this? A short hash of a checkpoint's weights, so that an adapter can find its own base."""

from __future__ import annotations

import hashlib
from pathlib import Path

SAMPLES, SAMPLE_BYTES = 256, 65536


def base_fingerprint(model_folder: Path | str) -> str:
    """SHA-256 over every weight file's name, size, head and 256 evenly spaced samples of 64 KiB.

    Samples, because a 2B checkpoint would take ten seconds to read whole; any training changes all of a tensor.
    """
    digest = hashlib.sha256()
    for file in sorted(Path(model_folder).glob("*.safetensors")):
        size = file.stat().st_size
        digest.update(f"{file.name} {size}\n".encode())
        with file.open("rb") as weights:
            for number in range(SAMPLES):
                weights.seek(number * max(0, size - SAMPLE_BYTES) // (SAMPLES - 1))
                digest.update(weights.read(SAMPLE_BYTES))
    return digest.hexdigest()
