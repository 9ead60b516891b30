"""Is this machine ready for the course? A table of what was found, and one command for each thing to mend."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from course_lib import settings
from course_lib.data_problems import Reporter
from course_lib.doctor_packages import package_findings
from course_lib.findings import Finding, Report
from course_lib.licences import VARIABLE, consent_given, needs_consent
from course_lib.record_layouts import parse
from course_lib.records import HELD_OUT, OTHER_NAMES, TASK_FILES, Record, training_file

PYTHON = "3.11"
FREE_DISK_GIB = 3  # one fine-tuning of the small model, its merged copy and the report, several times over
ARCHITECTURES = ("InternVLChatModel", "InternVLForConditionalGeneration")


def report() -> Report:
    """Look at everything. torch is asked last, in a process of its own: a broken one cannot take the doctor with it."""
    findings = [python_finding(), *package_findings(), kernel_finding()]
    findings += [*device_findings(), disk_finding(), model_finding(), *data_findings()]
    return Report(tuple(findings))


def python_finding() -> Finding:
    """The Python in use, and whether it is the kit's own environment."""
    found = f"{sys.version.split()[0]}, {sys.prefix}"
    if ".".join(map(str, sys.version_info[:2])) != PYTHON:
        why = f"requirements.lock holds packages for Python {PYTHON}"
        return Finding("Python", found, "problem", why, "make env PYTHON=python3.11")
    if not (Path(sys.prefix) / ".internvl-course").exists():
        why = "an environment that `make` did not build: the course's own is in .venv"
        return Finding("Python", found, "note", why)
    return Finding("Python", found)


def kernel_finding() -> Finding:
    """The notebooks name the kernel `python3`: it has to start this very environment's Python."""
    try:
        from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
    except ModuleNotFoundError:
        return Finding("kernel python3", "Jupyter is missing", "problem", mend="make env")
    try:
        spec = KernelSpecManager().get_kernel_spec("python3")
    except NoSuchKernel:
        return Finding("kernel python3", "not registered", "problem", "no notebook can start", "make env")
    program = Path(spec.argv[0])
    # A bare "python" is replaced by the Python that runs Jupyter.
    if program.is_absolute() and program.parent != Path(sys.prefix, "bin"):
        why = "notebooks would run with another Python and its packages"
        return Finding("kernel python3", f"starts {program}", "problem", why, "make env")
    return Finding("kernel python3", f"starts {Path(sys.prefix, 'bin', program.name)}")


def probe() -> None:
    """Import what has compiled parts, naming each before it starts, then print device facts as a JSON line."""
    for name in ("torch", "torchvision", "bitsandbytes"):
        print(name, flush=True)
        importlib.import_module(name)
    import torch

    device, why = settings.pick_device()
    facts = {"device": str(device), "why": why, "cuda": torch.version.cuda}
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        facts |= {"free": free / 2**30, "total": total / 2**30, "bf16": torch.cuda.is_bf16_supported(False)}
    print(json.dumps(facts), flush=True)


