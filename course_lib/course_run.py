"""Execute the course's notebooks without a browser: `python -m course_lib.course_run [--in-place] [NOTEBOOK …]`."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import nbformat
import typer

from course_lib import settings

if TYPE_CHECKING:
    from jupyter_client.manager import AsyncKernelManager

NOTEBOOKS = settings.ROOT / "notebooks"
BUILD = settings.ROOT / "build"

# Every tag that a cell may carry, and what it does.
KNOWN_TAGS = {
    "gpu": "runs only where torch finds a CUDA GPU",
    "report": "shown in the report of `make run`: a code cell's outputs, a text cell's text",
    "nbval-ignore-output": "executed by the tests, its output not compared",
    "nbval-skip": "not executed by the tests",
    "raises-exception": "fails on purpose",
}
# What Jupyter and its extensions note down about one execution or one screen.
VOLATILE = ("execution", "ExecuteTime", "collapsed", "scrolled", "trusted")
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


@dataclass(frozen=True)
class Outcome:
    """One notebook's execution. A failed one knows its cell, as `In [n]` counts, and the error."""

    notebook: Path
    executed: nbformat.NotebookNode
    seconds: float
    memory: int  # bytes that its kernel held at most, models and all
    failed_cell: int | None = None  # None: all went well
    error: str = ""


def numbered_notebooks(folder: Path = NOTEBOOKS) -> list[Path]:
    """The course in its order: 00_….ipynb, 01_….ipynb, …"""
    return sorted(folder.glob("[0-9][0-9]_*.ipynb"))


def execute(notebook: Path, *, gpu: bool, on_cell: Callable[[int], None] = lambda number: None) -> Outcome:
    """Run a notebook in a fresh kernel of this Python, in the notebook's folder. Its first failing cell ends it.

    `on_cell(number)` is called as each code cell starts. Cells tagged `gpu` keep their outputs where `gpu` is False.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, DeadKernelError

    executed = nbformat.v4.upgrade(nbformat.read(notebook, as_version=4))  # gives cells of older files their ids
    running, first_line = 0, ""

    def starts(cell: nbformat.NotebookNode, cell_index: int) -> None:
        nonlocal running, first_line
        running, first_line = running + 1, cell.source.strip().splitlines()[0]
        on_cell(running)

    client = NotebookClient(
        executed,
        km=_kernel_of_this_python(),
        timeout=None,  # a real fine-tuning takes hours
        iopub_timeout=60,
        resources={"metadata": {"path": str(notebook.parent)}},
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,  # an answer that was printed word by word is kept as one text
        skip_cells_with_tag="" if gpu else "gpu",
        on_cell_execute=starts,
        extra_arguments=["--log-level=ERROR"],  # no remark from each kernel that its loopback sockets are not encrypted
    )
    environment = {
        name: value for name, value in os.environ.items() if name != "MPLBACKEND"
    }  # figures are shown inline
    start, failed_cell, error, watch = time.perf_counter(), None, "", _MemoryWatch()
    try:
        with watch:
            client.execute(env=environment, cleanup_kc=True)  # a kernel left alive would keep its models in memory
    except CellExecutionError as failure:
        failed_cell, error = running, f"{failure.ename}: {failure.evalue} (in the cell that begins `{first_line}`)"
    except DeadKernelError:
        failed_cell, error = running, f"the kernel died, out of memory? (in the cell that begins `{first_line}`)"
    except AssertionError:
        if client.kc is not None:
            raise
        raise KeyboardInterrupt from None  # at Ctrl-C, nbclient takes its kernel away and then misses it
    normalise(executed)
    return Outcome(notebook, executed, time.perf_counter() - start, watch.peak, failed_cell, error)


class _MemoryWatch:
    """Looks at the memory of this process's children twice a second, while it is entered; `peak` in bytes."""

    def __init__(self) -> None:
        self.peak, self._left = 0, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        import psutil

        while not self._left.wait(0.5):
            held = 0
            for child in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):  # it ended since
                    held += child.memory_info().rss
            self.peak = max(self.peak, held)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exception: object) -> None:
        self._left.set()
        self._thread.join()


