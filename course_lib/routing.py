"""Can a hidden state carry a place? Pictures of one thing at a known spot, the state at a token, a linear decoder.

The mechanism of VisionLLM v2's routing tokens (arXiv 2406.08394) at its smallest: nothing but the decoder is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from course_lib.mini.canvas import Canvas
from course_lib.mini.world import BACKGROUNDS, COLOURS, SHAPES

if TYPE_CHECKING:
    import torch
    from PIL import Image

    from course_lib.vlm import VLM


def picture_with_place(number: int, size: int = 112) -> tuple[Image.Image, tuple[float, float]]:
    """A picture of one shape, and where its middle is: x and y as fractions of the sides. Always the same."""
    rng = Random(f"routing/{number}")
    canvas = Canvas(size, size, rng.choice(BACKGROUNDS[:8]), 2)
    x, y = rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.8)
    shape, colour = SHAPES[rng.choice(list(SHAPES))], COLOURS[rng.choice(list(COLOURS))]
    shape.draw(canvas, x * size, y * size, 0.3 * size, colour.rgb, rng)
    return canvas.finish(), (x, y)


def routed_states(vlm: VLM, pictures: Sequence[Image.Image], question: str, token: str) -> torch.Tensor:
    """The language model's last hidden state at `token`, written after the question: [pictures, width], float32, CPU."""
    import torch

    states = []
    for picture in pictures:
        turn = [{"role": "user", "content": question}]
        inputs = vlm.encode_prompt(turn, [picture], max_tiles=1, answer_so_far=token)
        with torch.no_grad():
            states.append(vlm.model.model(**inputs).last_hidden_state[0, -1].float().cpu())
    return torch.stack(states)


@dataclass(frozen=True)
class LinearDecoder:
    """x -> (x - mean) / deviation, then a linear map with a constant."""

    mean: torch.Tensor
    deviation: torch.Tensor
    weight: torch.Tensor  # [width + 1, 2]

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        return _with_constant((states - self.mean) / self.deviation) @ self.weight


def fit_decoder(states: torch.Tensor, places: torch.Tensor, ridge: float = 1.0) -> LinearDecoder:
    """Ridge regression from states [n, width] to places [n, 2]."""
    import torch

    mean, deviation = states.mean(0), states.std(0).clamp(min=1e-6)
    a = _with_constant((states - mean) / deviation).double()
    weight = torch.linalg.solve(a.T @ a + ridge * torch.eye(a.shape[1], dtype=a.dtype), a.T @ places.double())
    return LinearDecoder(mean, deviation, weight.to(states.dtype))


def explained(found: torch.Tensor, true: torch.Tensor) -> float:
    """Share of the places' variance that `found` explains: 1 is exact, 0 no better than always saying the middle."""
    return 1 - (((found - true) ** 2).sum() / ((true - true.mean(0)) ** 2).sum()).item()


def _with_constant(x: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.cat([x, torch.ones_like(x[:, :1])], dim=1)
