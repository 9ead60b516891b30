"""Figures of notebook 02, second half: which patches become one visual token, and in which order of channels.

The cells are drawn from tensors, not from an idea of them: give every patch and channel its own number, send the tensor
through the function in question, and draw what comes out.
"""

from __future__ import annotations

from collections.abc import Mapping
from string import ascii_lowercase
from typing import TYPE_CHECKING

from .figures import BLUE, GREEN, GREY, INK, ORANGE, PINK, RED, SKY, YELLOW, finish, tint

if TYPE_CHECKING:
    import torch
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Dark and light in turn: white letters on the dark ones, ink on the light ones.
BLOCKS = (BLUE, ORANGE, GREEN, PINK, RED, SKY, GREY, YELLOW)
SHADES = (0.9, 0.65, 0.42, 0.22)


def numbered_patches(height: int, width: int, channels: int) -> torch.Tensor:
    """`[1, height, width, channels]`, every element its own number: patch * channels + channel."""
    import torch

    return torch.arange(height * width * channels, dtype=torch.float32).reshape(1, height, width, channels)


def cells(panels: Mapping[str, torch.Tensor], *, width: int, channels: int, factor: int = 2) -> Figure:
    """What became of `numbered_patches(_, width, channels)`: one panel for each named tensor `[1, h, w, c]`.

    A colour is a block of `factor` x `factor` neighbours, a shade its place in the block, a label patch and channel.
    """
    import matplotlib.pyplot as plt

    figure, row = plt.subplots(
        1, len(panels), figsize=(11, 11 / len(panels) + 0.75), layout="constrained", squeeze=False
    )
    for axes, (title, tensor) in zip(row[0], panels.items(), strict=True):
        if int(tensor.max()) >= channels * len(ascii_lowercase):
            raise ValueError("too many patches to name with letters: use at most 26")
        _panel(axes, tensor[0], width, channels, factor)
        axes.axis("off")
        axes.set_title(f"{title}\n{tuple(tensor.shape[1:])}", fontsize=10.5, color=INK)
    return finish(figure)


def _panel(axes: Axes, tensor: torch.Tensor, width: int, channels: int, factor: int) -> None:
    from matplotlib.patches import Rectangle

    rows, columns, depth = tensor.shape
    across = channels if depth > channels else 1  # a token's cells: one line of `channels` for each of its patches
    down = -(-depth // across)
    for row in range(rows):
        for column in range(columns):
            for place, value in enumerate(tensor[row, column].int().tolist()):
                patch, channel = divmod(value, channels)
                patch_row, patch_column = divmod(patch, width)
                block = patch_row // factor * (width // factor) + patch_column // factor
                inside = patch_row % factor * factor + patch_column % factor
                line, spot = divmod(place, across)
                w, h = 0.9 / across, 0.9 / down
                x, y = column + 0.05 + spot * w, row + 0.05 + line * h
                strength = SHADES[inside % len(SHADES)]
                axes.add_patch(Rectangle((x, y), w, h, facecolor=tint(BLOCKS[block % len(BLOCKS)], strength),
                                         edgecolor="white", linewidth=1))  # fmt: skip
                axes.text(x + w / 2, y + h / 2, f"{ascii_lowercase[patch]}{channel}", fontsize=10.5, ha="center",
                          va="center", color="white" if strength > 0.6 and block % 2 == 0 else INK)  # fmt: skip
            axes.add_patch(Rectangle((column + 0.05, row + 0.05), 0.9, 0.9, fill=False, edgecolor=INK, linewidth=1.6))
    axes.set(xlim=(0, columns), ylim=(rows, 0), aspect="equal")
