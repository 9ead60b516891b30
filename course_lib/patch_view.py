"""Which patches become which visual token, step by step, as HTML: numbered patches, or the patches of a picture.

Drawn from tensors, as `figures_pixel_shuffle` draws them: number (or cut) the patches, send them through the very
function in question, and show what comes out. Nothing here knows which patches belong together.
"""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_lowercase
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from course_lib.cards import Html, picture_html
from course_lib.figures import tint
from course_lib.figures_pixel_shuffle import BLOCKS, SHADES, numbered_patches
from course_lib.pixel_shuffle import space_to_depth

if TYPE_CHECKING:
    import torch

FACTOR = 2  # InternVL packs 2 x 2 patches
PATCH = 18  # pixels of a picture's patch, on the screen as well
TABLE = "border-collapse:separate;border-spacing:3px;font-size:12px"
RIGHT, WRONG = "space-to-depth", "plain reshape (wrong)"


@dataclass(frozen=True)
class Shuffle:
    """`patches` `[grid, grid, c]`, and the tokens `[grid/2 * grid/2, 4, c]` (a token's patches in order of channels)
    that two functions make of them, by name; `origins` says of the same functions which patch stands where."""

    patches: torch.Tensor
    tokens: dict[str, torch.Tensor]
    origins: dict[str, list[list[int]]]

    @property
    def grid(self) -> int:
        return self.patches.shape[0]

    @property
    def count(self) -> int:
        return len(self.origins[RIGHT])


def shuffle(patches: torch.Tensor) -> Shuffle:
    """Pack `[grid, grid, c]` in two ways. Raises ValueError for an odd grid."""
    grid, _, channels = patches.shape
    tokens = {name: packed.reshape(-1, FACTOR**2, channels) for name, packed in _both(patches[None]).items()}
    numbers = numbered_patches(grid, grid, 1)
    origins = {name: packed.flatten(0, 2).int().tolist() for name, packed in _both(numbers).items()}
    return Shuffle(patches, tokens, origins)


def _both(patches: torch.Tensor) -> dict[str, torch.Tensor]:
    packed = space_to_depth(patches, FACTOR)
    return {RIGHT: packed, WRONG: patches.reshape(packed.shape)}


def numbered(grid: int = 4, channels: int = 2) -> Shuffle:
    """Patches a, b, c, … of `channels` numbers each. Raises ValueError for more than 26 patches."""
    if grid * grid > len(ascii_lowercase):
        raise ValueError(f"{grid} x {grid} patches are too many to name with letters: use a grid of at most 4 x 4")
    return shuffle(numbered_patches(grid, grid, channels)[0])


def pictured(tile: Image.Image, grid: int = 8) -> Shuffle:
    """The patches of a tile: the channels of a patch are its pixels, `[grid, grid, 18 * 18 * 3]`."""
    import numpy as np
    import torch

    pixels = np.array(tile.convert("RGB").resize((grid * PATCH, grid * PATCH), Image.Resampling.BICUBIC))
    cells = torch.from_numpy(pixels).reshape(grid, PATCH, grid, PATCH, 3)  # [row, y, column, x, rgb]
    return shuffle(cells.permute(0, 2, 1, 3, 4).reshape(grid, grid, -1))


def numbered_step(parts: Shuffle, step: int) -> Html:
    """Numbered patches: step 0 shows them alone, step k packs token k, the last (`parts.count` + 1) compares all."""
    channels = parts.patches.shape[-1]
    before = f"{parts.grid} x {parts.grid} x {channels}"
    made = range(min(step, parts.count))
    if step == 0:
        words = f"Start: {before} patches, a colour for each block of 2 x 2 neighbours."
    elif step <= parts.count:
        right, wrong = (" ".join(_labels(parts, name, step - 1)) for name in (RIGHT, WRONG))
        words = f"Token {step} of {parts.count}: its channels are {right}. A plain reshape would take {wrong}."
    else:
        side = parts.grid // FACTOR
        words = (
            f"End: {before} became {side} x {side} x {channels * FACTOR**2}. Both ways keep all numbers; only "
            "space-to-depth keeps neighbours together, a plain reshape strings together what stands in one row."
        )
    new = parts.origins[RIGHT][step - 1] if 0 < step <= parts.count else []
    columns = [("patches", _patch_table(parts, new))]
    columns += [(name, _token_table(parts, name, made)) for name in (RIGHT, WRONG) if made]
    return _panel(columns, words)


def pictured_step(parts: Shuffle, step: int) -> Html:
    """A picture's patches: step 0 shows them alone, step k packs token k, the last lays all tokens out again."""
    side = parts.grid * PATCH
    framed, columns = [], []
    if step == 0:
        words = f"Start: one tile, cut into {parts.grid} x {parts.grid} patches."
    elif step <= parts.count:
        framed = parts.origins[RIGHT][step - 1]
        words = (
            f"Token {step} of {parts.count}: the four framed patches, top left, top right, bottom left, bottom right. "
            "A plain reshape takes four patches of one row."
        )
        alt = f"the four patches of token {step} in the order of its channels"
        columns = [(name, picture_html(_enlarged(_laid_out(parts, name, [step - 1], across=4)), alt, side))
                   for name in (RIGHT, WRONG)]  # fmt: skip
    else:
        words = (
            f"End: all {parts.count} tokens, each drawn as the square of its four patches. After space-to-depth every "
            "token is a small square of the picture; after a plain reshape the picture is torn."
        )
        alts = {RIGHT: "the tokens as squares: the picture is whole", WRONG: "the same: the picture is torn"}
        columns = [(name, picture_html(_laid_out(parts, name, range(parts.count), across=2), alt, side))
                   for name, alt in alts.items()]  # fmt: skip
    tile = picture_html(_framed(parts, framed), "the tile and its patches", side)
    return _panel([("patches", tile), *columns], words)


