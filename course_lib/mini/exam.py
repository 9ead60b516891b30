"""The mini's examination: held-out pictures, plain questions in two languages, exact answers counted."""

from dataclasses import dataclass
from random import Random

from PIL import Image

from course_lib.evaluation import Score
from course_lib.mini import world
from course_lib.vlm import VLM


@dataclass(frozen=True)
class Item:
    """One exam question: a picture, what is asked, the one right answer."""

    image: Image.Image
    question: str
    answer: str


def items(kind: str, language: str, n: int, *, tiled: bool, split: str = "held-out") -> list[Item]:
    """`n` exam questions of a kind ("caption", "count", "colour", "where") on pictures that training never drew."""
    made = []
    for number in range(n):
        rng = Random(f"{split}/{tiled}/{number}")
        sizes = world.TILED_SIZES if tiled else world.SINGLE_SIZES
        scene, image, _ = world.scene_and_picture(rng, rng.choice(sizes))
        made.append(Item(image, *world.question(kind, language, scene, rng)))
    return made


def examine(vlm: VLM, n: int = 200, *, max_tiles: int | None = None, progress: bool = True) -> dict[tuple, Score]:
    """Share of exact answers by (kind, language, "one tile" | "several tiles"), `n` questions each.

    `max_tiles=1` withholds the tiles: the model sees the squeezed picture only.
    """
    scores = {}
    for tiled in (False, True):
        for kind in world.KINDS:
            for language in ("zh", "en"):
                asked = items(kind, language, n, tiled=tiled)
                answers = vlm.answer_batch(
                    [item.question for item in asked],
                    [item.image for item in asked],
                    max_new_tokens=80,
                    max_tiles=max_tiles if tiled else 1,
                    progress=progress,
                )
                right = sum(answer.strip() == item.answer for answer, item in zip(answers, asked, strict=True))
                name = (kind, language, "several tiles" if tiled else "one tile")
                scores[name] = Score(" / ".join(name), right, n)
    return scores
