"""Figures of notebooks 05 and 06: NF4's levels and error, LoRA to scale, memory by part, learning rates, merge bases.

Each function takes plain data and returns a matplotlib Figure. Markers, hatching and words repeat what a colour says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from course_lib.figures import BLUE, FAINT, GREEN, GREY, INK, ORANGE, PINK, RED, SKY, finish, tint

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINES = ((BLUE, "-", "o"), (ORANGE, "--", "s"), (GREEN, "-.", "D"), (RED, ":", "^"), (PINK, "-", "v"))
MEMORY_STYLES = {  # part of memory.PEAK_PARTS: colour and hatching
    "frozen weights": (tint(GREY, 0.45), ""),
    "NF4 weights": (SKY, ""),
    "NF4 constants": (BLUE, "xxx"),
    "trained weights": (GREEN, ""),
    "gradients": (ORANGE, "///"),
    "AdamW moments": (PINK, "..."),
    "weight copies": (tint(GREEN, 0.4), "\\\\\\"),
    "activations": (tint(RED, 0.5), ""),
    "attention masks": (tint(RED, 0.5), "+++"),
    "logits": (tint(RED, 0.5), "ooo"),
    "temporaries": (tint(BLUE, 0.25), "---"),
    "batch": (tint(GREY, 0.2), "|||"),
    "cuBLAS workspace": (tint(GREY, 0.2), "***"),
}


def levels_figure(scaled: Any, levels: Sequence[float]) -> Figure:
    """Real weights, each divided by its block's largest, over NF4's levels and over as many even steps.

    `scaled`: numbers in [-1, 1]; `levels`: 16 rising numbers from -1 to 1.
    """
    figure, (top, bottom) = _panels(2, 1, (9, 4.2), sharex=True, height_ratios=(3, 1))
    top.hist(scaled, bins=101, range=(-1, 1), color=tint(GREY, 0.5), density=True)
    top.vlines(levels, 0, top.get_ylim()[1], color=BLUE, linewidth=1)
    top.set(ylabel="share of weights", yticks=[])
    top.set_title(f"weights over the largest of their block, and NF4's {len(levels)} levels (lines)", loc="left")
    even = [-1 + 2 * step / (len(levels) - 1) for step in range(len(levels))]
    bottom.plot(levels, [1] * len(levels), color=BLUE, marker="o", linestyle="none")
    bottom.plot(even, [0] * len(even), color=ORANGE, marker="s", linestyle="none")
    bottom.set(yticks=(0, 1), yticklabels=("even steps", "NF4"), ylim=(-0.6, 1.6), xlim=(-1.03, 1.03))
    bottom.set_xlabel("weight / largest absolute weight of its block")
    return figure


def error_figure(errors: Mapping[str, Mapping[int, float]], chosen: int = 64) -> Figure:
    """Relative error against block size, a line a method; `errors[method][block]` = RMS error over RMS weight."""
    figure, (axes,) = _panels(1, 1, (7, 3.4))
    for (colour, style, marker), (name, by_block) in zip(LINES, errors.items()):
        percent = [100 * value for value in by_block.values()]
        axes.plot([*by_block], percent, color=colour, linestyle=style, marker=marker, label=name)
    axes.axvline(chosen, color=GREY, linewidth=1, linestyle=":")
    axes.text(chosen * 1.06, 0.3, f"QLoRA's choice: {chosen}", color=GREY, fontsize=9)
    axes.set_xscale("log", base=2)
    blocks = [*next(iter(errors.values()))]
    axes.set_xticks(blocks, [str(block) for block in blocks])
    axes.set(xlabel="weights in a block (each block keeps one constant)", ylabel="error, % of a typical weight")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    return figure


def lora_figure(rows: int, columns: int, rank: int, alpha: float) -> Figure:
    """W beside B and A, drawn to scale, with their sizes: what is frozen and what is trained."""
    from matplotlib.patches import Rectangle

    figure, (axes,) = _panels(1, 1, (9, 3.6))
    side = max(rows, columns)
    gap = 0.15 * side
    start_b = columns + 5 * gap  # room for "+ alpha / r x"
    start_a = start_b + rank + gap
    boxes = (
        (0, rows, columns, GREY, f"W\n{rows} x {columns}\n{rows * columns:,} numbers\nfrozen, NF4"),
        (start_b, rows, rank, GREEN, f"B\n{rows} x {rank}\n{rows * rank:,}\ntrained"),
        (start_a, rank, columns, GREEN, f"A\n{rank} x {columns}\n{rank * columns:,}\ntrained"),
    )
    for x, height, width, colour, text in boxes:
        frozen = colour == GREY
        axes.add_patch(Rectangle((x, -height), width, height, facecolor=tint(colour, 0.25), edgecolor=colour,
                                 linestyle="--" if frozen else "-", linewidth=1.5))  # fmt: skip
        inside = width > 0.4 * side and height > 0.4 * side
        axes.text(x + width / 2, -height / 2 if inside else -height - 0.04 * side, text, ha="center",
                  va="center" if inside else "top", fontsize=10)  # fmt: skip
    axes.text(columns + 2.5 * gap, -rows / 2, f"+  {alpha:g}/{rank}  ×", ha="center", va="center", fontsize=13)
    axes.text(start_b + rank + gap / 2, -rank / 2, "×", ha="center", va="center", fontsize=13)
    axes.set(xlim=(-0.05 * side, start_a + columns + 0.1 * side), ylim=(-1.35 * side, 0.08 * side), aspect="equal")
    axes.axis("off")
    return figure


def memory_figure(methods: Mapping[str, Mapping[str, int]], *, reported: tuple[str, float] | None = None) -> Figure:
    """One stacked bar a method, in GiB: `methods[method][part]` in bytes. `reported` (words, GiB) is a line across.

    Parts that no method has are left out, of the legend too.
    """
    figure, (axes,) = _panels(1, 1, (9, 1.3 + 0.6 * len(methods)))
    names = [*methods]
    left = [0.0] * len(names)
    shown = {part for parts in methods.values() for part, size in parts.items() if size}
    for part, (colour, hatch) in MEMORY_STYLES.items():
        if part not in shown:
            continue
        width = [methods[name].get(part, 0) / 2**30 for name in names]
        axes.barh(names, width, left=left, color=colour, hatch=hatch, edgecolor=INK, linewidth=0.5, label=part)
        left = [start + more for start, more in zip(left, width)]
    for row, total in enumerate(left):
        axes.text(total, row, f"  {total:.1f}", va="center")
    axes.invert_yaxis()
    axes.set_xlim(0, 1.12 * max(left))
    axes.set_xlabel("GiB at the fullest moment of a step" if "activations" in shown else "GiB, without activations")
    if reported:
        axes.axvline(reported[1], color=RED, linestyle="--")
        axes.text(reported[1], len(names) - 0.45, f"{reported[0]} ", color=RED, ha="right", fontsize=9)
        axes.set_ylim(bottom=len(names) - 0.3)
    figure.legend(loc="outside lower center", ncols=5 if len(shown) > 6 else 6, frameon=False, fontsize=9)
    return figure


def learning_rate_figure(curves: Mapping[str, tuple[Sequence[int], Sequence[float]]]) -> Figure:
    """Training loss over steps, a line a learning rate: `curves[rate]` = (steps, losses)."""
    figure, (axes,) = _panels(1, 1, (8, 3.6))
    for (colour, style, marker), (name, (steps, losses)) in zip(LINES, curves.items()):
        axes.plot(steps, losses, color=colour, linestyle=style, marker=marker, markersize=4, label=f"{name}: ends at {losses[-1]:.2f}")
    axes.set(xlabel="step", ylabel="training loss (nats a token)")
    axes.set_ylim(bottom=0)
    axes.legend(title="learning rate", loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return figure


def fidelity_figure(kl: Mapping[str, float]) -> Figure:
    """How far models lie from a reference: one row a model, KL divergence on a logarithmic axis."""
    figure, (axes,) = _panels(1, 1, (8, 1.1 + 0.42 * len(kl)))
    names, values = [*kl], [max(value, 1e-9) for value in kl.values()]
    lowest = 10 ** -9.5 if min(values) <= 1e-9 else min(values) / 5
    axes.hlines(names, lowest, values, color=FAINT, linewidth=3)
    axes.plot(values, names, color=BLUE, marker="o", linestyle="none")
    for name, value in zip(names, values):
        axes.text(value * 1.3, name, f"{value:.1e}", va="center", fontsize=9)
    axes.set_xscale("log")
    axes.set_xlim(lowest, max(values) * 10)
    axes.invert_yaxis()
    axes.set_xlabel("KL divergence from the model that was trained (nats a token), smaller is closer")
    return figure


def _panels(rows: int, columns: int, size: tuple[float, float], **grid: Any) -> tuple[Figure, list[Axes]]:
    """A figure, closed for pyplot (the cell that returns it shows it), and its axes without frames on top and right."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained", **grid)
    for one in axes.flat:
        one.spines[["top", "right"]].set_visible(False)
    return finish(figure), list(axes.flat)
