"""Does attention lie on what the words are about? Measured on drawn pictures, where every thing's place is known."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from course_lib.attention import (
    Box, TiledPicture, answer_rows, as_tiles, box_share, cell_cover, tiled_pictures, with_answer,
)  # fmt: skip
from course_lib.cards import Html, table
from course_lib.mini import world
from course_lib.vlm import VLM


@dataclass(frozen=True)
class GazeReport:
    """Shares of the attention to the picture, one row a thing: on the thing that the words name, and on another."""

    on_thing: np.ndarray  # [things, layers, heads]
    on_other: np.ndarray  # [things, layers, heads]: the negative control, a thing that other words name
    area: np.ndarray  # [things]: what an even spread would give
    pictures: int

    def as_table(self, caption: str) -> Html:
        """A row a layer: the two means over things and heads, and how many things get more than their area's share."""
        thing, other = self.on_thing.mean(2), self.on_other.mean(2)  # [things, layers]
        best = self.on_thing.mean(0).max(1)  # [layers]
        more = (thing > self.area[:, None]).sum(0)  # [layers]
        rows = [[f"layer {layer}", f"{thing[:, layer].mean():.0%}", f"{other[:, layer].mean():.0%}",
                 f"{more[layer]} of {len(thing)}", f"{best[layer]:.0%}"] for layer in range(thing.shape[1])]
        header = ("layer", "on the thing named", "on another thing", "more than by chance", "best head, on the thing")
        return table(header, rows, f"{caption}; by chance {self.area.mean():.0%} (the thing's area)")


def gaze_report(vlm: VLM, kind: str, n: int = 50, *, language: str = "en", tiled: bool = True) -> GazeReport:
    """Does attention lie on what the words are about? `n` held-out pictures drawn by course_lib.mini with known boxes.

    Each shows two or three groups of things; `kind` is one of world.KINDS, and the right answer is given. In a caption
    each phrase has its own thing. The share is that of the phrase's mean attention. Raises ValueError.
    """
    on_thing, on_other, areas, number, pictures = [], [], [], 0, 0
    while pictures < n:
        rng = random.Random(f"held-out/{tiled}/{number}")
        number += 1
        sizes = world.TILED_SIZES if tiled else world.SINGLE_SIZES
        scene, image, placed = world.scene_and_picture(rng, rng.choice(sizes))
        if scene.container or len(scene.groups) < 2:
            continue
        pictures += 1
        asked = scene if kind == "caption" else world.Scene((rng.choice(scene.groups),))
        question, answer = world.question(kind, language, asked, rng)
        weights, tokens, picture = _by_head(vlm, question, image, answer)
        boxes = {group.thing: _boxes(placed, group.thing) for group in scene.groups}
        for group, phrase in zip(asked.groups, _phrases(tokens), strict=True):
            others = [thing for thing in boxes if thing != group.thing]
            seen = weights[:, :, phrase].mean(2)  # [layers, heads, tiles, h, w]
            on_thing.append(box_share(seen, picture, boxes[group.thing]))
            on_other.append(box_share(seen, picture, boxes[rng.choice(others)]))
            tiles = cell_cover(picture, seen.shape[-2:], boxes[group.thing])[: picture.columns * picture.rows]
            areas.append(tiles.mean())
    return GazeReport(np.stack(on_thing), np.stack(on_other), np.array(areas), pictures)


def _by_head(vlm: VLM, question: str, image: Image.Image, answer: str) -> tuple[np.ndarray, list[str], TiledPicture]:
    """Weights [layers, heads, answer tokens, tiles, h, w], the answer's pieces, and the picture's grid."""
    full, start, _ = with_answer(vlm, question, [image], answer)
    ids = full["input_ids"][0]
    visual = ids[:-1] == vlm.spec.image_token_id
    found = answer_rows(vlm, full, start, lambda weights: weights[:, :, visual].cpu().numpy())
    [picture] = tiled_pictures(vlm, [image])
    return as_tiles(np.stack(found), vlm), vlm.tokenizer.convert_ids_to_tokens(ids[start:].tolist()), picture


def _boxes(placed: Sequence[world.Placed], thing: str) -> list[Box]:
    return [(p.x - p.half_width, p.y - p.half_height, p.x + p.half_width, p.y + p.half_height)
            for p in placed if p.kind == thing]


def _phrases(tokens: Sequence[str]) -> list[slice]:
    """The runs of tokens between commas and full stops."""
    ends = [place for place, token in enumerate(tokens) if token in ("，", ",", "。", ".")]
    starts = [0, *(end + 1 for end in ends[:-1])]
    return [slice(start, end) for start, end in zip(starts, ends)]
