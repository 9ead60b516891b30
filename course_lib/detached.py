"""A training in a process of its own: started from a notebook, it goes on when the kernel restarts or the tab closes.

All that is known about it stands in the run's folder (process.json, train.log, metrics.jsonl, run.json), so any other
process can attach to it, watch it and stop it.
"""

from __future__ import annotations

import html
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from course_lib.live_figure import PICTURE, LiveFigure, in_notebook, progress
from course_lib.run_folder import ABOUT, METRICS, read_metrics, write_json
from course_lib.settings import ROOT

PROCESS, LOG = "process.json", "train.log"
OURS = {"--out", "--resume", "--overwrite"}
TAIL = 2**16  # bytes of the log that are read
STOPPED = "stopped after step"  # how a training says that it was asked to end, and has written a checkpoint
# How Python, this kit's commands and their parser begin to say what went wrong.
COMPLAINT = re.compile(r"^(Traceback \(most recent call last\)|course_lib: |Usage: )", re.MULTILINE)
UNEXPLAINED = ("It ended before its last step without an error message: killed from outside, out of memory, or the "
               "machine was restarted. start(...) with the same arguments goes on from its newest checkpoint, if any.")
BRIEFLY = 5.0  # seconds in which another notebook's start is through
SAME_CLOCK = 5.0  # seconds by which a process's start may seem to move as the system's clock is corrected


def start(arguments: Sequence[object], folder: Path | str, *, processes: int = 1) -> DetachedRun:
    """Start `python -m course_lib train` with these arguments; `--out folder --resume` are added.

    So a run that was stopped, or killed, goes on from its newest checkpoint. `processes` > 1: one a GPU, by torchrun.
    Raises FileExistsError where a process is at work in the folder already, ValueError for arguments of its own.
    """
    from filelock import FileLock, Timeout

    folder, given = Path(folder).resolve(), [str(argument) for argument in arguments]
    if unwanted := OURS & {argument.partition("=")[0] for argument in given}:
        raise ValueError(f"leave out {', '.join(sorted(unwanted))}: the run's folder is given as `folder`, and a run "
                         "that is there is gone on with; delete the folder to begin anew")
    if processes < 1:
        raise ValueError(f"processes={processes}: give 1, or the number of GPUs")
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "-m"]
    command = [sys.executable, "-m", *(launcher if processes > 1 else []), "course_lib", "train", *given,
               "--out", str(folder), "--resume"]  # fmt: skip
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])  # any folder may be current
    # What is printed is to be in the log at once, a progress bar's steps every other second only.
    environment = os.environ | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "TQDM_MININTERVAL": "2"}
    folder.mkdir(parents=True, exist_ok=True)
    try:
        # course_steps' lock: a notebook that trains in this folder holds it, and two may start at the same moment.
        with FileLock(f"{folder}.lock", timeout=BRIEFLY):
            _refuse_second(folder)
            with (folder / LOG).open("wb") as log:
                # A session of its own: Jupyter ends a kernel with all processes of the kernel's.
                child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                         start_new_session=True, env=environment)  # fmt: skip
            created = psutil.Process(child.pid).create_time()
            write_json(folder / PROCESS, {"pid": child.pid, "create_time": created, "command": command,
                                          "processes": processes, "started": _now()})  # fmt: skip
    except Timeout:
        _refuse_second(folder)  # a notebook that only watches a process holds the lock as well
        raise FileExistsError(f"a notebook is at work in {folder}: wait for it, or interrupt its cell") from None
    return DetachedRun(folder, child)


def _refuse_second(folder: Path) -> None:
    if alive := DetachedRun(folder).processes:
        raise FileExistsError(f"process {alive[0].pid} is training in {folder} already: attach(folder).watch() shows "
                              "it, attach(folder).stop() ends it")


def attach(folder: Path | str) -> DetachedRun:
    """The run that `start` began in this folder, from any process. Raises FileNotFoundError where there is none."""
    folder = Path(folder).resolve()
    if not (folder / PROCESS).is_file():
        raise FileNotFoundError(f"no {PROCESS} in {folder}: no run was started there with course_lib.detached.start; "
                                f"LossPlot.from_metrics draws the {METRICS} of a run that was trained otherwise")
    return DetachedRun(folder)


