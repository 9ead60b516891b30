"""Keys and values that a conversation keeps between its turns, so that only what is new goes through the model.

Attention looks back only. So what the model computed for a token stays right as long as every token and picture
before it stays the same: of a new prompt, the part that equals the last one need not be computed again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from transformers import DynamicCache


@dataclass
class KeptCache:
    """What the model has seen of one conversation: its tokens, its tiles, and their keys and values."""

    ids: list[int] = field(default_factory=list)
    tiles: torch.Tensor | None = None  # [tiles, 3, S, S] of the tokens in `ids`
    past: DynamicCache | None = field(default=None, repr=False)
    reused: int = 0  # of the latest prompt: tokens that were in the cache
    computed: int = 0  # and those that went through the model

    @property
    def bytes(self) -> int:
        """Memory of the keys and values."""
        layers = self.past.layers if self.past else ()
        return sum(part.nbytes for layer in layers for part in (layer.keys, layer.values))

    def clear(self) -> None:
        """Forget everything."""
        self.ids, self.tiles, self.past = [], None, None

    def rest_of(
        self, inputs: Mapping[str, torch.Tensor], image_token_id: int, tokens_per_tile: int
    ) -> dict[str, torch.Tensor]:
        """What of a prompt (`input_ids` `[1, n]`, `pixel_values`) the model has still to see; the cache is cut to fit."""
        ids, tiles = inputs["input_ids"][0].tolist(), inputs.get("pixel_values")
        places = [place for place, token in enumerate(ids) if token == image_token_id][::tokens_per_tile]  # by tile
        common = self._common(ids, tiles, places)
        # A tile is seen whole or not at all: its features come out of the vision tower together.
        common = next((place for place in places if place < common < place + tokens_per_tile), common)
        if not common:
            self.clear()
        elif common < len(self.ids):
            self.past.crop(common - len(self.ids))  # a negative number: so many of the last ones go
        seen = sum(place < common for place in places)
        self.ids, self.tiles = ids[:common], tiles[:seen] if seen else None
        self.reused, self.computed = common, len(ids) - common
        rest = {"input_ids": inputs["input_ids"][:, common:]}
        if tiles is not None and seen < len(tiles):
            rest["pixel_values"] = tiles[seen:]
        return rest

    def _common(self, ids: list[int], tiles: torch.Tensor | None, places: list[int]) -> int:
        """How many tokens at the beginning are the same, and mean the same picture."""
        if self.past is None:
            return 0
        most = min(len(ids) - 1, len(self.ids))  # the last token always runs: its logits are the answer's beginning
        common = next((place for place in range(most) if ids[place] != self.ids[place]), most)
        for number, place in enumerate(places):
            if place >= common:
                break
            if not torch.equal(tiles[number], self.tiles[number]):
                return place
        return common

    def keep(self, step: Mapping[str, torch.Tensor], past: DynamicCache) -> None:
        """Note what has just gone through the model."""
        self.past = past
        self.ids += step["input_ids"][0].tolist()
        if "pixel_values" in step:
            new = step["pixel_values"]
            self.tiles = new if self.tiles is None else torch.cat([self.tiles, new])
