"""What counts as a right answer in each task: cuisine and dish in `food`, a joke that fits the scene in `meme`.

Both measures are deliberately strict and deliberately simple, so that a learner can check any verdict by eye:
naming every choice is not an answer, and a good joke about another scene does not fit.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from course_lib.record_layouts import NAMES_THE_DISH
from course_lib.records import Record
from course_lib.scores import TaskScores

DISH_PHRASE = NAMES_THE_DISH.removeprefix("，")  # a tuned answer's second half begins so
JOKE_MATCH = 0.6  # bigram F1 from which an answer counts as telling a known joke


def question_of(record: Record) -> str:
    """The last question of a record, with its `<image>` mark where the record puts it."""
    return next(message["content"] for message in reversed(record.messages) if message["role"] == "user")


def reference_of(record: Record) -> str:
    """The answer that the record gives to its last question."""
    return next(message["content"] for message in reversed(record.messages) if message["role"] == "assistant")


def named_choices(answer: str, choices: Sequence[str], dish: str) -> list[str]:
    """The choices that an answer names, leaving out the dish's name (西湖醋鱼 must not count as the place 西湖)."""
    statement = re.sub(f"{DISH_PHRASE}[^，。,.\n]*", "", answer).replace(dish, "")
    found = [choice for choice in choices if choice and choice in statement]
    return [choice for choice in found if not any(choice != other and choice in other for other in found)]


def score_food(answers: Sequence[str], records: Sequence[Record]) -> TaskScores:
    """Score FoodieQA answers: right = exactly the right choice is named, and the dish's name too.

    Scores: `overall`; `cuisine_and_name` (cuisine questions) and one per other question kind; `choice` and `dish_name`
    alone; one per cuisine, named `cuisine: …`. Raises ValueError when a record lacks FoodieQA's fields.
    """
    _check_lengths(answers, records)
    rows, cuisines, dishes = [], Counter(), Counter()
    for answer, record in zip(answers, records):
        kind, choices, right, dish, cuisine = _food_fields(record)
        named = named_choices(answer, choices, dish)
        rows.append((kind, cuisine, named == [right], dish in answer))
        if kind == "cuisine_type":
            cuisines[right, " and ".join(named) or "(none of the choices)"] += 1
        dishes[dish, _said_dish(answer, dish)] += 1
    verdicts: dict[str, tuple[bool | None, ...]] = {"overall": tuple(choice and name for _, _, choice, name in rows)}
    for kind in sorted({row[0] for row in rows}):
        name = "cuisine_and_name" if kind == "cuisine_type" else kind
        verdicts[name] = tuple((choice and dish) if row_kind == kind else None for row_kind, _, choice, dish in rows)
    verdicts["choice"] = tuple(choice for _, _, choice, _ in rows)
    verdicts["dish_name"] = tuple(name for _, _, _, name in rows)
    for wanted in sorted({row[1] for row in rows}):
        verdicts[f"cuisine: {wanted}"] = tuple(
            (choice and name) if cuisine == wanted else None for _, cuisine, choice, name in rows
        )
    headline = "cuisine_and_name" if "cuisine_and_name" in verdicts else "overall"
    return TaskScores(headline, verdicts, {"cuisine": _confusions(cuisines), "dish_name": _confusions(dishes)})


def scene_of(record: Record) -> str | None:
    """The scene that a picture shows, from the id `<scene>-<composition>-<k>`; None for records without such an id."""
    match = re.fullmatch(r"(.+)-[^-]+-\d+", record.id or "")
    return match[1] if match else None


def bigram_f1(a: str, b: str) -> float:
    """How alike two texts are, 0 to 1: F1 over their character pairs, punctuation and spaces left out."""
    pairs_a, pairs_b = _pairs(a), _pairs(b)
    if not pairs_a or not pairs_b:
        return float(_letters(a) == _letters(b) != "")
    return 2 * (pairs_a & pairs_b).total() / (pairs_a.total() + pairs_b.total())


