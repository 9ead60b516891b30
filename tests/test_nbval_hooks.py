"""`pytest --nbval` with notebooks/conftest.py: figures show, a failure ends its notebook, skipped cells are seen."""

import os
import re
import shutil
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from course_lib.course_run import NOTEBOOKS
from course_lib.settings import ROOT

INLINE = "import matplotlib\n'inline' in matplotlib.get_backend()"


def executed(source, *tags, prints=None, result=None):
    outputs = []
    if prints is not None:
        outputs.append(new_output("stream", name="stdout", text=prints))
    if result is not None:
        outputs.append(new_output("execute_result", {"text/plain": result}, execution_count=1))
    return new_code_cell(source, metadata={"tags": list(tags)}, execution_count=1, outputs=outputs)


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """{(notebook, cell): verdict} and the whole text, with Matplotlib told not to show anything, as in other tests."""
    folder = tmp_path_factory.mktemp("notebooks")
    shutil.copy(NOTEBOOKS / "conftest.py", folder)
    notebooks = {
        "00_good": [
            executed("print(1)", prints="1\n"),
            executed("print(2)", "nbval-ignore-output", prints="other\n"),
            executed("raise SystemError", "gpu"),
            executed(INLINE, result="True"),
        ],
        "01_differs": [executed("print(1)", prints="2\n"), executed("print(3)", prints="3\n")],
        "02_fails": [executed("1", result="1"), executed("1 / 0"), executed("print(4)", prints="4\n")],
        "03_tag": [executed("print(5)", "gpuu", prints="5\n")],
    }
    for name, cells in notebooks.items():
        nbformat.write(new_notebook(cells=cells), folder / f"{name}.ipynb")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-v",
        "-rs",
        "--nbval",
        "--nbval-current-env",
        "-p",
        "no:cacheprovider",
        str(folder),
    ]
    environment = os.environ | {"MPLBACKEND": "Agg", "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    found = re.findall(r"^(\d\d_[a-z]+)::ipynb::Cell (\d) +([A-Z]+)", done.stdout, flags=re.MULTILINE)
    return {(name, int(cell)): verdict for name, cell, verdict in found}, done.stdout


def test_what_is_compared_what_is_not_and_what_is_skipped(verdicts):
    expected = ["PASSED", "PASSED", "SKIPPED", "PASSED"]
    assert [verdicts[0]["00_good", cell] for cell in range(4)] == expected, verdicts[1]
    assert "tagged gpu, and torch finds no CUDA GPU" in verdicts[1]


def test_another_output_than_the_kept_one_fails_and_ends_the_notebook(verdicts):
    assert [verdicts[0]["01_differs", cell] for cell in range(2)] == ["FAILED", "SKIPPED"]
    assert "01_differs.ipynb stopped at its Cell 0" in verdicts[1]


def test_a_failing_cell_ends_its_notebook(verdicts):
    assert verdicts[0]["02_fails", 1] == "FAILED" and verdicts[0]["02_fails", 2] == "SKIPPED"


def test_a_tag_that_nobody_knows_is_an_error(verdicts):
    assert verdicts[0]["03_tag", 0] == "ERROR"
    assert "unknown tag gpuu" in verdicts[1]
