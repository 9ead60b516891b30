"""Figures of notebook 01: the family side by side, the data mixture, training curves, routed outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log10
from typing import TYPE_CHECKING

from .figures import BLUE, FAINT, GREEN, GREY, INK, ORANGE, PINK, RED, SKY, arrow, box, canvas, finish, tint
from .model_family import FAMILY, STAGE_1_MIXTURE, Member, Part

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL import Image

CONNECTOR_COLOURS = {"queries": RED, "projector": ORANGE, "space-to-depth": GREEN}
CONNECTOR_WORDS = {
    "queries": "queries: a fixed number of tokens",
    "projector": "projector: a token a patch",
    "space-to-depth": "space-to-depth + projector: a token for 4 patches",
}
ROW = 1.0


def family(members: Sequence[Member] = FAMILY) -> Figure:
    """The models as rows: picture, encoder, connector, language model, visual tokens; badges mark trained stages."""
    height = len(members) * ROW + 2.05
    figure, axes = canvas(16, height, (11.5, 11.5 * height / 16))
    for x, words in ((0.15, "model"), (2.85, "picture"), (4.35, "vision encoder"), (7.35, "connector"),
                     (10.65, "language model"), (13.05, "visual tokens (log scale)")):  # fmt: skip
        axes.text(x, 0.45, words, fontsize=10, color=GREY, va="center")
    for number, member in enumerate(members):
        _member(axes, member, 0.8 + number * ROW)
    _legend(axes, 0.95 + len(members) * ROW)
    return finish(figure)


def _member(axes: Axes, member: Member, top: float) -> None:
    middle, colour = top + ROW / 2, CONNECTOR_COLOURS[member.connector_kind]
    axes.plot((0.15, 15.85), (top, top), color=FAINT, linewidth=0.8)
    axes.text(0.15, middle - 0.15, member.name, fontsize=11, fontweight="bold", color=INK, va="center")
    axes.text(0.15, middle + 0.2, member.date, fontsize=8.5, color=GREY, va="center")
    _picture(axes, member, 2.85, middle)
    for x, width, part, tone in ((4.35, 2.45, member.encoder, BLUE), (7.35, 2.75, member.connector, colour),
                                 (10.65, 2.0, member.language, SKY)):  # fmt: skip
        box(axes, x, top + 0.13, width, ROW - 0.26, tone, frozen=not part.stages)
        axes.text(x + 0.12, middle - 0.14, part.name, fontsize=8.8, color=INK, va="center")
        axes.text(x + 0.12, middle + 0.18, part.size, fontsize=8, color=GREY, va="center")
        _badges(axes, part, member.stages, x + width - 0.17, middle + 0.18)
    for start, end in ((4.0, 4.3), (6.83, 7.3), (10.13, 10.6)):
        arrow(axes, (start, middle), (end, middle))
    low, high = member.tokens
    reach = 0.55 * log10(high / 10)
    axes.barh(middle, reach, left=13.05, height=0.34, color=tint(colour, 0.75), edgecolor=colour)
    if low is not None and low < high:
        axes.plot([13.05 + 0.55 * log10(low / 10)] * 2, (middle - 0.17, middle + 0.17), color="white", linewidth=1.8)
    words = f"{high:,}" if low == high else f"up to {high:,}" if low is None else f"{low:,} to {high:,}"
    axes.text(13.13 + reach, middle, words, fontsize=8.8, color=INK, va="center")


def _picture(axes: Axes, member: Member, x: float, middle: float) -> None:
    """What the encoder is shown: the picture whole, or cut into pieces with a small overview beside them."""
    from matplotlib.patches import Rectangle

    columns, rows = {1: (1, 1), 4: (2, 2), 6: (3, 2), 12: (4, 3)}[member.tiles]
    side = 0.52 / rows
    for column in range(columns):
        for row in range(rows):
            corner = (x + column * side, middle - 0.34 + row * side)
            axes.add_patch(Rectangle(corner, side * 0.9, side * 0.9, facecolor=tint(BLUE, 0.35), linewidth=0))
    if member.overview:
        corner = (x + columns * side + 0.06, middle - 0.34)
        axes.add_patch(Rectangle(corner, 0.2, 0.2, facecolor=tint(ORANGE, 0.5), linewidth=0))
    words = f"{member.pixels} px" + (f" x {member.tiles} + 1" if member.overview else "")
    axes.text(x, middle + 0.32, words, fontsize=7.8, color=GREY, va="center")


def _badges(axes: Axes, part: Part, stages: int, right: float, y: float) -> None:
    """A dot with a number for each training stage: filled where that stage changes the part."""
    for stage in range(stages, 0, -1):
        x, trained = right - 0.25 * (stages - stage), str(stage) in part.stages
        axes.plot(x, y, "o", markersize=9, color=INK if trained else "white", markeredgecolor=INK if trained else GREY,
                  markeredgewidth=0.7)  # fmt: skip
        axes.text(x, y + 0.012, stage, fontsize=6.5, color="white" if trained else GREY, ha="center", va="center")


def _legend(axes: Axes, top: float) -> None:
    axes.plot((0.15, 15.85), (top - 0.15, top - 0.15), color=FAINT, linewidth=0.8)
    for x, (kind, words) in zip((0.15, 4.7, 8.6), CONNECTOR_WORDS.items()):
        box(axes, x, top + 0.08, 0.42, 0.28, CONNECTOR_COLOURS[kind])
        axes.text(x + 0.55, top + 0.23, words, fontsize=8.8, color=INK, va="center")
    box(axes, 0.15, top + 0.58, 0.42, 0.28, GREY, frozen=True)
    axes.text(0.7, top + 0.73, "dashed: frozen throughout", fontsize=8.8, color=INK, va="center")
    _badges(axes, Part("", "", "1"), 2, 5.12, top + 0.73)
    axes.text(5.3, top + 0.73, "trained in stage 1, not in stage 2", fontsize=8.8, color=INK, va="center")
    axes.barh(top + 0.72, 0.42, left=8.6, height=0.26, color=tint(GREY, 0.6))
    axes.plot((8.75, 8.75), (top + 0.59, top + 0.85), color="white", linewidth=1.8)
    axes.text(9.15, top + 0.73, "white line: fewest tokens, end of bar: most", fontsize=8.8, color=INK, va="center")


def mixture(shares: Mapping[str, float] = STAGE_1_MIXTURE) -> Figure:
    """The tasks of the first training stage as one bar, in per cent of the samples."""
    figure, axes = canvas(104, 3.3, (9.5, 1.5))
    left = 2.0
    axes.text(left, 0.45, "InternVL 1.5, stage 1: training samples by task", fontsize=10, color=GREY, va="center")
    for (task, share), colour in zip(shares.items(), (BLUE, ORANGE, GREEN)):
        wide = share > 15
        axes.barh(1.5, share - 0.4, left=left, height=1.3, color=tint(colour, 0.85))
        axes.text(left + share / 2 - 0.2, 1.5, f"{share} %", ha="center", va="center", fontsize=12 if wide else 8,
                  fontweight="bold", color=INK if colour == ORANGE else "white")  # fmt: skip
        axes.text(left + (0 if wide else share), 2.65, task, ha="left" if wide else "right", va="center",
                  fontsize=10, color=INK)  # fmt: skip
        left += share
    return finish(figure)


def parameters(models: Mapping[str, Mapping[str, int]]) -> Figure:
    """One bar for each model, its parts as shares of all its parameters; parts under 2 % are named beside the bar."""
    figure, axes = canvas(100, 2.1 * len(models) + 0.3, (10.5, 0.95 * len(models) + 0.15))
    for number, (model, parts) in enumerate(models.items()):
        top, left, total, thin = 0.2 + 2.1 * number, 1.0, sum(parts.values()), []
        axes.text(left, top + 0.25, f"{model}: {total:,} parameters", fontsize=10.5, color=INK, va="center")
        for (part, count), colour in zip(parts.items(), (BLUE, ORANGE, SKY, GREEN, PINK), strict=False):
            width = 84 * count / total
            axes.barh(top + 1.0, width, left=left, height=0.8, color=tint(colour, 0.75), edgecolor="white")
            if width > 1.05 * len(part):
                axes.text(left + width / 2, top + 0.88, part, fontsize=8.8, color=INK, ha="center", va="center")
                axes.text(left + width / 2, top + 1.18, f"{count / total:.1%}", fontsize=8, color=INK, ha="center",
                          va="center")  # fmt: skip
            else:
                thin.append(f"{part} {count / total:.1%}")
            left += width
        axes.text(left + 0.8, top + 1.0, "\n".join(thin), fontsize=8.8, color=INK, va="center")
    return finish(figure)


def projector_training(
    losses: Sequence[float], held_out: Mapping[int, float], references: Mapping[str, float], ylabel: str
) -> Figure:
    """Training loss step by step, held-out loss at some steps, and losses to compare with as dashed lines."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(9, 3.8), layout="constrained")
    axes.plot(range(1, len(losses) + 1), losses, color=tint(BLUE, 0.45), linewidth=1.0, label="training batches")
    axes.plot(list(held_out), list(held_out.values()), "o-", color=BLUE, linewidth=2, markersize=6,
              label="held-out pictures")  # fmt: skip
    for (name, loss), colour, style in zip(references.items(), (RED, GREEN, GREY), ("--", "-.", ":")):
        axes.axhline(loss, color=colour, linestyle=style, linewidth=1.6, label=name)
    axes.set(xlabel="step", ylabel=ylabel, ylim=(0, None), xlim=(0, len(losses) + 1))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    axes.legend(frameon=False, ncols=2)
    return finish(figure)


