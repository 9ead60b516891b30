"""What the tests of both lmdeploy engines compare on a GPU: their answers with transformers', on the small model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from course_lib.checkpoint import load_checkpoint
from course_lib.engine import Engine
from course_lib.mini.exam import items

MINI = Path(__file__).resolve().parents[1] / "data" / "internvl-mini"
GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="lmdeploy's engines need an NVIDIA GPU")
NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="this is what happens without a GPU")


def used_memory() -> float:
    """Bytes that are in use on the GPU, by whomever."""
    torch.cuda.empty_cache()
    free, total = torch.cuda.mem_get_info()
    return total - free


def check_same_answers(engine: Engine) -> None:
    """At temperature 0: the engine's answers, one by one, streamed and in a batch, are transformers' own."""
    questions, pictures = [], []
    for kind, language in (("caption", "zh"), ("caption", "en"), ("count", "zh"), ("colour", "en"), ("where", "zh")):
        for item in items(kind, language, 4, tiled=True):
            questions.append(item.question)
            pictures.append(item.image)
    with load_checkpoint(MINI) as reference:
        expected = reference.answer_batch(questions, pictures, progress=False)
        talk = reference.chat(pictures[0])
        spoken = [talk.ask(question) for question in questions[:3]]
    assert engine.answer_batch(questions, pictures, progress=False) == expected
    for question, picture, answer in list(zip(questions, pictures, expected, strict=True))[::4]:
        pieces = list(engine.stream(question, picture, max_new_tokens=64))
        assert "".join(pieces) == answer == engine.answer(question, picture, max_new_tokens=64)
        assert len(answer) < 4 or len(pieces) > 1
    chat = engine.chat(pictures[0])
    assert [chat.ask(question) for question in questions[:3]] == spoken
    drawn = [engine.answer(questions[0], pictures[0], temperature=2.0, seed=seed) for seed in (1, 1, 2, 3, 4, 5, 6)]
    assert drawn[0] == drawn[1], "a seed repeats a draw"
    assert len(set(drawn)) > 1, drawn
    assert engine.answer(questions[0], pictures[0], stop=(expected[0][1:3],)) == expected[0][:1].rstrip()
