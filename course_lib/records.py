"""Training records from the files that learners have, json or jsonl, with every problem listed; split by picture."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from course_lib.data_problems import DataError, Problem, Reporter, shown
from course_lib.record_layouts import parse
from course_lib.whole_files import require_whole_files

TASK_FILES = {
    "food": {"train": "sivqa_tidy.json", "test": "sivqa_test.json"},
    "meme": {"train": "ex_cn.json", "test": "ex_cn_test.json"},
}
# The training file under other names that learners have: the old lesson's conversion, and Oogiri-GO's Chinese part.
OTHER_NAMES = {"food": "sivqa_llava.json", "meme": "cn.jsonl"}
LONG = 30 * 2**20  # bytes of pictures that take a second or more to decode
HELD_OUT = 0.1  # of a learner's own set that has no test file


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
    """Records of a json or jsonl file (or of the one in a folder), pictures inside `image_folder` (default: beside it).

    Each may have the layout of LLaVA/CLoT (`conversations`), FoodieQA (`choices`) or Oogiri-GO (`type`, `text`).
    Every picture is decoded once to see that it is whole. Raises DataError with all problems of the file.
    """
    file = records_file(file)
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


def records_file(place: Path | str) -> Path:
    """`place` itself, or the file of training records in that folder. Raises DataError where it is not plain which."""
    place = Path(place)
    if not place.is_dir():
        return place
    known = [file for task in TASK_FILES if (file := training_file(task, place)) is not None]
    found = known or sorted(file for file in place.iterdir() if file.suffix in (".json", ".jsonl"))
    if len(found) != 1:
        names = ", ".join(file.name for file in found) or "it holds no .json or .jsonl file"
        raise DataError([Problem(place, None, "", f"a folder: name the file of records in it ({names})")])
    return found[0]


def load_task(task: str, split: str, folder: Path | str | None = None) -> list[Record]:
    """Records of task "food" or "meme", split "train" or "test", from `folder` (default: settings.data_folder).

    A learner's own set has one file and no test file, and may be named by either: a tenth of its pictures is then the
    test, the same tenth every time. Raises ValueError for an unknown task or split, DataError for the files' problems.
    """
    from course_lib.settings import data_folder

    if task not in TASK_FILES or split not in TASK_FILES[task]:
        raise ValueError(f'no task {task!r} with split {split!r}: use "food" or "meme", "train" or "test"')
    place = Path(folder) if folder is not None else data_folder(task)
    names = TASK_FILES[task]
    if place.is_file() and place.name in names.values():
        place = place.parent
    train = place if place.is_file() else training_file(task, place)
    test = (place.parent if place.is_file() else place) / names["test"]
    if split == "test" and (test.is_file() or train is None):
        return read_records(test)
    if test.is_file() or train is None:
        return read_records(train or place / names["train"])
    return split_by_picture(read_records(train), held_out=HELD_OUT)[split == "test"]


def training_file(task: str, folder: Path) -> Path | None:
    """The file of a task's training records in a folder, under whichever of its names; None where there is none."""
    names = (TASK_FILES[task]["train"], OTHER_NAMES[task])
    return next((folder / name for name in names if (folder / name).is_file()), None)


def split_by_picture(records: Sequence[Record], *, held_out: float = 0.1, seed: int = 0) \
        -> tuple[list[Record], list[Record]]:
    """(training, held-out) records such that no picture is in both; text-only records are split one by one.

    Files with the same bytes are one picture. Raises OSError for a picture that cannot be read.
    """
    same = same_pictures(image for record in records for image in record.images)
    keys = [tuple(same[image] for image in record.images) or (record.source, record.number) for record in records]
    groups: dict[tuple, int] = {}  # -> how many records show just these pictures
    showing: dict[Any, list[tuple]] = {}  # picture -> the groups that show it
    for key in keys:
        groups[key] = groups.get(key, 0) + 1
        if groups[key] == 1:
            for part in key:
                showing.setdefault(part, []).append(key)
    order = sorted(groups, key=str)
    random.Random(seed).shuffle(order)
    chosen: set[tuple] = set()
    count, wanted = 0, round(held_out * len(records))
    while order and count < wanted:
        side = [order.pop()]
        while side:  # a picture that also stands in a record with other pictures takes that record along
            key = side.pop()
            if key not in chosen:
                chosen.add(key)
                count += groups[key]
                side += [other for image in key if image in same for other in showing[image]]
    return ([record for record, key in zip(records, keys) if key not in chosen],
            [record for record, key in zip(records, keys) if key in chosen])


def shared_pictures(train: Iterable[Record], held_out: Iterable[Record]) -> list[Path]:
    """The held-out pictures whose bytes stand in training too, under whatever name: a leak, unless there are none."""
    trained = dict.fromkeys(image for record in train for image in record.images)
    held = dict.fromkeys(image for record in held_out for image in record.images)
    same = same_pictures([*trained, *held])
    leaked = {same[image] for image in trained}
    return [image for image in held if same[image] in leaked]


def same_pictures(pictures: Iterable[Path]) -> dict[Path, Path]:
    """{picture: the first of them with the same bytes}. Only files of equal size are read, each once."""
    pictures = list(dict.fromkeys(pictures))
    by_size: dict[int, list[Path]] = {}
    for picture in pictures:
        by_size.setdefault(picture.stat().st_size, []).append(picture)
    suspects = [picture for alike in by_size.values() if len(alike) > 1 for picture in alike]
    digests = _on_each(_digest, suspects, "comparing pictures")
    first: dict[Any, Path] = {}
    return {picture: first.setdefault(digests.get(picture, picture), picture) for picture in pictures}


def picture_problems(records: Iterable[Record]) -> list[Problem]:
    """One Problem for each use of a picture that is missing or does not decode to its last pixel."""
    records = list(records)
    pictures = dict.fromkeys(image for record in records for image in record.images)
    what = _on_each(_picture_problem, pictures, "checking pictures")
    return [Problem(record.source, record.number, "image", what[image])
            for record in records for image in record.images if what[image]]


def _on_each(function: Callable[[Path], Any], pictures: Iterable[Path], label: str) -> dict[Path, Any]:
    """{picture: function(picture)}, computed on all processors; a progress bar where they are many bytes."""
    from concurrent.futures import ThreadPoolExecutor

    from tqdm.auto import tqdm

    pictures = list(pictures)
    size = sum(picture.stat().st_size for picture in pictures if picture.is_file())
    with ThreadPoolExecutor() as pool:
        results = pool.map(function, pictures)
        shown_results = tqdm(results, label, total=len(pictures), leave=False, disable=size < LONG)
        return dict(zip(pictures, shown_results))


def _digest(path: Path) -> bytes:
    with path.open("rb") as picture:
        return hashlib.file_digest(picture, "sha256").digest()


def _picture_problem(path: Path) -> str:
    """Why a picture cannot be used, or ""."""
    from PIL import Image

    if not path.is_file():
        return f"no picture at {path}"
    require_whole_files()
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
