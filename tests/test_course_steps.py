"""The course's steps: a run is made once, found again, never mixed up with another, and waits for whoever makes it."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import psutil
import pytest
from PIL import Image
from training_samples import write_colours

from course_lib import course_steps as steps
from course_lib.checkpoint import load_checkpoint
from course_lib.dataset import Record
from course_lib.detached import LOG, PROCESS, start
from course_lib.live_figure import TEXT_FORM
from course_lib.recipes import Recipe
from course_lib.run_folder import Run
from course_lib.train_command import find_records

QUICK = Recipe("quick", lora_rank=4, lora_alpha=8, max_length=400, epochs=1, batch_size=2, accumulation=1, save_every=1)


@pytest.fixture
def records(tmp_path) -> list[Record]:
    made = []
    for number, colour in enumerate(("red", "green", "blue", "white")):
        picture = tmp_path / f"{number}.png"
        Image.new("RGB", (56, 56), colour).save(picture)
        messages = ({"role": "user", "content": "<image>\n什么颜色"}, {"role": "assistant", "content": "红"})
        made.append(Record(tmp_path / "data.json", number + 1, (picture,), messages))
    return made


@pytest.fixture
def ensure(monkeypatch, tiny_folder, records, tmp_path):
    """ensure_run on the tiny model, in a folder of this test."""
    monkeypatch.setenv("COURSE_MODEL", str(tiny_folder))

    def make(**changes) -> Run:
        return steps.ensure_run("food", recipe=replace(QUICK, **changes), records=(records, records[:1]),
                                runs=tmp_path / "runs")  # fmt: skip

    return make


def test_a_run_is_trained_once_and_then_found(ensure):
    first = ensure()
    written = (first.adapter_folder / "adapter_model.safetensors").stat().st_mtime_ns
    assert first.finished and ensure() == first
    assert (first.adapter_folder / "adapter_model.safetensors").stat().st_mtime_ns == written


def test_other_settings_records_or_base_get_a_folder_of_their_own(monkeypatch, ensure, records, tmp_path):
    folder = ensure().folder
    other = steps.run_folder(replace(QUICK, seed=1), records, records[:1], folder.parent)
    fewer = steps.run_folder(QUICK, records[1:], records[:1], folder.parent)
    base = tmp_path / "base"
    base.mkdir()
    monkeypatch.setenv("COURSE_MODEL", str(base))
    assert len({folder, other, fewer, steps.run_folder(QUICK, records, records[:1], folder.parent)}) == 4


def test_what_does_not_change_the_result_does_not_change_the_folder(ensure, records):
    folder = ensure().folder
    assert steps.run_folder(replace(QUICK, log_every=7, workers=2), records, records[:1], folder.parent) == folder


def test_an_interrupted_run_goes_on(ensure):
    run = ensure()
    about = run.folder / "run.json"
    about.write_text(about.read_text().replace(run.about["finished"], "").replace('"finished": ""', '"finished": null'))
    (run.adapter_folder / "adapter_model.safetensors").unlink()
    again = ensure()
    assert again.finished and (again.adapter_folder / "adapter_model.safetensors").is_file()
    assert [line["step"] for line in again.metrics if "loss" in line] == [1, 2]


def test_a_second_asker_waits_and_gets_the_same_run(ensure):
    with ThreadPoolExecutor() as pool:
        first, second = pool.map(lambda _: ensure(), range(2))
    assert first == second and [line["step"] for line in first.metrics if "loss" in line] == [1, 2]


def test_the_merged_model_is_a_checkpoint_that_is_made_once(ensure):
    run = ensure()
    (run.folder / "merged.part").mkdir()  # an earlier merge was interrupted
    folder = steps.ensure_merged("food", run)
    written = (folder / "model.safetensors").stat().st_mtime_ns
    assert folder == Path(run.folder / "merged") and load_checkpoint(folder).model.num_parameters() > 0
    assert steps.ensure_merged("food", run) == folder and (folder / "model.safetensors").stat().st_mtime_ns == written
    assert not (run.folder / "merged.part").exists()


def test_a_finished_run_shows_its_curves(ensure, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw: shown.append(bundle))
    run = ensure()
    steps.ensure_run("food", recipe=QUICK, records=_records_of(run), plot=True, runs=run.folder.parent)
    assert [sorted(bundle) for bundle in shown] == [["image/png", "text/plain"]] and shown[0]["text/plain"] == TEXT_FORM


def noted(folder: Path, code: str, **note) -> subprocess.Popen:
    """A process that runs some code, noted in a run's folder as the one that trains there."""
    folder.mkdir(parents=True)
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    created = psutil.Process(process.pid).create_time()
    (folder / PROCESS).write_text(json.dumps({"pid": process.pid, "create_time": created, "processes": 1} | note))
    return process


