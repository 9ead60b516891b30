"""Will it fit? A recipe's controls over the memory calculator: parts of the peak, the cards it fits, and what helps.

Every number comes from course_lib.memory. InternVL2-4B is not among the models: this kit does not load its Phi-3.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import ipywidgets

from course_lib.cards import Html, table
from course_lib.figures import FAINT, GREEN, ORANGE, PINK, SKY, YELLOW
from course_lib.memory import PEAK_PARTS, Workload, estimate_peak, model_shapes, predict_memory, what_helps
from course_lib.recipes import FOOD_LORA, Recipe
from course_lib.settings import ROOT
from course_lib.widgets_base import FULL_LABEL, Interactive, row, status_html

if TYPE_CHECKING:
    import torch

GIB = 2**30
# What a card's "GB" are: memory is made in powers of two, so 24 GB on the box are 24 GiB (a little less with ECC).
CARDS = {
    "12 GB (RTX 3060, RTX 4070)": 12, "16 GB (RTX 4080)": 16, "24 GB (RTX 3090, RTX 4090)": 24,
    "40 GB (A100)": 40, "80 GB (A100, H100)": 80,
}  # fmt: skip
TIGHT = 0.9  # of a card: CUDA itself, other programs and gaps between tensors take some, and an estimate is one
METHODS = {"LoRA (16 bits)": None, "QLoRA (NF4)": "nf4", "full fine-tuning": "full"}
RANKS = (8, 16, 32, 64, 128, 256)
GROUPS = {  # what the bar shows: parts of memory.PEAK_PARTS, and a colour
    "weights": (("frozen weights", "NF4 weights", "NF4 constants", "weight copies"), FAINT),
    "trained weights": (("trained weights",), GREEN),
    "gradients": (("gradients",), ORANGE),
    "optimizer (AdamW moments)": (("AdamW moments",), PINK),
    "activations": (("activations", "attention masks"), SKY),
    "logits, batch, workspace": (("logits", "temporaries", "batch", "cuBLAS workspace"), YELLOW),
}


def internvl2_shapes(**language: Any) -> torch.nn.Module:
    """InternVL2-2B on the meta device (no weights), with some fields of its language model's config changed."""
    from course_lib.layout import empty_model, native_config
    from course_lib.random_checkpoint import internvl2_2b_config

    config = internvl2_2b_config()
    config["llm_config"] |= language
    return empty_model(native_config(config, image_token_id=0))


MODELS: Mapping[str, Callable[[], torch.nn.Module]] = {  # one ViT for all; what differs is the language model
    "internvl-mini": lambda: model_shapes(ROOT / "data" / "internvl-mini"),
    "InternVL2-1B": lambda: internvl2_shapes(  # Qwen2-0.5B-Instruct
        architectures=["Qwen2ForCausalLM"], hidden_size=896, intermediate_size=4864, num_attention_heads=14,
        num_key_value_heads=2, vocab_size=151655,
    ),
    "InternVL2-2B": internvl2_shapes,  # internlm2-chat-1_8b
    "InternVL2-8B": lambda: internvl2_shapes(  # internlm2_5-7b-chat
        hidden_size=4096, intermediate_size=14336, num_attention_heads=32, num_hidden_layers=32,
    ),
}  # fmt: skip


