"""The web page for talking to a model, tuned and untuned side by side: which models, and the server on 127.0.0.1."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from course_lib.ports import HOST, require_free
from course_lib.settings import model_folder, pick_device

if TYPE_CHECKING:
    from course_lib.engine import Engine
    from course_lib.webui_speakers import Model

PORTS = range(7860, 7960)  # the first free one, if none is asked for
TASKS = ("food", "meme")
ENGINES_AT_ONCE = {"lmdeploy server": 4}  # questions that an engine bears at a time; 1 for those in this process


@dataclass(frozen=True)
class Tuned:
    """A fine-tuned model: a checkpoint's folder, or an adapter's beside which the base is loaded."""

    name: str
    folder: Path
    is_adapter: bool = False
    task: str = ""  # "food" or "meme", if it was tuned for one


def course_runs(base: Path) -> list[Tuned]:
    """What notebooks 05 and 06 have left: each task's finished run of the course's recipe, merged if it has been."""
    from course_lib.course_steps import recipe_for, run_folder
    from course_lib.data_problems import DataError
    from course_lib.records import load_task

    found = []
    for task in TASKS:
        try:
            records = load_task(task, "train"), load_task(task, "test")
        except DataError as error:
            print(f"No {task} run is looked for, as its data cannot be read: {error}")
            continue
        folder = run_folder(recipe_for(task, base), *records, model=base)
        if (folder / "recipe.json").is_file() and (tuned := resolve_tuned(folder, unfinished=True)):
            found.append(tuned)
    return found


def resolve_tuned(folder: Path, *, unfinished: bool = False) -> Tuned | None:
    """What a folder holds: a merged checkpoint, a training run, or an adapter. Raises ValueError, or FileNotFoundError.

    `unfinished=True` gives None for a run that is not finished.
    """
    from course_lib.run_folder import Run

    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder: give a merged checkpoint's, a run's or an adapter's")
    run_folder = folder if (folder / "recipe.json").is_file() else folder.parent
    task, name = "", folder.name
    if (run_folder / "recipe.json").is_file():
        run = Run.read(run_folder)
        name = run.recipe.name
        task = next((task for task in TASKS if task in run.recipe.name), "")
        if not run.finished:
            if unfinished:
                return None
            raise ValueError(f"the run in {run_folder} is not finished: go on with it (train --resume) or give another")
        if folder == run_folder:
            folder = folder / "merged" if (folder / "merged").is_dir() else run.adapter_folder
    if (folder / "adapter_config.json").is_file():
        return Tuned(name, folder, is_adapter=True, task=task)
    if (folder / "config.json").is_file():
        return Tuned(name, folder, task=task)
    raise ValueError(f"{folder} holds neither a checkpoint (config.json), nor a run (recipe.json), nor an adapter")


@contextmanager
def open_models(model: Path, tuned: Sequence[Tuned], engine: str = "auto") -> Iterator[list[Model]]:
    """The base and the tuned models, ready to answer; closed at the end. Raises ValueError.

    "auto" is transformers where several models are to answer, so that they share one card, else as `open_engine`.
    """
    from course_lib.checkpoint import load_spec
    from course_lib.engines import open_engine
    from course_lib.merging import load_with_adapter
    from course_lib.webui_speakers import Model

    if engine == "auto" and tuned:
        engine = "transformers"
    for one in tuned:
        if one.is_adapter and engine != "transformers":
            raise ValueError(
                f"{engine} cannot use the adapter {one.folder} as it is: merge it first (python -m course_lib merge "
                f"{one.folder} --out FOLDER) and give that folder, or use the engine transformers"
            )
    with ExitStack() as stack:
        opened = stack.enter_context(open_engine(model, engine))
        models = [Model(model.name, "before" if tuned else "", opened, *load_spec(model))]
        for one in tuned:
            loaded = load_with_adapter(model, one.folder) if one.is_adapter else open_engine(one.folder, engine)
            stack.enter_context(loaded)
            spec = load_spec(model if one.is_adapter else one.folder)
            models.append(Model(one.name, "after", loaded, *spec, task=one.task))
        yield models


@contextmanager
def serve_page(
    models: Sequence[Model], *, port: int | None = None, max_megabytes: int = 10, max_megapixels: int = 50,
    root_path: str | None = None, open_browser: bool = False,
) -> Iterator[str]:
    """The page's address, on 127.0.0.1, as long as the `with` lasts; one in a process. OSError where the port is taken.

    What visitors upload is in a folder of this process that only its user can read, and goes with it.
    """
    if port is not None:
        require_free(port)
    with tempfile.TemporaryDirectory(prefix="course-webui-") as temporary, _uploads_in(Path(temporary, "uploads")):
        from course_lib.webui_blocks import build
        from course_lib.webui_examples import examples
        from course_lib.webui_look import CSS, THEME, script
        from course_lib.webui_page import Page
        from course_lib.webui_pictures import Limits
        from course_lib.webui_speakers import Speakers

        root = Path(temporary)
        at_once = min(ENGINES_AT_ONCE.get(model.engine.name, 1) for model in models)
        page = Page(
            Speakers(models, at_once), examples(root / "examples"), root / "pictures", about(models[0].engine),
            Limits(max_megabytes, max_megapixels),
        )  # fmt: skip
        blocks = build(page)
        try:
            _, address, _ = blocks.launch(
                server_name=HOST, server_port=port, share=False, inline=False, prevent_thread_lock=True, quiet=True,
                inbrowser=open_browser, max_file_size=max_megabytes * 2**20, footer_links=[], run_history=False,
                enable_monitoring=False, mcp_server=False, pwa=False, ssr_mode=False, root_path=root_path, theme=THEME,
                css=CSS, js=script(page.limits), allowed_paths=[str(example.picture) for example in page.examples],
            )  # fmt: skip
            yield address
        finally:
            blocks.close(verbose=False)


@contextmanager
def _uploads_in(folder: Path) -> Iterator[None]:
    """Gradio reads from the environment where uploads go; as it was outside."""
    before = os.environ.get("GRADIO_TEMP_DIR")
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    try:
        yield
    finally:
        del os.environ["GRADIO_TEMP_DIR"]
        if before is not None:
            os.environ["GRADIO_TEMP_DIR"] = before


def about(engine: Engine) -> str:
    """The engine's name and the device that it computes on."""
    return f"{engine.name}, {getattr(engine, 'device', pick_device()[0])}"


