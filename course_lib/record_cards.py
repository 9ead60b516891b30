"""Records as picture cards: what is asked, what the data answers, what a model answers, and the answer in English."""

from __future__ import annotations

from collections.abc import Sequence

from course_lib.cards import THUMBNAIL, Card, Html, Line, card_grid
from course_lib.conversation import IMAGE_MARK
from course_lib.measures import question_of, reference_of, scene_of
from course_lib.record_layouts import NAMES_THE_DISH
from course_lib.records import Record


def record_grid(
    records: Sequence[Record], caption: str, *, answers: Sequence[str] | None = None, size: int = THUMBNAIL
) -> Html:
    """One card a record, with a model's answer on it if `answers` are given. Raises ValueError if they do not match."""
    if answers is not None and len(answers) != len(records):
        raise ValueError(f"{len(answers)} answers for {len(records)} records: give one answer per record, in order")
    cards = []
    for number, record in enumerate(records):
        lines = [Line("question", question_of(record).replace(IMAGE_MARK, "").strip())]
        if answers is not None:
            lines.append(Line("model", answers[number]))
        lines.append(Line("data", reference_of(record)))
        if english := in_english(record):
            lines.append(Line("in English", english))
        cards.append(Card(record.images[0] if record.images else None, subject(record), tuple(lines)))
    return card_grid(cards, caption, size=size)


def in_english(record: Record) -> str | None:
    """The meaning of the data's answer, where the kit wrote it itself; None for a learner's own data."""
    from course_lib.mini.food_dishes import DISHES
    from course_lib.mini.food_glosses import GLOSSES
    from course_lib.mini.meme_jokes import SCENES

    answer = reference_of(record)
    choice, _, name = answer.partition(NAMES_THE_DISH)
    dish = next((dish.english for dish in DISHES if dish.name == name), None)
    if dish and choice in GLOSSES:
        return f"{GLOSSES[choice]}; the dish in the picture is {dish}"
    return next((scene.glosses[answer] for scene in SCENES.values() if answer in scene.glosses), None)


def subject(record: Record) -> str:
    """What the picture shows, in a few English words, as far as the data tells it."""
    from course_lib.mini.food_dishes import DISHES
    from course_lib.mini.meme_jokes import SCENES

    if (scene := scene_of(record)) in SCENES:
        return SCENES[scene].en
    dish = next((dish.english for dish in DISHES if dish.name == record.meta.get("food_name")), None)
    return dish or f"picture of record {record.number} of {record.source.name}"
