"""Before it learns to talk, the mini's vision tower learns to see: which thing, in which colour, at each patch.

The real InternViT too was trained on its own (by contrast with texts) before it met a language model. Here the pictures
are drawn by code, so that what lies under each patch is known, and 64 labels a tile teach far more than one sentence.
"""

import torch
from PIL import Image
from torch import nn

from course_lib.mini import world
from course_lib.mini.sprites import COLOURS
from course_lib.tiling import choose_grid

KINDS = ("background", *world.THINGS, *world.CONTAINERS)
COLOUR_NAMES = ("none", *COLOURS)
# Most patches are background or container, and easy: they count less.
KIND_WEIGHTS = (0.1, *(1.0 for _ in world.THINGS), *(0.3 for _ in world.CONTAINERS))
COLOUR_WEIGHTS = (0.1, *(1.0 for _ in COLOURS))


def tile_regions(image: Image.Image, tiles: int, *, max_tiles: int, tile_size: int) -> list[tuple[float, ...]]:
    """Which part of the picture each tile shows, as (left, top, right, bottom) fractions; the thumbnail shows all."""
    columns, rows = choose_grid(*image.size, max_tiles=max_tiles, tile_size=tile_size)
    regions = [
        (c / columns, r / rows, (c + 1) / columns, (r + 1) / rows) for r in range(rows) for c in range(columns)
    ]
    return regions if tiles == columns * rows else [*regions, (0.0, 0.0, 1.0, 1.0)]


def patch_labels(placed: tuple[world.Placed, ...], region: tuple[float, ...], side: int) -> torch.Tensor:
    """What lies at each of `side` x `side` patches of a region: kind and colour, [2, side * side]."""
    left, top, right, bottom = region
    centres = (torch.arange(side) + 0.5) / side
    x = (left + (right - left) * centres)[None, :]  # [1, side]
    y = (top + (bottom - top) * centres)[:, None]  # [side, 1]
    labels = torch.zeros(2, side, side, dtype=torch.long)
    for thing in placed:  # 0.85: the corners of a thing's square are mostly empty
        inside = ((x - thing.x).abs() < 0.85 * thing.half_width) & ((y - thing.y).abs() < 0.85 * thing.half_height)
        labels[0][inside] = KINDS.index(thing.kind)
        labels[1][inside] = COLOUR_NAMES.index(thing.colour)
    return labels.flatten(1)


class Sight(nn.Module):
    """A vision tower with two linear heads on its patches: which thing, and which colour."""

    def __init__(self, vision_tower: nn.Module, hidden: int):
        super().__init__()
        self.vision_tower = vision_tower
        self.kind, self.colour = nn.Linear(hidden, len(KINDS)), nn.Linear(hidden, len(COLOUR_NAMES))

    def forward(self, pixel_values: torch.Tensor, patches: torch.Tensor) -> dict[str, torch.Tensor]:
        """`pixel_values` [tiles, 3, S, S], `patches` [tiles, 2, patches] -> the weighted mean cross-entropy of both heads."""
        seen = self.vision_tower(pixel_values).last_hidden_state[:, 1:]  # [tiles, patches, hidden], no class token
        kinds, colours = self.kind(seen).flatten(0, 1), self.colour(seen).flatten(0, 1)
        kind_weights, colour_weights = (kinds.new_tensor(w, dtype=torch.float32) for w in (KIND_WEIGHTS, COLOUR_WEIGHTS))
        loss = nn.functional.cross_entropy(kinds.float(), patches[:, 0].flatten(), kind_weights)
        loss = loss + nn.functional.cross_entropy(colours.float(), patches[:, 1].flatten(), colour_weights)
        return {"loss": loss, "kinds": kinds}