@dataclass(frozen=True)
class DetachedRun:
    """A run in another process, as its folder tells; `child` is that process where it was started from here."""

    folder: Path
    child: subprocess.Popen | None = field(default=None, repr=False, compare=False)

    @property
    def processes(self) -> list[psutil.Process]:
        """What is at work: the training's process, or torchrun, or the workers that a killed torchrun left behind."""
        if self.child is not None:
            self.child.poll()  # an ended child would stay as a zombie until it is asked for
        if not (noted := self._noted()):
            return []
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(noted["pid"])
            # After a restart of the machine, say, another process has this number.
            if abs(process.create_time() - noted["create_time"]) < SAME_CLOCK and _works(process):
                return [process]
        return _left_behind(noted["command"]) if noted["processes"] > 1 else []

    @property
    def running(self) -> bool:
        return bool(self.processes)

    @property
    def state(self) -> str:
        """"running", "finished", "stopped" (nothing is lost: `start` goes on with it) or "failed"."""
        if self.running:
            return "running"
        noted, finished, said = self._noted(), self._about().get("finished"), self._log_tail()
        # A finished run's folder says so even if this process came later and was refused, for another recipe, say.
        if finished and (finished >= noted.get("started", "") or not COMPLAINT.search(said)):
            return "finished"
        return "stopped" if "stopped" in noted or STOPPED in said else "failed"

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl so far; none while the process is still reading model and data."""
        return read_metrics(self.folder / METRICS)

    def log(self, lines: int = 20) -> str:
        """The last lines of what the process wrote; of a progress bar its last state."""
        # A terminal writes over a line after each carriage return.
        seen = [line.rstrip("\r").rpartition("\r")[2] for line in self._log_tail().rstrip().split("\n")]
        return "\n".join(seen[-lines:])

    def wait(self, timeout: float | None = None) -> str:
        """Wait for the run's end, at most `timeout` seconds; its state then."""
        until = time.monotonic() + (float("inf") if timeout is None else timeout)
        while self.running and time.monotonic() < until:
            time.sleep(0.1)
        return self.state

    def stop(self, timeout: float = 60.0) -> str:
        """Ask the training to write a checkpoint and end; kill what has not ended after `timeout` seconds.

        Returns the state then. `start` with the same arguments goes on from the checkpoint.
        """
        if not (asked := self.processes):
            return self.state
        write_json(self.folder / PROCESS, self._noted() | {"stopped": _now()})
        tree = list(asked)
        with suppress(psutil.NoSuchProcess):  # it may end by itself at any moment
            for process in asked:  # torchrun's workers are in sessions of their own: no group has all
                tree += process.children(recursive=True)
        _signal(asked, signal.SIGTERM)
        _signal(_wait_for(tree, timeout), signal.SIGKILL)
        _wait_for(tree, 10)
        return self.state

    def watch(self, interval: float = 1.0, timeout: float | None = None) -> None:
        """Draw the curves about every `interval` seconds until the run ends, or for `timeout` seconds.

        In a notebook one picture is updated in place; elsewhere a line is printed when something has changed. Ctrl-C
        ends the watching only. Raises RuntimeError with the log's last lines if the run failed.
        """
        live, told = LiveFigure(self.folder / PICTURE, interval=interval), ""
        until = time.monotonic() + (float("inf") if timeout is None else timeout)
        try:
            while True:
                state, metrics = self.state, self.metrics  # in this order: what was written last is seen
                title = self._title(state, metrics)
                last = state != "running" or time.monotonic() >= until
                live.show(metrics, title, last=last)
                if title != told and not in_notebook():
                    print(told := title, flush=True)
                if last:
                    break
                time.sleep(interval)
        except KeyboardInterrupt:
            print("no longer watched; the training goes on. attach(folder).watch() shows it again, .stop() ends it")
            return
        if state == "failed":
            unexplained = "" if COMPLAINT.search(self._log_tail()) else f" {UNEXPLAINED}"
            raise RuntimeError(f"the training in {self.folder} failed.{unexplained}\n{self.log()}")

    def __str__(self) -> str:
        return f"{self.state}, {self._step()}: {self.folder}"

    def _repr_html_(self) -> str:
        return f"<b>{self.state}</b>, {self._step()}: <code>{html.escape(str(self.folder))}</code>"

    def _step(self) -> str:
        metrics, steps = self.metrics, self._about().get("steps")
        return f"step {metrics[-1]['step'] if metrics else 0}" + (f" of {steps}" if steps else "")

    def _title(self, state: str, metrics: list[dict[str, Any]]) -> str:
        if not metrics and state == "running":
            return "reading model and data"
        steps = self._about().get("steps")
        if state == "finished":
            return progress(metrics, steps or (metrics[-1]["step"] if metrics else None))
        return progress(metrics, steps, ended="" if state == "running" else state)

    def _noted(self) -> dict[str, Any]:
        """process.json; empty if the machine went down while it was written, when no process is alive either."""
        try:
            return json.loads((self.folder / PROCESS).read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return {}

    def _about(self) -> dict[str, Any]:
        return json.loads(file.read_text(encoding="utf-8")) if (file := self.folder / ABOUT).is_file() else {}

    def _log_tail(self) -> str:
        if not (file := self.folder / LOG).is_file():
            return ""
        with file.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - TAIL))
            return log.read().decode("utf-8", errors="replace")


def _left_behind(command: Sequence[str]) -> list[psutil.Process]:
    """torchrun's workers, told by their command's end; they go on when torchrun is killed."""
    own = command[command.index("course_lib"):]
    found = psutil.process_iter(["cmdline"])
    return [process for process in found if (process.info["cmdline"] or [])[-len(own):] == own and _works(process)]


def _works(process: psutil.Process) -> bool:
    """Is it alive, and not only waiting for its parent to notice that it ended?"""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _signal(processes: Sequence[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _wait_for(processes: Sequence[psutil.Process], timeout: float) -> list[psutil.Process]:
    """Those that are still alive after `timeout` seconds at most."""
    until = time.monotonic() + timeout
    while (alive := [process for process in processes if _works(process)]) and time.monotonic() < until:
        time.sleep(0.1)
    return alive


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")  # as in run.json, so that the two can be compared