@pytest.fixture
def folder(monkeypatch, tiny_folder, records, tmp_path) -> Path:
    """Where `ensure` will look for its run."""
    monkeypatch.setenv("COURSE_MODEL", str(tiny_folder))
    return steps.run_folder(QUICK, records, records[:1], tmp_path / "runs")


@pytest.fixture
def no_training_here(monkeypatch):
    def train(*_, **__):
        raise AssertionError("a second training was started")

    monkeypatch.setattr("course_lib.training.train", train)


def test_a_run_at_work_in_another_process_is_watched_and_read(
    monkeypatch, tiny_folder, tmp_path, capsys, no_training_here
):
    data = write_colours(tmp_path / "data", pictures=4, texts=0)
    recipe = tmp_path / "quick.json"
    recipe.write_text(json.dumps(asdict(QUICK)))
    train_records, held_out = find_records(None, [str(data)], [str(data)])
    monkeypatch.setenv("COURSE_MODEL", str(tiny_folder))
    folder = steps.run_folder(QUICK, train_records, held_out, tmp_path / "runs")
    detached = start(["--recipe", recipe, "--model", tiny_folder, "--data", data, "--held-out", data], folder)
    run = steps.ensure_run("food", recipe=QUICK, records=(train_records, held_out), runs=folder.parent)
    assert run.finished and run.folder == folder and [line["step"] for line in run.metrics if "loss" in line] == [1, 2]
    told = capsys.readouterr().out
    assert told.startswith(f"process {detached.child.pid} is training {folder.name}: watching it\n")
    assert "step 2 of 2, done in" in told and (folder / "loss.png").is_file()


def test_a_failure_in_the_other_process_is_raised_and_nothing_is_trained_here(ensure, folder, no_training_here):
    with noted(folder, "import time; time.sleep(1)"):
        (folder / LOG).write_text("course_lib: the data are broken")
        with pytest.raises(RuntimeError, match="(?s)failed.*the data are broken"):
            ensure()


def test_a_run_that_the_other_process_left_on_request_is_finished_here(ensure, folder, capsys):
    with noted(folder, "import time; time.sleep(1)", stopped="2026-01-01T00:00:00+00:00", started=""):
        assert ensure().finished
    assert "watching it" in capsys.readouterr().out


def test_interrupting_the_watching_trains_nothing_and_leaves_the_other_process_alone(
    ensure, folder, monkeypatch, no_training_here
):
    def interrupt(seconds):
        raise KeyboardInterrupt

    with noted(folder, "import time; time.sleep(600)") as process:
        try:
            with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt, match="is not finished yet"):
                patched.setattr("course_lib.detached.time.sleep", interrupt)
                ensure()
            assert process.poll() is None
        finally:
            process.kill()


def _records_of(run: Run) -> tuple[list[Record], list[Record]]:
    folder = run.folder.parents[1]
    messages = ({"role": "user", "content": "<image>\n什么颜色"}, {"role": "assistant", "content": "红"})
    made = [Record(folder / "data.json", number + 1, (folder / f"{number}.png",), messages) for number in range(4)]
    return made, made[:1]
