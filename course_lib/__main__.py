"""`python -m course_lib COMMAND`: the course from a terminal. Each command imports what it needs when it runs."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Annotated

try:
    import typer
except ModuleNotFoundError as missing:
    sys.exit(
        f"{sys.executable} has no {missing.name}: it is not the course's Python. Run: make env, then .venv/bin/python"
    )

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Task = Annotated[str, typer.Argument(help="food or meme")]
Model = Annotated[Path | None, typer.Option(help="the checkpoint's folder; COURSE_MODEL if not given")]
Engine = Annotated[str, typer.Option(help="auto, transformers, lmdeploy or lmdeploy-server")]
Data = Annotated[Path | None, typer.Option(help="the folder with the task's records; COURSE_DATA if not given")]


@app.callback()
def commands() -> None:
    """See, fine-tune, merge and prove InternVL2, from a terminal."""


@app.command()
def doctor() -> None:
    """Say whether this machine is ready, and give the command that mends each thing that is not."""
    from course_lib.doctor import report

    found = report()
    print(found)
    raise typer.Exit(1 if found.problems else 0)


@app.command()
def train(
    task: Annotated[str | None, typer.Argument(help="food or meme; told from --data or --recipe if not given")] = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="mini-food, mini-meme, food-lora, meme-qlora or a recipe.json; what fits if not given"),
    ] = None,
    model: Model = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="the task's folder; or a file of records, FILE*2.5 to take it two and a half times, or a meta file; "
            "may be given several times; COURSE_DATA if not given"
        ),
    ] = None,
    held_out: Annotated[
        list[str] | None, typer.Option(help="files to measure on; a tenth of the pictures if not given")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="change one of the recipe's settings: --set learning_rate=1e-4")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="the run's folder; runs/RECIPE-FINGERPRINT if not given")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on from the run's newest checkpoint")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace the run that is in the folder")] = False,
    deepspeed: Annotated[
        str | None, typer.Option(help="zero1, zero2 or zero3; several processes: torchrun -m course_lib train …")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what there is and what it takes")] = False,
    train_on_foodieqa: Annotated[
        bool, typer.Option("--train-on-foodieqa", help="I know FoodieQA's licence, and may train on it")
    ] = False,
) -> None:
    """Fine-tune with LoRA or QLoRA; says first what it will take, and measures the held-out loss before and after."""
    from course_lib.train_command import train_command

    try:
        run = train_command(
            task, recipe, _model(model), data or [], held_out or [], settings or [], out, resume=resume,
            overwrite=overwrite, deepspeed=deepspeed, dry_run=dry_run, train_on_foodieqa=train_on_foodieqa or None,
        )  # fmt: skip
    except KeyboardInterrupt as stopped:  # typer would only say "Aborted"
        print(f"course_lib: {stopped}", file=sys.stderr)
        raise typer.Exit(130) from None
    if run is None or int(os.environ.get("RANK", 0)) > 0:  # of several processes the first speaks
        return
    for step, loss in run.held_out_losses().items():
        print(f"held-out loss at step {step}: {loss:.4f}")
    print(f"adapter: {run.adapter_folder}")


@app.command()
def merge(
    adapter: Annotated[Path, typer.Argument(help="the adapter's folder, RUN/adapter")],
    out: Annotated[Path, typer.Option(help="where the merged checkpoint goes")],
    model: Model = None,
    base: Annotated[str, typer.Option(help="16bit, or nf4-dequantised (the weights that QLoRA saw)")] = "16bit",
) -> None:
    """Merge an adapter into its base and save it in the official layout; it is loaded again and compared."""
    from course_lib.merging import merge_command

    for name, value in merge_command(_model(model), adapter, out, base=base).items():
        print(f"{name}: {value:g}")
    print(f"merged: {out}")


@app.command()
def evaluate(
    task: Task,
    model: Model = None,
    adapter: Annotated[Path | None, typer.Option(help="an adapter beside the model, not merged")] = None,
    data: Data = None,
    quantization: Annotated[str | None, typer.Option(help="nf4: load the language model in 4 bits")] = None,
    split: Annotated[
        str,
        typer.Option(help="test, train, or all: both, for a set that no training saw, such as your own FoodieQA"),
    ] = "test",
    limit: Annotated[int | None, typer.Option(min=1, help="only the first so many records")] = None,
    shuffled: Annotated[
        bool, typer.Option("--shuffled", help="negative control: each question with another's picture")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="a JSON file for answers and scores")] = None,
) -> None:
    """Ask a model every held-out question of a task and score its answers, with Wilson intervals."""
    from course_lib.evaluation import evaluate_command

    result = evaluate_command(
        _model(model), task, adapter=adapter, quantization=quantization, split=split, data=data, out=out, limit=limit,
        shuffled=shuffled,
    )  # fmt: skip
    print(result.scores)
    print(f"held-out loss: {result.loss:.4f}")


@app.command()
def chat(
    model: Model = None,
    engine: Engine = "auto",
    image: Annotated[list[Path] | None, typer.Option(help="a picture for the first question; may be repeated")] = None,
    temperature: Annotated[float, typer.Option(min=0, help="0: always the likeliest token")] = 0.0,
    top_p: Annotated[float, typer.Option(help="only the likeliest tokens that hold this much together")] = 1.0,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="an answer's longest length")] = 256,
) -> None:
    """Talk to a model in this terminal."""
    from course_lib.engines import open_engine
    from course_lib.terminal_chat import converse, typed_lines

    with open_engine(_model(model), engine) as opened:
        converse(
            opened.chat(), typed_lines(), lambda text: print(text, end="", flush=True), pictures=image or (),
            temperature=temperature, top_p=top_p, max_new_tokens=max_new_tokens,
        )  # fmt: skip


@app.command()
def webui(
    model: Model = None,
    tuned: Annotated[
        list[Path] | None,
        typer.Option(help="a tuned model beside it: a merged checkpoint, a run or an adapter; may be repeated"),
    ] = None,
    base_only: Annotated[bool, typer.Option("--base-only", help="do not look for tuned models in runs/")] = False,
    engine: Engine = "auto",
    port: Annotated[int | None, typer.Option(help="a free one from 7860 on if not given")] = None,
    max_megabytes: Annotated[int, typer.Option(min=1, help="of a picture that a visitor may bring")] = 10,
    open_browser: Annotated[bool, typer.Option("--open", help="open the page in a browser")] = False,
) -> None:
    """Serve a web page, on 127.0.0.1 only, to talk to a model, and to its tuned versions beside it."""
    from course_lib.webui import launch

    launch(
        _model(model), tuned=[] if base_only else tuned or None, engine=engine, port=port, max_megabytes=max_megabytes,
        open_browser=open_browser,
    )  # fmt: skip


@app.command()
def benchmark(
    model: Model = None,
    engine: Annotated[
        list[str] | None, typer.Option(help="auto, transformers, lmdeploy, lmdeploy-server; may be repeated")
    ] = None,
    questions: Annotated[int, typer.Option(min=1, help="how many held-out questions, food and joke by turns")] = 32,
    batch: Annotated[list[int] | None, typer.Option(min=1, help="questions at once; may be repeated")] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="an answer's longest length")] = 64,
    backend: Annotated[str, typer.Option(help="of lmdeploy: auto, turbomind or pytorch")] = "auto",
    out: Annotated[Path | None, typer.Option(help="a JSON file for speeds and answers")] = None,
) -> None:
    """Measure how fast engines answer, one after the other, and whether they say the same at temperature 0."""
    from course_lib.benchmark import benchmark_command, speed_table
    from course_lib.run_folder import machine

    speeds = benchmark_command(
        _model(model), engine or ["auto"], questions=questions, batches=batch or (1, 4, 16),
        max_new_tokens=max_new_tokens, out=out, backend=backend,
    )  # fmt: skip
    print(speed_table(speeds, f"{questions} questions, {machine()}"))


def _model(chosen: Path | None) -> Path:
    from course_lib.settings import model_folder

    return chosen or model_folder()


def main() -> None:
    """Run a command; a mistake in what it was given is told in plain words with exit code 2, not as a traceback."""
    try:
        app()
    except (OSError, ValueError, ArithmeticError, RuntimeError) as mistake:
        raised_in = traceback.extract_tb(mistake.__traceback__)[-1].filename
        # A library's own ValueError is no mistake in the input that we know how to explain: let it be seen whole.
        if not isinstance(mistake, OSError) and Path(__file__).parent not in Path(raised_in).parents:
            raise
        print(f"course_lib: {mistake}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
