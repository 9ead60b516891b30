"""Training records from the files learners have: LLaVA/CLoT, FoodieQA, json or jsonl, with every problem listed."""

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from course_lib.conversation import CONTROL_TOKENS, IMAGE_MARK

ROLES = {"human": "user", "gpt": "assistant"}  # the file's names -> the prompt's names
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
        report = _Reporter(file, number, problems)
        parsed = _parse(raw, folder, report)
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


class _Reporter:
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
            self(field, f"should be a {_TYPE_NAMES[kind]}, but is {_shown(value)}")
            return None
        return value


_TYPE_NAMES = {str: "text", list: "list", dict: "object"}
Parsed = tuple[tuple[Path, ...], tuple[dict[str, str], ...], str | None, dict[str, Any]]


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


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
        problems.append(Problem(file, None, "", f"should be a list of records, but is {_shown(values)}"))
        return
    yield from enumerate(values, start=1)


def _parse(raw: Any, folder: Path, report: _Reporter) -> Parsed | None:
    if not isinstance(raw, dict):
        report("", f"a record should be an object, but is {_shown(raw)}")
        return None
    if "conversations" in raw:
        return _parse_llava(raw, folder, report)
    if "choices" in raw or "food_meta" in raw:
        return _parse_foodieqa(raw, folder, report)
    report("conversations", 'missing (and no "choices", so not a FoodieQA record either)')
    return None


def _parse_llava(raw: dict, folder: Path, report: _Reporter) -> Parsed:
    """{"id"?, "image": "a.jpg" | ["a.jpg", ...] | null | absent, "conversations": [{"from", "value"}, ...]}."""
    named = raw.get("image")
    names = named if isinstance(named, list) else [] if named is None else [named]
    images = tuple(path for name in names if (path := _picture_path(name, folder, "image", report)) is not None)
    record_id = raw.get("id")
    if record_id is not None and (isinstance(record_id, bool) or not isinstance(record_id, str | int)):
        report("id", f"should be text or a whole number, but is {_shown(record_id)}")
    turns = report.typed(raw, "conversations", list, "conversations")
    messages = _messages(turns, report) if turns is not None else ()
    _check_marks(messages, len(names), report)
    meta = {key: value for key, value in raw.items() if key not in ("id", "image", "conversations")}
    return images, messages, None if record_id is None else str(record_id), meta


def _messages(turns: list, report: _Reporter) -> tuple[dict[str, str], ...]:
    messages = []
    if not turns:
        report("conversations", "no turns")
    for index, turn in enumerate(turns):
        field = f"conversations[{index}]"
        if not isinstance(turn, dict):
            report(field, f"a turn should be an object, but is {_shown(turn)}")
            continue
        role = report.typed(turn, "from", str, f"{field}.from")
        value = report.typed(turn, "value", str, f"{field}.value")
        if role is not None and role not in ROLES:
            report(f"{field}.from", f'unknown role {role!r}: use "human" or "gpt"')
        elif role is not None and role != ("human", "gpt")[index % 2]:
            expected = "human" if index % 2 == 0 else "gpt"
            report(f"{field}.from", f"turns must alternate, human first: expected {expected!r}, found {role!r}")
        if value is not None and not value.strip():
            report(f"{field}.value", "empty answer: nothing to learn" if role == "gpt" else "empty question")
        for token in CONTROL_TOKENS if value is not None else ():
            if token in value:
                report(f"{field}.value", f"contains the control token {token}: write {IMAGE_MARK} for a picture")
        if role in ROLES and value is not None:
            messages.append({"role": ROLES[role], "content": value})
    if messages and messages[-1]["role"] != "assistant":
        report("conversations", "the last turn is a question without an answer")
    return tuple(messages)


def _check_marks(messages: tuple[dict[str, str], ...], pictures: int, report: _Reporter) -> None:
    marks = sum(message["content"].count(IMAGE_MARK) for message in messages if message["role"] == "user")
    if any(IMAGE_MARK in message["content"] for message in messages if message["role"] == "assistant"):
        report("conversations", f"{IMAGE_MARK} in an answer: pictures belong to questions")
    if messages and marks != pictures:
        report("conversations", f"{marks} {IMAGE_MARK} in the text, but {pictures} pictures: they must be as many")


def _picture_path(name: Any, folder: Path, field: str, report: _Reporter) -> Path | None:
    """The picture's path inside `folder`; nothing may point out of it."""
    if not isinstance(name, str) or not name.strip():
        report(field, f"should be a picture's path, but is {_shown(name)}")
        return None
    if PurePosixPath(name).is_absolute() or PureWindowsPath(name).anchor:
        report(field, f"absolute path {name!r}: write it relative to the pictures' folder")
        return None
    if ".." in PureWindowsPath(name).parts:  # splits at / and at \
        report(field, f"path {name!r} leaves the pictures' folder (..)")
        return None
    return folder / name


def _parse_foodieqa(raw: dict, folder: Path, report: _Reporter) -> Parsed:
    """FoodieQA's single-image question -> one turn; the answer names the right choice and the dish."""
    question = report.typed(raw, "question", str, "question")
    choices = report.typed(raw, "choices", list, "choices")
    food = report.typed(raw, "food_meta", dict, "food_meta")
    name = report.typed(food, "food_name", str, "food_meta.food_name") if food is not None else None
    file = report.typed(food, "food_file", str, "food_meta.food_file") if food is not None else None
    image = _picture_path(file, folder, "food_meta.food_file", report) if file is not None else None
    images = (image,) if image is not None else ()
    if question is not None and not question.strip():
        report("question", "empty question")
    if question is not None and IMAGE_MARK in question:
        report("question", f"holds {IMAGE_MARK}, which the conversion adds itself")
    if name is not None and not name.strip():
        report("food_meta.food_name", "empty answer: nothing to learn")
    choice = _right_choice(raw.get("answer"), choices, report) if choices is not None else None
    messages = (
        {"role": "user", "content": f"{question}\n{IMAGE_MARK}"},
        {"role": "assistant", "content": f"{choice}，图中的菜是{name}"},
    )
    record_id = raw.get("question_id")
    return images, messages, None if record_id is None else str(record_id), raw


def _right_choice(answer: Any, choices: list, report: _Reporter) -> str | None:
    text = str(answer).strip()
    if isinstance(answer, bool) or not isinstance(answer, str | int) or not text.isdecimal():
        report("answer", f'should be the right choice\'s index as text ("0", "1", ...), but is {_shown(answer)}')
        return None
    if int(text) >= len(choices):
        report("answer", f"index {int(text)} is out of range: there are {len(choices)} choices, counted from 0")
        return None
    choice = choices[int(text)]
    if not isinstance(choice, str) or not choice.strip():
        report(f"choices[{int(text)}]", f"the right choice should be text, but is {_shown(choice)}")
        return None
    return choice
