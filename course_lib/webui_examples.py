"""Pictures to try on the web page: some that neither task's training has seen, and one of coloured things."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random

from course_lib.conversation import IMAGE_MARK
from course_lib.records import Record, load_task
from course_lib.webui_texts import TEXTS

FEW = {"food": 3, "meme": 2}
DRAWN = (640, 448)  # pixels


@dataclass(frozen=True)
class Example:
    """A picture and a question about it. The tasks ask in Chinese only; in English, the caption says what is asked."""

    picture: Path
    asked: dict[str, str]  # the question, by language
    captions: dict[str, str]
    place: str  # of the picture: "before" or "after" the question
    task: str = ""

    def question(self, language: str) -> str:
        return self.asked[language]

    def caption(self, language: str) -> str:
        return self.captions[language]


def examples(folder: Path) -> list[Example]:
    """Some of each task's held-out pictures, and a drawn one, which is written to `folder`."""
    chosen = [
        task_example(task, record)
        for task, few in FEW.items()
        for record in spread(load_task(task, "test"), few)
    ]
    return [*chosen, drawn_example(folder)]


def spread(records: list[Record], few: int) -> list[Record]:
    """A few records with one picture each, from all over the list, with different questions where there are any."""
    with_picture = [record for record in records if len(record.images) == 1]
    step = max(1, len(with_picture) // few)
    return [with_picture[min(number * step + number, len(with_picture) - 1)]
            for number in range(min(few, len(with_picture)))]  # fmt: skip


def task_example(task: str, record: Record) -> Example:
    content = record.messages[0]["content"]
    question = content.replace(IMAGE_MARK, "").strip()
    english = record.meta.get("question_en", TEXTS["en"].tell_a_joke)
    place = "after" if content.strip().endswith(IMAGE_MARK) else "before"
    return Example(record.images[0], {"zh": question, "en": question}, {"zh": question, "en": english}, place, task)


def drawn_example(folder: Path) -> Example:
    """A scene of the kind that the small model learned to see with."""
    from course_lib.mini.world import scene_and_picture

    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "drawn.png"
    scene_and_picture(Random(11), DRAWN)[1].save(file)
    asked = {language: words.drawn_question for language, words in TEXTS.items()}
    return Example(file, asked, asked, "before")
