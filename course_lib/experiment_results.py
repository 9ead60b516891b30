"""What a grid of trainings found: a row a variant, the curves, and pairs of variants on the same questions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from course_lib.cards import Html
from course_lib.cards import table as html_table
from course_lib.evaluation import SCORE_WORDS, Evaluation, compare
from course_lib.recipes import Recipe
from course_lib.run_folder import Run
from course_lib.scores import Paired, Score

if TYPE_CHECKING:
    import pandas

LAST = 5  # steps whose mean is the final training loss: the loss of one depends on its batch


@dataclass(frozen=True)
class Experiment:
    """One variant: its settings, its run and its scored answers; `failed` says why its training broke down, if so."""

    name: str
    changes: Mapping[str, Any]
    run: Run
    evaluation: Evaluation | None = None
    failed: str = ""

    @property
    def score_name(self) -> str:
        """The score over all questions where the task has one, else the one that decides; "" without any."""
        scores = self.evaluation.scores if self.evaluation else None
        return "" if scores is None else "overall" if "overall" in scores.verdicts else scores.headline

    @property
    def score(self) -> Score | None:
        return self.evaluation.scores[self.score_name] if self.score_name else None

    def losses(self, kind: str = "loss") -> dict[int, float]:
        """{step: loss in nats a token} of training ("loss") or held-out ("eval_loss"; step 0 is before training)."""
        return {line["step"]: line[kind] for line in self.run.metrics if line.get(kind) is not None}

    def trained_numbers(self) -> int | None:
        """How many numbers were learned: the adapter's, and the projector's beside it. None of a failed variant."""
        if self.failed:
            return None
        from safetensors import safe_open

        with safe_open(self.run.adapter_folder / "adapter_model.safetensors", "pt") as stored:
            return sum(math.prod(stored.get_slice(name).get_shape()) for name in stored.keys())  # noqa: SIM118

    def row(self) -> dict[str, Any]:
        """The variant's line of the table; None where there is no such number."""
        trained, held_out = [*self.losses().values()], self.losses("eval_loss")
        last, score, metrics = trained[-LAST:], self.score, self.run.metrics
        return {
            "changed": ", ".join(f"{name}={value!r}" for name, value in self.changes.items()),
            "trained numbers": self.trained_numbers(),
            "first loss": trained[0] if trained else None,
            "final loss": sum(last) / len(last) if last else None,
            "held-out before": held_out.get(0),
            "held-out after": None if self.failed or not held_out else held_out[max(held_out)],
            "score": score and score.rate, "score low": score and score.low, "score high": score and score.high,
            "questions": score and score.n,
            "peak MiB": max((line["memory_mib"] for line in metrics), default=None),
            "minutes": metrics[-1]["seconds"] / 60 if metrics else None,
            "failed": self.failed,
        }  # fmt: skip


@dataclass(frozen=True)
class Experiments:
    """The variants of a grid, in the order asked for; a notebook shows them as a table."""

    base: Recipe
    runs: tuple[Experiment, ...]

    def __getitem__(self, name: str) -> Experiment:
        for run in self.runs:
            if run.name == name:
                return run
        raise KeyError(f"no variant {name!r}; there are {', '.join(repr(run.name) for run in self.runs)}")

    @property
    def table(self) -> pandas.DataFrame:
        """A line a variant: losses in nats a token, rates from 0 to 1 with their 95 % Wilson interval.

        "minutes" are those of the training; "peak MiB" is what it allocated on a GPU, or all that the process held.
        """
        import pandas

        rows = [run.row() for run in self.runs]
        kinds = dict.fromkeys(rows[0], float) | {"trained numbers": "Int64", "questions": "Int64"}
        kinds |= {"changed": str, "failed": str}
        return pandas.DataFrame(rows, pandas.Index([run.name for run in self.runs], name="variant")).astype(kinds)

    @property
    def ranked(self) -> tuple[Experiment, ...]:
        """The lowest final held-out loss first (training loss where none is held out), failed variants last."""
        def final(run: Experiment) -> tuple[bool, float]:
            losses = run.losses("eval_loss") or run.losses()
            return bool(run.failed), losses[max(losses)] if losses else math.inf

        return tuple(sorted(self.runs, key=final))

    def curves(self) -> dict[str, tuple[dict[int, float], dict[int, float]]]:
        """{variant: ({step: training loss}, {step: held-out loss})}, in nats a token."""
        return {run.name: (run.losses(), run.losses("eval_loss")) for run in self.runs}

    def paired(self, name: str, other: str) -> Paired:
        """The same questions to two variants: how many only one of them got right, and McNemar's exact p."""
        first, second = self[name], self[other]
        if not (first.score and second.score):
            raise ValueError(f"{name!r} or {other!r} has no score: it failed, or no task said how to score")
        return compare(first.evaluation, second.evaluation, first.score_name)

    def as_html(self) -> Html:
        """The table for people: HTML in a notebook, aligned text in a terminal."""
        rows = []
        for run in self.runs:
            row = run.row()
            rows.append([
                run.name, row["changed"], _shown(row["trained numbers"], ","),
                f"{_shown(row['first loss'], '.2f')} → {_shown(row['final loss'], '.2f')}",
                f"{_shown(row['held-out before'], '.2f')} → {_shown(row['held-out after'], '.2f')}",
                f"failed: {run.failed}" if run.failed else str(run.score or "–"),
                _shown(row["peak MiB"], ",.0f"), _shown(row["minutes"], ".1f"),
            ])  # fmt: skip
        scored = next((run.score_name for run in self.runs if run.score_name), "")
        caption = f"{len(rows)} variants of {self.base.name}. Losses in nats a token, the last a mean of {LAST} steps."
        if scored:
            caption += f" Score: {SCORE_WORDS.get(scored, scored)}, with its 95 % Wilson interval."
        caption += " MiB: the peak on a GPU; on a CPU all that the process holds, of earlier variants too."
        header = ("variant", "changed", "trained numbers", "training loss", "held-out loss", "score", "MiB", "minutes")
        return html_table(header, rows, caption)

    def _repr_html_(self) -> str:
        return self.as_html().html

    def __repr__(self) -> str:
        return self.as_html().text


def _shown(number: float | None, form: str) -> str:
    return "–" if number is None else format(number, form)
