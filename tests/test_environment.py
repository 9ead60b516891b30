"""pyproject.toml, requirements.lock, environment.yml and what is installed say the same thing."""

import ast
import re
import sys
import tomllib
from importlib import metadata

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from course_lib.settings import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
LOCKED = dict(re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", LOCK, flags=re.MULTILINE))
DIRECT = [Requirement(line) for line in PYPROJECT["project"]["dependencies"]]
OVERRIDES = {need.name: need for need in map(Requirement, PYPROJECT["tool"]["uv"]["override-dependencies"])}


@pytest.mark.parametrize("need", DIRECT, ids=lambda need: need.name)
def test_every_direct_dependency_is_locked(need):
    assert canonicalize_name(need.name) in LOCKED, "run: make lock"


def test_direct_dependencies_leave_their_versions_to_the_lock():
    assert [str(need) for need in DIRECT if need.specifier] == []


def test_every_locked_package_has_a_hash_and_the_lock_names_no_address():
    entries = re.split(r"^(?=[a-z0-9._-]+==)", LOCK, flags=re.MULTILINE)[1:]
    assert len(entries) == len(LOCKED) > 200
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert re.findall(r"^--.*|\S*://\S*|\S+ @ \S+", LOCK, flags=re.MULTILINE) == []


def test_installed_versions_are_the_locked_ones():
    installed = {name: metadata.version(name) for name in LOCKED}
    assert installed == LOCKED, "run: make env"


def test_the_only_conflict_in_the_environment_is_the_one_that_is_overridden():
    conflicts = {(name, need.name) for name in LOCKED for need in unmet(name)}
    assert conflicts == {("lmdeploy", "peft")}


def test_the_override_is_still_needed():
    limit = requirement_of("lmdeploy", "peft").specifier
    assert list(OVERRIDES) == ["peft"]
    assert not limit.contains(LOCKED["peft"]), "lmdeploy bears this peft: delete the override in pyproject.toml"
    assert OVERRIDES["peft"].specifier.contains(LOCKED["peft"])


def test_the_override_is_explained_where_it_stands():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    comment = text[text.index("[tool.uv]") : text.index("override-dependencies")]
    assert all(word in comment for word in ("lmdeploy", "peft", "transformers"))


def test_conda_gets_the_same_python_and_no_versions_of_its_own():
    conda = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    versions = dict(re.fullmatch(r"([a-z]+)=?(.*)", line).groups() for line in conda["dependencies"])
    wanted = SpecifierSet(PYPROJECT["project"]["requires-python"])
    assert (
        wanted.contains(f"{versions.pop('python')}.0")
        and not wanted.contains("3.10.0")
        and not wanted.contains("3.12.0")
    )
    assert not {name for name in versions if name in LOCKED}, "packages come from requirements.lock"
    assert f"filter {conda['name']},$(CONDA_DEFAULT_ENV)" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_the_doctor_asks_for_the_same_python():
    from course_lib.doctor import PYTHON

    assert PYPROJECT["project"]["requires-python"] == f"=={PYTHON}.*"


def test_every_imported_package_is_a_direct_dependency():
    direct = {canonicalize_name(need.name) for need in DIRECT}
    providers = metadata.packages_distributions()
    missing = {
        (name, str(file.relative_to(ROOT)))
        for folder in ("course_lib", "tests", "notebooks")
        for file in (ROOT / folder).rglob("*.py")
        for name in imports(file)
        if not direct & {canonicalize_name(provider) for provider in providers.get(name, [])}
    }
    assert missing == set(), "name it in pyproject.toml, then: make lock"


def imports(file):
    """Top-level names of other people's packages that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module.split(".")[0])
    ours = {"course_lib", "tests"} | {path.stem for path in file.parent.glob("*.py")}
    return names - set(sys.stdlib_module_names) - ours


def requirement_of(package, needed):
    return next(
        need for need in map(Requirement, metadata.requires(package)) if need.name == needed and not need.marker
    )


def unmet(package):
    """What an installed package asks for and does not find, extras apart."""
    for need in map(Requirement, metadata.requires(package) or []):
        if need.marker and not need.marker.evaluate({"extra": ""}):
            continue
        installed = LOCKED.get(canonicalize_name(need.name))
        if installed is None or not need.specifier.contains(installed, prereleases=True):
            yield need
