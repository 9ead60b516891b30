"""Where the model's attention lay, token by token, while it chose its answer: computed, and mapped back onto a picture.

Attention is not explanation. A weight says which earlier positions a layer read from, not what it took from there nor
whether that changed the answer; what was seen may reach a word by way of the question's own tokens, and some visual
tokens are read by every word. So a map has its controls beside it: the answer's mean (`relative`), and the measure of
course_lib.mini.gaze: does the attention lie on what the words are about?
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from course_lib.tiling import choose_grid

if TYPE_CHECKING:
    import numpy as np
    import torch
    from PIL import Image

    from course_lib.engine import Picture
    from course_lib.vlm import VLM

PARTS = ("both", "tiles", "thumbnail")
Box = tuple[float, float, float, float]  # left, top, right, bottom, as fractions of the picture


@dataclass(frozen=True)
class TiledPicture:
    """A picture's grid; its tiles, row by row and the thumbnail last, are the prompt's from number `first` on."""

    width: int  # pixels
    height: int
    columns: int
    rows: int
    thumbnail: bool
    first: int = 0

    @property
    def tiles(self) -> int:
        return self.columns * self.rows + self.thumbnail

    @property
    def places(self) -> slice:
        """Its tiles' places along the axis "tiles" of `Attention.weights`."""
        return slice(self.first, self.first + self.tiles)


@dataclass(frozen=True)
class Attention:
    """From each answer token to each visual token, averaged over heads and `layers`; see `answer_attention`."""

    question: str
    answer: str
    tokens: tuple[str, ...]  # the answer's pieces, `▁` for a space
    token_ids: tuple[int, ...]
    weights: np.ndarray  # float32 [answer tokens, tiles, h, w]: shares of all that the token attends to
    pictures: tuple[TiledPicture, ...]
    layers: tuple[int, ...]

    @property
    def picture_share(self) -> np.ndarray:
        """How much of each token's attention goes to the pictures at all, [answer tokens]; the rest goes to text."""
        return self.weights.sum(axis=(1, 2, 3))