def launch(
    model: Path | str | None = None, *, tuned: Sequence[Path | str] | None = None, engine: str = "auto",
    port: int | None = None, max_megabytes: int = 10, max_megapixels: int = 50, root_path: str | None = None,
    open_browser: bool = False,
) -> None:
    """Load the models, print the address, and serve until Ctrl-C.

    `tuned`: folders of merged checkpoints, runs or adapters to answer beside the `model` (None: the course's); None:
    the course's own runs, where they are finished; empty: none. Raises ValueError and OSError.
    """
    if port is not None:
        require_free(port)  # before the long load
    base = model_folder() if model is None else Path(model)
    chosen = course_runs(base) if tuned is None else [resolve_tuned(Path(folder)) for folder in tuned]
    if tuned is None and not chosen:
        print("runs/ has no finished run of the course (notebook 05 trains them): the base answers alone")
    print("device: {} ({})".format(*pick_device()), flush=True)
    with open_models(base, chosen, engine) as models:
        for one, folder in zip(models, [base, *(run.folder for run in chosen)], strict=True):
            found = "found: " if tuned is None and one.role == "after" else ""
            print(f"{one.role or 'model'}: {found}{one.name}, {folder}, {about(one.engine)}")
        settings = {"max_megabytes": max_megabytes, "max_megapixels": max_megapixels, "root_path": root_path}
        with serve_page(models, port=port, open_browser=open_browser, **settings) as address:
            print(f"The page is at {address} (for this machine only). Ctrl-C ends it.", flush=True)
            try:
                while True:
                    time.sleep(3600)
            except KeyboardInterrupt:
                print("\nThe page is closed.", file=sys.stderr)
