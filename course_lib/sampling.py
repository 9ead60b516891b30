"""How the next token is chosen: the settings, and what they make of the model's logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Sampling:
    """How an answer is drawn, the same for every engine. Raises ValueError for a setting that means nothing."""

    max_new_tokens: int = 128
    temperature: float = 0.0  # 0: greedy, always the likeliest token
    top_p: float = 1.0  # only the likeliest tokens that hold this much probability together
    top_k: int = 0  # only the k likeliest tokens; 0: all
    seed: int | None = None  # makes a draw repeatable
    stop: tuple[str, ...] = ()  # texts at which the answer ends; they are not part of it

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens must be 1 or more, got {self.max_new_tokens}")
        if self.temperature < 0:
            raise ValueError(f"temperature must be 0 (greedy) or more, got {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must lie in (0, 1], got {self.top_p}")
        if self.top_k < 0:
            raise ValueError(f"top_k must be 0 (all tokens) or more, got {self.top_k}")
        if isinstance(self.stop, str) or not all(isinstance(text, str) and text for text in self.stop):
            raise ValueError(f"stop must be a tuple of texts, none of them empty, got {self.stop!r}")


def next_token_probabilities(logits: torch.Tensor, temperature: float, top_p: float, top_k: int = 0) -> torch.Tensor:
    """Logits `[vocab]` -> probabilities `[vocab]`: divided by the temperature, then cut to the `top_k` likeliest, then
    to the likeliest that hold `top_p` of what is left."""
    import torch

    logits = logits.float()
    if temperature == 0:
        return torch.nn.functional.one_hot(logits.argmax(), logits.shape[-1]).float()
    ordered, order = (logits / temperature).softmax(-1).sort(descending=True)
    if top_k:
        ordered[top_k:] = 0
        ordered /= ordered.sum()
    # A token stays if those likelier than it hold less than top_p together: so the likeliest always stays.
    ordered = ordered.where(ordered.cumsum(-1) - ordered < top_p, 0)
    return torch.zeros_like(logits).scatter(-1, order, ordered / ordered.sum())
