"""A real JupyterLab in a process of its own, that neither reads nor writes the settings of whoever runs the tests."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

STARTED_WITHIN = 180  # seconds, on a machine that is busy with something else
# What would come between a test and the page: news, update checks, autosave; cells out of sight that are not drawn.
SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True},
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
    "@jupyterlab/extensionmanager-extension:plugin": {"enabled": False},
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none", "scrollPastEnd": False},
}  # fmt: skip
# The tests' own: figures are to be shown, and the kept outputs are the small model's.
NOT_HANDED_ON = ("MPLBACKEND", "COURSE_MODEL", "COURSE_DATA", "JUPYTER_PATH", "JUPYTER_CONFIG_PATH")


@dataclass(frozen=True)
class JupyterLab:
    """A running server: its `url` (ends with /), its token, and the folder that it shows."""

    url: str
    token: str
    folder: Path
    log: Path

    def request(self, method: str, path: str) -> bytes:
        """What the REST API answers. Raises HTTPError."""
        request = urllib.request.Request(
            self.url + path, method=method, headers={"Authorization": f"token {self.token}"}
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            return answer.read()

    def shut_down_kernels(self) -> None:
        """End all kernels, models and all: a course's models take gigabytes together."""
        for session in json.loads(self.request("GET", "api/sessions")):
            self.request("DELETE", f"api/sessions/{session['id']}")


@contextmanager
def serve(folder: Path, private: Path) -> Iterator[JupyterLab]:
    """JupyterLab on 127.0.0.1, showing `folder`; what it reads and writes for itself lies in `private`."""
    overrides = private / "config" / "labconfig" / "default_setting_overrides.json"
    overrides.parent.mkdir(parents=True)
    overrides.write_text(json.dumps(SETTINGS), encoding="utf-8")
    token = secrets.token_hex(16)
    environment = {name: value for name, value in os.environ.items() if name not in NOT_HANDED_ON} | {
        "JUPYTER_CONFIG_DIR": str(private / "config"),
        "JUPYTER_DATA_DIR": str(private / "data"),
        "JUPYTER_RUNTIME_DIR": str(private / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(private / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(private / "workspaces"),
        "IPYTHONDIR": str(private / "ipython"),
        "JUPYTER_PREFER_ENV_PATH": "1",  # the kernel "python3" is this environment's
        "JUPYTER_TOKEN": token,
    }
    flags = ["--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={folder}", "--no-browser"]
    if os.geteuid() == 0:
        flags.append("--allow-root")
    log = private / "jupyterlab.log"
    with log.open("wb") as lines:
        server = subprocess.Popen([sys.executable, "-m", "jupyterlab", *flags], cwd=folder, env=environment,
                                  stdin=subprocess.DEVNULL, stdout=lines, stderr=subprocess.STDOUT,
                                  start_new_session=True)  # fmt: skip
    try:
        # The port that it found free stands in the file; asking for one here and handing it on would be a race.
        file = private / "runtime" / f"jpserver-{server.pid}.json"
        lab = JupyterLab(_address(server, file, log), token, folder, log)
        _wait_for_answer(lab)
        yield lab
    finally:
        _end(server)


def _address(server: subprocess.Popen[bytes], file: Path, log: Path) -> str:
    until = time.monotonic() + STARTED_WITHIN
    while time.monotonic() < until:
        if server.poll() is not None:
            raise RuntimeError(f"JupyterLab ended with {server.returncode}:\n{log.read_text(errors='replace')}")
        if file.is_file() and (text := file.read_text(encoding="utf-8")).rstrip().endswith("}"):
            return json.loads(text)["url"]
        time.sleep(0.1)
    raise TimeoutError(f"JupyterLab did not start within {STARTED_WITHIN} s:\n{log.read_text(errors='replace')}")


def _wait_for_answer(lab: JupyterLab) -> None:
    until = time.monotonic() + STARTED_WITHIN
    while True:
        try:
            lab.request("GET", "api/status")
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def _end(server: subprocess.Popen[bytes]) -> None:
    """End the server and its kernels. Each kernel leads a process group of its own, so the group alone is not all."""
    family = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
    server.terminate()  # it shuts its kernels down
    _, alive = psutil.wait_procs(family, timeout=20)
    for process in alive:
        process.kill()
    psutil.wait_procs(alive, timeout=20)
    server.wait()
