"""Eight vision-language models in numbers: encoder, connector, language model, visual tokens, and what is trained.

Facts from each model's own paper or release note, named in `source`. Sizes are those of the best-known variant.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """One part of a model: its name, its size in words, and the training stages ("1", "2", …) that change it."""

    name: str
    size: str
    stages: str = ""


@dataclass(frozen=True)
class Member:
    """A vision-language model; `connector_kind` is "queries", "projector" or "space-to-depth"."""

    name: str
    date: str
    pixels: int  # side of one square input of the encoder
    tiles: int  # most pieces a picture is cut into
    overview: bool  # is the whole picture shown as well, when it is cut?
    encoder: Part
    connector: Part
    language: Part
    connector_kind: str
    stages: int
    tokens: tuple[int | None, int]  # visual tokens a picture: fewest (None: padding is dropped, so it varies), most
    source: str

    @property
    def tokens_a_piece(self) -> int:
        """Visual tokens of one square input of the encoder."""
        return self.tokens[1] // (self.tiles + self.overview)


FAMILY = (
    Member(
        "BLIP-2", "Jan 2023", 224, 1, False,
        Part("EVA ViT-g/14", "1 B"), Part("Q-Former: 32 queries", "0.19 B", "12"), Part("OPT / FlanT5", "2.7 to 11 B"),
        "queries", 2, (32, 32), "arXiv 2301.12597",
    ),
    Member(
        "MiniGPT-4", "Apr 2023", 224, 1, False,
        Part("EVA ViT-g/14", "1 B"), Part("frozen Q-Former + linear", "32 queries", "12"), Part("Vicuna", "7 or 13 B"),
        "queries", 2, (32, 32), "arXiv 2304.10592",
    ),
    Member(
        "LLaVA", "Apr 2023", 224, 1, False,
        Part("CLIP ViT-L/14", "0.3 B"), Part("one linear layer", "patch by patch", "12"),
        Part("Vicuna", "7 or 13 B", "2"),
        "projector", 2, (256, 256), "arXiv 2304.08485",
    ),
    Member(
        "LLaVA-1.5-HD", "Oct 2023", 224, 6, True,
        Part("CLIP ViT-L/14", "0.3 B"), Part("MLP, two layers", "patch by patch", "12"),
        Part("Vicuna 1.5", "7 or 13 B", "2"),
        "projector", 2, (None, 1792), "arXiv 2310.03744",
    ),
    Member(
        "InternVL 1 (chat)", "Dec 2023", 224, 1, False,
        Part("InternViT-6B", "5.9 B", "1"), Part("QLLaMA: 96 queries + MLP", "8 B", "123"), Part("Vicuna", "7 or 13 B"),
        "queries", 3, (96, 96), "arXiv 2312.14238",
    ),
    Member(
        "LLaVA-NeXT", "Jan 2024", 336, 4, True,
        Part("CLIP ViT-L/14", "0.3 B", "2"), Part("MLP, two layers", "patch by patch", "12"),
        Part("Vicuna, Yi, …", "7 to 34 B", "2"),
        "projector", 2, (None, 2880), "llava-vl.github.io, 2024-01-30",
    ),
    Member(
        "InternVL 1.5", "Apr 2024", 448, 12, True,
        Part("InternViT-6B", "5.5 B", "12"), Part("space-to-depth + MLP", "0.12 B", "12"),
        Part("InternLM2", "20 B", "2"),
        "space-to-depth", 2, (256, 3328), "arXiv 2404.16821",
    ),
    Member(
        "InternVL2-2B", "Jul 2024", 448, 12, True,
        Part("InternViT-300M", "0.3 B", "2"), Part("space-to-depth + MLP", "0.013 B", "12"),
        Part("InternLM2", "1.9 B", "2"),
        "space-to-depth", 2, (256, 3328), "internvl.github.io, 2024-07-02",
    ),
)  # fmt: skip

# InternVL 1.5, stage 1: share of the training samples by task (arXiv 2404.16821, table 1).
STAGE_1_MIXTURE = {"captions": 53.9, "reading text (OCR)": 40.9, "detection": 5.2}
