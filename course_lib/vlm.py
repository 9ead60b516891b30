"""A vision-language model to talk to: transformers' model, its tokenizer, and what its checkpoint says about both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image

from course_lib.conversation import IMAGE_MARK, render_prompt
from course_lib.tiling import tile_image, to_pixel_values

if TYPE_CHECKING:
    from transformers import InternVLForConditionalGeneration, PreTrainedTokenizerFast

Picture = Image.Image | str | Path


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


@dataclass
class VLM:
    """Model, tokenizer and spec of one checkpoint. `model` is transformers' InternVL, or a peft model around it."""

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
        spec = self.spec
        most = spec.max_tiles if max_tiles is None else max_tiles
        return tile_image(
            open_picture(image), min_tiles=min(spec.min_tiles, most), max_tiles=most, tile_size=spec.tile_size,
            thumbnail=spec.thumbnail,
        )  # fmt: skip

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
        messages: Sequence[Mapping[str, str]],
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
            _place_marks(messages, len(images)),
            [len(tiles) * self.spec.tokens_per_tile for tiles in pixels],
            self.spec.system if system is None else system,
            separator=self.spec.separator,
        )
        encoded = self.tokenizer(prompt + answer_so_far, return_tensors="pt")
        inputs = {name: encoded[name].to(self.device) for name in ("input_ids", "attention_mask")}
        if pixels:
            inputs["pixel_values"] = torch.cat(pixels).to(self.device)
        return inputs

    def answer(self, question: str, image: Picture | None = None, **options: Any) -> str:
        """The model's answer as text; the options are those of `stream`."""
        return "".join(self.stream(question, image, **options))

    def stream(
        self,
        question: str,
        image: Picture | None = None,
        *,
        history: Sequence[Mapping[str, str]] = (),
        max_new_tokens: int = 128,
        temperature: float = 0.0,
        top_p: float = 1.0,
        max_tiles: int | None = None,
        seed: int | None = None,
    ) -> Iterator[str]:
        """The answer, piece by piece. Greedy at temperature 0; `seed` makes a draw repeatable. Raises ValueError."""
        messages = [*history, {"role": "user", "content": question}]
        images = () if image is None else (image,)
        inputs = self.encode_prompt(messages, images, max_tiles=max_tiles)
        return self.stream_inputs(
            inputs, max_new_tokens=max_new_tokens, temperature=temperature, top_p=top_p, seed=seed
        )

    def stream_inputs(
        self,
        inputs: Mapping[str, torch.Tensor],
        *,
        max_new_tokens: int = 128,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int | None = None,
    ) -> Iterator[str]:
        """As `stream`, from what `encode_prompt` returned."""
        check_sampling(temperature, top_p)
        return self._decode_stream(self._new_tokens(inputs, max_new_tokens, temperature, top_p, seed))

    def _decode_stream(self, new_tokens: Iterator[int]) -> Iterator[str]:
        tokens, sent, text = [], "", ""
        for token in new_tokens:
            tokens.append(token)
            text = self.tokenizer.decode(tokens, skip_special_tokens=True).strip()
            # A replacement character at the end is half a character: its other bytes are still to come.
            if len(text) > len(sent) and not text.endswith("\ufffd"):
                yield text[len(sent) :]
                sent = text
        if text != sent:
            yield text[len(sent) :]

    @torch.no_grad()
    def _new_tokens(
        self,
        inputs: Mapping[str, torch.Tensor],
        max_new_tokens: int,
        temperature: float,
        top_p: float,
        seed: int | None,
    ) -> Iterator[int]:
        generator = torch.Generator(self.device)
        generator.manual_seed(seed) if seed is not None else generator.seed()
        step = dict(inputs)
        for _ in range(max_new_tokens):
            with _evaluating(self.model):
                output = self.model(**step, use_cache=True, logits_to_keep=1)
            probabilities = next_token_probabilities(output.logits[0, -1], temperature, top_p)  # [vocab]
            token = int(torch.multinomial(probabilities, 1, generator=generator))
            if token in self.spec.stop_token_ids:
                return
            yield token
            # The pictures and all earlier tokens are in the cache: only the newest token goes through the model.
            step = {
                "input_ids": torch.tensor([[token]], device=self.device),
                "past_key_values": output.past_key_values,
            }

    @torch.no_grad()
    def answer_batch(
        self,
        questions: Sequence[str],
        images: Sequence[Picture | None],
        *,
        max_new_tokens: int = 64,
        batch_size: int = 16,
        max_tiles: int | None = None,
        progress: bool = True,
    ) -> list[str]:
        """Greedy answers to many questions, each with its picture or None, in order. Raises ValueError."""
        from tqdm.auto import tqdm

        if len(questions) != len(images):
            raise ValueError(f"{len(questions)} questions for {len(images)} pictures: give one (or None) for each")
        answers = []
        with tqdm(total=len(questions), disable=not progress, desc="answering", unit="question") as bar:
            for start in range(0, len(questions), batch_size):
                pairs = zip(questions[start : start + batch_size], images[start : start + batch_size], strict=True)
                prompts = [
                    self.encode_prompt(
                        [{"role": "user", "content": question}], () if image is None else (image,), max_tiles=max_tiles
                    )
                    for question, image in pairs
                ]
                answers += self._answer_prompts(prompts, max_new_tokens)
                bar.update(len(prompts))
        return answers

    def _answer_prompts(self, prompts: Sequence[Mapping[str, torch.Tensor]], max_new_tokens: int) -> list[str]:
        from transformers import GenerationConfig

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
        with _evaluating(self.model):
            generated = self.model.generate(
                **inputs,
                generation_config=GenerationConfig(
                    max_new_tokens=max_new_tokens,
                    do_sample=False,
                    eos_token_id=list(self.spec.stop_token_ids),
                    pad_token_id=padding,
                ),
            )
        stops = set(self.spec.stop_token_ids)
        answers = [list(takewhile(lambda token: token not in stops, row)) for row in generated[:, longest:].tolist()]
        return [text.strip() for text in self.tokenizer.batch_decode(answers, skip_special_tokens=True)]

    def next_token_distribution(
        self,
        question: str,
        image: Picture | None = None,
        *,
        history: Sequence[Mapping[str, str]] = (),
        answer_so_far: str = "",
        temperature: float = 1.0,
        top_p: float = 1.0,
    ) -> torch.Tensor:
        """Probabilities `[vocab]` of the token that would come next in the answer, float32 on the CPU. ValueError."""
        check_sampling(temperature, top_p)
        messages = [*history, {"role": "user", "content": question}]
        inputs = self.encode_prompt(messages, () if image is None else (image,), answer_so_far=answer_so_far)
        with torch.no_grad(), _evaluating(self.model):
            logits = self.model(**inputs, logits_to_keep=1).logits[0, -1]
        return next_token_probabilities(logits, temperature, top_p).cpu()

    def chat(self, image: Picture | None = None, system: str | None = None) -> Chat:
        """A conversation that remembers its turns, about `image` if given. `system` replaces the model's own."""
        return Chat(self, [] if image is None else [image], system)


