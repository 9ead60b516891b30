"""Is this machine ready for the course? A table of what was found, and one command for each thing to mend."""

from __future__ import annotations

import html
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from course_lib import settings
from course_lib.records import TASK_FILES

PYTHON = "3.11"
FREE_DISK_GIB = 3  # one fine-tuning of the small model, its merged copy and the report, several times over
ARCHITECTURES = ("InternVLChatModel", "InternVLForConditionalGeneration")
MARKS = {"ok": "ok", "note": "note", "problem": "MEND"}

# What each package's absence or drift means here, beyond "the version is another one".
KNOWN_TROUBLE = {
    "torch": "torch drifted: something upgraded it past what lmdeploy, torchvision and bitsandbytes here were built for",
    "torchvision": "torchvision drifted: it works with one version of torch only",
    "transformers": "transformers drifted: lmdeploy and peft each bear only some of its versions",
    "peft": "peft drifted: the Trainer of transformers 5 needs 0.20 or newer, whatever lmdeploy's own limit says",
    "numpy": "numpy drifted: packages compiled against another one may crash",
    "deepspeed": "deepspeed has no ready-made package: it is built on this machine, with torch there first",
    "bitsandbytes": "bitsandbytes holds the 4-bit weights that QLoRA trains over",
    "lmdeploy": "lmdeploy serves the merged model in notebook 08",
}


@dataclass(frozen=True)
class Finding:
    """One row: what was looked at, what was found, and for a problem the one command that mends it."""

    what: str
    found: str
    status: str = "ok"  # ok | note | problem
    why: str = ""
    mend: str = ""


@dataclass(frozen=True)
class Report:
    """All findings; prints as a table, and shows as one in a notebook."""

    findings: tuple[Finding, ...]

    @property
    def problems(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.status == "problem")

    def __str__(self) -> str:
        width = max(len(finding.what) for finding in self.findings)
        lines = []
        for finding in self.findings:
            lines.append(f"{MARKS[finding.status]:<5} {finding.what:<{width}}  {finding.found}")
            lines += [f"{'':<5} {'':<{width}}  {text}" for text in (finding.why, finding.mend and f"$ {finding.mend}") if text]
        return "\n".join([*lines, "", self.verdict()])

    def verdict(self) -> str:
        """One sentence: ready, or how many things to mend."""
        if not self.problems:
            return "Ready."
        return f"{len(self.problems)} to mend: run the command under each, then ask again."

    def _repr_html_(self) -> str:
        colours = {"ok": "#1a7f37", "note": "#9a6700", "problem": "#cf222e"}
        rows = []
        for finding in self.findings:
            detail = html.escape(finding.found)
            detail += f"<br><small>{html.escape(finding.why)}</small>" if finding.why else ""
            detail += f"<br><code>{html.escape(finding.mend)}</code>" if finding.mend else ""
            rows.append(
                f'<tr><td style="color:{colours[finding.status]};font-weight:600">{MARKS[finding.status]}</td>'
                f'<td style="text-align:left">{html.escape(finding.what)}</td>'
                f'<td style="text-align:left">{detail}</td></tr>'
            )
        head = "<tr><th></th><th style='text-align:left'>looked at</th><th style='text-align:left'>found</th></tr>"
        return f"<table>{head}{''.join(rows)}</table><p>{html.escape(self.verdict())}</p>"


def report() -> Report:
    """Look at everything. torch is asked last, in a process of its own: a broken one cannot take the doctor with it."""
    findings = [python_finding(), *package_findings(), kernel_finding()]
    findings += [*device_findings(), disk_finding(), model_finding(), *data_findings()]
    return Report(tuple(findings))


