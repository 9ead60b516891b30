"""Figures of notebooks 03 and 04: next-token distributions, lengths, the label mask, what a wrong mask does.

Each function takes plain data and returns a matplotlib Figure. No Chinese is drawn, because a learner's machine may
lack the font: such a token is shown by its id. Hatching and words repeat whatever a colour says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from course_lib.figures import BLUE, FAINT, GREEN, INK, ORANGE, SKY, tint

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PART_STYLES = {  # one colour and one hatching for each part of an example, the same in every figure
    "visual": (SKY, "", "visual tokens"),
    "prompt": (tint(FAINT, 0.5), "////", "prompt text (masked)"),
    "learned": (GREEN, "", "answer (learned)"),
    "padding": ("white", "....", "padding (masked)"),
}


def token_label(piece: str, token_id: int) -> str:
    """A vocabulary piece as a figure can show it: its text, or its id where fonts may lack the characters."""
    text = piece.replace("▁", "␣").replace("\n", "⏎")
    return text if text.strip() and all(c.isascii() or c in "␣⏎" for c in text) else f"id {token_id}"


def distribution_figure(panels: Mapping[str, Any], labels: Sequence[str], *, columns: int = 3) -> Figure:
    """One bar panel per title: probabilities of the tokens named by `labels`, in their order.

    `panels` maps a title to probabilities [tokens]. Tokens of probability 0 (cut off by top-p) are marked with a cross.
    """
    rows = -(-len(panels) // columns)
    figure, axes = _subplots(rows, columns, (3.6 * columns, 2.7 * rows + 0.2))
    for axis, (title, probabilities) in zip(axes.flat, panels.items()):
        values = [float(p) for p in probabilities]
        if len(values) != len(labels):
            raise ValueError(f"panel {title!r} has {len(values)} probabilities for {len(labels)} labels")
        axis.bar(range(len(values)), values, color=BLUE, edgecolor=INK)
        for place, value in enumerate(values):
            axis.text(place, value + 0.02, f"{value:.2f}" if value else "×", ha="center", fontsize=8)
        axis.set(title=title, ylim=(0, 1.12), xticks=range(len(labels)))
        axis.set_xticklabels(labels, rotation=45, ha="right", fontsize=9)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in list(axes.flat)[len(panels):]:
        axis.set_visible(False)
    for axis in axes[:, 0]:
        axis.set_ylabel("probability")
    return figure


def hesitation_figure(steps: Sequence[float], curves: Mapping[str, Sequence[float]], *, xlabel: str) -> Figure:
    """How probabilities move along `steps`: one line per token, each with its own marker."""
    figure, ((axis,),) = _subplots(1, 1, (7.5, 3.4))
    for marker, style, (name, values) in zip("osD^vPX*", ("-", "--", "-.", ":") * 2, curves.items()):
        axis.plot(steps, values, marker=marker, linestyle=style, label=name)
    axis.set(xlabel=xlabel, ylabel="probability of the next token", ylim=(-0.03, 1.03))
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    return figure


def length_figure(tasks: Mapping[str, Sequence[Mapping[str, int]]], *, max_length: int | None = None) -> Figure:
    """Tokens of every record, most visual tokens first, split into visual tokens, prompt text and learned answer.

    Each record is {"visual", "prompt", "learned"}: counts of tokens. `max_length` draws the limit as a line.
    """
    figure, (axes,) = _subplots(1, len(tasks), (5 * len(tasks), 3.6))
    for axis, (name, records) in zip(axes, tasks.items()):
        ordered = sorted(records, key=lambda record: (-record["visual"], -sum(record.values())))
        bottom = [0] * len(ordered)
        for part in ("visual", "prompt", "learned"):
            colour, hatch, label = PART_STYLES[part]
            top = [below + record[part] for below, record in zip(bottom, ordered)]
            axis.fill_between(range(len(ordered)), bottom, top, step="mid", facecolor=colour, hatch=hatch,
                              edgecolor=INK, linewidth=0.4, label=label)
            bottom = top
        if max_length is not None:
            axis.axhline(max_length, color="black", linestyle="--", linewidth=1, label=f"max_length = {max_length}")
        axis.set(title=f"{name}: {len(ordered)} records", xlabel="records, most visual tokens first")
        axis.set_xlim(0, len(ordered) - 1)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("tokens")
    axes[0].set_ylim(bottom=0)
    _legend_below(figure, axes[0])
    return figure


def batch_figure(batch: Mapping[str, Any], image_token_id: int) -> Figure:
    """What each position of a collated batch is: visual token, masked text, learned text or padding.

    `batch` as `dataset.collate` gives it: "input_ids", "labels" and "attention_mask", each [records, longest].
    """
    from matplotlib.patches import Patch

    ids, labels, attention = (batch[name].tolist() for name in ("input_ids", "labels", "attention_mask"))
    figure, ((axis,),) = _subplots(1, 1, (10, 0.34 * len(ids) + 1.5))
    for row, columns in enumerate(zip(ids, labels, attention)):
        for start, width, part in _runs([_part(*cell, image_token_id) for cell in zip(*columns)]):
            colour, hatch, _ = PART_STYLES[part]
            axis.barh(row, width, left=start, height=0.8, facecolor=colour, hatch=hatch, edgecolor=INK, linewidth=0.4)
    axis.set(xlabel="position in the sequence", ylabel="record", xlim=(0, len(ids[0])), yticks=range(len(ids)))
    axis.invert_yaxis()
    axis.spines[["top", "right"]].set_visible(False)
    patches = [Patch(facecolor=colour, hatch=hatch, edgecolor=INK, label=label)
               for colour, hatch, label in PART_STYLES.values()]
    figure.legend(handles=patches, loc="outside lower center", ncols=4, frameon=False)
    return figure


def mask_figure(curves: Mapping[str, Mapping[str, float]], *, ylabel: str) -> Figure:
    """Grouped bars: for each measure (outer key) one bar per model (inner key), with its value on top."""
    models = list(dict.fromkeys(name for values in curves.values() for name in values))
    figure, ((axis,),) = _subplots(1, 1, (2.6 * len(curves) + 2.6, 3.4))
    width = 0.8 / len(models)
    looks = [(FAINT, ""), (GREEN, ""), (tint(ORANGE, 0.8), "////"), (SKY, "....")]
    for number, (model, (colour, hatch)) in enumerate(zip(models, looks)):
        places = [place - 0.4 + width * (number + 0.5) for place in range(len(curves))]
        values = [curves[measure][model] for measure in curves]
        bars = axis.bar(places, values, width * 0.92, label=model, facecolor=colour, hatch=hatch, edgecolor=INK)
        axis.bar_label(bars, fmt="%.2f", padding=2, fontsize=9)
    axis.set(ylabel=ylabel, xticks=range(len(curves)))
    axis.set_xticklabels(curves)
    axis.margins(y=0.12)
    axis.spines[["top", "right"]].set_visible(False)
    _legend_below(figure, axis)
    return figure


def _subplots(rows: int, columns: int, size: tuple[float, float]) -> tuple[Figure, Any]:
    """A figure and its axes [rows, columns]."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, sharey=True, layout="constrained")
    plt.close(figure)  # shown by the cell that returns it, not a second time by the inline backend
    return figure, axes


def _part(token: int, label: int, attended: int, image_token_id: int) -> str:
    if not attended:
        return "padding"
    if token == image_token_id:
        return "visual"
    return "prompt" if label == -100 else "learned"


def _runs(parts: Sequence[str]) -> list[tuple[int, int, str]]:
    """(start, length, part) of each run of equal parts."""
    runs: list[tuple[int, int, str]] = []
    for place, part in enumerate(parts):
        if runs and runs[-1][2] == part:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1, part)
        else:
            runs.append((place, 1, part))
    return runs


def _legend_below(figure: Figure, axis: Axes) -> None:
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
