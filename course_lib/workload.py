"""One batch, as far as memory is concerned: how many tiles, text tokens and labels its records have."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from course_lib.recipes import Recipe


@dataclass(frozen=True)
class Workload:
    """Tiles, text tokens and labelled tokens of each record of a batch; `tokens_per_tile` is the model's."""

    tiles: tuple[int, ...]
    text: tuple[int, ...]
    labelled: tuple[int, ...]
    tokens_per_tile: int = 256

    @classmethod
    def of(cls, lengths: Sequence[int], tiles: Sequence[int], learned: Sequence[int], recipe: Recipe, *,
           tokens_per_tile: int = 256, processes: int = 1) -> Workload:
        """The heaviest batch that a run of `recipe` meets: most tokens, padding included. Raises ValueError if none.

        `lengths`, `tiles` and `learned` are each record's tokens, tiles and labelled tokens.
        """
        from course_lib.dataset import LengthGroupedSampler

        if not lengths:
            raise ValueError("no records: there is no heaviest batch")
        size = recipe.batch_size
        sampler = LengthGroupedSampler(lengths, recipe.records_a_step(processes), seed=recipe.seed,
                                       grouped=recipe.group_by_length)
        batches = []
        for epoch in range(math.ceil(recipe.epochs)):
            sampler.set_epoch(epoch)
            order = [*sampler]
            batches += [order[start:start + size] for start in range(0, len(order), size)]

        def weight(batch: list[int]) -> tuple[int, bool, int]:  # tokens with padding, whether that needs a mask, tiles
            inside = [lengths[record] for record in batch]
            return len(batch) * max(inside), min(inside) < max(inside), sum(tiles[record] for record in batch)

        heaviest = max(batches, key=weight)
        return cls(tuple(tiles[record] for record in heaviest),
                   tuple(lengths[record] - tiles[record] * tokens_per_tile for record in heaviest),
                   tuple(learned[record] for record in heaviest), tokens_per_tile)

    @classmethod
    def alike(cls, records: int, tiles: int, text: int, labelled: int, tokens_per_tile: int = 256) -> Workload:
        """A batch of `records` that are all the same: `tiles`, `text` and `labelled` tokens each."""
        return cls((tiles,) * records, (text,) * records, (labelled,) * records, tokens_per_tile)

    @property
    def lengths(self) -> tuple[int, ...]:
        """Tokens of each record, before padding."""
        return tuple(text + tiles * self.tokens_per_tile for text, tiles in zip(self.text, self.tiles))

    @property
    def tokens(self) -> int:
        """Tokens of the batch, padding included."""
        return len(self.tiles) * max(self.lengths)

    @property
    def visual_tokens(self) -> int:
        """Visual tokens of the batch."""
        return sum(self.tiles) * self.tokens_per_tile

    @property
    def padded(self) -> bool:
        """Whether records differ in length, so that a mask has to hide the padding."""
        return len(set(self.lengths)) > 1

    def halved(self) -> Workload:
        """The longer half of the records, rounded up."""
        order = sorted(range(len(self.tiles)), key=self.lengths.__getitem__, reverse=True)
        half = order[:math.ceil(len(order) / 2)]
        columns = (self.tiles, self.text, self.labelled)
        return Workload(*(tuple(column[record] for record in half) for column in columns), self.tokens_per_tile)

    def with_max_tiles(self, most: int) -> Workload:
        """With at most `most` tiles and a thumbnail a record: for records of one picture."""
        return replace(self, tiles=tuple(min(tiles, most + (most > 1)) for tiles in self.tiles))