def direct_packages() -> list[str]:
    """The packages that pyproject.toml names, as pip writes them."""
    project = tomllib.loads((settings.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [canonicalize_name(Requirement(line).name) for line in project["dependencies"]]


def locked_versions() -> dict[str, str]:
    """Package -> version, from requirements.lock."""
    text = (settings.ROOT / "requirements.lock").read_text(encoding="utf-8")
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", text, flags=re.MULTILINE))


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


def package_findings() -> list[Finding]:
    """A row for each direct package: its version against the lock, and the breakages known by name."""
    locked = locked_versions()
    installed = {name: _installed(name) for name in direct_packages()}
    findings = [_package_finding(name, version, locked[name]) for name, version in installed.items()]
    return [*findings, *_pair_findings(installed)]


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _package_finding(name: str, version: str | None, locked: str) -> Finding:
    known = KNOWN_TROUBLE.get(name, "")
    if version is None:
        return Finding(name, f"missing (lock: {locked})", "problem", known.replace("drifted", "missing"), "make env")
    if version != locked:
        return Finding(name, f"{version} (lock: {locked})", "problem", known, "make env")
    return Finding(name, version)


def _pair_findings(installed: dict[str, str | None]) -> list[Finding]:
    """Packages that are each as they say, and wrong together; and the one pair that is wrong on purpose."""
    findings = []
    torch, torchvision = installed["torch"], installed["torchvision"]
    if torch and torchvision and not _made_for_each_other(torch, torchvision):
        why = "built apart, the pair fails at import: `operator torchvision::nms does not exist`"
        findings.append(Finding("torch + torchvision", f"mismatch: {torch} + {torchvision}", "problem", why, "make env"))
    peft, limit = installed["peft"], _limit("lmdeploy", "peft")
    if peft and limit and not limit.contains(peft):
        why = "expected: the override in pyproject.toml says why it does no harm"
        findings.append(Finding("peft + lmdeploy", f"lmdeploy asks for peft{limit}, {peft} is here", "note", why))
    return findings


def _made_for_each_other(torch: str, torchvision: str) -> bool:
    """torchvision names the torch it was compiled with; a build label (`+cpu`) has to be on both or on neither."""
    wanted = _limit("torchvision", "torch")
    return (wanted is None or wanted.contains(torch)) and Version(torch).local == Version(torchvision).local


def _limit(package: str, needed: str) -> SpecifierSet | None:
    """The versions of `needed` that an installed package asks for, without its optional extras."""
    if _installed(package) is None:
        return None
    needs = (Requirement(line) for line in metadata.requires(package) or ())
    return next((need.specifier for need in needs if canonicalize_name(need.name) == needed and not need.marker), None)


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
    """Import what has compiled parts, then print device facts as a JSON line; each import is announced before it starts."""
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
        Finding("dtype", "float32: on a processor the course computes in full precision"),
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
    """Why an NVIDIA card that the driver lists is not used; empty where there is none, or where it is hidden on purpose."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "" or not shutil.which("nvidia-smi"):
        return ""
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True)
    if listed.returncode or "GPU" not in listed.stdout:
        return ""
    return f"{listed.stdout.splitlines()[0]} is here, but its driver is too old for CUDA {cuda}: update the driver to use it"


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
    architecture = (json.loads((folder / "config.json").read_text(encoding="utf-8")).get("architectures") or ["unnamed"])[0]
    if architecture not in ARCHITECTURES:
        return Finding("model", f"{architecture} in {folder}", "problem", f"the course reads {' and '.join(ARCHITECTURES)}", mend)
    index = folder / "model.safetensors.index.json"
    names = ["model.safetensors"]
    if index.is_file():
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        return Finding("model", f"{', '.join(missing)} missing in {folder}", "problem", "the weights are not complete", mend)
    size = sum((folder / name).stat().st_size for name in names) / 1e6
    return Finding("model", f"{architecture}, {size:,.0f} MB, {folder}")


def data_findings() -> list[Finding]:
    """The two tasks' training records, under COURSE_DATA or the kit's data/."""
    own = os.environ.get("COURSE_DATA", "").strip()
    findings = []
    for task, splits in TASK_FILES.items():
        name = splits["train"]
        mend = "unset COURSE_DATA" if own else f"git checkout -- data/{task}"
        try:
            file = settings.data_folder(task) / name
            records = len(json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            findings.append(Finding(f"data: {task}", f"no {name} that can be read", "problem", str(error), mend))
            continue
        findings.append(Finding(f"data: {task}", f"{records} records, {file.parent}"))
    return findings
