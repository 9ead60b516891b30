"""Before it learns to talk, the mini's vision tower learns to see: which thing, which colour, how many, where, at each patch.

The real InternViT too was trained on its own (by contrast with texts) before it met a language model. Here the pictures
are drawn by code, so that what lies under each patch is known, and 64 labels a tile teach far more than one sentence.
"""

import torch
from PIL import Image
from torch import nn

from course_lib.mini import world
from course_lib.mini.sprites import COLOURS
from course_lib.tiling import choose_grid

# What can be said of a patch. Most patches are background or container, and easy: they count less.
KINDS = {"background": 0.1, **dict.fromkeys(world.THINGS, 1.0), **dict.fromkeys(world.CONTAINERS, 0.3)}
COLOUR_NAMES = {"none": 0.1, **dict.fromkeys(COLOURS, 1.0)}
COUNTS = {0: 0.1, 1: 0.6, **dict.fromkeys(range(2, world.MAX_COUNT + 1), 1.0)}
PLACES = {"nowhere": 0.1, **dict.fromkeys(world.PLACES, 1.0), "inside": 1.0}
WHOLE = (0.0, 0.0, 1.0, 1.0)  # a region: left, top, right, bottom as fractions of the picture
HEADS = {"kind": KINDS, "colour": COLOUR_NAMES, "count": COUNTS, "place": PLACES}


def tile_regions(image: Image.Image, tiles: int, *, max_tiles: int, tile_size: int) -> list[tuple[float, ...]]:
    """Which part of the picture each tile shows, as (left, top, right, bottom) fractions; the thumbnail shows all."""
    columns, rows = choose_grid(*image.size, max_tiles=max_tiles, tile_size=tile_size)
    regions = [
        (c / columns, r / rows, (c + 1) / columns, (r + 1) / rows) for r in range(rows) for c in range(columns)
    ]  # a single tile shows the whole
    return regions if tiles == columns * rows else [*regions, WHOLE]


def patch_labels(placed: tuple[world.Placed, ...], region: tuple[float, ...], side: int) -> torch.Tensor:
    """What lies at each of `side` x `side` patches of a region: an index for each of HEADS, [heads, side * side].

    How many and where can be told from the whole picture only: in a tile that shows a part of it they are -100, unasked.
    """
    left, top, right, bottom = region
    centres = (torch.arange(side) + 0.5) / side
    x = (left + (right - left) * centres)[None, :]  # [1, side]
    y = (top + (bottom - top) * centres)[:, None]  # [side, 1]
    labels = torch.zeros(len(HEADS), side, side, dtype=torch.long)
    for thing in placed:  # 0.85: the corners of a thing's square are mostly empty
        inside = ((x - thing.x).abs() < 0.85 * thing.half_width) & ((y - thing.y).abs() < 0.85 * thing.half_height)
        for row, (name, classes) in enumerate(HEADS.items()):
            labels[row][inside] = list(classes).index(getattr(thing, name))
    if region != WHOLE:
        labels[[list(HEADS).index("count"), list(HEADS).index("place")]] = -100
    return labels.flatten(1)


class Sight(nn.Module):
    """A vision tower with linear heads on its patches: which thing, which colour, how many of them, at which place."""

    def __init__(self, vision_tower: nn.Module, hidden: int):
        super().__init__()
        self.vision_tower = vision_tower
        self.heads = nn.ModuleDict({name: nn.Linear(hidden, len(classes)) for name, classes in HEADS.items()})

    def forward(self, pixel_values: torch.Tensor, patches: torch.Tensor) -> dict[str, torch.Tensor]:
        """`pixel_values` [tiles, 3, S, S], `patches` [tiles, heads, patches] -> the heads' summed weighted cross-entropy."""
        seen = self.vision_tower(pixel_values).last_hidden_state[:, 1:]  # [tiles, patches, hidden], no class token
        loss = 0.0
        for row, (name, classes) in enumerate(HEADS.items()):
            scores = self.heads[name](seen).float().flatten(0, 1)  # [tiles * patches, classes]
            weights = scores.new_tensor(list(classes.values()))
            loss = loss + nn.functional.cross_entropy(scores, patches[:, row].flatten(), weights)
        return {"loss": loss}
