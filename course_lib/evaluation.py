"""Did it get better? Ask held-out questions before and after, judge the answers, say how sure we are, show pictures.

One `Evaluation` is one model on one set of records: its answers, the verdict on each, and its loss on the reference
answers. Everything else here puts two or more of them side by side.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from course_lib.cards import Card, Html, Line, card_grid, table
from course_lib.dataset import Record, load_task
from course_lib.measures import question_of, reference_of, scene_of, score_food, score_meme
from course_lib.sampling import Sampling
from course_lib.scores import Paired, Score, TaskScores, compare_paired, wilson
from course_lib.teacher_forcing import held_out_loss

if TYPE_CHECKING:
    from course_lib.engine import Engine
    from course_lib.vlm import VLM

__all__ = [
    "Evaluation", "Paired", "Score", "TaskScores", "answer_records", "before_after_grid", "before_after_table",
    "compare", "error_gallery", "evaluate", "evaluate_command", "held_out_loss", "score_food", "score_meme",
    "scores_table", "shuffled_pictures", "wilson",
]  # fmt: skip

SCORE_WORDS = {
    "overall": "all questions: choice and dish name",
    "cuisine_and_name": "cuisine and dish name",
    "flavor": "flavour and dish name",
    "region": "region and dish name",
    "present": "presentation and dish name",
    "choice": "right choice alone",
    "dish_name": "dish name alone",
    "fits_scene": "joke fits the scene",
    "exact_joke": "joke of the scene, word for word",
}


@dataclass(frozen=True)
class Evaluation:
    """One model's answers to one set of records, and what they are worth; `label` names it in tables and figures."""

    label: str
    task: str
    questions: tuple[str, ...]
    references: tuple[str, ...]
    answers: tuple[str, ...]
    scores: TaskScores
    loss: float | None = None

    @property
    def headline(self) -> Score | None:
        """The score that decides, or None where the data allows none."""
        return self.scores[self.scores.headline] if self.scores.headline else None

    @property
    def verdicts(self) -> tuple[bool | None, ...]:
        """Right or wrong, record by record."""
        name = "overall" if "overall" in self.scores.verdicts else self.scores.headline
        return self.scores.verdicts.get(name, (None,) * len(self.answers))

    def save(self, file: Path | str) -> Path:
        """Write everything as JSON."""
        file = Path(file)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        return file

    @classmethod
    def load(cls, file: Path | str) -> Evaluation:
        """Read what `save` wrote; equal to the original."""
        raw = json.loads(Path(file).read_text(encoding="utf-8"))
        scores = raw["scores"]
        scores["verdicts"] = {name: tuple(verdicts) for name, verdicts in scores["verdicts"].items()}
        scores["confusions"] = {name: tuple(map(tuple, rows)) for name, rows in scores["confusions"].items()}
        raw |= {name: tuple(raw[name]) for name in ("questions", "references", "answers")}
        return cls(**raw | {"scores": TaskScores(**scores)})


def evaluate(
    vlm: VLM, task: str, records: Sequence[Record], train_records: Sequence[Record] = (), *, label: str = "model",
    loss: bool = True, max_new_tokens: int = 64, batch_size: int = 16, max_tiles: int | None = None,
    progress: bool = True,
) -> Evaluation:
    """Answer `records` greedily, score the answers for `task` ("food" or "meme") and measure the held-out loss.

    `meme` needs `train_records`, whose jokes tell which joke belongs to which scene.
    """
    if task not in ("food", "meme"):
        raise ValueError(f"task is 'food' or 'meme', not {task!r}")
    if task == "meme" and not train_records:
        raise ValueError("the joke measure needs train_records: their jokes say which joke belongs to which scene")
    answers = answer_records(
        vlm, records, max_new_tokens=max_new_tokens, batch_size=batch_size, max_tiles=max_tiles, progress=progress
    )
    return Evaluation(
        label, task, tuple(map(question_of, records)), tuple(map(reference_of, records)), tuple(answers),
        score_food(answers, records) if task == "food" else score_meme(answers, records, train_records),
        held_out_loss(vlm, records, max_tiles=max_tiles) if loss else None,
    )


