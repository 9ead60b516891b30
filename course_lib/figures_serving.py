"""Figures of notebook 08: seconds for each token, throughput against batch size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from course_lib.figures import BLUE, FAINT, GREEN, ORANGE, finish

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from course_lib.benchmark import Speed

LOOKS = ((ORANGE, "o", "--"), (BLUE, "s", "-"), (GREEN, "^", "-."), (FAINT, "D", ":"))


def laps_figure(laps: Mapping[str, Sequence[float]], prompt: int) -> Figure:
    """Milliseconds for each token of an answer, one line per way of making it; `prompt` is its length in tokens."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(7.5, 3.4), layout="constrained")
    for (name, seconds), (colour, marker, style) in zip(laps.items(), LOOKS):
        axis.plot(range(1, len(seconds) + 1), [1000 * lap for lap in seconds], color=colour, marker=marker,
                  linestyle=style, markersize=4, label=f"{name}: {sum(seconds):.2f} s in all")
    axis.set(xlabel=f"token of the answer (the prompt has {prompt})", ylabel="milliseconds", ylim=(0, None))
    axis.legend(frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    return finish(figure)


def throughput_figure(engines: Mapping[str, Sequence[Speed]]) -> Figure:
    """Answers a second against questions at once, both doubling, with the line of perfect batching for the first."""
    import matplotlib.pyplot as plt
    from matplotlib.ticker import ScalarFormatter

    figure, axis = plt.subplots(figsize=(7.5, 3.8), layout="constrained")
    for (name, speeds), (colour, marker, style) in zip(engines.items(), LOOKS):
        rates = [speed.answers_a_second for speed in speeds]
        axis.plot([speed.batch for speed in speeds], rates, color=colour, marker=marker, linestyle=style, label=name)
        axis.annotate(f"{rates[-1]:.3g}", (speeds[-1].batch, rates[-1]), xytext=(6, -3), textcoords="offset points")
    first = next(iter(engines.values()))
    batches = sorted({speed.batch for speeds in engines.values() for speed in speeds})
    axis.plot(batches, [first[0].answers_a_second * batch / first[0].batch for batch in batches], color="0.4",
              linestyle=(0, (1, 3)), label="perfect batching of the first")
    axis.set_xscale("log", base=2)
    axis.set_yscale("log", base=2)
    axis.set(xlabel="questions at once", ylabel="answers a second", xticks=batches)
    for side in (axis.xaxis, axis.yaxis):
        side.set_major_formatter(ScalarFormatter())
    axis.legend(frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    return finish(figure)
