"""lmdeploy's OpenAI-compatible server in a process of its own: when it ends, all of its GPU memory is free again."""

from __future__ import annotations

import atexit
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from course_lib.lmdeploy_engine import check_fraction
from course_lib.lmdeploy_folder import choose_backend, link_checkpoint, memory_advice, require_gpu
from course_lib.ports import HOST, free_port, require_free
from course_lib.server_engine import ServerEngine, local_client

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from openai import OpenAI

LOG_LINES = 15  # of the log, in an error
PATIENCE = 20  # seconds between asking a process to end and ending it


class LMDeployServer:
    """The checkpoint in `folder`, served at `url` while a `with` lasts. `port` None is a free one.

    `log` is the server's log file (None: one in the folder for temporary files). OSError where the port is
    taken, RuntimeError without a GPU, or where the server ends or is not ready within `timeout` seconds: it names the log.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        port: int | None = None,
        backend: str = "auto",
        cache_fraction: float = 0.4,
        session_len: int | None = None,
        model_name: str | None = None,
        log: str | Path | None = None,
        timeout: float = 600,
        progress: bool = True,
    ):
        check_fraction(cache_fraction)
        self.folder, self.backend = Path(folder).resolve(), choose_backend(folder, backend)
        self.cache_fraction, self.session_len = cache_fraction, session_len
        self.model_name = model_name or self.folder.name
        self.port, self.timeout, self.progress = port, timeout, progress
        self.log = Path(log).resolve() if log else None
        self._process: subprocess.Popen | None = None
        self._place: tempfile.TemporaryDirectory | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/v1"

    @property
    def pid(self) -> int | None:
        """The server's process, which leads a process group of its own; None before it starts and after it ended."""
        return self._process.pid if self._process else None

    def start(self) -> Self:
        """Start the server and wait until it answers. Whoever calls this calls `stop`; a `with` does both."""
        require_gpu()
        self.port = self.port or free_port()
        require_free(self.port)
        self._place = tempfile.TemporaryDirectory(prefix="course-lmdeploy-")
        try:
            link_checkpoint(self.folder, Path(self._place.name))
            if self.log is None:
                self.log = Path(tempfile.gettempdir()) / f"lmdeploy-server-{self.port}.log"
            self.log.parent.mkdir(parents=True, exist_ok=True)
            self._launch()
            self._wait()
        except BaseException:  # Ctrl-C while waiting, too
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End the server and all that it started, and wait until they are gone. Does nothing the second time."""
        if self._process:
            _end_group(self._process)
            self._process = None
            atexit.unregister(self.stop)
        if self._place:
            self._place.cleanup()
            self._place = None

    def client(self) -> OpenAI:
        """OpenAI's client, connected to this server."""
        return local_client(self.url)

    def engine(self) -> ServerEngine:
        """This server as an `Engine`. Closing it does not stop the server."""
        return ServerEngine(self)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def command(self) -> list[str]:
        """The command that `start` runs."""
        options: dict[str, Any] = {
            "server-name": HOST, "server-port": self.port, "model-name": self.model_name, "backend": self.backend,
            # "hf" is the checkpoint's own template; left out, lmdeploy would guess one from the folder's path.
            "chat-template": "hf", "generation-config": "lmdeploy", "cache-max-entry-count": self.cache_fraction,
        }  # fmt: skip
        if self.session_len:
            options["session-len"] = self.session_len
        words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
        program = "lmdeploy" if self.backend == "turbomind" else "course_lib.lmdeploy_main"
        return [sys.executable, "-m", program, "serve", "api_server", self._place.name, *words, "--disable-metrics"]

    def _launch(self) -> None:
        command = self.command()
        with self.log.open("w", encoding="utf-8") as log:
            log.write(shlex.join(command) + "\n")
            log.flush()
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1", "HF_HUB_OFFLINE": "1"},
            )  # fmt: skip
        atexit.register(self.stop)  # a notebook that is closed without stopping the server

    def _wait(self) -> None:
        """Until the server says that it is healthy. Raises RuntimeError if it ends, or takes too long."""
        from tqdm.auto import tqdm

        deadline = time.monotonic() + self.timeout
        with tqdm(
            desc="lmdeploy starts", bar_format="{desc}: {elapsed}", disable=not self.progress, leave=False
        ) as clock:
            while not _healthy(self.port):
                if (code := self._process.poll()) is not None:
                    raise RuntimeError(self._explain(f"lmdeploy's server ended by itself (exit status {code})"))
                if time.monotonic() > deadline:
                    raise RuntimeError(
                        self._explain(f"lmdeploy's server did not answer within {self.timeout:g} seconds (`timeout`)")
                    )
                time.sleep(0.5)
                clock.refresh()

    def _explain(self, problem: str) -> str:
        text = self.log.read_text(encoding="utf-8", errors="replace")
        last = "\n".join(text.splitlines()[-LOG_LINES:])
        advice = memory_advice(text)
        advice = f"\n{advice} It was cache_fraction={self.cache_fraction}." if advice else ""
        return f"{problem}.{advice}\nIts log is {self.log}; the last lines:\n{last}"


def serve(folder: str | Path, **settings: Any) -> ServerEngine:
    """Start a server (settings as `LMDeployServer`'s) and return it as an engine; closing that stops the server."""
    return ServerEngine(LMDeployServer(folder, **settings).start(), owns_server=True)


def _healthy(port: int) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"http://{HOST}:{port}/health", timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, TimeoutError, ConnectionError):  # not yet
        return False


def _end_group(leader: subprocess.Popen) -> None:
    """End a process and all in its group: ask, wait, force, wait."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if _group(leader.pid):
            os.killpg(leader.pid, number)
        deadline = time.monotonic() + PATIENCE
        while _group(leader.pid) and time.monotonic() < deadline:
            leader.poll()  # takes the leader's exit status, so that it does not linger as a zombie
            time.sleep(0.1)
    leader.wait()


def _group(number: int) -> list[psutil.Process]:
    """The living processes of a process group."""
    found = []
    for process in psutil.process_iter(["status"]):
        try:
            if os.getpgid(process.pid) == number and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process)
        except ProcessLookupError:  # it ended while we looked
            continue
    return found