def best_jokes(answer: str, jokes: dict[str, set[str]]) -> tuple[float, set[str]]:
    """The best likeness of an answer to any known joke, and the scenes (several on a tie) that tell that joke."""
    likeness = {scene: max(bigram_f1(answer, joke) for joke in told) for scene, told in jokes.items()}
    best = max(likeness.values())
    return best, {scene for scene, value in likeness.items() if value == best}


def score_meme(answers: Sequence[str], records: Sequence[Record], train_records: Sequence[Record]) -> TaskScores:
    """Score jokes: right = the best match among all training jokes (F1 >= 0.6) belongs to the picture's scene.

    Scores: `fits_scene`, `exact_joke` (a joke of the scene, word for word). Records whose scene training never showed
    cannot be judged; where that is all of them (CLoT's own copy has no scenes), `headline` is "" and `note` says so.
    """
    _check_lengths(answers, records)
    jokes: dict[str, set[str]] = {}
    for record in train_records:
        if scene := scene_of(record):
            jokes.setdefault(scene, set()).add(reference_of(record))
    counts = {"distinct answers": len({_letters(answer) for answer in answers})}
    scenes = [scene_of(record) for record in records]
    unknown = sum(scene not in jokes for scene in scenes)
    if unknown == len(records):
        return TaskScores("", {}, counts=counts, note=(
            "Whether a joke fits can be counted only where records name their scene in the id "
            "(<scene>-<composition>-<k>) and training tells jokes of that scene. These do not: "
            "compare the held-out loss, and let people vote (widgets.blind_vote)."
        ))
    fits: list[bool | None] = []
    exact: list[bool | None] = []
    said: Counter[tuple[str, str]] = Counter()
    for answer, scene in zip(answers, scenes):
        if scene not in jokes:
            fits.append(None)
            exact.append(None)
            continue
        likeness, told = best_jokes(answer, jokes)
        known = likeness >= JOKE_MATCH
        fits.append(known and scene in told)
        exact.append(_letters(answer) in map(_letters, jokes[scene]))
        said[scene, (scene if scene in told else min(told)) if known else "(no known joke)"] += 1
    note = f"{unknown} of {len(records)} records show a scene that training never told a joke about." * bool(unknown)
    verdicts = {"fits_scene": tuple(fits), "exact_joke": tuple(exact)}
    return TaskScores("fits_scene", verdicts, {"scene": _confusions(said)}, counts, note)


def _food_fields(record: Record) -> tuple[str, list[str], str, str, str]:
    """(question kind, choices, right choice, dish, cuisine) of a FoodieQA record."""
    meta = record.meta
    try:
        choices, food = meta["choices"], meta["food_meta"]
        return meta["question_type"], choices, choices[int(meta["answer"])], food["food_name"], food["food_type"]
    except KeyError as missing:
        raise ValueError(
            f"{record.source}, record {record.number}: field {missing} is missing. Food answers are scored against "
            "FoodieQA's own fields; read the set from sivqa_tidy.json, not from a converted file."
        ) from None


def _said_dish(answer: str, dish: str) -> str:
    if dish in answer:
        return dish
    said = re.search(f"{DISH_PHRASE}([^，。,.\n]+)", answer)
    return said[1].strip() if said else "(no dish named)"


def _confusions(pairs: Counter) -> tuple[tuple[str, str, int], ...]:
    """(wanted, said, count), most frequent first, ties in the texts' order."""
    return tuple((*pair, count) for pair, count in sorted(pairs.items(), key=lambda item: (-item[1], item[0])))


def _letters(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c)[0] in "LN")


def _pairs(text: str) -> Counter[str]:
    letters = _letters(text)
    return Counter(map("".join, zip(letters, letters[1:])))


def _check_lengths(answers: Sequence[str], records: Sequence[Record]) -> None:
    if len(answers) != len(records):
        raise ValueError(f"{len(answers)} answers for {len(records)} records: give one answer per record, in order")