class MemoryCalculator(Interactive):
    """Controls over a recipe; `recipe` (None: full fine-tuning), `workload`, `parts` and `advice` follow them."""

    def __init__(self, model: str = "InternVL2-2B", recipe: Recipe = FOOD_LORA, *, max_tiles: int = 12, text: int = 60,
                 answer: int = 20, models: Mapping[str, Callable[[], torch.nn.Module]] = MODELS):
        if model not in models:
            raise ValueError(f"model {model!r} should be one of {', '.join(models)}, or among `models`")
        self._models, self._shapes, self._base = models, {}, recipe
        wide = {"style": FULL_LABEL, "layout": ipywidgets.Layout(width="36em")}
        narrow = {"style": FULL_LABEL, "layout": ipywidgets.Layout(width="auto")}
        method = next(name for name, quantization in METHODS.items() if quantization == recipe.quantization)
        ranks = sorted({*RANKS, recipe.lora_rank} - {0})
        self.model = ipywidgets.Dropdown(options=[*models], value=model, description="model", **narrow)
        self.method = ipywidgets.Dropdown(options=[*METHODS], value=method, description="method", **narrow)
        precision = "bf16" if recipe.precision == "auto" else recipe.precision
        self.precision = ipywidgets.Dropdown(
            options=["bf16", "fp16", "float32"], value=precision, description="precision", **narrow
        )
        self.rank = ipywidgets.SelectionSlider(
            options=ranks, value=recipe.lora_rank or ranks[0], description="LoRA rank", **wide
        )
        self.head = ipywidgets.Checkbox(
            value=recipe.lora_on_head, description="output head adapted", indent=False, **narrow
        )
        self.checkpointing = ipywidgets.Checkbox(
            value=recipe.gradient_checkpointing, description="gradient checkpointing", indent=False, **narrow
        )
        self.batch, self.tiles, self.text, self.answer = (
            ipywidgets.IntSlider(value=value, min=least, max=most, description=words, continuous_update=False, **wide)
            for words, value, least, most in (
                ("records at a time", recipe.batch_size, 1, max(16, recipe.batch_size)),
                ("tiles a picture, without the thumbnail", max_tiles, 1, max(12, max_tiles)),
                ("text tokens a record", text, 10, max(2000, text)),
                ("of these, the answer's", answer, 1, max(1000, answer)),
            )
        )  # fmt: skip
        self._of_adapters = (self.precision, self.rank, self.head, self.checkpointing, self.batch, self.tiles,
                             self.text, self.answer)
        self._status, self._view = ipywidgets.HTML(), ipywidgets.HTML()
        for control in (self.model, self.method, *self._of_adapters):
            control.observe(lambda _: self._show(), names="value")
        self.box = ipywidgets.VBox([
            row(self.model, self.method, self.precision), self.rank, row(self.head, self.checkpointing),
            self.batch, self.tiles, self.text, self.answer, self._status, self._view,
        ])  # fmt: skip
        self.box.add_class("course-memory-calculator")
        self._show()

    @property
    def shapes(self) -> torch.nn.Module:
        """The chosen model on the meta device."""
        name = self.model.value
        if name not in self._shapes:
            self._shapes[name] = self._models[name]()
        return self._shapes[name]

    @property
    def recipe(self) -> Recipe | None:
        """The recipe as the controls have it; None is full fine-tuning. What has no control stays as it was given."""
        base, rank, quantization = self._base, self.rank.value, METHODS[self.method.value]
        if quantization == "full":
            return None
        alpha = rank * (base.lora_alpha / base.lora_rank if base.lora_rank else 2)
        return replace(
            base, quantization=quantization, lora_rank=rank, lora_alpha=alpha, lora_on_head=self.head.value,
            batch_size=self.batch.value, max_tiles=self.tiles.value, precision=self.precision.value,
            gradient_checkpointing=self.checkpointing.value,
        )  # fmt: skip

    @property
    def workload(self) -> Workload:
        """A batch of records that all have as many tiles as allowed. They are alike, so no mask hides padding."""
        most, text = self.tiles.value, self.text.value
        return Workload.alike(self.batch.value, most + (most > 1), text, min(self.answer.value, text),
                              self.shapes.config.image_seq_length)

    @property
    def parts(self) -> dict[str, int]:
        """Bytes of each of memory.PEAK_PARTS; of full fine-tuning only of memory.PARTS, without activations."""
        recipe = self.recipe
        return predict_memory(self.shapes, None) if recipe is None else \
            estimate_peak(self.shapes, recipe, self.workload, device="cuda")

    @property
    def advice(self) -> list[str]:
        """The changes that would lower the peak most, in words, best first."""
        recipe = self.recipe
        if recipe is None:
            return ["train an adapter instead: LoRA or QLoRA"]
        return [words for words, _, _ in what_helps(self.shapes, recipe, self.workload, device="cuda")]

    @property
    def static(self) -> Html:
        caption = f"{self.model.value}, {self.method.value}, on a GPU"
        if self.recipe is None:
            caption += ": all weights trained, 16 bytes each; activations come on top and are not counted here"
        else:
            load = self.workload
            caption += (
                f": rank {self.rank.value}{', output head adapted' * self.head.value}, {self.precision.value}, "
                f"{self.batch.value} x {load.lengths[0]} tokens ({load.tiles[0]} tiles, {load.text[0]} of text, "
                f"{load.labelled[0]} of them the answer's), gradient checkpointing "
                f"{'on' if self.checkpointing.value else 'off'}, at the fullest moment of a step"
            )
        return memory_html(self.parts, caption, self.advice, complete=self.recipe is not None)

    def _show(self) -> None:
        recipe = self.recipe
        for control in self._of_adapters:
            control.disabled = recipe is None
        peak = sum(self.parts.values()) / GIB
        card = smallest_card(peak)
        words = f"{self.model.value}, {self.method.value}: about {peak:.1f} GiB"
        words += " without activations; " if recipe is None else "; "
        words += f"the smallest card that holds it: {card}." if card else "more than any of these cards holds."
        self._status.value = status_html(words)
        self._view.value = self.static.html


