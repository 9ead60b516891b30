"""The figure of a grid of trainings: every variant's losses over steps, and its score with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

from course_lib.evaluation import SCORE_WORDS
from course_lib.figures import BLUE, GREEN, GREY, INK, ORANGE, PINK, RED, SKY, finish
from course_lib.live_figure import smoothed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from course_lib.experiment_results import Experiment, Experiments

COLOURS = (INK, BLUE, ORANGE, GREEN, RED, PINK, SKY, GREY)
LINES = ("-", "--", "-.", ":", (0, (5, 1)))  # 8, 5 and 9 share no factor: 360 variants until a look comes again
MARKERS = "osD^vP*Xh"
Look = tuple[str, object, str]  # colour, line style, marker


def experiments_figure(experiments: Experiments) -> Figure:
    """Left: smoothed training loss (lines) and held-out loss (markers) over steps; right: scores with intervals.

    The legend begins with the lowest final held-out loss, and the scores stand in the same order.
    """
    import matplotlib.pyplot as plt

    looks = {run.name: (COLOURS[i % len(COLOURS)], LINES[i % len(LINES)], MARKERS[i % len(MARKERS)])
             for i, run in enumerate(experiments.runs)}  # fmt: skip
    scored = [run for run in experiments.ranked if run.score]
    height = max(3.6, 1.2 + 0.34 * len(experiments.runs))
    figure, axes = plt.subplots(1, 1 + bool(scored), figsize=(11 if scored else 8, height), layout="constrained",
                                squeeze=False, width_ratios=(3, 2) if scored else None)  # fmt: skip
    for run in experiments.ranked:
        _draw_losses(axes[0, 0], run, looks[run.name])
    axes[0, 0].set(xlabel="step", ylabel="loss (nats a token), logarithmic", yscale="log")
    axes[0, 0].yaxis.set_major_formatter("{x:g}")
    axes[0, 0].grid(alpha=0.3)
    if scored:
        _draw_scores(axes[0, 1], scored, looks)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=9,
                  title="final held-out loss", handlelength=3.5, alignment="left")  # fmt: skip
    for panel in axes.flat:
        panel.spines[["top", "right"]].set_visible(False)
    return finish(figure)


def _draw_losses(axes: Axes, run: Experiment, look: Look) -> None:
    colour, style, marker = look
    training, held_out = run.losses(), run.losses("eval_loss")
    steps = [*training]
    memory = max(0.0, 1 - 20 / max(1, len(steps)))  # over a twentieth of the run: longer would lag behind the fall
    axes.plot(steps, smoothed([*training.values()], memory), color=colour, linestyle=style, linewidth=1.6)
    axes.plot([*held_out], [*held_out.values()], color=colour, marker=marker, linestyle="none", markersize=7,
              markeredgecolor="white")  # fmt: skip
    ended = "failed" if run.failed else f"{held_out[max(held_out)]:.3f}" if held_out else "no held-out loss"
    axes.plot([], [], color=colour, linestyle=style, marker=marker, label=f"{run.name}: {ended}")


def _draw_scores(axes: Axes, scored: list[Experiment], looks: dict[str, Look]) -> None:
    for row, run in enumerate(scored):
        colour, _, marker = looks[run.name]
        score = run.score
        axes.errorbar(100 * score.rate, row, xerr=[[100 * (score.rate - score.low)], [100 * (score.high - score.rate)]],
                      color=colour, marker=marker, capsize=3, markersize=7)  # fmt: skip
    axes.set_yticks(range(len(scored)), [run.name for run in scored])
    axes.set(ylim=(len(scored) - 0.5, -0.5), xlim=(-2, 102))
    name = scored[0].score_name
    axes.set_xlabel(f"{SCORE_WORDS.get(name, name)},\n% right of {scored[0].score.n}, with 95 % Wilson interval")
    axes.grid(axis="x", alpha=0.3)
