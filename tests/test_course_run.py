"""The notebooks run headless in this Python, a failing one does not stop the next, what is kept is repeatable."""

import json
import os
import subprocess
import sys

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course_lib import course_run
from course_lib.course_report import description, write_report
from course_lib.settings import ROOT

TABLE = "import pandas; pandas.DataFrame({'before': ['5 %'], 'after': ['95 %']})"
PLOT = "import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.show()"


def code(source, *tags, **metadata):
    return new_code_cell(source, metadata={"tags": list(tags), **metadata})


def write(folder, name, *cells):
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=list(cells)), folder / name)
    return folder / name


def text_of(cell):
    return "".join(output.get("text", "") for output in cell.outputs)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A course of three notebooks of which the second fails, with one that is no part of it."""
    folder = tmp_path_factory.mktemp("course") / "notebooks"
    write(
        folder, "00_good.ipynb",
        new_markdown_cell("# The *good* one"),
        code("import os, sys\nprint(sys.executable, os.getcwd())", scrolled=True),
        code("import course_lib"),
        code("raise SystemExit('needs a card')", "gpu"),
        code(PLOT, "report"),
        new_markdown_cell("*Figure:* a line that **rises**.\n\nMore text."),
        code(TABLE, "report"),
        code("import ipywidgets; ipywidgets.IntSlider()"),
        code(""),
    )  # fmt: skip
    write(folder, "01_bad.ipynb", code("x = 1"), code("y = x\ny / 0"), code("open('reached', 'w')"))
    write(folder, "02_dead.ipynb", code("import os; os._exit(3)"))
    write(folder, "draft.ipynb", code("1 / 0"))
    return folder


@pytest.fixture(scope="module")
def outcomes(folder):
    return course_run.run(course_run.numbered_notebooks(folder), in_place=False, build=folder.parent / "build")


def test_only_numbered_notebooks_are_the_course_and_in_order(folder):
    assert [path.stem for path in course_run.numbered_notebooks(folder)] == ["00_good", "01_bad", "02_dead"]


def test_a_notebook_runs_in_this_python_and_in_its_own_folder(outcomes, folder):
    assert outcomes[0].failed_cell is None and outcomes[0].seconds > 0
    assert text_of(outcomes[0].executed.cells[1]).strip() == f"{sys.executable} {folder}"


def test_cells_for_a_gpu_are_left_alone_without_one(outcomes):
    gpu_cell = outcomes[0].executed.cells[3]
    assert gpu_cell.outputs == [] and gpu_cell.execution_count is None


def test_a_failure_names_its_cell_and_the_next_notebook_still_runs(outcomes, folder):
    bad, dead = outcomes[1:]
    assert bad.failed_cell == 2 and bad.error == "ZeroDivisionError: division by zero (in the cell that begins `y = x`)"
    assert not (folder / "reached").exists()
    assert dead.failed_cell == 1 and dead.error.startswith("the kernel died")


def test_no_kernel_outlives_its_notebook(tmp_path):
    outcome = course_run.execute(write(tmp_path, "00_one.ipynb", code("import os; print(os.getpid())")), gpu=False)
    assert not psutil.pid_exists(int(text_of(outcome.executed.cells[0])))


def test_executed_copies_lie_under_build_and_the_sources_stay(outcomes, folder):
    copies = sorted(path.name for path in (folder.parent / "build" / "notebooks").iterdir())
    assert copies == ["00_good.ipynb", "01_bad.ipynb", "02_dead.ipynb"]
    assert nbformat.read(folder / "00_good.ipynb", as_version=4).cells[1].outputs == []
    failed = nbformat.read(folder.parent / "build" / "notebooks" / "01_bad.ipynb", as_version=4)
    assert failed.cells[1].outputs[0].ename == "ZeroDivisionError"


def test_the_report_is_one_file_with_figures_tables_and_failures(outcomes, tmp_path):
    write_report(outcomes, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<a href="notebooks/00_good.ipynb">' in page and "The good one</h2>" in page
    assert 'src="data:image/png;base64,' in page and 'alt="a line that rises."' in page and "<em>Figure:</em>" in page
    assert "95 %" in page
    assert "More text." not in page and "plt.plot" not in page
    assert "In [2]: ZeroDivisionError: division by zero" in page
    assert not [mark for mark in ("http://", "https://", "<script", "<link") if mark in page]


def test_only_a_cell_that_says_so_describes_a_figure():
    assert description(new_markdown_cell("*Figure:* two\nlines.\n\nNext.")) == "*Figure:* two\nlines."
    assert description(new_markdown_cell("See the *Figure:* above")) == description(code("# *Figure:*")) == ""


def test_executing_in_place_twice_changes_no_byte(tmp_path):
    path = write(
        tmp_path,
        "00_same.ipynb",
        code("print(1)", collapsed=True),
        code(PLOT),
        code("import ipywidgets; ipywidgets.IntSlider()"),
    )
    kept = []
    for _ in range(2):
        (outcome,) = course_run.run([path], in_place=True, build=tmp_path / "build")
        kept.append(path.read_bytes())
    assert outcome.failed_cell is None
    assert kept[0] == kept[1]
    cells = nbformat.read(path, as_version=4).cells
    assert [cell.execution_count for cell in cells] == [1, 2, 3]
    assert [dict(cell.metadata) for cell in cells] == [{"tags": []}] * 3
    assert list(cells[2].outputs[0].data) == ["text/plain"]


def test_a_notebook_that_fails_in_place_stays_as_it_was(tmp_path):
    path = write(tmp_path, "00_bad.ipynb", code("1 / 0"))
    before = path.read_bytes()
    course_run.run([path], in_place=True, build=tmp_path / "build")
    assert path.read_bytes() == before
    assert (tmp_path / "build" / "notebooks" / "00_bad.ipynb").exists()


def test_cell_ids_are_kept_and_an_older_notebook_gets_some(tmp_path):
    path = write(tmp_path, "00_new.ipynb", code("1"))
    before = nbformat.read(path, as_version=4).cells[0].id
    course_run.run([path], in_place=True, build=tmp_path / "build")
    assert nbformat.read(path, as_version=4).cells[0].id == before
    raw = json.loads(path.read_text(encoding="utf-8"))
    raw["nbformat_minor"] = 4
    del raw["cells"][0]["id"]
    path.write_text(json.dumps(raw), encoding="utf-8")
    course_run.run([path], in_place=True, build=tmp_path / "build")
    assert json.loads(path.read_text(encoding="utf-8"))["cells"][0]["id"]


def test_the_command_fails_where_a_notebook_does_and_lists_it(tmp_path):
    path = write(tmp_path, "00_bad.ipynb", code("1 / 0"))
    command = [sys.executable, "-m", "course_lib.course_run", "--in-place"]
    done = subprocess.run([*command, str(path)], cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert done.returncode == 1
    assert "[1/1] 00_bad" in done.stdout and "FAILED in In [1]" in done.stdout
    assert "00_bad.ipynb, In [1]: ZeroDivisionError" in done.stdout
    done = subprocess.run([*command, "nowhere.ipynb"], cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert done.returncode == 2 and "no such notebook" in done.stderr and "Traceback" not in done.stderr


def environment():
    return os.environ | {"PYTHONPATH": str(ROOT)}
