"""How `pytest --nbval` runs the notebooks beside this file; what each tag means is in course_lib/course_run.py."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from nbval.plugin import IPyNbCell

from course_lib.course_run import KNOWN_TAGS
from course_lib.settings import pick_device

FIRST_FAILURE = pytest.StashKey[str]()


def pytest_itemcollected(item: IPyNbCell) -> None:
    """A cell tagged `gpu` is skipped, and listed as such, where there is none."""
    if "gpu" in tags(item) and pick_device()[0].type != "cuda":
        item.add_marker(pytest.mark.skip(reason="tagged gpu, and torch finds no CUDA GPU"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: IPyNbCell) -> Generator[None, object, object]:
    """A notebook's kernel, started with its first cell, shows figures, whatever other tests chose for themselves."""
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("MPLBACKEND", raising=False)
        return (yield)


def pytest_runtest_setup(item: IPyNbCell) -> None:
    """What follows a failed cell says nothing about itself; a misspelt tag would silently do nothing."""
    if stopped_at := item.parent.stash.get(FIRST_FAILURE, None):
        pytest.skip(f"{item.path.name} stopped at its {stopped_at}")
    unknown = tags(item) - set(KNOWN_TAGS)
    if unknown:
        known = ", ".join(KNOWN_TAGS)
        pytest.fail(f"unknown tag {', '.join(sorted(unknown))} (course_lib/course_run.py knows {known})", pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: IPyNbCell) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember a notebook's first failed cell."""
    report = yield
    if report.failed:
        item.parent.stash.setdefault(FIRST_FAILURE, item.name)
    return report


def tags(item: IPyNbCell) -> set[str]:
    """The tags in a cell's metadata."""
    return set(item.cell.metadata.get("tags", ()))
