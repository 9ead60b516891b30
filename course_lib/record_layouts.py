"""The layouts of learners' training records, LLaVA/CLoT, FoodieQA and Oogiri-GO, read into pictures and messages."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from course_lib.conversation import CONTROL_TOKENS, IMAGE_MARK
from course_lib.data_problems import Reporter, shown

ROLES = {"human": "user", "gpt": "assistant"}  # the file's names -> the prompt's names
NAMES_THE_DISH = "，图中的菜是"  # "…, the dish in the picture is": FoodieQA's answers, as the old lesson converted them
TELL_A_JOKE = "请你根据这张图片，讲一个脑洞大开的梗"  # CLoT's question: "tell a wildly imaginative joke about this picture"
JOKE_ON_TEXT = "请你根据这句话，讲一个脑洞大开的梗"  # the same of a sentence
OOGIRI_TYPES = ("I2T", "T2T", "IT2T")  # picture, text, or both -> a joke
PICTURE_SUFFIXES = ("", ".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")
Parsed = tuple[tuple[Path, ...], tuple[dict[str, str], ...], str | None, dict[str, Any]]  # pictures, messages, id, meta


def parse(raw: Any, folder: Path, report: Reporter) -> Parsed | None:
    """One raw record -> its pictures (inside `folder`), messages, id and further fields; problems go to `report`."""
    if not isinstance(raw, dict):
        report("", f"a record should be an object, but is {shown(raw)}")
        return None
    if "conversations" in raw:
        return _parse_llava(raw, folder, report)
    if "choices" in raw or "food_meta" in raw:
        return _parse_foodieqa(raw, folder, report)
    if "star" in raw or {"type", "text"} <= raw.keys():
        return _parse_oogiri(raw, folder, report)
    report("conversations", 'missing (and no "choices", so not a FoodieQA record either)')
    return None


def _parse_llava(raw: dict, folder: Path, report: Reporter) -> Parsed:
    """{"id"?, "image": "a.jpg" | ["a.jpg", ...] | null | absent, "conversations": [{"from", "value"}, ...]}."""
    named = raw.get("image")
    names = named if isinstance(named, list) else [] if named is None else [named]
    images = tuple(path for name in names if (path := _picture_path(name, folder, "image", report)) is not None)
    record_id = raw.get("id")
    if record_id is not None and (isinstance(record_id, bool) or not isinstance(record_id, str | int)):
        report("id", f"should be text or a whole number, but is {shown(record_id)}")
    turns = report.typed(raw, "conversations", list, "conversations")
    messages = _messages(turns, report) if turns is not None else ()
    _check_marks(messages, len(names), report)
    meta = {key: value for key, value in raw.items() if key not in ("id", "image", "conversations")}
    return images, messages, None if record_id is None else str(record_id), meta


def _messages(turns: list, report: Reporter) -> tuple[dict[str, str], ...]:
    messages = []
    if not turns:
        report("conversations", "no turns")
    for index, turn in enumerate(turns):
        field = f"conversations[{index}]"
        if not isinstance(turn, dict):
            report(field, f"a turn should be an object, but is {shown(turn)}")
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
        if value is not None:
            _check_tokens(value, f"{field}.value", report)
        if role in ROLES and value is not None:
            messages.append({"role": ROLES[role], "content": value})
    if messages and messages[-1]["role"] != "assistant":
        report("conversations", "the last turn is a question without an answer")
    return tuple(messages)


def _check_tokens(text: str, field: str, report: Reporter) -> None:
    for token in CONTROL_TOKENS:
        if token in text:
            report(field, f"contains the control token {token}: write {IMAGE_MARK} for a picture")


def _check_marks(messages: tuple[dict[str, str], ...], pictures: int, report: Reporter) -> None:
    marks = sum(message["content"].count(IMAGE_MARK) for message in messages if message["role"] == "user")
    if any(IMAGE_MARK in message["content"] for message in messages if message["role"] == "assistant"):
        report("conversations", f"{IMAGE_MARK} in an answer: pictures belong to questions")
    if messages and marks != pictures:
        report("conversations", f"{marks} {IMAGE_MARK} in the text, but {pictures} pictures: they must be as many")


def _picture_path(name: Any, folder: Path, field: str, report: Reporter) -> Path | None:
    """The picture's path inside `folder`; nothing may point out of it. An absolute path may, if it lies inside."""
    if not isinstance(name, str) or not name.strip():
        report(field, f"should be a picture's path, but is {shown(name)}")
        return None
    if ".." in PureWindowsPath(name).parts:  # splits at / and at \
        report(field, f"path {name!r} leaves the pictures' folder (..)")
        return None
    if PurePosixPath(name).is_absolute() or PureWindowsPath(name).anchor:
        if Path(name).is_relative_to(folder.absolute()):
            return folder / Path(name).relative_to(folder.absolute())  # one picture, one path: splits compare them
        report(field, f"absolute path {name!r}: write it relative to the pictures' folder")
        return None
    return folder / name