def device_findings() -> list[Finding]:
    """Device and why, dtype, GPU memory, and what follows for serving."""
    command = [sys.executable, "-c", "from course_lib.doctor import probe; probe()"]
    path = os.pathsep.join([str(settings.ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path})
    *imported, last = done.stdout.split("\n")[:-1] or ["torch"]
    if done.returncode:
        error = (done.stderr.strip().splitlines() or [f"the process died with code {done.returncode}"])[-1]
        return [Finding(f"import {last}", error, "problem", "installed, yet it does not load", _reinstall(last))]
    facts = json.loads(last)
    if facts["device"] != "cpu":
        return _gpu_findings(facts)
    card = _unused_card(facts["cuda"])
    return [
        Finding("device", f"cpu: {facts['why']}", "note" if card else "ok", card),
        Finding("dtype", "float32: on a processor answers take full precision, trainings bf16 where it is fast"),
        Finding("lmdeploy's engine", "none for a processor", "note", "notebooks serve through transformers instead"),
    ]


def _reinstall(package: str) -> str:
    """Where the version is right and a file is broken, `make env` would see nothing to do."""
    return f"{sys.executable} -m uv pip sync --python {sys.executable} --reinstall-package {package} requirements.lock"


def _gpu_findings(facts: dict) -> list[Finding]:
    slow = "" if facts["bf16"] else "this card only imitates bfloat16, slowly"
    return [
        Finding("device", f"{facts['device']}: {facts['why']}"),
        Finding("dtype", "the checkpoint's own, bfloat16 for InternVL2", "note" if slow else "ok", slow),
        Finding("GPU memory", f"{facts['free']:.1f} GiB free of {facts['total']:.1f}"),
    ]


def _unused_card(cuda: str | None) -> str:
    """Why an NVIDIA card that the driver lists is not used; "" where there is none, or it is hidden on purpose."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "" or not shutil.which("nvidia-smi"):
        return ""
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True)
    if listed.returncode or "GPU" not in listed.stdout:
        return ""
    return f"{listed.stdout.splitlines()[0]} is here, but its driver is too old for CUDA {cuda}: update the driver"


def disk_finding() -> Finding:
    """Room for runs, merged models and reports."""
    free = shutil.disk_usage(settings.ROOT).free / 2**30
    found = f"{free:.0f} GiB free at {settings.ROOT}"
    if free < FREE_DISK_GIB:
        why = f"a run of the course leaves up to {FREE_DISK_GIB} GiB under runs/ and build/"
        return Finding("disk", found, "problem", why, "make clean")
    return Finding("disk", found)


def model_finding() -> Finding:
    """The checkpoint that COURSE_MODEL chooses: is it one, and is it whole?"""
    chosen = os.environ.get("COURSE_MODEL", "").strip()
    mend = "unset COURSE_MODEL" if chosen not in ("", "mini") else "git checkout -- data/internvl-mini"
    try:
        folder = settings.model_folder()
    except FileNotFoundError as error:
        return Finding("model", "not found", "problem", str(error), mend)
    if not (folder / "config.json").is_file():
        return Finding("model", f"no config.json in {folder}", "problem", "a checkpoint's folder holds one", mend)
    architecture = (
        json.loads((folder / "config.json").read_text(encoding="utf-8")).get("architectures") or ["unnamed"]
    )[0]
    if architecture not in ARCHITECTURES:
        return Finding(
            "model", f"{architecture} in {folder}", "problem", f"the course reads {' and '.join(ARCHITECTURES)}", mend
        )
    index = folder / "model.safetensors.index.json"
    names = ["model.safetensors"]
    if index.is_file():
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        return Finding(
            "model", f"{', '.join(missing)} missing in {folder}", "problem", "the weights are not complete", mend
        )
    size = sum((folder / name).stat().st_size for name in names) / 1e6
    return Finding("model", f"{architecture}, {size:,.0f} MB, {folder}")


def data_findings() -> list[Finding]:
    """The two tasks' training records, under COURSE_DATA or the kit's data/; what is held out, and who must consent."""
    own = os.environ.get("COURSE_DATA", "").strip()
    findings = []
    for task, splits in TASK_FILES.items():
        names = (splits["train"], OTHER_NAMES[task])
        mend = "unset COURSE_DATA" if own else f"git checkout -- data/{task}"
        try:
            folder = settings.data_folder(task)
            file = training_file(task, folder) or folder / names[0]
            raw = _raw_records(file)
        except (OSError, ValueError) as error:
            found = f"no {' or '.join(names)} that can be read"
            findings.append(Finding(f"data: {task}", found, "problem", str(error), mend))
            continue
        findings.append(_records_finding(task, file, raw))
    return findings


def _raw_records(file: Path) -> list:
    text = file.read_text(encoding="utf-8-sig")
    if file.suffix == ".jsonl":
        return [json.loads(line) for line in text.split("\n") if line.strip()]
    if not isinstance(raw := json.loads(text), list):
        raise ValueError(f"{file} should hold a list of records")
    return raw


def _records_finding(task: str, file: Path, raw: list) -> Finding:
    """How many records there are; pictures and fields are checked when a notebook reads them."""
    what, found, notes = f"data: {task}", f"{len(raw)} records, {file.parent}", []
    if not (file.parent / (test := TASK_FILES[task]["test"])).is_file():
        notes.append(f"no {test}: {HELD_OUT:.0%} of {file.name}, by picture, are held out as the test")
    parsed = (parse(record, file.parent, Reporter(file, number, [])) for number, record in enumerate(raw, start=1))
    if needs_consent(Record(file, 0, *record) for record in parsed if record is not None):
        try:
            consents = consent_given()
        except ValueError as error:
            return Finding(what, found, "problem", str(error), f"unset {VARIABLE}")
        training = "was consented to" if consents else "needs your consent"
        notes.append(f"FoodieQA's: evaluate freely; training on it {training} ({VARIABLE}=yes)")
    return Finding(what, found, "note" if notes else "ok", "; ".join(notes))