def normalise(notebook: nbformat.NotebookNode) -> None:
    """Leave in a notebook only what an execution on another machine leaves too, so that a diff shows changes."""
    notebook.metadata.pop("widgets", None)
    notebook.metadata.update(kernelspec=dict(KERNEL), language_info={"name": "python"})
    for cell in notebook.cells:
        for key in VOLATILE:
            cell.metadata.pop(key, None)
        for output in cell.get("outputs", ()):
            # A widget is drawn by its kernel only; what stays is the text form beside it.
            data = output.get("data", {})
            data.pop("application/vnd.jupyter.widget-view+json", None)
            for kind in [kind for kind in data if kind.startswith("text/")]:  # where this clone lies is nobody's business
                data[kind] = data[kind].replace(str(settings.ROOT), settings.ROOT.name)


def _kernel_of_this_python() -> AsyncKernelManager:
    """Whatever kernels this machine has registered, the notebooks run with the Python that runs this."""
    from ipykernel.kernelspec import RESOURCES, get_kernel_dict
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager

    class ThisPython(KernelSpecManager):
        def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
            return KernelSpec(resource_dir=str(RESOURCES), **get_kernel_dict())

    return AsyncKernelManager(kernel_name="python3", kernel_spec_manager=ThisPython())


def _uses_gpu_tag(notebook: Path) -> bool:
    return any("gpu" in cell.metadata.get("tags", ()) for cell in nbformat.read(notebook, as_version=4).cells)


def _run_one(notebook: Path, position: str, gpu: bool) -> Outcome:
    """Execute with a line that says which notebook, how long, and how it went."""
    line = f"{position} {notebook.stem:<32}"
    print(line, end="", flush=True)

    def show(cell: int) -> None:
        if sys.stdout.isatty():
            print(f"\r{line} cell {cell}", end="", flush=True)

    outcome = execute(notebook, gpu=gpu, on_cell=show)
    erase = f"\r\033[K{line}" if sys.stdout.isatty() else ""
    state = "ok" if outcome.failed_cell is None else f"FAILED in In [{outcome.failed_cell}]"
    print(f"{erase}{outcome.seconds:7.1f} s  {outcome.memory / 1e9:4.1f} GB  {state}", flush=True)
    return outcome


def run(notebooks: list[Path], *, in_place: bool, build: Path = BUILD) -> list[Outcome]:
    """Execute all, even after a failure. In place, one that failed stays as it was, its failed copy under `build`."""
    gpu = any(map(_uses_gpu_tag, notebooks)) and settings.pick_device()[0].type == "cuda"
    copies = build / "notebooks"
    copies.mkdir(parents=True, exist_ok=True)
    outcomes = []
    for number, notebook in enumerate(notebooks, start=1):
        outcome = _run_one(notebook, f"[{number}/{len(notebooks)}]", gpu)
        keep = in_place and outcome.failed_cell is None
        nbformat.write(outcome.executed, notebook if keep else copies / notebook.name)
        outcomes.append(outcome)
    return outcomes


def main(
    notebooks: Annotated[
        list[Path] | None, typer.Argument(help="which ones; all the numbered ones if none is named")
    ] = None,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="write the outputs into the notebooks, no report")
    ] = False,
) -> None:
    """Execute the numbered notebooks in order; executed copies and report.html go to build/."""
    from course_lib.course_report import write_report

    chosen = [path.resolve() for path in notebooks or numbered_notebooks()]
    missing = [str(path) for path in chosen if not path.is_file()]
    if missing or not chosen:
        print(f"no such notebook: {', '.join(missing) or NOTEBOOKS / '00_….ipynb'}", file=sys.stderr)
        raise typer.Exit(2)
    try:
        outcomes = run(chosen, in_place=in_place)
    except KeyboardInterrupt:
        print("\nstopped; notebooks that were done stay as they are, and trainings go on from their last checkpoint")
        raise typer.Exit(130) from None
    if not in_place:
        write_report(outcomes, BUILD / "report.html")
        print(f"Report: {BUILD / 'report.html'}")
    failed = [outcome for outcome in outcomes if outcome.failed_cell is not None]
    if failed:
        print(
            f"\n{len(failed)} of {len(outcomes)} failed; their copies under {BUILD / 'notebooks'} hold the tracebacks:"
        )
        for outcome in failed:
            print(f"{outcome.notebook.name}, In [{outcome.failed_cell}]: {outcome.error}")
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
