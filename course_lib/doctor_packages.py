"""The installed packages against requirements.lock, and the breakages that past learners met, by name."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from course_lib import settings
from course_lib.findings import Finding

# What each package's absence or drift means here, beyond "the version is another one".
KNOWN_TROUBLE = {
    "torch": "torch drifted: something moved it away from what lmdeploy, torchvision and bitsandbytes are made for",
    "torchvision": "torchvision drifted: it works with one version of torch only",
    "transformers": "transformers drifted: lmdeploy and peft each bear only some of its versions",
    "peft": "peft drifted: the Trainer of transformers 5 needs 0.20 or newer, whatever lmdeploy's own limit says",
    "numpy": "numpy drifted: packages compiled against another one may crash",
    "deepspeed": "deepspeed has no ready-made package: it is built on this machine, with torch there first",
    "bitsandbytes": "bitsandbytes holds the 4-bit weights that QLoRA trains over",
    "lmdeploy": "lmdeploy serves the merged model in notebook 08",
}


def direct_packages() -> list[str]:
    """The packages that pyproject.toml names, as pip writes them."""
    project = tomllib.loads((settings.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [canonicalize_name(Requirement(line).name) for line in project["dependencies"]]


def locked_versions() -> dict[str, str]:
    """Package -> version, from requirements.lock."""
    text = (settings.ROOT / "requirements.lock").read_text(encoding="utf-8")
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", text, flags=re.MULTILINE))


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
        findings.append(
            Finding("torch + torchvision", f"mismatch: {torch} + {torchvision}", "problem", why, "make env")
        )
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