def _labels(parts: Shuffle, name: str, token: int) -> list[str]:
    channels = parts.patches.shape[-1]
    return [_label(int(value), channels) for value in parts.tokens[name][token].flatten()]


def _label(value: int, channels: int) -> str:
    """Patch a, channel 0 is a0; with one channel only, a."""
    patch, channel = divmod(value, channels)
    return ascii_lowercase[patch] + (str(channel) if channels > 1 else "")


def _patch_table(parts: Shuffle, new: list[int]) -> str:
    channels = parts.patches.shape[-1]
    rows = []
    for row in range(parts.grid):
        cells = ""
        for column in range(parts.grid):
            patch = row * parts.grid + column
            labels = " ".join(_label(int(value), channels) for value in parts.patches[row, column])
            cells += _cell(parts, patch, labels, framed=patch in new)
        rows.append(f"<tr>{cells}</tr>")
    return f'<table style="{TABLE}">{"".join(rows)}</table>'


def _token_table(parts: Shuffle, name: str, tokens: range) -> str:
    """A line for each token: its patches in the order of its channels."""
    width = parts.patches.shape[-1]
    rows = []
    for token in tokens:
        labels = _labels(parts, name, token)
        cells = "".join(
            _cell(parts, patch, " ".join(labels[place * width : (place + 1) * width]), framed=False)
            for place, patch in enumerate(parts.origins[name][token])
        )
        rows.append(f'<tr><th scope="row" style="padding:0 4px;white-space:nowrap">token {token + 1}</th>{cells}</tr>')
    return f'<table style="{TABLE}">{"".join(rows)}</table>'


def _cell(parts: Shuffle, patch: int, text: str, *, framed: bool) -> str:
    """A patch in the colour of the block that it comes from, in a shade for its place there."""
    block = next(number for number, patches in enumerate(parts.origins[RIGHT]) if patch in patches)
    shade = tint(BLOCKS[block % len(BLOCKS)], SHADES[parts.origins[RIGHT][block].index(patch)])
    fill = "#" + "".join(f"{round(255 * channel):02x}" for channel in shade)
    frame = "outline:3px solid #000;" if framed else ""
    return f'<td style="{frame}background:{fill};color:{readable_on(shade)};padding:3px 5px">{text}</td>'


def readable_on(colour: tuple[float, float, float]) -> str:
    """Black or white, whichever stands out more: at least 4.5 to 1 on any colour (WCAG 2.2, relative luminance)."""
    linear = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour)
    luminance = sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear))
    return "#000" if (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) else "#fff"


def _framed(parts: Shuffle, framed: list[int]) -> Image.Image:
    """The tile with thin lines between its patches, the patches of `framed` in a thick black and white frame."""
    picture = Image.new("RGB", (parts.grid * PATCH, parts.grid * PATCH))
    for patch in range(parts.grid**2):
        picture.paste(_patch_image(parts.patches.flatten(0, 1)[patch]), _corner(patch, parts.grid))
    draw = ImageDraw.Draw(picture)
    for patch in range(parts.grid**2):
        x, y = _corner(patch, parts.grid)
        draw.rectangle((x, y, x + PATCH - 1, y + PATCH - 1), outline="#bbbbbb")
    for patch in framed:
        x, y = _corner(patch, parts.grid)
        draw.rectangle((x, y, x + PATCH - 1, y + PATCH - 1), outline="black", width=4)
        draw.rectangle((x + 1, y + 1, x + PATCH - 2, y + PATCH - 2), outline="white", width=2)
    return picture


def _laid_out(parts: Shuffle, name: str, tokens: range | list[int], *, across: int) -> Image.Image:
    """The tokens' patches: each token `across` patches wide, as many tokens in a row as the tile had blocks."""
    down = FACTOR**2 // across
    in_a_row = min(len(tokens), parts.grid // FACTOR)
    gap = 2
    width, height = across * PATCH + gap, down * PATCH + gap
    picture = Image.new("RGB", (in_a_row * width - gap, -(-len(tokens) // in_a_row) * height - gap), "white")
    for place, token in enumerate(tokens):
        left, top = place % in_a_row * width, place // in_a_row * height
        for number, pixels in enumerate(parts.tokens[name][token]):
            x, y = _corner(number, across)
            picture.paste(_patch_image(pixels), (left + x, top + y))
    return picture


def _enlarged(picture: Image.Image) -> Image.Image:
    return picture.resize((2 * picture.width, 2 * picture.height), Image.Resampling.NEAREST)


def _corner(number: int, across: int) -> tuple[int, int]:
    return number % across * PATCH, number // across * PATCH


def _patch_image(pixels: torch.Tensor) -> Image.Image:
    return Image.fromarray(pixels.reshape(PATCH, PATCH, 3).numpy())


def _panel(columns: list[tuple[str, str]], words: str) -> Html:
    inner = "".join(f"<div><div><strong>{name}</strong></div>{content}</div>" for name, content in columns)
    return Html(
        f'<figure style="margin:0 0 14px"><div style="display:flex;flex-wrap:wrap;gap:24px">{inner}</div>'
        f"<figcaption>{words}</figcaption></figure>",
        words,
    )