def routing() -> Figure:
    """Routing tokens: the language model writes a token that names a decoder, and hands it hidden states."""
    figure, axes = canvas(16, 6.6, (11, 11 * 6.6 / 16))
    words = ("where", "is", "the", "cup", "?", "it", "is", "here", "[DET]", "q1", "q2", "q3", "q4")
    axes.text(0.3, 0.4, "what the language model reads and writes", fontsize=10, color=GREY, va="center")
    for number, word in enumerate(words):
        x, colour = 0.3 + number * 1.18, GREY if number < 5 else SKY if number < 8 else RED if number == 8 else ORANGE
        box(axes, x, 0.75, 1.05, 0.62, colour, frozen=number < 5)
        axes.text(x + 0.525, 1.06, word, fontsize=10, ha="center", va="center", color=INK)
    box(axes, 0.3, 2.0, 15.2, 0.8, SKY)
    axes.text(7.9, 2.4, "language model", fontsize=11, ha="center", va="center", color=INK)
    for number in range(len(words)):
        x = 0.3 + number * 1.18 + 0.525
        arrow(axes, (x, 1.4), (x, 1.97), GREY)
    decoders = (
        ("words", "the answer as text", SKY, 2.2), ("mask decoder", "called by [SEG]", GREY, 6.0),
        ("image generator", "called by [GEN]", GREY, 9.3), ("box decoder", "called by [DET]", ORANGE, 12.6),
    )  # fmt: skip
    for name, role, colour, x in decoders:
        box(axes, x, 4.3, 2.7, 0.95, colour, frozen=colour == GREY)
        axes.text(x + 1.35, 4.62, name, fontsize=10.5, ha="center", va="center", color=INK)
        axes.text(x + 1.35, 4.96, role, fontsize=8.8, ha="center", va="center", color=GREY)
    for number in (5, 6, 7):
        arrow(axes, (0.3 + number * 1.18 + 0.525, 2.83), (3.55, 4.26), SKY)
    for number in (9, 10, 11, 12):
        arrow(axes, (0.3 + number * 1.18 + 0.525, 2.83), (13.95, 4.26), ORANGE)
    arrow(axes, (0.3 + 8 * 1.18 + 0.525, 2.83), (12.75, 4.26), RED)
    axes.text(10.2, 3.72, "its name calls\nthe decoder", fontsize=9, color=RED, ha="right", va="center")
    axes.text(14.75, 3.75, "their\nhidden\nstates", fontsize=9, color=INK, ha="left", va="center")
    for x, words_below in ((3.55, '"it is here"'), (13.95, "(x, y, width, height)")):
        arrow(axes, (x, 5.28), (x, 5.85))
        axes.text(x, 6.12, words_below, fontsize=10, ha="center", va="center", color=INK)
    return finish(figure)


def pointing(pictures: Sequence[Image.Image], true: Sequence, found: Sequence) -> Figure:
    """Pictures in a row, each with the true place (ring) and the decoder's (cross), as fractions of its sides."""
    import matplotlib.pyplot as plt

    figure, row = plt.subplots(1, len(pictures), figsize=(11, 11 / len(pictures) + 0.1), layout="constrained")
    for axes, picture, (x, y), (u, v) in zip(row, pictures, true, found):
        axes.imshow(picture, extent=(0, 1, 1, 0))
        axes.plot(x, y, "o", markersize=17, markerfacecolor="none", markeredgecolor="white", markeredgewidth=3.5)
        axes.plot(x, y, "o", markersize=17, markerfacecolor="none", markeredgecolor=INK, markeredgewidth=1.5)
        axes.plot(u, v, "x", markersize=9, color="white", markeredgewidth=4)
        axes.plot(u, v, "x", markersize=9, color=RED, markeredgewidth=2)
        axes.set(xlim=(0, 1), ylim=(1, 0), xticks=[], yticks=[])
    return finish(figure)
