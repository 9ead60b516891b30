"""What is tracked is small, says nothing about the machine it was made on, and its documents name what exists."""

import re
import subprocess

import pytest

from course_lib.settings import ROOT

TEXT = {
    "",
    ".py",
    ".md",
    ".toml",
    ".yml",
    ".yaml",
    ".json",
    ".jsonl",
    ".lock",
    ".ipynb",
    ".txt",
    ".cfg",
    ".svg",
    ".css",
    ".js",
}
# Package indexes and their mirrors, home folders, and keys.
UNWANTED = re.compile(
    r"(?:files\.)?pythonhosted\.org|pypi\.org/simple|registry\.npmjs|/simple/[a-z]|--index-url|"
    r"/(?:root|home|Users)/[A-Za-z]|/work/[a-z]|/tmp/[a-z]|BEGIN [A-Z ]*PRIVATE KEY|hf_[A-Za-z0-9]{30}"
)


def git(*arguments):
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def tracked():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: what is tracked cannot be told")
    return [ROOT / name for name in git("ls-files", "-z").split("\0") if name and (ROOT / name).is_file()]


def test_a_clone_is_small(tracked):
    sizes = {path.relative_to(ROOT): path.stat().st_size for path in tracked}
    largest = sorted(sizes, key=sizes.get, reverse=True)[:5]
    assert sum(sizes.values()) < 48 * 2**20, largest


def test_no_tracked_text_names_a_machine_or_a_registry(tracked):
    found = {}
    for path in tracked:
        if path.suffix in TEXT and path.name != "test_repository.py":
            matches = UNWANTED.findall(path.read_text(encoding="utf-8"))
            if matches:
                found[str(path.relative_to(ROOT))] = sorted(set(matches))
    assert found == {}


def test_nothing_is_tracked_that_the_commands_make(tracked):
    ignored = git("ls-files", "--cached", "--ignored", "--exclude-standard").split()
    assert ignored == []
    names = {path.name for path in tracked}
    assert not names & {".DS_Store", "gradebook.db", "nohup.out"}
    assert [path for path in tracked if path.suffix in {".pyc", ".pkl", ".pt", ".bin", ".log"}] == []


def test_no_file_runs_a_checkpoints_code_or_unpickles():
    calls = re.compile(r"trust_remote_code\s*=\s*True|import pickle|pickle\.loads?\(")
    files = [path for folder in ("course_lib", "tests", "notebooks") for path in (ROOT / folder).rglob("*.py")]
    files += (ROOT / "notebooks").rglob("*.ipynb")
    assert len(files) > 20
    assert [
        str(path)
        for path in files
        if path.name != "test_repository.py" and calls.search(path.read_text(encoding="utf-8"))
    ] == []


def test_the_readmes_commands_exist():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    named = set(re.findall(r"(?:^|`)\s*make ([a-z]+)", readme, flags=re.MULTILINE))
    assert named <= targets
    assert {"lab", "run", "test"} <= named
    modules = set(re.findall(r"python -m (course_lib(?:\.[a-z_]+)*)", readme))
    for module in modules:
        path = ROOT / module.replace(".", "/")
        assert (
            path.with_suffix(".py").is_file() or (path / "__main__.py").is_file() or (path / "__init__.py").is_file()
        ), module


def test_the_readmes_links_and_pictures_exist():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)", readme) + re.findall(r'(?:src|href)="([^"#]+)"', readme)
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (ROOT / target).exists()] == []


def test_every_command_of_the_makefile_is_explained():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = set(re.search(r"^\.PHONY: (.+)$", makefile, flags=re.MULTILINE).group(1).split())
    explained = set(re.findall(r"^([a-z]+):.*## .+$", makefile, flags=re.MULTILINE))
    assert explained == phony


def test_ci_runs_what_everybody_runs():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111, "chmod +x .ci/run"
    assert script.read_text(encoding="utf-8").rstrip().endswith("exec make test")
