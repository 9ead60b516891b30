"""A run in another process: watched, attached to, stopped, failed and killed, each with a real process."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import psutil
import pytest
from filelock import FileLock
from PIL import Image

from course_lib.detached import LOG, PROCESS, STOPPED, DetachedRun, attach, start
from course_lib.live_figure import TEXT_FORM
from course_lib.settings import ROOT

PATIENCE = 300  # seconds, on a machine that is busy with something else


def write_task(folder, copies):
    """A meme task of two scenes; mini-meme takes 16 records a step, nine times all of them."""
    (folder / "ex_images").mkdir(parents=True)
    for scene in range(2):
        Image.new("RGB", (64, 64), (200 * scene, 90, 40)).save(folder / "ex_images" / f"{scene}.jpg")
    for name, count in (("ex_cn.json", copies), ("ex_cn_test.json", 2)):
        records = [
            {"id": f"{scene}-0-{copy}", "image": f"ex_images/{scene}.jpg", "conversations": [
                {"from": "human", "value": "<image>\n请你根据这张图片，讲一个脑洞大开的梗"},
                {"from": "gpt", "value": ("再等五分钟。", "我没睡，我在思考。")[scene]}]}
            for scene in range(2) for copy in range(count)
        ]  # fmt: skip
        (folder / name).write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def arguments(tmp_path_factory, tiny_folder):
    """Of a training of nine steps."""
    data = write_task(tmp_path_factory.mktemp("short") / "meme", 2)
    return ["meme", "--recipe", "mini-meme", "--model", tiny_folder, "--data", data]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, arguments):
    """(A run watched from its start to its end, what the watching printed.)"""
    from contextlib import redirect_stdout
    from io import StringIO

    run = start(arguments, tmp_path_factory.mktemp("finished") / "run")
    assert run.state == "running" and run.metrics == [] and "--resume" in run._noted()["command"]
    with pytest.raises(FileExistsError, match=f"process {run.child.pid} is training in .* already"):
        start(arguments, run.folder)
    with redirect_stdout(StringIO()) as told:
        run.watch(interval=0.1, timeout=PATIENCE)
    return run, told.getvalue()


def until(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_run_in_another_process_is_watched_to_its_end(finished):
    run, told = finished
    assert run.state == "finished", run.log()
    assert told.startswith("reading model and data\n") and re.search(r"step 9 of 9, done in \d+ s\n$", told)
    with Image.open(run.folder / "loss.png") as image:
        assert image.format == "PNG"
    assert {"loss", "grad_norm", "learning_rate", "tokens_per_second", "memory_mib"} <= run.metrics[1].keys()


def test_another_process_attaches_to_it_and_redraws_its_history(finished, capsys):
    run, _ = finished
    (run.folder / "loss.png").unlink()
    other = attach(run.folder)
    assert other.child is None and other.state == "finished" and other.metrics == run.metrics
    other.watch()
    assert "step 9 of 9, done in" in capsys.readouterr().out and (run.folder / "loss.png").is_file()
    assert str(other).startswith("finished, step 9") and other._repr_html_().startswith("<b>finished</b>, step 9")


def test_watching_from_a_fresh_process_does_not_wait_for_torch(finished):
    run, _ = finished
    (run.folder / "loss.png").unlink(missing_ok=True)
    code = f"import sys, course_lib.detached as d; d.attach({str(run.folder)!r}).watch(); " \
           "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"  # fmt: skip
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
    assert (run.folder / "loss.png").is_file()


def test_a_finished_run_passes_strict_nbval_in_a_fresh_kernel(finished, tmp_path):
    import nbformat

    run, _ = finished
    cells = [f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nfrom course_lib.detached import attach",
             f"attach({str(run.folder)!r}).watch()"]  # fmt: skip
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    picture = nbformat.v4.new_output("display_data", {"text/plain": TEXT_FORM})
    for number, (cell, outputs) in enumerate(zip(notebook.cells, ([], [picture]), strict=True), start=1):
        cell.execution_count, cell.outputs = number, outputs
    nbformat.write(notebook, tmp_path / "attached.ipynb")
    strict = ["--nbval", f"--nbval-cell-timeout={PATIENCE}", f"--nbval-kernel-startup-timeout={PATIENCE}"]
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *strict, "attached.ipynb"],
                          cwd=tmp_path, capture_output=True, text=True, timeout=900)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_stopped_run_leaves_no_process_and_is_told_from_a_failed_one(tmp_path, arguments, capsys, monkeypatch):
    data = write_task(tmp_path / "meme", 800)  # 900 steps: far more than will be made
    run = start([*arguments[:-1], data], tmp_path / "run")
    until(lambda: any("loss" in line for line in run.metrics) or not run.running)

    def interrupt(seconds):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("course_lib.detached.time.sleep", interrupt)
        run.watch()
    assert "the training goes on" in capsys.readouterr().out and run.state == "running", run.log()
    assert attach(run.folder).stop(timeout=60) == "stopped" and STOPPED in run.log()
    assert run.state == "stopped" and run.metrics[-1]["step"] < 900
    with pytest.raises(ProcessLookupError):
        os.killpg(run.child.pid, 0)  # the whole group is gone
    run.watch()  # draws what there is, and raises nothing
    assert ", stopped" in capsys.readouterr().out.splitlines()[-1]


def test_a_run_outlives_the_kernel_that_started_it(tmp_path, arguments):
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(kernel_name="python3", startup_timeout=PATIENCE)
    code = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nfrom course_lib.detached import start\n"
    code += f"start({[str(argument) for argument in arguments]}, {str(tmp_path / 'run')!r})"
    assert client.execute_interactive(code, timeout=PATIENCE, output_hook=print)["content"]["status"] == "ok"
    client.stop_channels()
    manager.shutdown_kernel()
    run = attach(tmp_path / "run")
    assert not manager.is_alive() and run.running
    assert run.stop(timeout=60) == "stopped" and not run.running


def test_the_reason_of_a_failure_is_raised_by_the_watching(tmp_path, arguments):
    run = start([*arguments[:-1], tmp_path / "nowhere"], tmp_path / "run")
    with pytest.raises(RuntimeError, match=r"(?s)training in .*run failed\.\n.*nowhere"):
        run.watch(interval=0.1, timeout=PATIENCE)
    assert run.state == attach(run.folder).state == "failed"


def test_a_killed_run_does_not_count_as_running_and_says_how_to_go_on(tmp_path, arguments):
    run = start(arguments, tmp_path / "run")
    other = attach(run.folder)
    os.kill(run.child.pid, signal.SIGKILL)
    until(lambda: psutil.Process(run.child.pid).status() == psutil.STATUS_ZOMBIE)  # nobody has asked for its end yet
    assert not other.running and other.state == "failed"
    with pytest.raises(RuntimeError, match="without an error message: killed from outside"):
        other.watch()
    assert run.wait() == "failed" and not psutil.pid_exists(run.child.pid)


def test_a_notebook_that_trains_in_the_folder_is_not_disturbed(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    monkeypatch.setattr("course_lib.detached.BRIEFLY", 0.1)
    with FileLock(f"{folder}.lock"), pytest.raises(FileExistsError, match="a notebook is at work in .*run: wait"):
        start(["meme"], folder)
    assert not any(folder.iterdir())


def alive_here(folder, **noted):
    """A run folder whose process.json names the process of this test."""
    here = psutil.Process()
    about = {"pid": here.pid, "create_time": here.create_time(), "processes": 1} | noted
    (folder / PROCESS).write_text(json.dumps(about))
    return attach(folder)


def test_a_process_that_got_the_number_later_is_another_one(tmp_path):
    assert alive_here(tmp_path).running
    assert not alive_here(tmp_path, create_time=psutil.Process().create_time() - 3600).running
    assert alive_here(tmp_path, create_time=0).stop() == "failed"  # and it is not this one that is stopped


def test_workers_that_a_killed_torchrun_left_behind_count_as_running_and_are_stopped(tmp_path):
    command = ["-m", "torch.distributed.run", "-m", "course_lib", "train", "--out", str(tmp_path), "--resume"]
    run = alive_here(tmp_path, create_time=0, processes=2, command=command)
    assert not run.running
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    with subprocess.Popen(sleep + command[3:], start_new_session=True) as worker:
        until(lambda: run.running)
        with pytest.raises(FileExistsError, match=f"process {worker.pid} is training"):
            start(["meme"], tmp_path)
        assert run.stop() == "stopped" and worker.wait() == -signal.SIGTERM


def test_a_process_that_does_not_end_when_asked_is_killed(tmp_path):
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True) as deaf:
        assert deaf.stdout.readline() == b"1\n"
        run = alive_here(tmp_path, pid=deaf.pid, create_time=psutil.Process(deaf.pid).create_time())
        assert run.stop(timeout=0.3) == "stopped" and deaf.wait() == -signal.SIGKILL


def test_a_half_written_note_of_the_process_counts_as_none(tmp_path):
    (tmp_path / PROCESS).write_text('{"pid": 12')
    assert attach(tmp_path).state == "failed" and str(attach(tmp_path)).startswith("failed, step 0")


@pytest.mark.parametrize(
    ("finished", "log", "state"),
    [
        (None, "course_lib: stopped after step 3 of 9; checkpoint-3 is written", "stopped"),
        (None, "Traceback (most recent call last):\n  …\nRuntimeError: out of memory", "failed"),
        (None, "training:  30%", "failed"),
        ("2026-01-02T00:00:09+00:00", "Exception ignored in: …\nTraceback (most recent call last):\n", "finished"),
        ("2026-01-01T00:00:00+00:00", "adapter: run/adapter", "finished"),
        ("2026-01-01T00:00:00+00:00", "course_lib: cannot resume run with other settings", "failed"),
    ],
)
def test_the_state_of_an_ended_process_follows_from_its_folder(tmp_path, finished, log, state):
    alive_here(tmp_path, create_time=0, started="2026-01-02T00:00:00+00:00")
    (tmp_path / "run.json").write_text(json.dumps({"finished": finished, "steps": 9}))
    (tmp_path / LOG).write_text(log)
    assert attach(tmp_path).state == state and "of 9" in str(attach(tmp_path))


def test_the_log_shows_a_progress_bar_as_a_terminal_would(tmp_path):
    (tmp_path / LOG).write_bytes("x".encode() * 100_000 + b"\nloaded\r\n\rtraining: 1/9\rtraining: 9/9\nadapter: a\n")
    assert DetachedRun(tmp_path).log(3) == "loaded\ntraining: 9/9\nadapter: a"
    assert DetachedRun(tmp_path / "absent").log() == ""


def test_what_start_adds_or_cannot_do_is_refused_and_a_missing_run_is_explained(tmp_path):
    with pytest.raises(ValueError, match="leave out --out"):
        start(["meme", "--out=elsewhere"], tmp_path)
    with pytest.raises(ValueError, match="processes=0"):
        start(["meme"], tmp_path, processes=0)
    with pytest.raises(FileNotFoundError, match="no run was started there"):
        attach(tmp_path)
    assert not any(tmp_path.iterdir())
