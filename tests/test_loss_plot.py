"""Live curves: one display updated in place, a constant text form, the last frame kept; strict nbval agrees."""

import io
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from PIL import Image

from course_lib import live_figure
from course_lib.live_figure import TEXT_FORM
from course_lib.loss_plot import LossPlot
from course_lib.settings import ROOT

METRICS = [{"step": 0, "eval_loss": 2.0}] + [
    {"step": step, "loss": 2 / step, "learning_rate": 1e-3 / step, "grad_norm": None if step == 2 else 1.0,
     "tokens_per_second": 900.0 + step, "memory_mib": 2048.0, "seconds": float(step)} for step in range(1, 6)
] + [{"step": 5, "eval_loss": 0.5}]  # fmt: skip


def play(plot: LossPlot, folder: Path, metrics: list[dict], clock: list[float] | None = None) -> None:
    """What Trainer tells a callback in a run of five steps."""
    args, state = SimpleNamespace(output_dir=str(folder)), SimpleNamespace(
        is_world_process_zero=True, max_steps=5, global_step=0)
    plot.on_train_begin(args, state, None)
    for line in metrics:
        if clock:
            clock[0] += 3
        state.global_step = line["step"]
        plot.on_log(args, state, None, logs={name: value for name, value in line.items() if name != "step"})
    plot.on_log(args, state, None, logs={"train_runtime": 3.0})
    plot.on_train_end(args, state, None)


def test_without_a_notebook_the_last_frame_is_left_as_a_png(tmp_path):
    plot = LossPlot()
    play(plot, tmp_path, METRICS)
    assert not plot.shows_progress and plot.live.handle is None
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

    monkeypatch.setattr("IPython.get_ipython", lambda: SimpleNamespace(kernel=None))
    monkeypatch.setattr("IPython.display.display", display)
    now = [100.0]
    monkeypatch.setattr(live_figure.time, "monotonic", lambda: now[0])
    plot = LossPlot(interval=10)
    play(plot, tmp_path, METRICS, clock=now)
    assert plot.shows_progress
    # Seven lines in 21 seconds: the first frame, an update after 12 seconds, and one at the end.
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


def test_a_run_that_another_process_is_just_writing_is_drawn_up_to_its_last_whole_line(tmp_path):
    file = tmp_path / "metrics.jsonl"
    assert not LossPlot.from_metrics(file).axes[0].lines  # nothing there yet
    with file.open("w") as lines:
        for count in (2, 3):
            lines.write("".join(json.dumps(line) + "\n" for line in METRICS[1:count]) + '{"step": 9, "lo')
            lines.flush()
            assert LossPlot.from_metrics(file).axes[0].lines[0].get_xdata().tolist() == list(range(1, count))
            lines.seek(0)


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
print("frames:", plot.live.frames >= 3)
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
    strict = ["--nbval", "--nbval-cell-timeout=600", "--nbval-kernel-startup-timeout=600", "-p", "no:cacheprovider"]
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", *strict, str(file)], capture_output=True, text=True,
                          cwd=tmp_path, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
