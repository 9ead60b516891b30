"""Rates that say how sure they are: Wilson intervals and paired comparison.

A score never stands alone: it carries how many were right, of how many, and the interval that the true rate lies in
with 95 % confidence. Measures keep the verdict on every single record, because before and after are asked the very
same questions and only a paired comparison uses that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


def wilson(successes: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """The interval (low, high) of a rate, 95 % for z = 1.96 (Wilson 1927): sound at 0 %, at 100 % and for small n.

    It holds every rate p that `successes / n` does not contradict: |successes/n - p| <= z * sqrt(p(1-p)/n).
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}: the count must lie between 0 and n")
    if n == 0:
        return 0.0, 1.0  # nothing was asked, so nothing is known
    rate = successes / n
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    # At 0 % and at 100 % the outer bound is the rate itself; rounding must not push it past.
    return (centre - half if successes else 0.0), (centre + half if successes < n else 1.0)


@dataclass(frozen=True)
class Score:
    """`successes` of `n`, with the rate and its 95 % Wilson interval."""

    name: str
    successes: int
    n: int

    @property
    def rate(self) -> float:
        return self.successes / self.n if self.n else math.nan

    @property
    def low(self) -> float:
        return wilson(self.successes, self.n)[0]

    @property
    def high(self) -> float:
        return wilson(self.successes, self.n)[1]

    def __str__(self) -> str:
        if not self.n:
            return "no questions"
        return f"{self.rate:.1%} [{self.low:.1%}, {self.high:.1%}] ({self.successes}/{self.n})"


@dataclass(frozen=True)
class Paired:
    """The same questions twice: how many only `before` got right, how many only `after`, and McNemar's exact p."""

    n: int
    only_before: int
    only_after: int

    @property
    def difference(self) -> float:
        return (self.only_after - self.only_before) / self.n if self.n else math.nan

    @property
    def p_value(self) -> float:
        """Two-sided: were both equally good, each changed verdict would be a fair coin's toss (McNemar, exact)."""
        changed = self.only_before + self.only_after
        fewer = min(self.only_before, self.only_after)
        tail = sum(math.comb(changed, k) for k in range(fewer + 1)) / 2**changed
        return min(1.0, 2 * tail)


def compare_paired(before: Sequence[bool | None], after: Sequence[bool | None]) -> Paired:
    """Compare two lists of verdicts on the same records in the same order; None (not asked) must agree."""
    if [verdict is None for verdict in before] != [verdict is None for verdict in after]:
        raise ValueError("a paired comparison needs the same questions, in the same order, on both sides")
    pairs = [(b, a) for b, a in zip(before, after) if b is not None]
    return Paired(len(pairs), sum(b and not a for b, a in pairs), sum(a and not b for b, a in pairs))


@dataclass(frozen=True)
class TaskScores:
    """What a measure found: for every score, the verdict on each record (None = this record was not asked that).

    `headline` is the score that decides, "" where the data does not allow one (`note` then says why); `confusions`
    counts (wanted, said) pairs; `counts` holds plain numbers that are not rates.
    """

    headline: str
    verdicts: Mapping[str, tuple[bool | None, ...]]
    confusions: Mapping[str, tuple[tuple[str, str, int], ...]] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    note: str = ""

    def __getitem__(self, name: str) -> Score:
        if name not in self.verdicts:
            raise KeyError(f"no score {name!r}; there are {', '.join(self.verdicts)}")
        verdicts = self.verdicts[name]
        return Score(name, sum(v is True for v in verdicts), sum(v is not None for v in verdicts))

    @property
    def scores(self) -> tuple[Score, ...]:
        return tuple(self[name] for name in self.verdicts)

    def __repr__(self) -> str:
        lines = [f"{score.name}: {score}" for score in self.scores]
        lines += [f"{name}: {count}" for name, count in self.counts.items()]
        return "\n".join(lines + ([self.note] if self.note else []))