def compare(before: Evaluation, after: Evaluation, name: str = "") -> Paired:
    """Compare two evaluations of the same records question by question, on the headline unless `name` says another."""
    name = name or before.scores.headline
    if before.questions != after.questions or before.references != after.references:
        raise ValueError(f"{before.label!r} and {after.label!r} were asked other records: evaluate both on one set")
    return compare_paired(before.scores.verdicts[name], after.scores.verdicts[name])


def class_of(record: Record) -> str:
    """What a picture is a picture of: the cuisine (food), the scene (meme), else the file itself."""
    return record.meta.get("food_meta", {}).get("food_type") or scene_of(record) or ",".join(map(str, record.images))


def shuffled_pictures(
    records: Sequence[Record], seed: int = 0, class_of: Callable[[Record], str] = class_of
) -> list[Record]:
    """Negative control: every question keeps its text and gets the picture of another class.

    A model that looks at pictures must fail here. Raises ValueError when all pictures are of one class.
    """
    draw = random.Random(seed)
    pictured = [record for record in records if record.images]
    shuffled = []
    for record in records:
        others = [other for other in pictured if class_of(other) != class_of(record)]
        if not others:
            raise ValueError("all pictures are of one class: a shuffled picture would still be a right one")
        shuffled.append(replace(record, images=draw.choice(others).images) if record.images else record)
    return shuffled


def scores_table(evaluations: Sequence[Evaluation], *, per_cuisine: bool = False) -> Html:
    """Every score of several evaluations side by side, each with its interval and n, and the held-out loss."""
    first = evaluations[0]
    rows = [
        [SCORE_WORDS.get(name, name), *(str(one.scores[name]) for one in evaluations)]
        for name in first.scores.verdicts if per_cuisine or not name.startswith("cuisine: ")
    ]  # fmt: skip
    rows += [[name, *(str(one.scores.counts[name]) for one in evaluations)] for name in first.scores.counts]
    rows.append(["held-out loss, nats a token", *map(_loss, evaluations)])
    caption = f"{first.task}: {len(first.answers)} held-out records. Rates with 95 % Wilson intervals."
    return table(["score", *(one.label for one in evaluations)], rows, " ".join([caption, first.scores.note]).strip())


def before_after_table(before: Evaluation, after: Evaluation, *, per_cuisine: bool = False) -> Html:
    """Two evaluations of the same records: scores, the change, and McNemar's exact p of each."""
    rows = []
    for name in before.scores.verdicts:
        if name.startswith("cuisine: ") and not per_cuisine:
            continue
        pair = compare(before, after, name)
        p = f"{pair.p_value:.2g}" if pair.p_value >= 0.001 else "< 0.001"
        rows.append([
            SCORE_WORDS.get(name, name), str(before.scores[name]), str(after.scores[name]),
            f"{100 * pair.difference:+.1f} points (+{pair.only_after} −{pair.only_before})", p,
        ])  # fmt: skip
    for name, count in before.scores.counts.items():
        rows.append([name, str(count), str(after.scores.counts[name]), "", ""])
    change = f"{after.loss - before.loss:+.3f}" if None not in (before.loss, after.loss) else ""
    rows.append(["held-out loss, nats a token", _loss(before), _loss(after), change, ""])
    caption = (
        f"{before.task}: {len(before.answers)} held-out records, the same for both. Rates with 95 % Wilson intervals; "
        f"p: McNemar, exact. {before.scores.note}"
    )
    return table(["score", before.label, after.label, "change (won, lost)", "p"], rows, caption.strip())


