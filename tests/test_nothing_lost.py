"""Nothing is lost: killed at any moment, interrupted, or out of disk, a run goes on and ends as if nothing had been."""

import json
import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from training_samples import QUICK, losses, write_colours
from transformers import TrainerCallback

from course_lib import run_folder as runs
from course_lib.dataset import read_records
from course_lib.run_folder import Run
from course_lib.settings import ROOT
from course_lib.training import train

RECIPE = replace(QUICK, epochs=4, save_every=1, keep=2)  # 12 steps with dropout, NF4, and a checkpoint at each
KILLS = 12


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_colours(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def undisturbed(tiny_folder, data, tmp_path_factory) -> Run:
    return go(RECIPE, tiny_folder, data, tmp_path_factory.mktemp("runs") / "undisturbed")


def go(recipe, model, data, folder, **options) -> Run:
    records = read_records(data)
    return train(recipe, model, records, records[:4], folder, resume=True, **options)


def test_killed_at_many_random_moments_a_run_ends_with_the_same_losses(undisturbed, tiny_folder, data, tmp_path):
    context = multiprocessing.get_context("forkserver")  # it imports torch once, and each run starts as a fork of it
    context.set_forkserver_preload(["course_lib.training", "course_lib.checkpoint", "bitsandbytes", "peft"])
    seed = time.time_ns()
    moments, longest, kills, disturbed = random.Random(seed), undisturbed.metrics[-1]["seconds"] + 1, 0, 0
    while kills < KILLS or disturbed < 3:
        folder, before = tmp_path / f"run-{disturbed}", kills
        while True:
            process = context.Process(target=go, args=(RECIPE, tiny_folder, data, folder))
            process.start()
            # Until the forks come quickly, a kill would only hit the import of torch.
            process.join(moments.uniform(0, longest) if disturbed and kills - before < 9 else 300)
            if process.exitcode is not None:
                break
            process.kill()
            process.join()
            kills += 1
            assert_whole(folder)
        assert process.exitcode == 0, f"after {kills - before} kills, seed {seed}"
        run = Run.read(folder)
        assert run.finished and losses(run) == losses(undisturbed), f"after {kills - before} kills, seed {seed}"
        assert not (folder / runs.UNFINISHED).exists()
        assert [path.name for path in runs.checkpoints(folder)] == ["checkpoint-11", "checkpoint-12"]
        disturbed += 1


def assert_whole(folder: Path) -> None:
    """Whatever has its final name can be read to its end."""
    for checkpoint in runs.checkpoints(folder):
        assert json.loads((checkpoint / "trainer_state.json").read_text())["global_step"] > 0
        torch.load(checkpoint / "optimizer.pt", weights_only=True)
        with safe_open(checkpoint / "adapter_model.safetensors", "pt") as tensors:
            assert len([tensors.get_tensor(name) for name in tensors.keys()]) > 10
    if (folder / runs.RECIPE).exists():
        assert Run.read(folder).recipe == RECIPE


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_signal_leaves_a_checkpoint_and_the_run_goes_on_from_it(undisturbed, tiny_folder, data, tmp_path, number):
    recipe = replace(RECIPE, save_every=0)

    class Signal(TrainerCallback):
        def on_step_begin(self, args, state, control, **_):
            if state.global_step == 4:
                os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt, match="stopped after step 5 of 12; checkpoint-5 is written"):
        go(recipe, tiny_folder, data, tmp_path, callbacks=[Signal()])
    assert signal.getsignal(number) is before
    assert not Run.read(tmp_path).finished
    assert losses(go(recipe, tiny_folder, data, tmp_path)) == losses(undisturbed)


def test_ctrl_c_in_a_terminal_says_how_to_go_on(tiny_folder, data, tmp_path):
    recipe, out = tmp_path / "recipe.json", tmp_path / "run"
    recipe.write_text(json.dumps(asdict(replace(RECIPE, epochs=4000, save_every=0, log_every=1))))
    command = [sys.executable, "-m", "course_lib", "train", "--recipe", recipe, "--model", tiny_folder, "--data", data,
               "--out", out]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    while len(runs.read_metrics(out / runs.METRICS)) < 3:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    step = runs.newest_checkpoint(out).name.split("-")[1]
    assert f"stopped after step {step} of 12000" in said and "--resume" in said and "Traceback" not in said


def test_a_full_disk_ends_a_run_with_what_to_do_and_loses_nothing(undisturbed, tiny_folder, data, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    class DiskFills(TrainerCallback):
        def on_save(self, args, state, control, **_):
            if state.global_step == 3:
                resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))  # bytes: larger files cannot be written

    try:
        with pytest.raises(OSError) as caught:
            go(RECIPE, tiny_folder, data, tmp_path, callbacks=[DiskFills()])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    said = str(caught.value)
    assert "the checkpoint of step 4 could not be written" in said and "make room" in said
    assert "goes on from checkpoint-3" in said
    assert not (tmp_path / runs.UNFINISHED).exists()
    assert_whole(tmp_path)
    assert losses(go(RECIPE, tiny_folder, data, tmp_path)) == losses(undisturbed)


def test_too_little_room_is_told_before_training(tmp_path):
    runs.require_room(tmp_path, 1000, keep=1)
    with pytest.raises(OSError, match="needs room for 3 checkpoints"):
        runs.require_room(tmp_path, 10**15, keep=2)


def test_out_of_memory_names_three_settings_with_estimates(tiny_folder, data, tmp_path):
    class Full(TrainerCallback):
        def on_step_begin(self, args, state, control, **_):
            raise torch.OutOfMemoryError("tried to allocate 2 GiB")

    with pytest.raises(torch.OutOfMemoryError) as caught:
        go(replace(RECIPE, batch_size=8), tiny_folder, data, tmp_path, callbacks=[Full()])
    note = "\n".join(caught.value.__notes__)
    settings = [line for line in note.splitlines() if line.startswith("  - ")]
    assert len(settings) == 3 and all("GiB" in line or "MiB" in line for line in settings), note
    assert any("gradient_checkpointing=True" in line for line in settings)


def test_an_interrupted_overwrite_is_not_taken_for_the_old_run(undisturbed, tiny_folder, data, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    for name in (runs.ABOUT, runs.METRICS):  # what is left when it is killed while deleting
        (folder / name).write_bytes((undisturbed.folder / name).read_bytes())
    again = go(RECIPE, tiny_folder, data, folder)
    assert losses(again) == losses(undisturbed)
