"""A vision-language model to talk to: transformers' model, its tokenizer, and what its checkpoint says about both."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from PIL import Image

from course_lib.chat import as_pictures
from course_lib.conversation import place_marks, render_prompt
from course_lib.decoding import cut_at_stop, decode_stream
from course_lib.engine import Engine, Messages, Picture
from course_lib.kv_cache import KeptCache
from course_lib.sampling import Sampling, next_token_probabilities
from course_lib.tiling import choose_grid, tile_image, to_pixel_values
from course_lib.whole_files import require_whole_files

if TYPE_CHECKING:
    from transformers import InternVLForConditionalGeneration, PreTrainedTokenizerFast


@dataclass(frozen=True)
class ModelSpec:
    """What a checkpoint's files say beyond its weights."""

    tile_size: int  # pixels
    patch_size: int  # pixels
    min_tiles: int
    max_tiles: int
    thumbnail: bool
    tokens_per_tile: int
    image_token_id: int
    stop_token_ids: tuple[int, ...]
    system: str | None
    separator: str  # between a turn's <|im_end|> and the next turn
    ps_version: str  # "v1" | "v2", see pixel_shuffle.py
    layout: str  # "internvl_chat" (official) | "internvl" (transformers' own)
    config: Mapping[str, Any]  # config.json as it was read
    stored_dtype: torch.dtype = torch.bfloat16  # of the weights on disk
    names_prefixed: bool = True  # layout "internvl" only, see layout.NativeLayout
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)  # the small files that travel along

    def grid_settings(self, max_tiles: int | None = None) -> dict[str, int]:
        """`choose_grid`'s settings for this model, with at most `max_tiles` (None: the model's own limit)."""
        most = self.max_tiles if max_tiles is None else max_tiles
        return {"min_tiles": min(self.min_tiles, most), "max_tiles": most, "tile_size": self.tile_size}

    def tile_count(self, width: int, height: int, max_tiles: int | None = None) -> int:
        """Tiles that a picture of this size becomes, thumbnail included."""
        columns, rows = choose_grid(width, height, **self.grid_settings(max_tiles))
        return columns * rows + (self.thumbnail and columns * rows > 1)


