"""FoodieQA may be evaluated on, not trained on: training on it needs a person's explicit consent."""

from __future__ import annotations

import os
from collections.abc import Iterable

from course_lib.record_layouts import NAMES_THE_DISH
from course_lib.records import Record

VARIABLE = "COURSE_TRAIN_ON_FOODIEQA"

FOODIEQA = """\
These records are FoodieQA's. Its licence, CC BY-NC-ND 4.0, asks for its makers to be named, allows no commercial use
and no passing on of changed versions; its data card adds: for evaluation only, not for training models or systems.
  - Evaluate on your own copy freely: that is what FoodieQA was made for.
  - Train on it only if its holders permit it, or if the law where you are does.
  - Do not pass on a model that was trained on it as if it were free: say what it learned from, and keep it to yourself
    unless its holders agree. Nor can it be tested on FoodieQA any more: it has seen the answers.
The kit's own food data (data/food) has FoodieQA's layout, none of its content, and needs no consent."""

HOW_TO_CONSENT = f"""\
If you may and want to train on it, say so in one of three ways:
  - in Python:           train_on_foodieqa=True
  - in the terminal:     --train-on-foodieqa
  - in the environment:  {VARIABLE}=yes   (no notebook needs to be edited)"""


class LicenceError(ValueError):
    """Training that the data's licence does not allow without a person's consent; the text says how to give it."""


def is_foodieqa(record: Record) -> bool:
    """Whether a record is FoodieQA's: in its layout, or converted from it, without a `licence` field that frees it."""
    licence = str(record.meta.get("licence") or "").upper().replace(" ", "-")
    if licence and "NC-ND" not in licence:
        return False
    answers = (message["content"] for message in record.messages if message["role"] == "assistant")
    return "food_meta" in record.meta or any(NAMES_THE_DISH in answer for answer in answers)


def needs_consent(records: Iterable[Record]) -> bool:
    """Whether any of the records is FoodieQA's."""
    return any(map(is_foodieqa, records))


def consent_given(explicit: bool | None = None) -> bool:
    """Whether a person consented to training on FoodieQA: `explicit` if given, else COURSE_TRAIN_ON_FOODIEQA.

    Raises ValueError where the variable is neither yes nor no: consent is not guessed.
    """
    if explicit is not None:
        return explicit
    answer = os.environ.get(VARIABLE, "").strip().lower()
    if answer not in ("", "yes", "no"):
        raise ValueError(f"{VARIABLE} is {answer!r}: set it to yes or no")
    return answer == "yes"


def require_consent(records: Iterable[Record], consent: bool) -> None:
    """Raises LicenceError, with the notice and how to consent, for FoodieQA's records unless `consent` is True."""
    records = list(records)
    if consent is True or not needs_consent(records):
        return
    count = sum(map(is_foodieqa, records))
    raise LicenceError(f"{count} of {len(records)} records need consent.\n{FOODIEQA}\n{HOW_TO_CONSENT}")
