"""From records to batches: lengths checked and summarised, examples tokenised, grouped by length and padded."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from course_lib.data_problems import DataError, Problem
from course_lib.records import (
    Record, load_task, picture_problems, read_records, shared_pictures, split_by_picture,
)  # fmt: skip
from course_lib.tiling import tile_image, to_pixel_values
from course_lib.whole_files import require_whole_files

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

    from course_lib.vlm import ModelSpec

__all__ = ["DataError", "LengthGroupedSampler", "Problem", "Record", "Summary", "VLDataset", "check_records", "collate",
           "encode_record", "load_task", "read_records", "shared_pictures", "split_by_picture", "summarise",
           "tile_counts"]


def tile_counts(record: Record, spec: ModelSpec, max_tiles: int | None = None) -> list[int]:
    """Tiles of each picture of a record, thumbnail included; reads the pictures' sizes only."""
    from PIL import Image

    counts = []
    for path in record.images:
        with Image.open(path) as image:
            counts.append(spec.tile_count(*image.size, max_tiles or None))
    return counts


def encode_record(record: Record, tokenizer: PreTrainedTokenizerBase, spec: ModelSpec, *, max_tiles: int | None = None,
                  max_length: int | None = None) -> dict[str, list[int]]:
    """{"input_ids", "labels"} of a record in the model's own prompt format, never cut: see encode_example."""
    from course_lib.conversation import encode_example

    visual_tokens = [tiles * spec.tokens_per_tile for tiles in tile_counts(record, spec, max_tiles)]
    return encode_example(list(record.messages), tokenizer, visual_tokens, system=spec.system,
                          separator=spec.separator, max_length=max_length)


def check_records(records: Sequence[Record], tokenizer: PreTrainedTokenizerBase, spec: ModelSpec, max_length: int,
                  max_tiles: int | None = None) -> None:
    """Raises DataError listing every picture that does not decode and every record longer than `max_length` tokens."""
    problems = picture_problems(records)
    broken = {(problem.file, problem.number) for problem in problems}
    for record in records:
        if (record.source, record.number) in broken:
            continue
        try:
            length = len(encode_record(record, tokenizer, spec, max_tiles=max_tiles)["input_ids"])
        except ValueError as error:  # a record that was not read from a file may have anything in it
            problems.append(Problem(record.source, record.number, "conversations", str(error)))
            continue
        if length > max_length:
            problems.append(Problem(record.source, record.number, "conversations",
                                    _too_long(record, spec, length, max_length, max_tiles)))
    if problems:
        raise DataError(problems)


def _too_long(record: Record, spec: ModelSpec, length: int, max_length: int, max_tiles: int | None) -> str:
    tiles = sum(tile_counts(record, spec, max_tiles))
    text = length - tiles * spec.tokens_per_tile
    what = f"{length} tokens, {length - max_length} more than max_length={max_length}"
    if not tiles:
        return f"{what}: raise max_length or shorten the text"
    what += f" ({text} of text, {tiles} tiles x {spec.tokens_per_tile})"
    for fewer in range((max_tiles or spec.max_tiles) - 1, spec.min_tiles - 1, -1):
        if text + sum(tile_counts(record, spec, fewer)) * spec.tokens_per_tile <= max_length:
            return f"{what}: raise max_length, or set max_tiles={fewer}"
    return f"{what}: raise max_length, or use fewer pictures or a shorter text"


@dataclass(frozen=True)
class Summary:
    """What there is to train on. `lengths` and `learned` hold each record's tokens, and those of them with a label."""

    records: int
    pictures: int
    text_only: int
    tiles: int
    lengths: tuple[int, ...]
    learned: tuple[int, ...]
    longest: Record
    most_tiles: int
    most_tiled: Record

    def percentile(self, percent: float) -> int:
        """Smallest length that at least `percent` % of the records do not exceed."""
        return sorted(self.lengths)[max(0, math.ceil(len(self.lengths) * percent / 100) - 1)]

    @property
    def rows(self) -> list[tuple[str, str]]:
        """(name, value) pairs, as shown."""
        marks = ", ".join(f"{percent} %: {self.percentile(percent)}" for percent in (5, 50, 95, 99))
        return [
            ("records", f"{self.records} ({self.text_only} text only)"),
            ("pictures", f"{self.pictures}"),
            ("tiles", f"{self.tiles} ({self.tiles / max(1, self.records):.1f} a record)"),
            ("tokens", f"{sum(self.lengths)} ({100 * sum(self.learned) / sum(self.lengths):.1f} % learned)"),
            ("tokens a record", marks),
            ("longest", f"{max(self.lengths)} tokens: record {self.longest.number} of {self.longest.source.name}"),
            ("most tiles", f"{self.most_tiles}: record {self.most_tiled.number} of {self.most_tiled.source.name}"),
        ]

    def __str__(self) -> str:
        return "\n".join(f"{name:<16} {value}" for name, value in self.rows)

    def _repr_html_(self) -> str:
        from html import escape

        cells = "".join(f'<tr><th style="text-align:left">{escape(name)}</th>'
                        f'<td style="text-align:left">{escape(value)}</td></tr>' for name, value in self.rows)
        return f"<table>{cells}</table>"