@dataclass
class VLM(Engine):
    """Model, tokenizer and spec of one checkpoint, and the engine on transformers.

    `model` is transformers' InternVL, or a peft model around it.
    """

    name: ClassVar[str] = "transformers"

    model: InternVLForConditionalGeneration
    tokenizer: PreTrainedTokenizerFast
    spec: ModelSpec

    @property
    def device(self) -> torch.device:
        return self.model.get_input_embeddings().weight.device

    @property
    def dtype(self) -> torch.dtype:
        return self.model.get_input_embeddings().weight.dtype

    def tiles(self, image: Picture, max_tiles: int | None = None) -> list[Image.Image]:
        """The picture as the model sees it: square tiles, row by row, and the thumbnail last."""
        return tile_image(
            open_picture(image), **self.spec.grid_settings(max_tiles), thumbnail=self.spec.thumbnail
        )

    def pixel_values(self, image: Picture, max_tiles: int | None = None) -> torch.Tensor:
        """Normalised tiles, float32 `[tiles, 3, S, S]` on the CPU."""
        return to_pixel_values(self.tiles(image, max_tiles))

    @torch.no_grad()
    def visual_tokens(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """What the language model receives for each tile: `[tiles, 3, S, S]` -> `[tiles, tokens_per_tile, hidden]`."""
        with _evaluating(self.model):
            return self.model.get_image_features(pixel_values=pixel_values.to(self.device)).pooler_output

    def encode_prompt(
        self,
        messages: Messages,
        images: Sequence[Picture] = (),
        *,
        max_tiles: int | None = None,
        answer_so_far: str = "",
        system: str | None = None,
    ) -> dict[str, torch.Tensor]:
        """`input_ids` and `attention_mask` `[1, n]`, `pixel_values` `[tiles, 3, S, S]` if any, on the model's device.

        Pictures without an `<image>` mark belong to the first user message, as in the official chat. ValueError.
        """
        pixels = [self.pixel_values(image, max_tiles) for image in images]
        prompt = render_prompt(
            place_marks(messages, len(images)),
            [len(tiles) * self.spec.tokens_per_tile for tiles in pixels],
            self.spec.system if system is None else system,
            separator=self.spec.separator,
        )
        encoded = self.tokenizer(prompt + answer_so_far, return_tensors="pt")
        inputs = {name: encoded[name].to(self.device) for name in ("input_ids", "attention_mask")}
        if pixels:
            inputs["pixel_values"] = torch.cat(pixels).to(self.device)
        return inputs

    def stream_messages(
        self,
        messages: Messages,
        images: Sequence[Picture] = (),
        sampling: Sampling = Sampling(),
        *,
        system: str | None = None,
        max_tiles: int | None = None,
        kept: KeptCache | None = None,
    ) -> Iterator[str]:
        """As `Engine.stream_messages`. With `kept`, only what the conversation has new goes through the model."""
        return self.stream_inputs(
            self.encode_prompt(messages, images, max_tiles=max_tiles, system=system), sampling, kept
        )

    def stream_inputs(
        self, inputs: Mapping[str, torch.Tensor], sampling: Sampling = Sampling(), kept: KeptCache | None = None
    ) -> Iterator[str]:
        """The answer to what `encode_prompt` returned, piece by piece."""
        return decode_stream(self._new_tokens(inputs, sampling, kept or KeptCache()), self.tokenizer, sampling.stop)

    @torch.no_grad()
    def _new_tokens(self, inputs: Mapping[str, torch.Tensor], sampling: Sampling, kept: KeptCache) -> Iterator[int]:
        generator = torch.Generator(self.device)
        generator.manual_seed(sampling.seed) if sampling.seed is not None else generator.seed()
        step = kept.rest_of(inputs, self.spec.image_token_id, self.spec.tokens_per_tile)
        for _ in range(sampling.max_new_tokens):
            past, kept.past = kept.past, None  # if this step fails, half of it may be in there
            with _evaluating(self.model):
                output = self.model(**step, past_key_values=past, use_cache=True, logits_to_keep=1)
            kept.keep(step, output.past_key_values)
            probabilities = next_token_probabilities(
                output.logits[0, -1], sampling.temperature, sampling.top_p, sampling.top_k
            )  # [vocab]
            token = int(torch.multinomial(probabilities, 1, generator=generator))
            if token in self.spec.stop_token_ids:
                return
            yield token
            # The pictures and all earlier tokens are in the cache: only the newest token goes through the model.
            step = {"input_ids": torch.tensor([[token]], device=self.device)}

    @torch.no_grad()
    def answer_conversations(
        self,
        conversations: Sequence[tuple[Messages, Sequence[Picture]]],
        sampling: Sampling,
        *,
        max_tiles: int | None = None,
    ) -> list[str]:
        """As `Engine.answer_conversations`: one batch, padded on the left, generated together."""
        from transformers import GenerationConfig

        prompts = [self.encode_prompt(messages, images, max_tiles=max_tiles) for messages, images in conversations]
        longest = max(prompt["input_ids"].shape[1] for prompt in prompts)
        padding = self.tokenizer.pad_token_id
        # On the left, so that every prompt ends where its answer begins; `generate` numbers positions from the mask.
        inputs = {
            name: torch.cat(
                [
                    torch.nn.functional.pad(prompt[name], (longest - prompt[name].shape[1], 0), value=value)
                    for prompt in prompts
                ]
            )  # [prompts, longest]
            for name, value in (("input_ids", padding), ("attention_mask", 0))
        }
        pixels = [prompt["pixel_values"] for prompt in prompts if "pixel_values" in prompt]
        if pixels:
            inputs["pixel_values"] = torch.cat(pixels)  # [tiles of all prompts, 3, S, S]
        drawing = {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": sampling.top_k}
        settings = GenerationConfig(
            max_new_tokens=sampling.max_new_tokens,
            do_sample=sampling.temperature > 0,
            **(drawing if sampling.temperature > 0 else {}),
            eos_token_id=list(self.spec.stop_token_ids),
            pad_token_id=padding,
            stop_strings=list(sampling.stop) or None,
        )
        with _evaluating(self.model), _seeded(sampling.seed, self.device):
            generated = self.model.generate(**inputs, generation_config=settings, tokenizer=self.tokenizer)
        stops = set(self.spec.stop_token_ids)
        answers = [list(takewhile(lambda token: token not in stops, row)) for row in generated[:, longest:].tolist()]
        texts = self.tokenizer.batch_decode(answers, skip_special_tokens=True)
        return [cut_at_stop(text.strip(), sampling.stop)[0] for text in texts]

    def next_token_distribution(
        self,
        question: str,
        image: Picture | None = None,
        *,
        history: Messages = (),
        answer_so_far: str = "",
        temperature: float = 1.0,
        top_p: float = 1.0,
        top_k: int = 0,
    ) -> torch.Tensor:
        """Probabilities `[vocab]` of the token that would come next in the answer, float32 on the CPU. ValueError."""
        Sampling(temperature=temperature, top_p=top_p, top_k=top_k)  # checks them
        messages = [*history, {"role": "user", "content": question}]
        inputs = self.encode_prompt(messages, as_pictures(image), answer_so_far=answer_so_far)
        with torch.no_grad(), _evaluating(self.model):
            logits = self.model(**inputs, logits_to_keep=1).logits[0, -1]
        return next_token_probabilities(logits, temperature, top_p, top_k).cpu()

    def close(self) -> None:
        """Let go of the weights, and give a GPU's memory back."""
        self.model = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def open_picture(picture: Picture) -> Image.Image:
    """A picture from a path (or as it is). Raises ValueError that names the file."""
    if isinstance(picture, Image.Image):
        return picture
    require_whole_files()
    try:
        with Image.open(picture) as image:
            return image.convert("RGB")
    except (OSError, SyntaxError) as error:  # PIL raises SyntaxError for some damaged PNGs
        raise ValueError(f"the picture {picture} cannot be read: {error}") from error


@contextmanager
def _evaluating(model: torch.nn.Module) -> Iterator[None]:
    """No dropout inside; the mode of before outside."""
    if not model.training:
        yield
        return
    model.eval()
    try:
        yield
    finally:
        model.train()


@contextmanager
def _seeded(seed: int | None, device: torch.device) -> Iterator[None]:
    """A seed for what draws from torch's global generator; that one is left as it was."""
    if seed is None:
        yield
        return
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
