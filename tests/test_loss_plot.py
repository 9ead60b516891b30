"""Live curves: one display updated in place, a constant text form, the last frame kept; strict nbval agrees."""

import io
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from course_lib import loss_plot
from course_lib.loss_plot import TEXT_FORM, LossPlot, duration, figure, series, smoothed

ROOT = Path(loss_plot.__file__).parents[1]
METRICS = [{"step": 0, "eval_loss": 2.0}] + [
    {"step": step, "loss": 2 / step, "learning_rate": 1e-3 / step, "grad_norm": None if step == 2 else 1.0,
     "tokens_per_second": 900.0 + step, "seconds": float(step)} for step in range(1, 6)
] + [{"step": 5, "eval_loss": 0.5}]  # fmt: skip


def play(plot: LossPlot, folder: Path, metrics: list[dict]) -> None:
    """What Trainer tells a callback in a run of five steps."""
    args, state = SimpleNamespace(output_dir=str(folder)), SimpleNamespace(
        is_world_process_zero=True, max_steps=5, global_step=0)
    plot.on_train_begin(args, state, None)
    for line in metrics:
        state.global_step = line["step"]
        plot.on_log(args, state, None, logs={name: value for name, value in line.items() if name != "step"})
    plot.on_log(args, state, None, logs={"train_runtime": 3.0})
    plot.on_train_end(args, state, None)


def test_without_a_notebook_the_last_frame_is_left_as_a_png(tmp_path):
    plot = LossPlot()
    play(plot, tmp_path, METRICS)
    assert not plot.shows_progress and plot.handle is None
    with Image.open(tmp_path / "loss.png") as image:
        image.load()
        assert image.format == "PNG" and image.width > 600
    assert [path.name for path in tmp_path.iterdir()] == ["loss.png"]


def test_in_a_notebook_one_display_is_updated_in_place_about_once_an_interval(tmp_path, monkeypatch):
    shown, updates = [], []

    class Handle:
        def update(self, bundle, raw):
            updates.append(bundle)

    def display(bundle, raw, display_id):
        shown.append(bundle)
        return Handle()

    monkeypatch.setattr(loss_plot, "in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", display)
    now = [100.0]
    monkeypatch.setattr(loss_plot.time, "monotonic", lambda: now[0])
    plot = LossPlot(interval=10)
    play(plot, tmp_path, METRICS)
    assert plot.shows_progress
    # The first frame, one update for the first line, then the interval has not passed, and one at the end.
    assert (len(shown), len(updates)) == (1, 2)
    for bundle in shown + updates:
        assert bundle["text/plain"] == TEXT_FORM
        assert Image.open(io.BytesIO(bundle["image/png"])).format == "PNG"
    assert shown[0]["image/png"] != updates[0]["image/png"] != updates[1]["image/png"]


def test_a_resumed_run_shows_what_was_before(tmp_path):
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in METRICS[:4]))
    plot = LossPlot()
    play(plot, tmp_path, METRICS[4:])
    assert plot.metrics == METRICS


def test_figures_redraw_from_a_metrics_file_and_show_every_series(tmp_path):
    file = tmp_path / "metrics.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in METRICS))
    drawn = LossPlot.from_metrics(file)
    losses, rate, norm, speed = drawn.axes
    thin, smooth, held_out = losses.lines
    assert thin.get_ydata().tolist() == [2 / step for step in range(1, 6)]
    assert held_out.get_xdata().tolist() == [0, 5]
    assert norm.lines[0].get_xdata().tolist() == [1, 3, 4, 5]  # a step without a finite value leaves a gap
    assert speed.lines[0].get_ydata()[0] == 901
    assert len(figure([]).axes) == 4  # before the first step


def test_smoothing_is_right_from_the_first_value_on():
    assert smoothed([3.0, 3.0, 3.0]) == pytest.approx([3, 3, 3])
    assert smoothed([1.0, 2.0], memory=0.5) == pytest.approx([1, 5 / 3])
    assert series([{"step": 1, "loss": 2.0}, {"step": 2}], "loss") == ([1], [2.0])


@pytest.mark.parametrize("seconds, text", [(0.4, "0 s"), (59, "59 s"), (200, "3 min 20 s"), (3900, "1 h 05 min")])
def test_durations_are_written_for_people(seconds, text):
    assert duration(seconds) == text


CELL = """
from types import SimpleNamespace
from course_lib.loss_plot import LossPlot
plot = LossPlot(interval=0)
args = SimpleNamespace(output_dir=".")
state = SimpleNamespace(is_world_process_zero=True, max_steps=4, global_step=0)
plot.on_train_begin(args, state, None)
for step in range(1, 5):
    state.global_step = step
    plot.on_log(args, state, None, logs={"loss": 2 / step, "seconds": step})
plot.on_train_end(args, state, None)
print("frames:", plot.frames >= 3)
"""


def test_a_live_notebook_keeps_the_last_frame_and_passes_strict_nbval(tmp_path):
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL.strip())])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    # The kernel starts in the notebook's folder; it finds course_lib as the course's own notebooks do: by its path.
    path = f"import sys\nsys.path.insert(0, {str(ROOT)!r})"
    notebook.cells.insert(0, nbformat.v4.new_code_cell(path))
    patience = {"timeout": 600, "startup_timeout": 600}  # seconds, on a machine that is busy with something else
    NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}}, **patience).execute()
    pictures = [output for output in notebook.cells[1].outputs if output.output_type == "display_data"]
    assert len(pictures) == 1  # several frames, one display
    assert pictures[0].data.keys() == {"image/png", "text/plain"} and pictures[0].data["text/plain"] == TEXT_FORM
    assert notebook.cells[1].outputs[-1].text == "frames: True\n"
    file = tmp_path / "live.ipynb"
    nbformat.write(notebook, file)
    strict = ["--nbval", "--nbval-cell-timeout=600", "--nbval-kernel-startup-timeout=600", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run([sys.executable, "-m", "pytest", *strict, str(file)], capture_output=True, text=True,
                          cwd=tmp_path, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
