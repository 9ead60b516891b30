"""Training records from the files learners have: LLaVA/CLoT, FoodieQA, json or jsonl, with every problem listed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from course_lib.data_problems import DataError, Problem, Reporter, shown
from course_lib.record_layouts import parse

TASK_FILES = {
    "food": {"train": "sivqa_tidy.json", "test": "sivqa_test.json"},
    "meme": {"train": "ex_cn.json", "test": "ex_cn_test.json"},
}


@dataclass(frozen=True)
class Record:
    """One conversation with its pictures; `number` counts from 1 in `source` (in a jsonl file: the line)."""

    source: Path
    number: int
    images: tuple[Path, ...]
    messages: tuple[dict[str, str], ...]
    id: str | None = None
    meta: dict[str, Any] = field(default_factory=dict, compare=False)


def read_records(file: Path | str, *, image_folder: Path | str | None = None) -> list[Record]:
    """Records of a json or jsonl file, pictures resolved against `image_folder` (default: the file's folder).

    Each record may have the LLaVA/CLoT layout (`conversations`, `image`) or FoodieQA's (`question`, `choices`, ...).
    Every picture is decoded once to see that it is whole. Raises DataError with all problems of the file.
    """
    file = Path(file)
    folder = Path(image_folder) if image_folder is not None else file.parent
    problems: list[Problem] = []
    records = []
    for number, raw in _raw_records(file, problems):
        before = len(problems)
        report = Reporter(file, number, problems)
        parsed = parse(raw, folder, report)
        if parsed is not None and len(problems) == before:
            records.append(Record(file, number, *parsed))
        elif parsed is not None:  # its pictures are still worth a look: all problems in one go
            records.append(Record(file, number, parsed[0], ()))
    if not problems and not records:
        problems.append(Problem(file, None, "", "no records"))
    problems += picture_problems(records)
    if problems:
        raise DataError(sorted(problems, key=lambda problem: problem.number or 0))
    return records


def load_task(task: str, split: str, folder: Path | str | None = None) -> list[Record]:
    """Records of task "food" or "meme", split "train" or "test", from `folder` (default: settings.data_folder)."""
    from course_lib.settings import data_folder

    if task not in TASK_FILES or split not in TASK_FILES[task]:
        raise ValueError(f'no task {task!r} with split {split!r}: use "food" or "meme", "train" or "test"')
    folder = Path(folder) if folder is not None else data_folder(task)
    return read_records(folder / TASK_FILES[task][split])


def split_by_picture(records: Sequence[Record], *, held_out: float = 0.1, seed: int = 0) \
        -> tuple[list[Record], list[Record]]:
    """(training, held-out) records such that no picture is in both; text-only records are split one by one."""
    groups: dict[Any, list[Record]] = {}
    for record in records:
        groups.setdefault(record.images or (record.source, record.number), []).append(record)
    keys = sorted(groups, key=str)
    random.Random(seed).shuffle(keys)
    chosen: dict[Any, None] = {}
    while keys and sum(len(groups[key]) for key in chosen) < round(held_out * len(records)):
        side = {keys.pop()}
        while side:  # a picture that also stands in a record with other pictures takes that record along
            chosen |= dict.fromkeys(side)
            side = {key for key in keys if any(image in key for taken in side for image in taken)}
            keys = [key for key in keys if key not in side]
    is_held_out = [(record.images or (record.source, record.number)) in chosen for record in records]
    return ([record for record, held in zip(records, is_held_out) if not held],
            [record for record, held in zip(records, is_held_out) if held])


def picture_problems(records: Iterable[Record]) -> list[Problem]:
    """One Problem for each use of a picture that is missing or does not decode to its last pixel."""
    from concurrent.futures import ThreadPoolExecutor

    from tqdm.auto import tqdm

    records = list(records)
    pictures = list(dict.fromkeys(image for record in records for image in record.images))
    with ThreadPoolExecutor() as pool:
        found = pool.map(_picture_problem, pictures)
        checked = tqdm(found, "checking pictures", total=len(pictures), leave=False, disable=len(pictures) < 50)
        what = dict(zip(pictures, checked))
    return [Problem(record.source, record.number, "image", what[image])
            for record in records for image in record.images if what[image]]


def _picture_problem(path: Path) -> str:
    """Why a picture cannot be used, or ""."""
    from PIL import Image

    if not path.is_file():
        return f"no picture at {path}"
    try:
        with Image.open(path) as image:
            image.load()
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        return f"{path} does not decode ({error}); it is broken or cut short: copy it again"
    return ""


def _raw_records(file: Path, problems: list[Problem]) -> Iterator[tuple[int, Any]]:
    """(number, value) of each record of a json list or of each line of a jsonl file."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        problems.append(Problem(file, None, "", f"no such file in {file.parent}"))
        return
    except UnicodeDecodeError as error:
        problems.append(Problem(file, None, "", f"byte {error.start} is not UTF-8: save the file as UTF-8"))
        return
    if file.suffix == ".jsonl":
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                try:
                    yield number, json.loads(line)
                except json.JSONDecodeError as error:
                    what = f"broken JSON at line {number}, column {error.colno}: {error.msg}"
                    problems.append(Problem(file, number, "", what))
        return
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        what = f"broken JSON at line {error.lineno}, column {error.colno}: {error.msg}"
        problems.append(Problem(file, None, "", what))
        return
    if not isinstance(values, list):
        problems.append(Problem(file, None, "", f"should be a list of records, but is {shown(values)}"))
        return
    yield from enumerate(values, start=1)
