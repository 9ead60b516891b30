"""What the forward pass leaves behind for the backward pass: every tensor that autograd keeps, by name and in bytes.

A tensor is kept because a derivative needs it: a product keeps its factors, softmax its result. A frozen weight needs
no gradient, so its layer keeps no input; the adapter beside it does. Each function here is such a list, in the order
in which transformers' Llama and peft's LoRA compute; course_lib.memory adds the lists up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from course_lib.recipes import Recipe

FLOAT32 = 4  # bytes


@dataclass(frozen=True)
class Numbers:
    """How a device trains: bytes of a number, and the two ways of computing that differ in what they keep."""

    weights: int = 2  # bytes of a frozen weight, and so of the hidden states between layers
    products: int = 2  # bytes inside linear layers and attention: autocast's; trained weights are always float32
    cuda: bool = True  # dropout keeps a byte a number on a GPU, and the factors themselves on a CPU
    attention: str = "sdpa"  # fused; "eager" computes and keeps every attention weight

    @classmethod
    def of(cls, recipe: Recipe, device: str, attention: str | None = None, precision: str | None = None) -> Numbers:
        """As course_lib.training trains on "cuda" or "cpu". `precision`: of "auto", what it comes to (default bf16)."""
        if device not in ("cuda", "cpu"):
            raise ValueError(f"device should be 'cuda' or 'cpu', but is {device!r}")
        precision = precision or ("bf16" if recipe.precision == "auto" else recipe.precision)
        products = FLOAT32 if precision == "float32" else 2
        cuda = device == "cuda"
        return cls(products if cuda else FLOAT32, products, cuda, attention or ("sdpa" if cuda else "eager"))


def layer_tensors(text: Any, recipe: Recipe, numbers: Numbers, *, padded: bool) -> dict[str, int]:
    """Bytes that one layer of the language model keeps for each token. `text` is the model's `config.text_config`."""
    hidden, inner, wide, narrow = text.hidden_size, text.intermediate_size, *attention_widths(text)
    product, out, fused = numbers.products, linear_output(recipe, numbers), numbers.attention == "sdpa"
    # Heads that share keys and values get copies of them, unless the fused kernel (without a mask) shares them itself.
    keys = narrow if fused and not padded else wide
    kept = {
        "norm before attention": norm_bytes(text),
        **_adapter_inputs("q, k, v", hidden, 3, numbers.weights, recipe, numbers),
        "queries": product * wide,
        "keys": product * keys,
        "values": product * keys,
    }
    if fused:  # the backward pass computes the attention weights again, from these two
        kept |= {"attention output": product * wide, "softmax sums": FLOAT32 * text.num_attention_heads}
    return kept | {
        **_adapter_inputs("o", wide, 1, product, recipe, numbers, kept_already=fused),
        "norm before MLP": norm_bytes(text),
        **_adapter_inputs("gate, up", hidden, 2, numbers.weights, recipe, numbers),
        "gate": out * inner,
        "silu(gate)": out * inner,
        "up": out * inner,
        **_adapter_inputs("down", inner, 1, out, recipe, numbers),
    }


def layer_pairs(text: Any, numbers: Numbers, *, padded: bool) -> int:
    """Bytes that one layer keeps for each pair of tokens of a record: what makes attention quadratic."""
    if numbers.attention == "sdpa":
        return numbers.products if padded else 0  # the mask as numbers to add, which each layer makes for itself
    # Each head's softmax in float32, and what multiplies the values, where that is a tensor of its own.
    return text.num_attention_heads * (FLOAT32 + (numbers.products if numbers.products != FLOAT32 else 0))


def _adapter_inputs(name: str, width: int, layers: int, given: int, recipe: Recipe, numbers: Numbers, *,
                    kept_already: bool = False) -> dict[str, int]:
    """What LoRA keeps beside `layers` linear layers with one input of `width` numbers of `given` bytes."""
    if not recipe.lora_rank:
        return {}
    product, before = numbers.products, dropout_width(given, recipe, numbers)
    kept = {f"A's output of {name}": product * recipe.lora_rank * layers}  # for B's gradient
    if recipe.lora_dropout:
        kept[f"input of {name}"] = product * width * layers  # for A's gradient; each layer draws a dropout of its own
        kept[f"dropout of {name}"] = (1 if numbers.cuda else before) * width * layers
    elif before != product:
        kept[f"input of {name}"] = product * width * layers  # autocast makes 16 bits of it once a layer
    elif not kept_already:
        kept[f"input of {name}"] = product * width  # one for all
    return kept


def projector_tensors(config: Any, recipe: Recipe, numbers: Numbers) -> dict[str, int]:
    """Bytes that the projector keeps for each visual token; none if it is frozen."""
    if not recipe.train_projector:
        return {}
    hidden, seen, product = config.text_config.hidden_size, vision_channels(config), numbers.products
    return {
        "input of the norm": (FLOAT32 if numbers.cuda else numbers.weights) * seen,  # CUDA's autocast: float32
        "mean and deviation": 2 * FLOAT32,
        "input of linear 1": product * seen,
        "input of GELU": product * hidden,
        "input of linear 2": product * hidden,
    }