def summarise(records: Sequence[Record], tokenizer: PreTrainedTokenizerBase, spec: ModelSpec,
              max_tiles: int | None = None) -> Summary:
    """Counts of records, distinct pictures, tiles and tokens. Raises ValueError without records."""
    if not records:
        raise ValueError("no records to summarise")
    encoded = [encode_record(record, tokenizer, spec, max_tiles=max_tiles) for record in records]
    lengths = tuple(len(example["input_ids"]) for example in encoded)
    tiles = [sum(tile_counts(record, spec, max_tiles)) for record in records]
    return Summary(
        records=len(records),
        pictures=len({image for record in records for image in record.images}),
        text_only=sum(not record.images for record in records),
        tiles=sum(tiles),
        lengths=lengths,
        learned=tuple(sum(label != -100 for label in example["labels"]) for example in encoded),
        longest=records[lengths.index(max(lengths))],
        most_tiles=max(tiles),
        most_tiled=records[tiles.index(max(tiles))],
    )


class VLDataset:
    """Map-style data set of {"input_ids" [n], "labels" [n], "pixel_values" [tiles, 3, S, S], "length"} examples.

    Text is tokenised at once, so that `.lengths` is known; pictures are decoded when asked for. With `features`
    (see vision_features.cache_features) an example has "vision_features" [tiles, tokens, channels] instead of pixels.
    Text-only examples have neither. `mask_labels=False` learns the prompt too: a mistake, for showing what it does.
    """

    def __init__(self, records: Sequence[Record], tokenizer: PreTrainedTokenizerBase, spec: ModelSpec, *,
                 max_length: int, max_tiles: int | None = None, mask_labels: bool = True,
                 features: dict[Path, torch.Tensor] | None = None):
        self.records, self.spec, self.max_tiles, self.features = list(records), spec, max_tiles, features
        self.encoded = [encode_record(record, tokenizer, spec, max_tiles=max_tiles, max_length=max_length)
                        for record in self.records]
        if not mask_labels:
            # Visual tokens stay masked: no one can predict a picture's place holders wrongly.
            self.encoded = [{**example, "labels": [-100 if token == spec.image_token_id else token
                                                   for token in example["input_ids"]]} for example in self.encoded]
        self.lengths = [len(example["input_ids"]) for example in self.encoded]

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> dict[str, Any]:
        import torch

        encoded, record = self.encoded[index], self.records[index]
        example = {name: torch.tensor(encoded[name]) for name in ("input_ids", "labels")}
        example["length"] = self.lengths[index]
        if record.images and self.features is not None:
            example["vision_features"] = torch.cat([self.features[path] for path in record.images])
        elif record.images:
            example["pixel_values"] = torch.cat([load_pixels(path, self.spec, self.max_tiles)
                                                 for path in record.images])
        return example


def load_pixels(path: Path, spec: ModelSpec, max_tiles: int | None = None) -> torch.Tensor:
    """A picture file as float32 [tiles, 3, S, S]."""
    from PIL import Image

    require_whole_files()
    with Image.open(path) as image:
        tiles = tile_image(image, **spec.grid_settings(max_tiles or None), thumbnail=spec.thumbnail)
    return to_pixel_values(tiles)


def collate(examples: Sequence[dict[str, Any]], pad_token_id: int) -> dict[str, torch.Tensor]:
    """One batch, padded on the right to its longest example; no padding tiles: all pictures' tiles in one row.

    Gives "input_ids", "labels" and "attention_mask" [batch, longest], and "pixel_values" [all tiles, 3, S, S] or
    "vision_features" [all tiles, tokens, channels] if any example has pictures.
    """
    import torch
    from torch.nn.utils.rnn import pad_sequence

    batch = {
        "input_ids": pad_sequence([e["input_ids"] for e in examples], batch_first=True, padding_value=pad_token_id),
        "labels": pad_sequence([e["labels"] for e in examples], batch_first=True, padding_value=-100),
        "attention_mask": pad_sequence([torch.ones_like(e["input_ids"]) for e in examples], batch_first=True),
    }
    for name in ("pixel_values", "vision_features"):
        pictures = [example[name] for example in examples if name in example]
        if pictures:
            batch[name] = torch.cat(pictures)
    return batch


class LengthGroupedSampler:
    """Indices in an order that puts examples of like length into one step, so that little is padded.

    `group` is the number of examples that one step takes on all devices. The order is a function of seed and epoch
    alone, so a resumed run sees the examples that it would have seen. `grouped=False` only shuffles.
    """

    def __init__(self, lengths: Sequence[int], group: int, *, seed: int, grouped: bool = True):
        self.lengths, self.group, self.seed, self.grouped, self.epoch = list(lengths), group, seed, grouped, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        generator = random.Random(f"{self.seed}-{self.epoch}")
        order = list(range(len(self)))
        generator.shuffle(order)
        if not self.grouped:
            return iter(order)
        # Sorting all would pair the same examples every epoch; sorting up to 50 steps' worth at a time keeps chance.
        pool = self.group * max(1, min(50, len(order) // (4 * self.group)))
        ordered = [index for start in range(0, len(order), pool)
                   for index in sorted(order[start:start + pool], key=self.lengths.__getitem__, reverse=True)]
        steps = [ordered[start:start + self.group] for start in range(0, len(ordered), self.group)]
        partial = [steps.pop()] if len(steps[-1]) < self.group else []  # stays last, or all later steps would shift
        generator.shuffle(steps)
        return iter([index for step in steps + partial for index in step])