def before_after_grid(
    records: Sequence[Record], before: Evaluation, after: Evaluation, *, n: int = 12, seed: int = 0
) -> Html:
    """Picture cards with question, reference and both answers; a random sample, so nobody picked the good ones."""
    _check_same(records, before)
    _check_same(records, after)
    chosen = sorted(random.Random(seed).sample(range(len(records)), min(n, len(records))))
    cards = [
        _card(records[i], Line(before.label, before.answers[i], before.verdicts[i]),
              Line(after.label, after.answers[i], after.verdicts[i]))
        for i in chosen
    ]  # fmt: skip
    return card_grid(cards, f"{len(cards)} of {len(records)} held-out records, drawn at random (seed {seed}).")


def error_gallery(records: Sequence[Record], evaluation: Evaluation, *, n: int = 12) -> Html:
    """The first `n` wrong answers with their pictures: what kind of mistake is left?"""
    _check_same(records, evaluation)
    wrong = [i for i, verdict in enumerate(evaluation.verdicts) if verdict is False]
    cards = [_card(records[i], Line(evaluation.label, evaluation.answers[i], False)) for i in wrong[:n]]
    return card_grid(cards, f"{len(cards)} of {len(wrong)} wrong answers among {len(records)} records.")


def answer_records(
    engine: Engine, records: Sequence[Record], *, max_new_tokens: int = 64, batch_size: int = 16,
    max_tiles: int | None = None, progress: bool = True,
) -> list[str]:
    """Greedy answers to every record's last question, asked in the very words and order that training saw."""
    conversations = [(record.messages[:-1], record.images) for record in records]
    return engine.answer_many(
        conversations, Sampling(max_new_tokens), batch_size=batch_size, max_tiles=max_tiles, progress=progress
    )


def records_to_ask(task: str, split: str, folder: Path | str | None = None) -> list[Record]:
    """The records of a split as `load_task` gives them, or of both for "all": training file first, in the files' order.

    "all" is for a set that no training saw, such as a learner's own FoodieQA. Raises what `load_task` does.
    """
    if split != "all":
        return load_task(task, split, folder)
    both = [record for part in ("train", "test") for record in load_task(task, part, folder)]
    # A set without a test file was split by picture: its records go back to their places.
    return sorted(both, key=lambda record: (record.source != both[0].source, record.number))


def evaluate_command(
    model: Path, task: str, *, adapter: Path | None = None, quantization: str | None = None, split: str = "test",
    data: Path | None = None, out: Path | None = None, limit: int | None = None, shuffled: bool = False,
    label: str = "",
) -> Evaluation:
    """What `python -m course_lib evaluate` does: load, ask, score, save to `out` (JSON) if given."""
    from course_lib.checkpoint import load_checkpoint
    from course_lib.merging import load_with_adapter

    records = records_to_ask(task, split, data)[:limit]
    if shuffled:
        records = shuffled_pictures(records)
    train_records = load_task("meme", "train", data) if task == "meme" else ()
    if adapter is None:
        vlm = load_checkpoint(model, quantization=quantization)
    else:
        vlm = load_with_adapter(model, adapter, quantization=quantization)
    label = label or " + ".join(path.name for path in (model, adapter) if path) + ", shuffled pictures" * shuffled
    evaluation = evaluate(vlm, task, records, train_records, label=label)
    if out is not None:
        evaluation.save(out)
    return evaluation


def _card(record: Record, *answers: Line) -> Card:
    question = Line("question", question_of(record).replace("<image>", "").strip())
    picture = record.images[0] if record.images else None
    return Card(picture, _alt(record), (question, Line("reference", reference_of(record)), *answers))


def _alt(record: Record) -> str:
    food = record.meta.get("food_meta")
    if food:
        return f"picture of {food['food_name']} ({food['food_type']})"
    scene = scene_of(record)
    return f"picture of the scene {scene}" if scene else f"picture of record {record.number}"


def _check_same(records: Sequence[Record], evaluation: Evaluation) -> None:
    if tuple(map(question_of, records)) != evaluation.questions or len(records) != len(evaluation.answers):
        raise ValueError(f"{evaluation.label!r} was evaluated on other records: pass the ones that it answered")


def _loss(evaluation: Evaluation) -> str:
    return "" if evaluation.loss is None else f"{evaluation.loss:.3f}"
