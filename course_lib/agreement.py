"""Do two engines compute the same? Compare what they say, and where they differ, whether it was a near tie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from course_lib.engine import Messages, Picture
    from course_lib.vlm import VLM


@dataclass(frozen=True)
class Agreement:
    """An engine's tokens in the eyes of the same model on transformers, which reads them one by one."""

    answers: int
    same_answers: int  # token for token what transformers says itself
    tokens: int
    likeliest: int  # tokens that transformers finds the likeliest, too, given the same beginning
    largest_gap: float  # in logits: how much less likely than the likeliest a token was at worst
    spread: float  # standard deviation of the logits, to hold the gap against


def token_gaps(
    vlm: VLM, messages: Messages, images: Sequence[Picture], ids: Sequence[int], *, max_tiles: int | None = None
) -> tuple[torch.Tensor, float]:
    """For each token of an answer, how far its logit lies under the largest one, `[tokens]`; and the logits' spread.

    0 throughout means: greedy decoding of this model says just this.
    """
    inputs = vlm.encode_prompt(messages, images, max_tiles=max_tiles)
    answer = torch.tensor([list(ids)], device=vlm.device)
    whole = torch.cat([inputs["input_ids"], answer], dim=1)  # [1, prompt + answer]
    step = dict(inputs, input_ids=whole, attention_mask=torch.ones_like(whole))
    with torch.no_grad():
        logits = vlm.model(**step, use_cache=False, logits_to_keep=len(ids) + 1).logits[0, :-1].float()
    chosen = logits.gather(1, answer[0][:, None])[:, 0]
    return (logits.amax(1) - chosen).cpu(), float(logits.std())


def agreement(
    vlm: VLM, conversations: Sequence[tuple[Messages, Sequence[Picture]]], theirs: Sequence[Sequence[int]]
) -> Agreement:
    """Hold another engine's greedy answers (token ids, without stop tokens) against the model on transformers."""
    gaps, spreads = zip(*(token_gaps(vlm, *conversation, ids) for conversation, ids in
                          zip(conversations, theirs, strict=True) if ids))  # fmt: skip
    every = torch.cat(gaps)
    return Agreement(
        answers=len(gaps), same_answers=sum(not gap.any() for gap in gaps), tokens=len(every),
        likeliest=int((every == 0).sum()), largest_gap=float(every.max()), spread=sum(spreads) / len(spreads),
    )  # fmt: skip
