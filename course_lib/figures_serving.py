"""Figures of notebook 08: seconds for each token, throughput against batch size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from course_lib.figures import BLUE, FAINT, GREEN, ORANGE, finish

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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


def throughput_figure(engines: Mapping[str, Mapping[int, float]]) -> Figure:
    """Answers a second for each number of questions at once, both doubling; the first's perfect batching is dashed."""
    import matplotlib.pyplot as plt
    from matplotlib.ticker import ScalarFormatter

    figure, axis = plt.subplots(figsize=(7.5, 3.8), layout="constrained")
    for (name, rates), (colour, marker, style) in zip(engines.items(), LOOKS):
        axis.plot([*rates], [*rates.values()], color=colour, marker=marker, linestyle=style, label=name)
        last = max(rates)
        axis.annotate(f"{rates[last]:.3g}", (last, rates[last]), xytext=(6, -3), textcoords="offset points")
    first = next(iter(engines.values()))
    batches = sorted({batch for rates in engines.values() for batch in rates})
    one = first[min(first)] / min(first)
    axis.plot(batches, [one * batch for batch in batches], color="0.4", linestyle=(0, (1, 3)),
              label="perfect batching of the first")
    axis.set_xscale("log", base=2)
    axis.set_yscale("log", base=2)
    axis.set(xlabel="questions at once", ylabel="answers a second", xticks=batches)
    for side in (axis.xaxis, axis.yaxis):
        side.set_major_formatter(ScalarFormatter())
    axis.legend(frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    return finish(figure)