def memory_calculator(model: str = "InternVL2-2B", recipe: Recipe = FOOD_LORA, **settings) -> MemoryCalculator:
    """Explore a training's peak memory; `model` is one of MODELS, or of your own `models={name: function}`.

    `settings` are `max_tiles`, `text` and `answer` (tokens a record) to begin with. For a folder's model, the function
    is `lambda: model_shapes(folder)`.
    """
    return MemoryCalculator(model, recipe, **settings)


def grouped(parts: Mapping[str, int]) -> dict[str, int]:
    """Bytes of each of GROUPS."""
    return {name: sum(parts.get(part, 0) for part in members) for name, (members, _) in GROUPS.items()}


def verdict(peak: float, card: float, *, complete: bool = True) -> str:
    """Whether `peak` GiB fit a card of `card` GiB, in a sign and words."""
    if peak > card:
        return f"✗ too large by {peak - card:.1f} GiB"
    if peak > TIGHT * card:
        return f"△ tight: {card - peak:.1f} GiB left for CUDA and gaps"
    return f"✓ fits, {card - peak:.1f} GiB left" + ("" if complete else " for activations")


def smallest_card(peak: float) -> str | None:
    """The name of the smallest card that `peak` GiB fit without being tight."""
    return next((name for name, size in CARDS.items() if peak <= TIGHT * size), None)


def memory_html(parts: Mapping[str, int], caption: str, advice: list[str], *, complete: bool = True) -> Html:
    """A stacked bar, the same as a table, the cards, and the advice; `complete` says that activations are counted."""
    groups = {name: size / GIB for name, size in grouped(parts).items() if size}
    peak = sum(groups.values())
    letters = dict(zip(groups, "ABCDEF"))
    full = next((size for size in CARDS.values() if size >= peak), peak)
    bar = "".join(
        f'<div style="width:{100 * size / full:.2f}%;background:{GROUPS[name][1]};border-right:1px solid #1f2933;'
        f'box-sizing:border-box;color:#111;text-align:center;overflow:hidden">'
        f'{letters[name] if size > 0.04 * full else ""}</div>' for name, size in groups.items()
    )  # fmt: skip
    words = "; ".join(f"{name} {size:.2f} GiB" for name, size in groups.items())
    picture = (
        f'<div role="img" aria-label="{html.escape(f"stacked bar of {full:.0f} GiB: {words}")}" style="display:flex;'
        f'max-width:640px;height:1.6em;border:1px solid #1f2933;background:#fff">{bar}</div>'
        f"<small>the whole bar: {full:.0f} GiB</small>"
    )
    rows = [[f"{letters[name]} {name}", f"{size:.2f} GiB", f"{size / peak:.0%}"] for name, size in groups.items()]
    sizes = table(["part", "memory", "share"], [*rows, ["together", f"{peak:.2f} GiB", "100%"]], caption)
    cards = table(["card", "verdict"], [[name, verdict(peak, size, complete=complete)] for name, size in CARDS.items()],
                  "Which card? The GB of a card are GiB: 24 GB hold 24 x 2^30 bytes.")
    helps = advice or ["no change of the recipe that this kit knows lowers it further"]
    bullets = "".join(f"<li>{html.escape(line)}</li>" for line in helps)
    return Html(
        f'{picture}<div style="display:flex;flex-wrap:wrap;gap:24px;align-items:flex-start">{sizes.html}{cards.html}'
        f"</div><p>What helps most:</p><ul>{bullets}</ul>",
        "\n".join([sizes.text, "", cards.text, "", "What helps most:", *(f"- {line}" for line in helps)]),
    )
