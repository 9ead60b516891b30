"""Both engines on a GPU, in one command: `python -m course_lib.gpu_serving --out data/gpu-runs/serving.json`.

For internvl-mini and a random-weight InternVL2-2B: does lmdeploy say what transformers says at temperature 0, how fast
are both, how much memory does each hold, and does it come back?
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from course_lib.agreement import agreement
from course_lib.benchmark import Speed, held_out_questions, measure_speed, stopwatch, token_counter
from course_lib.engines import open_engine
from course_lib.gpu_runs import random_2b
from course_lib.run_folder import machine, write_json
from course_lib.sampling import Sampling
from course_lib.settings import ROOT

GIB = 2**30


def free_memory() -> int:
    """Bytes of the GPU's memory that no program holds."""
    import torch

    return torch.cuda.mem_get_info()[0]


def measure(
    model: Path, engine: str, conversations: list, batches: list[int], sampling: Sampling, **settings: Any
) -> tuple[dict[str, Any], list[list[int]] | None]:
    """Open an engine, ask it everything, close it: a row of figures, and the token ids of its answers if it tells."""
    from course_lib.tokenizer import load_tokenizer

    count, before = token_counter(load_tokenizer(model)), free_memory()
    with stopwatch() as opening:
        opened = open_engine(model, engine, **settings)
    with opened:
        held = before - free_memory()
        speeds = [measure_speed(opened, conversations, count=count, batch_size=batch, sampling=sampling, progress=True)
                  for batch in batches]  # fmt: skip
        ids = opened.answer_ids(conversations, sampling) if engine == "lmdeploy" else None
    row = {
        "engine": engine, "seconds to open": round(opening(), 1), "GiB held": round(held / GIB, 2),
        "GiB not given back": round((before - free_memory()) / GIB, 2), "speeds": speeds,
    }  # fmt: skip
    return row, ids


def compare(model: Path, batches: list[int], questions: int, backend: str, cache_fraction: float) -> dict[str, Any]:
    """All engines on one model, and how far lmdeploy's tokens are transformers' own."""
    conversations, sampling = held_out_questions(questions), Sampling(64)
    rows, first, theirs = [], None, None
    lmdeploy = {"backend": backend, "cache_fraction": cache_fraction}
    # lmdeploy in this process comes last: CUDA keeps some of its memory until the process ends.
    for engine in ("transformers", "lmdeploy-server", "lmdeploy"):
        options = {} if engine == "transformers" else lmdeploy
        row, ids = measure(model, engine, conversations, batches, sampling, **options)
        first = first or row["speeds"][0]
        rows.append(row | {"speeds": [figures_of(speed, first) for speed in row["speeds"]]})
        print(rows[-1], flush=True)
        theirs = ids or theirs
    with open_engine(model, "transformers") as vlm:
        agreed = agreement(vlm, conversations, theirs)
    print(agreed, flush=True)
    return {"model": model.name, "engines": rows, "agreement": asdict(agreed)}


def figures_of(speed: Speed, first: Speed) -> dict[str, Any]:
    """What is kept of a measurement; the answers themselves only as how many equal those of the first one."""
    return {
        "at once": speed.batch, "answers": len(speed.answers), "tokens": speed.tokens,
        "seconds": round(speed.seconds, 2), "first token": round(speed.first_token, 3),
        "same answers": sum(a == b for a, b in zip(speed.answers, first.answers, strict=True)),
    }  # fmt: skip


def main(
    out: Annotated[Path, typer.Option(help="a JSON file for all figures and answers")],
    large: Annotated[Path | None, typer.Option(help="an InternVL2-2B's folder; random weights if not given")] = None,
    work: Annotated[Path, typer.Option(help="folder for the random weights")] = ROOT / "build" / "gpu",
    questions: Annotated[int, typer.Option(min=1)] = 64,
    batch: Annotated[list[int] | None, typer.Option(min=1, help="questions at once; may be repeated")] = None,
    backend: Annotated[str, typer.Option(help="auto, turbomind or pytorch")] = "auto",
    cache_fraction: Annotated[float, typer.Option(help="of the free memory, for lmdeploy's keys and values")] = 0.1,
) -> None:
    """Compare both engines on a CUDA GPU."""
    models = (ROOT / "data" / "internvl-mini", large or random_2b(work))
    report = {
        "date": date.today().isoformat(), "machine": machine(), "backend": backend,
        "versions": {name: version(name) for name in ("torch", "transformers", "lmdeploy")},
        "models": [compare(model, batch or [1, 4, 16, 64], questions, backend, cache_fraction) for model in models],
    }  # fmt: skip
    out.parent.mkdir(parents=True, exist_ok=True)
    write_json(out, report)
    print(out)


if __name__ == "__main__":  # lmdeploy starts processes that read this file again
    typer.run(main)
