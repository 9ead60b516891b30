"""Several files of training records as one set, each repeated as often as it should weigh."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from course_lib.data_problems import DataError, Problem, shown
from course_lib.records import Record, read_records

# The keys of InternVL's meta file that mean something here. `length` is upstream's count of records: counted anew.
META_KEYS = ("root", "annotation", "repeat_time", "length", "data_augment")


@dataclass(frozen=True)
class Source:
    """A file of records, or InternVL's meta file that names several; `repeat` 2.5: twice all, and a sampled half.

    Pictures are inside `image_folder` (default: beside the file). Raises ValueError unless 0 < repeat < infinity.
    """

    file: Path
    repeat: float = 1.0
    image_folder: Path | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "file", Path(self.file))
        if self.image_folder is not None:
            object.__setattr__(self, "image_folder", Path(self.image_folder))
        if not 0 < self.repeat < math.inf:
            raise ValueError(f"{self.file.name}: repeat should be a number above 0, but is {self.repeat}")

    @classmethod
    def parse(cls, text: str | Path) -> Source:
        """A source from "path" or "path*repeat". Raises ValueError where what follows the last * is no number."""
        path, star, repeat = str(text).rpartition("*")
        if not star:
            return cls(Path(text))
        try:
            return cls(Path(path), float(repeat))
        except ValueError:
            raise ValueError(f"{text}: after * should come a number above 0, as in data.jsonl*2.5") from None


def read_mixture(sources: Sequence[Source | str | Path] | Source | str | Path, *, seed: int = 0) -> list[Record]:
    """The records of all sources, in their order: whole repeats first, then what is left of `repeat` as a sample.

    A text is read as by Source.parse. The samples are a function of `seed`; each keeps its file's order. Raises
    DataError with the problems of all files.
    """
    problems: list[Problem] = []
    given = [sources] if isinstance(sources, Source | str | Path) else sources
    plan = [part for source in given
            for part in _files_of(source if isinstance(source, Source) else Source.parse(source), problems)]
    read: dict[tuple[Path, Path | None], list[Record]] = {}
    mixed: list[Record] = []
    for number, source in enumerate(plan):
        place = source.file, source.image_folder
        if place not in read:
            try:
                read[place] = read_records(source.file, image_folder=source.image_folder)
            except DataError as error:
                problems += error.problems
                read[place] = []
        records = read[place]
        whole = math.floor(source.repeat)
        part = round((source.repeat - whole) * len(records))
        if records and not whole and not part:
            what = f"repeat {source.repeat:g} of {len(records)} records is none: use at least {1 / len(records):.2g}"
            problems.append(Problem(source.file, None, "", what))
        sample = random.Random(f"{seed}-{number}").sample(range(len(records)), part)
        mixed += records * whole + [records[index] for index in sorted(sample)]
    if problems:
        raise DataError(problems)
    if not mixed:
        raise ValueError("no files to mix: name at least one")
    return mixed


def _files_of(source: Source, problems: list[Problem]) -> list[Source]:
    """The source itself, or the files that it names if it is a meta file, whose repeats are then multiplied."""
    if not _is_meta(source.file):
        return [source]
    if source.image_folder is not None:
        problems.append(Problem(source.file, None, "", 'a meta file takes no image folder: it names "root" for each'))
    try:
        return [replace(inner, repeat=inner.repeat * source.repeat) for inner in read_meta(source.file)]
    except DataError as error:
        problems += error.problems
        return []


def _is_meta(file: Path) -> bool:
    """Whether a json file holds an object; a file of records holds a list."""
    return file.suffix == ".json" and file.is_file() and file.read_bytes().lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{"


def read_meta(file: Path | str) -> list[Source]:
    """The sources that InternVL's meta file names: {"name": {"root": folder, "annotation": file, "repeat_time": 1}}.

    Relative paths are looked for beside the file, then in the current folder. Upstream takes the first part of a file
    for `repeat_time` below 1; here it is sampled. Raises DataError with all problems, keys unknown here among them.
    """
    file = Path(file)
    try:
        sets = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DataError([Problem(file, None, "", f"no JSON that can be read: {error}")]) from None
    if not isinstance(sets, dict) or not sets:
        what = f'should be {{"name": {{"root": ..., "annotation": ...}}, ...}}, but is {shown(sets)}'
        raise DataError([Problem(file, None, "", what)])
    problems: list[Problem] = []
    sources = [_source_of(file, name, entry, problems) for name, entry in sets.items()]
    if problems:
        raise DataError(problems)
    return sources


def _source_of(file: Path, name: str, entry: Any, problems: list[Problem]) -> Source | None:
    def report(key: str, what: str) -> None:
        problems.append(Problem(file, None, f"{name}.{key}" if key else name, what))

    if not isinstance(entry, dict):
        report("", f'should be {{"root": folder, "annotation": file, ...}}, but is {shown(entry)}')
        return None
    before = len(problems)
    for key in sorted(entry.keys() - set(META_KEYS)):
        known = f"unknown here: the keys are {', '.join(META_KEYS)}"
        limit = "the limit on tiles is one for all data, max_tiles in the recipe: remove it here"
        report(key, limit if key == "max_dynamic_patch" else known)
    if (augment := entry.get("data_augment", False)) is not False:
        report("data_augment", f"should be false, pictures are trained on as they are, but is {shown(augment)}")
    repeat = entry.get("repeat_time", 1)
    if isinstance(repeat, bool) or not isinstance(repeat, int | float) or not 0 < repeat < math.inf:
        report("repeat_time", f"should be a number above 0, but is {shown(repeat)}")
    annotation = _place(file, entry.get("annotation"), "annotation", report)
    root = _place(file, entry.get("root", ""), "root", report)
    return Source(annotation, repeat, root) if len(problems) == before else None


def _place(file: Path, path: Any, key: str, report: Callable[[str, str], None]) -> Path | None:
    """Where a meta file's path leads; "" is the file's own folder."""
    if not isinstance(path, str) or (key == "annotation" and not path):
        report(key, f"should be a path, but is {shown(path)}")
        return None
    for found in (file.parent / path, Path(path)):
        if found.is_dir() if key == "root" else found.is_file():
            return found
    report(key, f"no {path} beside {file.name}, nor in the current folder")
    return None
