"""Problems in learners' data: each with its place, all of one file collected before anything is refused."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TYPE_NAMES = {str: "text", list: "list", dict: "object"}


@dataclass(frozen=True)
class Problem:
    """What is wrong, and where: a file, a record's number (None: the whole file), a field."""

    file: Path
    number: int | None
    field: str
    what: str

    def __str__(self) -> str:
        where = f"{self.file.name}" + ("" if self.number is None else f", record {self.number}")
        return f"{where}, {self.field}: {self.what}" if self.field else f"{where}: {self.what}"


class DataError(ValueError):
    """Data that must not be trained on: `.problems` holds all of them, the text the first twenty."""

    def __init__(self, problems: Iterable[Problem]):
        self.problems = tuple(problems)
        shown = [f"  - {problem}" for problem in self.problems[:20]]
        if len(self.problems) > 20:
            shown.append(f"  ... and {len(self.problems) - 20} more (all of them are in .problems)")
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__("\n".join([f"{count} in the data; nothing was dropped, nothing trained:", *shown]))


class Reporter:
    """Collects the problems of one record, and hands values back only where their type is right."""

    def __init__(self, file: Path, number: int, problems: list[Problem]):
        self.file, self.number, self.problems = file, number, problems

    def __call__(self, field: str, what: str) -> None:
        self.problems.append(Problem(self.file, self.number, field, what))

    def typed(self, parent: dict, key: str, kind: type, field: str) -> Any:
        """parent[key] if it has the type wanted; else a problem, and None."""
        if key not in parent:
            self(field, "missing")
            return None
        value = parent[key]
        if not isinstance(value, kind):
            self(field, f"should be a {TYPE_NAMES[kind]}, but is {shown(value)}")
            return None
        return value


def shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
