"""DeepSpeed for real, on two CPU processes: the same losses as one process that takes the same records a step."""

import json
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from training_samples import QUICK, losses, write_colours

from course_lib.dataset import read_records
from course_lib.deepspeed_settings import deepspeed_config
from course_lib.run_folder import Run
from course_lib.settings import ROOT
from course_lib.training import train

# Dropout is drawn by each process for itself, so it is off; 16 records make whole steps of 8 on two processes as on one.
RECIPE = replace(QUICK, lora_dropout=0.0, batch_size=2, accumulation=2, precision="float32", epochs=3, keep=9)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_colours(tmp_path_factory.mktemp("data"), pictures=11, texts=5)


def alone(recipe, model, data, folder) -> Run:
    records = read_records(data)
    return train(replace(recipe, batch_size=2 * recipe.batch_size), model, records, records[:4], folder)


def on_two(recipe, model, data, folder, *options) -> Run:
    held_out = data.with_name("held-out.json")
    held_out.write_text(json.dumps(json.loads(data.read_text(encoding="utf-8"))[:4]), encoding="utf-8")
    file = folder.with_suffix(".json")
    file.write_text(json.dumps(asdict(recipe)), encoding="utf-8")
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "course_lib", "train",
        "--recipe", file, "--model", model, "--data", data, "--held-out", held_out, "--out", folder, *options,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return Run.read(folder)


def assert_same(run: Run, other: Run) -> None:
    assert [step for step, _ in losses(run)] == [step for step, _ in losses(other)]
    assert [loss for _, loss in losses(run)] == pytest.approx([loss for _, loss in losses(other)], abs=2e-5)
    norms = [[line["grad_norm"] for line in one.metrics if "grad_norm" in line] for one in (run, other)]
    assert norms[0] == pytest.approx(norms[1], rel=1e-3)


@pytest.mark.parametrize("setting, quantization", [(None, "nf4"), ("zero1", None), ("zero2", "nf4"), ("zero3", None)])
def test_two_processes_give_the_losses_of_one(tiny_folder, data, tmp_path, setting, quantization):
    recipe = replace(RECIPE, quantization=quantization)
    one = alone(recipe, tiny_folder, data, tmp_path / "one")
    two = on_two(recipe, tiny_folder, data, tmp_path / "two", *(["--deepspeed", setting] if setting else []))
    assert len(losses(two)) > 6 and two.finished
    assert_same(two, one)
    assert (two.about["processes"], two.about["deepspeed"]) == (2, setting)
    adapters = [(run.adapter_folder / "adapter_model.safetensors").stat().st_size for run in (one, two)]
    assert adapters[0] == adapters[1]
    if setting != "zero2":
        return
    # Killed while the checkpoint of step 4 was being written: it goes on from step 2, with all processes.
    about = json.loads((two.folder / "run.json").read_text())
    (two.folder / "run.json").write_text(json.dumps(about | {"finished": None}))
    (two.folder / "unfinished").mkdir()
    for step in (4, 6):
        (two.folder / f"checkpoint-{step}").rename(two.folder / "unfinished" / f"checkpoint-{step}")
    shutil.rmtree(two.adapter_folder)
    assert_same(on_two(recipe, tiny_folder, data, two.folder, "--deepspeed", setting, "--resume"), one)
    with pytest.raises(ValueError, match="processes was 2, is 1"):
        train(recipe, tiny_folder, read_records(data), read_records(data)[:4], two.folder, resume=True)


def test_settings_that_cannot_work_are_refused():
    with pytest.raises(ValueError, match="there are zero1, zero2, zero3"):
        deepspeed_config("zero4", on_cpu=True, quantization=None)
    with pytest.raises(ValueError, match="use zero2"):
        deepspeed_config("zero3", on_cpu=True, quantization="nf4")