def head_tensors(text: Any, recipe: Recipe, numbers: Numbers) -> dict[str, int]:
    """Bytes kept for each labelled token, from the last norm's output to the loss."""
    kept = {"log-probabilities": FLOAT32 * text.vocab_size, "label": 8}
    if recipe.lora_on_head:
        beside_16_bit = Recipe("head", lora_rank=recipe.lora_rank, lora_dropout=recipe.lora_dropout)  # never in NF4
        kept |= _adapter_inputs("head", text.hidden_size, 1, numbers.weights, beside_16_bit, numbers)
    return kept


def token_tensors(text: Any, recipe: Recipe) -> dict[str, int]:
    """Bytes kept for each token outside the layers."""
    kept = {"last norm": norm_bytes(text), "where labels are": 1}
    if recipe.train_projector:
        return kept | {"where pictures are": 1}
    return kept | {"norm before attention, first layer": -norm_bytes(text)}  # nothing before it is trained


def position_bytes(text: Any, numbers: Numbers) -> int:
    """Bytes kept for each position of a batch, once: RoPE's cosines and sines."""
    return 2 * numbers.weights * attention_widths(text)[0] // text.num_attention_heads


def layer_temporaries(text: Any, recipe: Recipe, numbers: Numbers) -> dict[str, dict[str, int]]:
    """{"forward", "backward"}: bytes a token that a layer needs for a moment, beside all that is kept.

    Forward: the adapter of `down`, the widest input of all. Backward: the same place, or the product before it; what
    is kept for them is given back as soon as it is used, and counts below zero here.
    """
    hidden, inner, weights = text.hidden_size, text.intermediate_size, numbers.weights
    out, product = linear_output(recipe, numbers), numbers.products
    own = _adapter_inputs("down", inner, 1, out, recipe, numbers)
    used, rank = own.get("input of down", 0), bool(recipe.lora_rank)
    before = dropout_width(out, recipe, numbers)
    stream = 0 if weights == FLOAT32 else weights  # a float32 hidden state is its norm's kept input, none of its own
    in_float32 = before if before != out else 0
    forward = {
        "hidden states: first, layer's, after attention": 3 * stream * hidden,
        "normed, and down's output": (weights + product) * hidden,
        "silu(gate) x up": 0 if rank and used and not recipe.lora_dropout and before == product else out * inner,
        "the same in float32": rank * in_float32 * inner,
        "the same after dropout": before * inner if recipe.lora_dropout and rank and before != product else 0,
    }
    gradients = 2 * weights * hidden  # of the layer's output, and of what comes back from `down`
    through_adapter = 0
    if rank:
        wide = 2 * before if recipe.lora_dropout else product + in_float32  # of the input, on both sides of dropout
        through_adapter = wide * inner - used
    through_product = 3 * out * inner - sum(own.values())  # of the product and of its two factors
    return {"forward": forward, "backward": {"gradients": gradients + max(through_adapter, through_product)}}


def pair_temporaries(text: Any, numbers: Numbers) -> dict[str, int]:
    """{"forward", "backward"}: bytes a pair of tokens that eager attention needs for a moment, beside what it keeps.

    Before its MLP a layer keeps less, and after it less again: `after_attention` is to be taken off.
    """
    heads, own = text.num_attention_heads, layer_pairs(text, numbers, padded=True)
    copy = own - FLOAT32 * heads  # what multiplies the values; made last, given back first
    # The masked scores that softmax reads; the gradients of its result and of its input.
    return {"forward": heads * max(numbers.weights, numbers.products) - copy, "backward": heads * 2 * FLOAT32 - copy}


def after_attention(text: Any, recipe: Recipe, numbers: Numbers) -> int:
    """Bytes a token that a layer keeps after its attention."""
    kept = [*layer_tensors(text, recipe, numbers, padded=True).items()]
    start = [name for name, _ in kept].index("values") + 1
    return sum(size for _, size in kept[start:])


def vision_temporaries(vision: Any, numbers: Numbers) -> dict[str, int]:
    """Bytes a patch (the class token counts as one) that the frozen ViT needs for a moment, at GELU; it keeps none."""
    weights, hidden = numbers.weights, vision.hidden_size
    return {
        "hidden states: first, layer's, attention's, their sum": 4 * weights * hidden,
        "normed": (FLOAT32 if numbers.cuda else weights) * hidden,
        "before and after GELU": 2 * numbers.products * vision.intermediate_size,
    }


def norm_bytes(text: Any) -> int:
    """An RMSNorm keeps its input in float32, and one over the root of the mean square."""
    return FLOAT32 * text.hidden_size + FLOAT32


def dropout_width(given: int, recipe: Recipe, numbers: Numbers) -> int:
    """Bytes of a number before LoRA's dropout: peft makes it float32, but not beside NF4 under CUDA's autocast."""
    return given if recipe.quantization and numbers.cuda and numbers.products != FLOAT32 else FLOAT32


def linear_output(recipe: Recipe, numbers: Numbers) -> int:
    """Bytes of a number that gate and up give: autocast's, but bitsandbytes' layers give what they were given."""
    return numbers.products if recipe.quantization is None else numbers.weights


def attention_widths(text: Any) -> tuple[int, int]:
    """Numbers a token in the queries, and in the keys (as many in the values)."""
    head = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return head * text.num_attention_heads, head * text.num_key_value_heads


def vision_channels(config: Any) -> int:
    """Numbers in a visual token before the projector."""
    return config.vision_config.hidden_size * round(1 / config.downsample_ratio) ** 2
