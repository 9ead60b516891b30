"""What a fine-tuning run is made of: one frozen dataclass, and the settings that the course uses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, get_args, get_type_hints


@dataclass(frozen=True)
class Recipe:
    """All settings of a run; change some with `dataclasses.replace(recipe, learning_rate=1e-4)`."""

    name: str
    # the model
    quantization: str | None = None  # "nf4": the frozen language model in 4 bits (QLoRA); None: as it is (LoRA)
    lora_rank: int = 32  # 0: no LoRA, the projector alone (stage 1)
    lora_alpha: float = 64.0  # the adapter's output is scaled by alpha / rank
    lora_dropout: float = 0.0  # share of the adapter's inputs that is zeroed at each step
    lora_on_head: bool = False  # adapt the output head as well
    train_projector: bool = True  # train all of the projector
    # the data
    max_length: int = 4096  # tokens; a longer record is an error, never cut
    max_tiles: int | None = None  # tiles a picture, without its thumbnail; None: the checkpoint's own
    mask_labels: bool = True  # learn the answers only; False learns the prompts too (to show what that does)
    group_by_length: bool = True  # batches of like length, so that little is padded
    # the optimisation: AdamW, linear warm-up, then cosine to 0
    epochs: float = 1.0
    batch_size: int = 4  # records at a time on each device
    accumulation: int = 4  # batches a step; a step learns from batch_size * accumulation records a device
    learning_rate: float = 2e-5  # at its peak
    beta1: float = 0.9
    beta2: float = 0.999
    weight_decay: float = 0.05
    clip: float = 1.0  # largest norm of the gradient
    warmup: float = 0.03  # share of the steps
    seed: int = 0
    # the computing
    precision: str = "auto"  # "auto": bf16 where the device has it; else fp16 with scaling on a GPU, float32 on a CPU
    gradient_checkpointing: bool = False  # half the activations' memory or less, for a third more time
    cache_vision: bool = False  # run the frozen ViT once per picture; for small models (340 kB a picture in the mini)
    workers: int = 0  # processes that decode pictures
    # the records kept
    log_every: int = 1  # steps
    eval_every: int = 0  # steps between measurements of the held-out loss; 0: before the first and after the last only
    eval_records: int = 128  # held-out records measured, spread evenly over them
    save_every: int = 0  # steps between checkpoints; 0: none but the adapter at the end
    keep: int = 1  # checkpoints

    def __post_init__(self) -> None:
        checks = {
            "quantization": (self.quantization in (None, "nf4"), 'None or "nf4"'),
            "precision": (self.precision in ("auto", "float32", "bf16", "fp16"), '"auto", "float32", "bf16" or "fp16"'),
            "lora_rank": (self.lora_rank >= 0, "0 (projector only) or more"),
            "lora_dropout": (0 <= self.lora_dropout < 1, "at least 0 and below 1"),
            "epochs": (self.epochs > 0, "more than 0"),
            "batch_size": (self.batch_size >= 1, "1 or more"),
            "accumulation": (self.accumulation >= 1, "1 or more"),
            "learning_rate": (self.learning_rate > 0, "more than 0"),
            "warmup": (0 <= self.warmup < 1, "a share of the steps, at least 0 and below 1"),
            "max_length": (self.max_length >= 1, "1 or more"),
            "max_tiles": (self.max_tiles is None or self.max_tiles >= 1, "None or 1 or more"),
            "train_projector": (self.train_projector or self.lora_rank > 0, "True where lora_rank is 0"),
            "log_every": (self.log_every >= 1, "1 or more"),
            "keep": (self.keep >= 1, "1 or more"),
        }
        wrong = [f"{name}={getattr(self, name)!r} (should be {wanted})"
                 for name, (right, wanted) in checks.items() if not right]
        if wrong:
            raise ValueError(f"recipe {self.name!r}: " + "; ".join(wrong))

    def with_settings(self, settings: Iterable[str]) -> Recipe:
        """The recipe with "name=value" settings as typed in a terminal: "learning_rate=1e-4", "max_tiles=none"."""
        changes = {}
        for setting in settings:
            name, equals, text = setting.partition("=")
            kinds = get_type_hints(Recipe)
            if not equals or name not in kinds:
                raise ValueError(f"setting {setting!r} should be name=value, with a name of: {', '.join(kinds)}")
            changes[name] = _parsed(name, text, kinds[name])
        return replace(self, **changes)

    def records_a_step(self, processes: int = 1) -> int:
        """Records that one step of the optimizer learns from."""
        return self.batch_size * self.accumulation * processes

    def differences(self, other: Recipe) -> dict[str, tuple[object, object]]:
        """{setting: (here, there)} where the two recipes differ."""
        pairs = {field.name: (getattr(self, field.name), getattr(other, field.name)) for field in fields(self)}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _parsed(name: str, text: str, kind: Any) -> Any:
    kinds = [kind] if isinstance(kind, type) else get_args(kind)
    if type(None) in kinds and text.lower() == "none":
        return None
    if bool in kinds:
        if text.lower() not in ("true", "false"):
            raise ValueError(f"{name} should be true or false, but is {text!r}")
        return text.lower() == "true"
    wanted = next(kind for kind in kinds if kind is not type(None))
    try:
        return wanted(text)
    except ValueError:
        raise ValueError(f"{name} should be a {wanted.__name__}, but is {text!r}") from None


# The two lessons of the old course, whose trainer adapted every linear layer of the language model and its head.
MEME_QLORA = Recipe(
    "meme-qlora", quantization="nf4", lora_rank=128, lora_alpha=256, lora_dropout=0.05, lora_on_head=True,
    max_length=6656, epochs=6, batch_size=4, accumulation=4, learning_rate=2e-5, workers=4, save_every=1000, keep=1,
)
FOOD_LORA = Recipe(
    "food-lora", lora_rank=128, lora_alpha=256, lora_dropout=0.05, lora_on_head=True,
    max_length=8192, epochs=10, batch_size=4, accumulation=2, learning_rate=3e-5, workers=4, save_every=64, keep=1,
)

# The same tasks for internvl-mini on two CPU cores: a model this small takes and needs larger steps.
MINI_FOOD = Recipe(
    "mini-food", quantization="nf4", lora_rank=32, lora_alpha=64, max_length=1024, epochs=7, batch_size=16,
    accumulation=1, learning_rate=2e-3, cache_vision=True, eval_every=77, save_every=154,
)
MINI_MEME = Recipe(
    "mini-meme", quantization="nf4", lora_rank=32, lora_alpha=64, max_length=1024, epochs=9, batch_size=16,
    accumulation=1, learning_rate=3e-3, cache_vision=True, eval_every=144, save_every=144,
)
RECIPES = {recipe.name: recipe for recipe in (MINI_FOOD, MINI_MEME, FOOD_LORA, MEME_QLORA)}
