"""A training watched in JupyterLab: one picture of the curves that moves, a stop button that stops, nothing lost."""

import json

import pytest
from notebook_page import PATIENCE, NotebookPage, write_notebook

pytestmark = pytest.mark.timeout(1800)

SETUP = """
import json
import math
from dataclasses import replace
from pathlib import Path

from course_lib.course_steps import ensure_run, recipe_for, run_folder
from course_lib.dataset import load_task
from course_lib.run_folder import checkpoints, read_metrics

records, held_out, runs = load_task("food", "train")[:48], load_task("food", "test")[:8], Path("runs").resolve()
short = replace(recipe_for("food"), epochs=2, batch_size=8, eval_every=0, save_every=0)
long = replace(short, epochs=1000)
"""
LONG = "stopped = ensure_run('food', recipe=long, records=(records, held_out), plot=True, runs=runs)"
AFTER = """
folder = run_folder(long, records, held_out, runs)
losses = [line["loss"] for line in read_metrics(folder / "metrics.jsonl") if "loss" in line]
print(json.dumps([len(losses), all(map(math.isfinite, losses)), len(checkpoints(folder))]))
"""
SHORT = """
ended = ensure_run("food", recipe=short, records=(records, held_out), plot=True, runs=runs)
print(json.dumps([ended.finished, list(ended.held_out_losses().values())]))
"""
# Every picture that a cell ever shows, and the most that it shows at one time.
WATCH = """cell => {
    window.frames_seen = new Set();
    window.at_one_time = 0;
    new MutationObserver(() => {
        const pictures = [...cell.querySelectorAll('.jp-OutputArea-output img')];
        window.at_one_time = Math.max(window.at_one_time, pictures.length);
        for (const picture of pictures) window.frames_seen.add(picture.src);
    }).observe(cell, {subtree: true, childList: true, attributes: true, attributeFilter: ['src']});
}"""


@pytest.fixture
def notebook(page, jupyterlab):
    name = write_notebook(jupyterlab.folder, "training.ipynb", SETUP.strip(), LONG, AFTER.strip(), SHORT.strip())
    yield NotebookPage(page, jupyterlab, name).open()
    jupyterlab.shut_down_kernels()


def printed(cell):
    return json.loads(cell.locator('[data-mime-type="application/vnd.jupyter.stdout"]').inner_text(timeout=PATIENCE))


def test_the_curves_move_while_it_trains_and_the_stop_button_leaves_a_checkpoint_and_a_kernel(notebook):
    page = notebook.page
    notebook.run_cell("from dataclasses")
    notebook.cell("stopped =").evaluate(WATCH)
    training = notebook.run_cell("stopped =")
    page.wait_for_function("() => window.frames_seen.size >= 6", timeout=5 * PATIENCE)  # the first, and five changes
    assert training.locator(".jp-InputPrompt").inner_text() == "[*]:"
    notebook.interrupt()
    notebook.wait_at_rest(seconds=300)
    assert page.evaluate("() => window.at_one_time") == 1
    assert "KeyboardInterrupt" in training.locator(".jp-OutputArea").inner_text()
    assert training.locator(".jp-OutputArea-output img").count() == 1  # the curves stay

    after = notebook.run_cell("json.dumps([len(losses)")
    steps, finite, checkpoints = printed(after)
    assert steps >= 5 and finite and checkpoints == 1

    ended = notebook.run_cell("ended =")
    notebook.wait_at_rest(seconds=300)
    finished, held_out = printed(ended)
    assert finished and len(held_out) == 2 and held_out[-1] < held_out[0]
    assert ended.locator(".jp-OutputArea-output img").count() == 1
