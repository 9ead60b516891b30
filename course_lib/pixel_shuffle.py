"""Four neighbouring patches become one visual token, four times as wide: InternVL's "pixel shuffle".

It is space-to-depth, so the *inverse* of what `torch.nn.PixelShuffle` does, and it orders the channels differently from
`torch.nn.PixelUnshuffle`: the channel index counts (row in the block, column in the block, channel), channel fastest.
Section 3.1 of the InternVL 1.5 paper (arXiv 2404.16821); upstream `modeling_internvl_chat.py`, `pixel_shuffle`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def space_to_depth(x: torch.Tensor, factor: int = 2) -> torch.Tensor:
    """`[n, h, w, c]` -> `[n, h/f, w/f, c*f*f]` in the order of `ps_version` v2 (InternVL2 and later). ValueError."""
    n, h, w, c = x.shape
    for side, length in (("height", h), ("width", w)):
        if length % factor:
            raise ValueError(f"the grid's {side} must divide by the factor: {length} % {factor} = {length % factor}")
    blocks = x.reshape(n, h // factor, factor, w // factor, factor, c)  # [n, H, row in block, W, column in block, c]
    blocks = blocks.permute(0, 1, 3, 2, 4, 5)  # [n, H, W, row in block, column in block, c]
    return blocks.reshape(n, h // factor, w // factor, factor * factor * c)  # [n, H, W, f*f*c]


def space_to_depth_v1(x: torch.Tensor, factor: int = 2) -> torch.Tensor:
    """As `space_to_depth`, but with the picture left transposed, as `ps_version` v1 did: `[n, w/f, h/f, c*f*f]`."""
    return space_to_depth(x, factor).transpose(1, 2)