@dataclass
class Chat:
    """A conversation: `ask` adds a question and the model's answer to `messages`."""

    vlm: VLM
    images: list[Picture] = field(default_factory=list)
    system: str | None = None
    messages: list[dict[str, str]] = field(default_factory=list)

    def ask(self, question: str, image: Picture | None = None, *, max_tiles: int | None = None, **sampling: Any) -> str:
        """The answer to `question`, which may bring a picture of its own; options as in `VLM.stream_inputs`."""
        images, marks = list(self.images), sum(message["content"].count(IMAGE_MARK) for message in self.messages)
        if image is not None:
            images.append(image)
        if marks < len(images) and IMAGE_MARK not in question:
            question = f"{IMAGE_MARK}\n" * (len(images) - marks) + question
        messages = [*self.messages, {"role": "user", "content": question}]
        inputs = self.vlm.encode_prompt(messages, images, max_tiles=max_tiles, system=self.system)
        answer = "".join(self.vlm.stream_inputs(inputs, **sampling))
        self.images, self.messages = images, [*messages, {"role": "assistant", "content": answer}]
        return answer


def next_token_probabilities(logits: torch.Tensor, temperature: float, top_p: float) -> torch.Tensor:
    """Logits `[vocab]` -> probabilities `[vocab]`: divided by the temperature, cut to the likeliest `top_p` of them."""
    logits = logits.float()
    if temperature == 0:
        return torch.nn.functional.one_hot(logits.argmax(), logits.shape[-1]).float()
    probabilities = (logits / temperature).softmax(-1)
    ordered, order = probabilities.sort(descending=True)
    # A token stays if those likelier than it hold less than top_p together: so the likeliest always stays.
    ordered = ordered.where(ordered.cumsum(-1) - ordered < top_p, 0)
    return torch.zeros_like(probabilities).scatter(-1, order, ordered / ordered.sum())


def check_sampling(temperature: float, top_p: float) -> None:
    """Raise ValueError for a temperature or top_p that means nothing."""
    if temperature < 0:
        raise ValueError(f"temperature must be 0 (greedy) or more, got {temperature}")
    if not 0 < top_p <= 1:
        raise ValueError(f"top_p must lie in (0, 1], got {top_p}")


def open_picture(picture: Picture) -> Image.Image:
    """A picture from a path (or as it is). Raises ValueError that names the file."""
    if isinstance(picture, Image.Image):
        return picture
    try:
        with Image.open(picture) as image:
            return image.convert("RGB")
    except (OSError, SyntaxError) as error:  # PIL raises SyntaxError for some damaged PNGs
        raise ValueError(f"the picture {picture} cannot be read: {error}") from error


def _place_marks(messages: Sequence[Mapping[str, str]], pictures: int) -> list[Mapping[str, str]]:
    """The messages, with `<image>` and a newline in front of the first for each picture, if no message has a mark."""
    messages = list(messages)
    if pictures and messages and not any(IMAGE_MARK in message["content"] for message in messages):
        messages[0] = {**messages[0], "content": f"{IMAGE_MARK}\n" * pictures + messages[0]["content"]}
    return messages


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