def middle_layers(layers: int) -> tuple[int, ...]:
    """The layers looked at by default: from a quarter to three fifths of the way. The mini's are 1 and 2, of 0 to 4.

    There the maps follow the words best (course_lib.mini.gaze measures it). Of a larger model it is a guess.
    """
    return tuple(range(layers // 4, max(layers // 4 + 1, 3 * layers // 5)))


def answer_attention(vlm: VLM, question: str, images: Picture | Sequence[Picture], answer: str | None = None, *,
                     layers: Sequence[int] | None = None, max_tiles: int | None = None,
                     max_new_tokens: int = 64) -> Attention:
    """The attention to every visual token while each token of `answer` (by default the greedy one) was chosen.

    A token is chosen by the row of the position *before* it: the first by the prompt's last token. Raises ValueError.
    """
    import numpy as np

    from course_lib.chat import as_pictures
    from course_lib.vlm import open_picture

    opened = [open_picture(image) for image in as_pictures(images)]
    if not opened:
        raise ValueError("no picture to look at: give one, or a list of some")
    full, start, answer = with_answer(vlm, question, opened, answer, max_tiles=max_tiles, max_new_tokens=max_new_tokens)
    ids = full["input_ids"][0]
    chosen = middle_layers(vlm.model.config.text_config.num_hidden_layers) if layers is None else sorted(set(layers))
    visual = ids[:-1] == vlm.spec.image_token_id
    found = answer_rows(vlm, full, start, lambda weights: weights.mean(0)[:, visual].cpu().numpy(), layers=chosen)
    learned = ids[start:].tolist()
    return Attention(
        question, answer, tuple(vlm.tokenizer.convert_ids_to_tokens(learned)), tuple(learned),
        as_tiles(np.mean(found, axis=0), vlm), tiled_pictures(vlm, opened, max_tiles), tuple(chosen),
    )  # fmt: skip


def with_answer(vlm: VLM, question: str, images: Sequence[Picture], answer: str | None, *,
                max_tiles: int | None = None, max_new_tokens: int = 64) -> tuple[dict[str, torch.Tensor], int, str]:
    """Prompt and answer as `VLM.encode_prompt` gives them, where the answer begins, and the answer. ValueError."""
    from course_lib.sampling import Sampling

    messages = [{"role": "user", "content": question}]
    prompt = vlm.encode_prompt(messages, images, max_tiles=max_tiles)
    if answer is None:
        answer = "".join(vlm.stream_inputs(prompt, Sampling(max_new_tokens=max_new_tokens)))
    full = vlm.encode_prompt(messages, images, max_tiles=max_tiles, answer_so_far=answer)
    before, ids = prompt["input_ids"][0], full["input_ids"][0]
    if len(ids) == len(before):
        raise ValueError("the answer is empty: give one in `answer`")
    if not bool((ids[: len(before)] == before).all()):
        raise ValueError(f"the prompt's own tokens change when {answer!r} follows: begin the answer with a letter")
    return full, len(before), answer


def answer_rows(vlm: VLM, inputs: Mapping[str, torch.Tensor], start: int,
                reduce: Callable[[torch.Tensor], Any], *, layers: Sequence[int] | None = None) -> list[Any]:
    """`reduce(weights)` of each layer, by depth; `weights`: float32 [heads, answer tokens, n - 1], rows sum to 1.

    `inputs` are of prompt and answer, n tokens; the answer begins at `start`. All earlier tokens run first, with the
    model's own fused attention, into the cache. Only the answer's rows then run as "eager" attention, the one kind that
    returns weights, layer by layer: with 3,400 tokens, 64 of them the answer's, InternVL2-2B holds 14 MB at a time and
    not 18 GB. Raises ValueError for a layer that is not there. The model's mode and attention are put back.
    """
    import torch

    model, n = vlm.model, inputs["input_ids"].shape[1]
    blocks = [module for name, module in model.named_modules() if name.endswith(".self_attn")]
    if wrong := [layer for layer in layers or () if not 0 <= layer < len(blocks)]:
        raise ValueError(f"no layer {wrong[0]}: the language model's layers are 0 to {len(blocks) - 1}")
    blocks = blocks if layers is None else [blocks[layer] for layer in sorted(set(layers))]
    found: list[Any] = []
    was_training, kind = model.training, model.config.text_config._attn_implementation
    hooks = []
    model.eval()
    try:
        with torch.no_grad():
            earlier = {**inputs, "input_ids": inputs["input_ids"][:, : start - 1],
                       "attention_mask": inputs["attention_mask"][:, : start - 1]}  # fmt: skip
            cache = model(**earlier, use_cache=True, logits_to_keep=1).past_key_values
            model.set_attn_implementation({"text_config": "eager"})
            hooks += [block.register_forward_hook(lambda _, __, output: found.append(reduce(output[1][0].float())))
                      for block in blocks]
            # The last token of the answer has no row here: what it would choose is the end of the turn.
            model(input_ids=inputs["input_ids"][:, start - 1 : n - 1], past_key_values=cache, logits_to_keep=1)
    finally:
        for hook in hooks:
            hook.remove()
        model.set_attn_implementation({"text_config": kind})
        model.train(was_training)
    return found


def as_tiles(weights: np.ndarray, vlm: VLM) -> np.ndarray:
    """[..., visual tokens] -> [..., tiles, h, w], each tile the right way up: `ps_version` v1 leaves it transposed."""
    side = round(vlm.spec.tokens_per_tile**0.5)
    tiles = weights.reshape(*weights.shape[:-1], -1, side, side)
    return tiles.swapaxes(-1, -2) if vlm.spec.ps_version == "v1" else tiles


def tiled_pictures(vlm: VLM, images: Sequence[Image.Image], max_tiles: int | None = None) -> tuple[TiledPicture, ...]:
    """How `vlm` cuts each of the pictures."""
    spec, pictures, first = vlm.spec, [], 0
    for image in images:
        columns, rows = choose_grid(*image.size, **spec.grid_settings(max_tiles))
        pictures.append(TiledPicture(*image.size, columns, rows, spec.thumbnail and columns * rows > 1, first))
        first += pictures[-1].tiles
    return tuple(pictures)


def tile_heats(attention: Attention, token: int | None = None, *, picture: int = 0,
               relative: bool = False) -> np.ndarray:
    """Heat of each visual token, [tiles, h, w]: 1 is what an even spread over this picture's visual tokens would give.

    `token` is a place in the answer, None the answer's mean. `relative` takes the mean's heat away: what is left above
    0 is particular to this token (nothing is, in an answer of one token).
    """
    if relative:
        return tile_heats(attention, token, picture=picture) - tile_heats(attention, picture=picture)
    weights = attention.weights.mean(0) if token is None else attention.weights[token]
    weights = weights[attention.pictures[picture].places]
    mass = weights.sum()
    return weights * (weights.size / mass) if mass else weights


def heat_map(attention: Attention, token: int | None = None, *, picture: int = 0, part: str = "both",
             relative: bool = False, size: tuple[int, int] | None = None) -> np.ndarray:
    """Heat over the picture, [height, width] of the picture or of `size` (width, height); 1 is an even spread.

    Each visual token's weight is spread evenly over the area it shows: a cell of its tile, or of the whole picture for
    the thumbnail's. "both" adds the two, so each counts by the attention that it gets; "tiles" and "thumbnail" show one
    alone. Normalised to a mean of 1 over the picture (of 0, if `relative`, see `tile_heats`). Raises ValueError.
    """
    import numpy as np

    shown = attention.pictures[picture]
    if part not in PARTS or part == "thumbnail" and not shown.thumbnail:
        raise ValueError(f"part {part!r} should be one of {PARTS[: 2 + shown.thumbnail]} for this picture")
    if relative:
        options = {"picture": picture, "part": part, "size": size}
        return heat_map(attention, token, **options) - heat_map(attention, **options)
    weights = attention.weights.mean(0) if token is None else attention.weights[token]
    weights = weights[shown.places]  # [tiles, h, w]
    h, w = weights.shape[1:]
    grid = weights[: shown.columns * shown.rows].reshape(shown.rows, shown.columns, h, w).swapaxes(1, 2)
    layers = [grid.reshape(shown.rows * h, shown.columns * w)] if part != "thumbnail" else []
    layers += [weights[-1]] if shown.thumbnail and part != "tiles" else []
    width, height = size or (shown.width, shown.height)
    heat = np.zeros((height, width), np.float32)
    for cells in layers:
        down, across = ((np.arange(pixels) * 2 + 1) * count // (2 * pixels)  # the cell at each pixel's centre
                        for pixels, count in zip((height, width), cells.shape))
        heat += cells[down[:, None], across] * cells.size
    mass = sum(cells.sum() for cells in layers)
    return heat / mass if mass else heat


def box_share(weights: np.ndarray, picture: TiledPicture, boxes: Sequence[Box]) -> np.ndarray:
    """Share of the attention to a picture that falls inside boxes: weights [..., tiles, h, w] -> [...].

    A cell that a box covers in part counts by that part.
    """
    cover = cell_cover(picture, weights.shape[-2:], boxes)
    return (weights * cover).sum((-3, -2, -1)) / weights.sum((-3, -2, -1))


def cell_cover(picture: TiledPicture, cells: tuple[int, int], boxes: Sequence[Box]) -> np.ndarray:
    """How much of each visual token's area lies inside the boxes, [tiles, h, w], 0 to 1."""
    import numpy as np

    h, w = cells

    def covered(rows: int, columns: int) -> np.ndarray:  # of a lattice over the whole picture, [rows, columns]
        total = np.zeros((rows, columns))
        for left, top, right, bottom in boxes:
            down, across = (np.clip(np.minimum(np.arange(1, n + 1), high * n) - np.maximum(np.arange(n), low * n), 0, 1)
                            for n, low, high in ((rows, top, bottom), (columns, left, right)))
            total += down[:, None] * across
        return np.minimum(total, 1)

    rows, columns = picture.rows, picture.columns
    tiles = covered(rows * h, columns * w).reshape(rows, h, columns, w).swapaxes(1, 2).reshape(-1, h, w)
    return np.concatenate([tiles, covered(h, w)[None]]) if picture.thumbnail else tiles