def _parse_foodieqa(raw: dict, folder: Path, report: Reporter) -> Parsed:
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
        {"role": "assistant", "content": f"{choice}{NAMES_THE_DISH}{name}"},
    )
    record_id = raw.get("question_id")
    return images, messages, None if record_id is None else str(record_id), raw


def _right_choice(answer: Any, choices: list, report: Reporter) -> str | None:
    text = str(answer).strip()
    if isinstance(answer, bool) or not isinstance(answer, str | int) or not text.isdecimal():
        report("answer", f'should be the right choice\'s index as text ("0", "1", ...), but is {shown(answer)}')
        return None
    if int(text) >= len(choices):
        report("answer", f"index {int(text)} is out of range: there are {len(choices)} choices, counted from 0")
        return None
    choice = choices[int(text)]
    if not isinstance(choice, str) or not choice.strip():
        report(f"choices[{int(text)}]", f"the right choice should be text, but is {shown(choice)}")
        return None
    return choice


def _parse_oogiri(raw: dict, folder: Path, report: Reporter) -> Parsed:
    """{"type": "I2T" | "T2T" | "IT2T", "question": text | null, "image": id | null, "text": joke, "star": likes}.

    As its card says: only T2T has a question as text, as a rule; in other types, and in Japanese T2T, the picture
    shows it. The likes stay in the record's meta.
    """
    kind = report.typed(raw, "type", str, "type")
    answer = report.typed(raw, "text", str, "text")
    question, name, star = (raw.get(key) if raw.get(key) != "None" else None for key in ("question", "image", "star"))
    if kind is not None and kind not in OOGIRI_TYPES:
        report("type", f'unknown type {kind!r}: use "I2T", "T2T" or "IT2T"')
    if question is not None and not isinstance(question, str):
        report("question", f"should be a text or null, but is {shown(question)}")
        question = None
    if star is not None and (isinstance(star, bool) or not isinstance(star, int | float)):
        report("star", f"should be a number or null, but is {shown(star)}")
    for field, text in (("question", question), ("text", answer)):
        if text is not None and IMAGE_MARK in text:
            report(field, f"holds {IMAGE_MARK}, which the conversion adds itself")
        if text is not None:
            _check_tokens(text, field, report)
    if answer is not None and not answer.strip():
        report("text", "empty answer: nothing to learn")
    question = (question or "").strip()
    content, images = "", ()
    if kind == "T2T" and question:
        content = f"{question}\n{JOKE_ON_TEXT}"
    elif kind == "T2T" and name is None:
        report("question", "missing: a T2T record without it needs a picture that shows it")
    elif kind in OOGIRI_TYPES:
        content = "\n".join(part for part in (IMAGE_MARK, question, TELL_A_JOKE) if part)
        image = _picture_of_id(name, folder, report)
        images = () if image is None else (image,)
    return images, ({"role": "user", "content": content}, {"role": "assistant", "content": answer or ""}), None, raw


def _picture_of_id(name: Any, folder: Path, report: Reporter) -> Path | None:
    """The picture that an id names in `folder` or its sub-folder images, as it stands or with a usual suffix."""
    path = _picture_path(str(name) if type(name) is int else name, folder, "image", report)
    if path is None:
        return None
    inside = path.relative_to(folder)
    for base in (folder, folder / "images"):
        for suffix in PICTURE_SUFFIXES:
            if (found := base / f"{inside}{suffix}").is_file():
                return found
    report("image", f"no picture {name}, {name}.jpg, ... in {folder} or its images/: unpack images.zip there")
    return None
