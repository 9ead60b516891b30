"""Figures of scores: rates as points with their Wilson intervals as whiskers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from course_lib.evaluation import SCORE_WORDS, Evaluation
from course_lib.figures import BLUE, GREEN, ORANGE, PINK, RED, finish

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLES = ((ORANGE, "o"), (BLUE, "s"), (GREEN, "D"), (RED, "^"), (PINK, "v"))  # models differ by colour and by marker
CUISINES = {
    "新疆菜": "Xinjiang", "川菜": "Sichuan", "西北菜": "Northwestern", "黔菜": "Guizhou", "苏菜": "Jiangsu",
    "粤菜": "Cantonese", "湘菜": "Hunan", "闽菜": "Fujian", "浙菜": "Zhejiang", "东北菜": "Northeastern",
}  # fmt: skip


def rates(evaluations: Sequence[Evaluation], names: Sequence[str] | None = None, *, title: str = "") -> Figure:
    """One row a score, one point a model, whiskers = 95 % Wilson interval; per-cuisine scores only if named."""
    import matplotlib.pyplot as plt

    if names is None:
        names = [name for name in evaluations[0].scores.verdicts if not name.startswith("cuisine: ")]
    if not names:
        raise ValueError(f"these evaluations have no rates to draw: {evaluations[0].scores.note}")
    if len(evaluations) > len(STYLES):
        raise ValueError(f"{len(evaluations)} evaluations; a figure tells at most {len(STYLES)} apart")
    figure, axes = plt.subplots(figsize=(7, 1.2 + 0.55 * len(names)), layout="constrained")
    for order, (evaluation, (colour, marker)) in enumerate(zip(evaluations, STYLES)):
        offset = 0.5 * (order - (len(evaluations) - 1) / 2) / len(evaluations)
        scores = [evaluation.scores[name] for name in names]
        percent = [100 * score.rate for score in scores]
        whiskers = [[100 * (score.rate - score.low) for score in scores],
                    [100 * (score.high - score.rate) for score in scores]]  # fmt: skip
        axes.errorbar(percent, [row + offset for row in range(len(names))], xerr=whiskers, capsize=3, linestyle="none",
                      color=colour, marker=marker, label=evaluation.label)  # fmt: skip
    axes.set_yticks(range(len(names)), [f"{_words(name)} (n={evaluations[0].scores[name].n})" for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)  # the first score on top
    axes.set_xlim(-2, 102)
    axes.set_xlabel("right answers, %, with 95 % Wilson interval")
    axes.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside lower center", ncols=len(evaluations), frameon=False)
    if title:
        axes.set_title(title)
    return finish(figure)


def _words(name: str) -> str:
    """A score's name in words that every machine has a font for."""
    cuisine = name.removeprefix("cuisine: ")
    return f"{CUISINES.get(cuisine, cuisine)} cuisine" if cuisine != name else SCORE_WORDS.get(name, name)
