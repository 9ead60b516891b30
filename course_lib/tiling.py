"""A picture becomes tiles: choose the grid whose shape fits best, resize, cut, add a thumbnail.

Section 3.1 of the InternVL 1.5 paper (arXiv 2404.16821); upstream `internvl_chat/internvl/train/dataset.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class GridCandidate:
    """One grid that the search looked at, in the order it did."""

    columns: int
    rows: int
    aspect_difference: float  # |width/height of the picture - columns/rows|
    ties_best: bool  # exactly as close as the best grid seen before it
    large_enough: bool  # picture area > half the grid's area: what decides a tie for the later grid
    took_the_lead: bool
    chosen: bool

    @property
    def tiles(self) -> int:
        return self.columns * self.rows


@lru_cache
def _grids(min_tiles: int, max_tiles: int) -> tuple[tuple[int, int], ...]:
    if not 1 <= min_tiles <= max_tiles:
        raise ValueError(f"need 1 <= min_tiles <= max_tiles, got min_tiles={min_tiles}, max_tiles={max_tiles}")
    grids = {
        (columns, rows)
        for tiles in range(min_tiles, max_tiles + 1)
        for columns in range(1, tiles + 1)
        for rows in range(1, tiles + 1)
        if min_tiles <= columns * rows <= max_tiles
    }
    # Upstream sorts a set by area alone, so grids of one area come in the order in which Python iterates over that
    # set. Tuples of small integers hash alike everywhere, so doing the same gives the same order; and within one
    # area the aspect ratios differ, so two such grids can tie only when the picture lies between them.
    return tuple(sorted(grids, key=lambda grid: grid[0] * grid[1]))


def candidate_grids(min_tiles: int = 1, max_tiles: int = 12) -> list[tuple[int, int]]:
    """All (columns, rows) with min_tiles <= columns * rows <= max_tiles, smallest area first. 35 of them up to 12."""
    return list(_grids(min_tiles, max_tiles))


def grid_search(
    width: int, height: int, *, min_tiles: int = 1, max_tiles: int = 12, tile_size: int = 448
) -> list[GridCandidate]:
    """The search for the grid, step by step: every candidate, in order, one of them `chosen`. Raises ValueError."""
    if width < 1 or height < 1:
        raise ValueError(f"a picture is at least 1 x 1 pixel, got {width} x {height}")
    aspect, area = width / height, width * height
    best_difference, leader, steps = float("inf"), 0, []
    for number, (columns, rows) in enumerate(_grids(min_tiles, max_tiles)):
        difference = abs(aspect - columns / rows)
        ties = difference == best_difference
        large_enough = area > 0.5 * tile_size * tile_size * columns * rows
        # On an exact tie (1x1, 2x2 and 3x3 all fit a square) the bigger grid wins if the picture has pixels for it.
        takes_lead = difference < best_difference or (ties and large_enough)
        if takes_lead:
            best_difference, leader = difference, number
        steps.append((columns, rows, difference, ties, large_enough, takes_lead))
    return [GridCandidate(*step, chosen=number == leader) for number, step in enumerate(steps)]


def choose_grid(
    width: int, height: int, *, min_tiles: int = 1, max_tiles: int = 12, tile_size: int = 448
) -> tuple[int, int]:
    """(columns, rows) of the grid whose aspect ratio is closest to the picture's. Raises ValueError."""
    candidates = grid_search(width, height, min_tiles=min_tiles, max_tiles=max_tiles, tile_size=tile_size)
    return next((grid.columns, grid.rows) for grid in candidates if grid.chosen)


def tile_image(
    image: Image.Image, *, min_tiles: int = 1, max_tiles: int = 12, tile_size: int = 448, thumbnail: bool = True
) -> list[Image.Image]:
    """Square RGB tiles, row by row, and the whole picture as a thumbnail last if there is more than one tile."""
    image = image.convert("RGB")
    columns, rows = choose_grid(*image.size, min_tiles=min_tiles, max_tiles=max_tiles, tile_size=tile_size)
    # The picture is stretched to the grid, not padded: up to a few per cent of distortion buys full tiles.
    resized = image.resize((columns * tile_size, rows * tile_size), Image.Resampling.BICUBIC)
    tiles = [
        resized.crop((column * tile_size, row * tile_size, (column + 1) * tile_size, (row + 1) * tile_size))
        for row in range(rows)
        for column in range(columns)
    ]
    if thumbnail and len(tiles) > 1:
        tiles.append(image.resize((tile_size, tile_size), Image.Resampling.BICUBIC))
    return tiles


def to_pixel_values(tiles: Sequence[Image.Image]) -> torch.Tensor:
    """Tiles -> float32 `[tiles, 3, S, S]`, each channel minus ImageNet's mean, over its deviation. ValueError."""
    import numpy as np
    import torch

    sizes = {tile.size for tile in tiles}
    if len(sizes) != 1:
        raise ValueError(f"tiles must be at least one and of one size, got {sorted(sizes) or 'none'}")
    pixels = np.stack([np.asarray(tile.convert("RGB")) for tile in tiles])  # [tiles, S, S, 3], 0..255
    values = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous().float() / 255  # [tiles, 3, S, S], 0..1
    mean, std = (torch.tensor(channel).view(1, 3, 1, 1) for channel in (IMAGENET_MEAN, IMAGENET_STD))
    return (values - mean) / std
