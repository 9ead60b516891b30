"""How fast is it, and do the engines agree? `python -m course_lib benchmark`, and what notebook 08 measures with."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from course_lib.cards import Html, table
from course_lib.sampling import Sampling

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast

    from course_lib.engine import Engine, Messages, Picture
    from course_lib.vlm import VLM

Conversations = Sequence[tuple["Messages", Sequence["Picture"]]]


@dataclass(frozen=True)
class Speed:
    """One engine answering questions `batch` at a time: what it said, and how long that took."""

    engine: str
    batch: int
    answers: tuple[str, ...]
    tokens: int  # of all answers
    seconds: float
    first_token: float  # seconds until the first piece of one answer, median of three

    @property
    def answers_a_second(self) -> float:
        return len(self.answers) / self.seconds

    @property
    def tokens_a_second(self) -> float:
        return self.tokens / self.seconds


@contextmanager
def stopwatch() -> Iterator[Callable[[], float]]:
    """`with stopwatch() as seconds:` - `seconds()` counts until the block ends."""
    start, end = time.perf_counter(), None
    yield lambda: (end or time.perf_counter()) - start
    end = time.perf_counter()


def measure_speed(
    engine: Engine, conversations: Conversations, *, count: Callable[[str], int], batch_size: int,
    sampling: Sampling = Sampling(64), progress: bool = False,
) -> Speed:
    """Answer all `conversations`, `batch_size` at a time. `count` says how many tokens a text has.

    The first batch is answered twice, so that what is made once (kernels, caches) is not counted.
    """
    engine.answer_conversations(conversations[:batch_size], sampling)
    with stopwatch() as seconds:
        answers = engine.answer_many(conversations, sampling, batch_size=batch_size, progress=progress)
    waits = sorted(seconds_to_first_piece(engine, *conversations[0]) for _ in range(3))
    return Speed(engine.name, batch_size, tuple(answers), sum(map(count, answers)), seconds(), waits[1])


def token_counter(tokenizer: PreTrainedTokenizerFast) -> Callable[[str], int]:
    """What says how many tokens a text has."""
    return lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"])


def seconds_to_first_piece(engine: Engine, messages: Messages, images: Sequence[Picture]) -> float:
    """Seconds until an answer begins to appear: the prompt's way through the model, and one token."""
    with stopwatch() as seconds:
        stream = engine.stream_messages(messages, images, Sampling(4))
        next(stream, "")
        stream.close()
    return seconds()


def greedy_without_cache(vlm: VLM, inputs: dict[str, torch.Tensor], steps: int) -> tuple[list[int], list[float]]:
    """Greedy tokens where each step computes everything from the beginning again, and the seconds that each took.

    The pictures' features are computed anew as well: this is what a model without any memory of its own work does.
    """
    import torch

    ids, tokens, laps = inputs["input_ids"], [], []
    for _ in range(steps):
        with stopwatch() as seconds, torch.no_grad():
            step = dict(inputs, input_ids=ids, attention_mask=torch.ones_like(ids))
            logits = vlm.model(**step, use_cache=False, logits_to_keep=1).logits
            tokens.append(int(logits[0, -1].argmax()))
        laps.append(seconds())
        ids = torch.cat([ids, torch.tensor([[tokens[-1]]], device=ids.device)], dim=1)
    return tokens, laps


def greedy_with_cache(vlm: VLM, inputs: dict[str, torch.Tensor], steps: int) -> tuple[list[int], list[float]]:
    """The same tokens, each step computing only what is new."""
    import torch

    step, tokens, laps, past = dict(inputs), [], [], None
    for _ in range(steps):
        with stopwatch() as seconds, torch.no_grad():
            output = vlm.model(**step, past_key_values=past, use_cache=True, logits_to_keep=1)
            past = output.past_key_values
            tokens.append(int(output.logits[0, -1].argmax()))
            step = {"input_ids": torch.tensor([[tokens[-1]]], device=vlm.device)}
        laps.append(seconds())
    return tokens, laps


def speed_table(speeds: Sequence[Speed], caption: str) -> Html:
    """Speeds as a table, each beside how many of its answers equal those of the first row."""
    rows = []
    for speed in speeds:
        same = sum(a == b for a, b in zip(speed.answers, speeds[0].answers, strict=True))
        rows.append((speed.engine, str(speed.batch), f"{speed.answers_a_second:.1f}", f"{speed.tokens_a_second:.0f}",
                     f"{speed.first_token * 1000:.0f} ms", f"{same} of {len(speed.answers)}"))  # fmt: skip
    header = ("engine", "at once", "answers/s", "tokens/s", "first token", "same answers as the first row")
    return table(header, rows, caption)


def benchmark_command(
    model: Path, engines: Sequence[str], *, questions: int = 32, batches: Sequence[int] = (1, 4, 16),
    max_new_tokens: int = 64, out: Path | None = None, backend: str = "auto",
) -> list[Speed]:
    """Measure each engine in turn, on the first held-out questions of both tasks. Writes `out` as JSON, if given."""
    from course_lib.engines import default_engine, open_engine
    from course_lib.run_folder import machine, write_json
    from course_lib.settings import ROOT
    from course_lib.tokenizer import load_tokenizer

    engines = [default_engine(model) if name == "auto" else name for name in engines]
    conversations = held_out_questions(questions)
    count = token_counter(load_tokenizer(model))
    speeds = []
    for name in engines:
        with open_engine(model, name, **({} if name == "transformers" else {"backend": backend})) as engine:
            for batch in batches:
                speeds.append(measure_speed(
                    engine, conversations, count=count, batch_size=batch, sampling=Sampling(max_new_tokens),
                    progress=True,
                ))  # fmt: skip
    if out is not None:
        shown = model.relative_to(ROOT) if model.is_relative_to(ROOT) else model.name
        out.parent.mkdir(parents=True, exist_ok=True)
        write_json(out, {
            "date": date.today().isoformat(), "machine": machine(), "model": str(shown),
            "speeds": [asdict(speed) for speed in speeds],
        })  # fmt: skip
    return speeds


def read_speeds(file: Path | str) -> tuple[dict[str, str], list[Speed]]:
    """What `benchmark_command` wrote: about it (date, machine, model), and the speeds."""
    content = json.loads(Path(file).read_text(encoding="utf-8"))
    speeds = [Speed(**speed | {"answers": tuple(speed["answers"])}) for speed in content.pop("speeds")]
    return content, speeds


def held_out_questions(number: int) -> list[tuple[Messages, Sequence[Picture]]]:
    """The first held-out questions of both tasks, by turns, as conversations."""
    from course_lib.records import load_task

    tasks = zip(load_task("food", "test"), load_task("meme", "test"))
    records = [record for pair in tasks for record in pair][:number]
    return [(record.messages[:-1], record.images) for record in records]
