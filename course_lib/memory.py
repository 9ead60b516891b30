"""What fine-tuning needs in memory, part by part: predicted from a model's shapes, and measured from its tensors.

PARTS are there as long as the training is. STEP_PARTS come and go with each batch, and grow with its records, their
length and their tiles: they are computed for every moment of a step that could be the fullest.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from course_lib import activations as act
from course_lib.activations import Numbers
from course_lib.adapters import PROJECTOR, lora_targets
from course_lib.recipes import Recipe
from course_lib.workload import Workload

if TYPE_CHECKING:
    import torch

__all__ = ["PARTS", "PEAK_PARTS", "STEP_PARTS", "Numbers", "Workload", "estimate_peak", "measure_memory",
           "model_shapes", "predict_memory", "step_moments", "what_helps"]

PARTS = ("frozen weights", "NF4 weights", "NF4 constants", "trained weights", "gradients", "AdamW moments")
STEP_PARTS = ("weight copies", "activations", "attention masks", "logits", "temporaries", "batch", "cuBLAS workspace")
PEAK_PARTS = (*PARTS, *STEP_PARTS)
NF4_BLOCK = 64  # weights that share one largest value
NESTED_BLOCK = 256  # largest values that share one of their own: double quantisation (QLoRA, section 3)
NESTED_CODE = 256 * 4  # bytes a layer: the 256 levels of those 8-bit values, in float32
CUBLAS = 2 * 32 * 2**20  # the matrix library's scratch space for two threads, 32 MiB each since Hopper (8 before)


def predict_memory(model: torch.nn.Module, recipe: Recipe | None, *, weight_bytes: int = 2) -> dict[str, int]:
    """Bytes of each of PARTS for training `model` (on the meta device, or any other) as the recipe says.

    `weight_bytes` a frozen number; trained weights, gradients and both moments are float32. `recipe=None` is full
    fine-tuning: everything is trained.
    """
    counts = {name: parameter.numel() for name, parameter in model.named_parameters()}
    layers = {name: model.get_submodule(name) for name in lora_targets(model)}
    parts = dict.fromkeys(PARTS, 0)
    if recipe is None:
        trained = sum(counts.values())
    else:
        nf4 = {f"{name}.weight" for name in layers} if recipe.quantization == "nf4" else set()
        # peft trains a copy of the projector and keeps the old one, so the old one stays among the frozen.
        parts["frozen weights"] = weight_bytes * sum(count for name, count in counts.items() if name not in nf4)
        for name in nf4:
            blocks = math.ceil(counts[name] / NF4_BLOCK)
            parts["NF4 weights"] += math.ceil(counts[name] / 2)  # two to a byte
            parts["NF4 constants"] += blocks + 4 * math.ceil(blocks / NESTED_BLOCK) + NESTED_CODE
        targets = lora_targets(model, recipe.lora_on_head) if recipe.lora_rank else []
        trained = sum(recipe.lora_rank * sum(model.get_submodule(name).weight.shape) for name in targets)
        if recipe.train_projector:
            trained += sum(count for name, count in counts.items() if PROJECTOR in name)
    return parts | {"trained weights": 4 * trained, "gradients": 4 * trained, "AdamW moments": 8 * trained}


def model_shapes(folder: Path | str) -> torch.nn.Module:
    """The model of a checkpoint's folder on the meta device: all shapes, no weights."""
    from course_lib.layout import empty_model
    from course_lib.spec import load_spec, transformers_config
    from course_lib.weights import stored_tensors

    _, spec = load_spec(Path(folder))
    return empty_model(transformers_config(Path(folder), spec, stored_tensors(Path(folder))))


def estimate_peak(model: torch.nn.Module, recipe: Recipe, workload: Workload, *, device: str = "cuda",
                  attention: str | None = None, precision: str | None = None) -> dict[str, int]:
    """Bytes of each of PEAK_PARTS at the fullest moment of a step on such batches; their sum is the peak.

    `model` is without an adapter, on the meta device or any other; the rest is by default what course_lib.training
    does on "cuda" or "cpu". AdamW's moments are there: they are from the first step's end on.
    """
    moments = step_moments(model, recipe, workload, Numbers.of(recipe, device, attention, precision))
    return max(moments.values(), key=lambda parts: sum(parts.values()))


def step_moments(model: torch.nn.Module, recipe: Recipe, workload: Workload,
                 numbers: Numbers) -> dict[str, dict[str, int]]:
    """{moment: {part: bytes}} for the moments of a step that could be the fullest."""
    text = model.config.text_config
    layers, size = text.num_hidden_layers, activation_sizes(model, recipe, workload, numbers)
    layer, mask, bias, outside, states = (size[name] for name in ("layer", "mask", "bias", "outside", "states"))
    forward, backward, head = size["layer forward"], size["layer backward"], size["head"]
    copies = copied_weights(model, recipe, numbers)
    static = predict_memory(model, recipe, weight_bytes=numbers.weights)
    # A step's gradients lie there while its later batches are read. Those of a single batch come as activations go.
    all_of_them = static["gradients"]
    early = all_of_them if recipe.accumulation > 1 else 0
    static |= {"batch": _batch_bytes(model, recipe, workload, numbers), "cuBLAS workspace": CUBLAS * numbers.cuda}

    def at(gradients: int, copies: int, activations: int, masks: int, temporaries: int, logits: int = 0) -> dict:
        values = (gradients, copies, activations, masks, logits, temporaries)
        names = ("gradients", "weight copies", "activations", "attention masks", "logits", "temporaries")
        return {part: (static | dict(zip(names, values)))[part] for part in PEAK_PARTS}

    if recipe.gradient_checkpointing:  # of each layer its input is kept; the backward pass computes it once more
        kept, kept_masks, one = layers * states + outside, mask, copies // layers
        moments = {
            "last layer, forward": at(early, copies, kept, mask, forward + size["projected"]),
            "last layer, forward again": at(early, one, kept + layer, mask + bias, forward + states),
            "last layer, backward": at(early, one, kept + layer, mask + bias, backward),
            "first layer, forward again": at(all_of_them, one, states + outside + layer, mask + bias, forward + states),
        }
    else:
        kept, kept_masks, one = layers * layer + outside, layers * bias, copies // layers
        moments = {
            "last layer, forward": at(early, copies, kept, kept_masks + mask, forward + size["projected"]),
            "last layer, backward": at(early, copies, kept, kept_masks, backward),
            "first layer, backward": at(all_of_them, one, layer + outside, bias, backward),
        }
    moments["loss"] = at(early, copies, kept + head, kept_masks, size["pictures in float32"], size["logits"])
    moments["optimizer"] = at(all_of_them, 0, 0, 0, _optimizer_bytes(model, recipe, numbers, static["trained weights"]))
    if any(workload.tiles) and not recipe.cache_vision:
        moments["vision"] = at(early, 0, 0, 0, _vision_bytes(model, workload, numbers))
    return moments


def activation_sizes(model: torch.nn.Module, recipe: Recipe, workload: Workload, numbers: Numbers) -> dict[str, int]:
    """Bytes of a batch: what a layer keeps, what is kept around the layers, and what moments need for themselves."""
    config, text = model.config, model.config.text_config
    tokens, longest, fused = workload.tokens, max(workload.lengths), numbers.attention == "sdpa"
    pairs, labelled, visual = tokens * longest, sum(workload.labelled), workload.visual_tokens
    square = pairs * act.layer_pairs(text, numbers, padded=workload.padded)
    moment = {name: tokens * sum(parts.values())
              for name, parts in act.layer_temporaries(text, recipe, numbers).items()}
    if not fused:
        for name, scores in act.pair_temporaries(text, numbers).items():
            moment[name] = max(moment[name], pairs * scores - tokens * act.after_attention(text, recipe, numbers))
    if recipe.quantization == "nf4":  # each weight in turn becomes ordinary numbers
        unpacked = max(model.get_submodule(name).weight.numel() for name in lora_targets(model)) * numbers.weights
        moment = {name: max(size, unpacked) for name, size in moment.items()}
    return {
        "layer": tokens * sum(act.layer_tensors(text, recipe, numbers, padded=workload.padded).values())
                 + (0 if fused else square),
        "bias": square if fused else 0,  # the mask in numbers, in each layer
        "mask": pairs * (workload.padded if fused else numbers.weights),  # the same for all layers
        "outside": tokens * sum(act.token_tensors(text, recipe).values())
                   + visual * sum(act.projector_tensors(config, recipe, numbers).values())
                   + longest * act.position_bytes(text, numbers),
        "head": labelled * sum(act.head_tensors(text, recipe, numbers).values()),
        "states": tokens * text.hidden_size * numbers.weights,  # between two layers
        "layer forward": moment["forward"],
        "layer backward": moment["backward"],
        "projected": visual * text.hidden_size * numbers.weights,
        "pictures in float32": visual * text.hidden_size * act.FLOAT32,  # Trainer makes all outputs float32
        # Logits and their float32 copy; later the gradients of log-probabilities and of logits.
        "logits": labelled * text.vocab_size * max(numbers.products + act.FLOAT32, 2 * act.FLOAT32),
    }


def copied_weights(model: torch.nn.Module, recipe: Recipe, numbers: Numbers) -> int:
    """Bytes of the 16-bit copies that autocast makes of float32 weights, trained ones and on a CPU frozen ones too."""
    if numbers.products == act.FLOAT32:
        return 0
    shapes = {name: model.get_submodule(name).weight.shape for name in lora_targets(model, head=True)}
    count = recipe.lora_rank * sum(sum(shape) for name, shape in shapes.items()
                                   if name != "lm_head" or recipe.lora_on_head)
    if recipe.train_projector:
        count += sum(p.numel() for name, p in model.named_parameters() if PROJECTOR in name and p.dim() == 2)
    if numbers.weights == act.FLOAT32:
        count += sum(shape.numel() for name, shape in shapes.items() if name == "lm_head" or not recipe.quantization)
    return count * numbers.products


def _batch_bytes(model: torch.nn.Module, recipe: Recipe, workload: Workload, numbers: Numbers) -> int:
    """Bytes of the batches that lie on the device: Trainer brings all of a step at once."""
    vision = model.config.vision_config
    tile = act.FLOAT32 * vision.num_channels * math.prod(vision.image_size)
    if recipe.cache_vision:
        tile = numbers.weights * workload.tokens_per_tile * act.vision_channels(model.config)
    ids = 3 * 8 * workload.tokens  # input_ids, labels and attention_mask, of 8 bytes each
    return (recipe.accumulation + (not numbers.cuda)) * (ids + sum(workload.tiles) * tile)  # a CPU's loader reads ahead


def _vision_bytes(model: torch.nn.Module, workload: Workload, numbers: Numbers) -> int:
    """Bytes that the frozen ViT needs for a moment, over all tiles at once."""
    vision, tiles = model.config.vision_config, sum(workload.tiles)
    patches = math.prod(side // patch for side, patch in zip(vision.image_size, vision.patch_size)) + 1
    cast = numbers.weights if numbers.weights != act.FLOAT32 else 0
    pixels = cast * vision.num_channels * math.prod(vision.image_size)
    widest = patches * sum(act.vision_temporaries(vision, numbers).values())
    return tiles * (pixels + widest)


def _optimizer_bytes(model: torch.nn.Module, recipe: Recipe, numbers: Numbers, trained: int) -> int:
    """AdamW's square roots of second moments: on a GPU of all `trained` bytes at once, on a CPU tensor by tensor."""
    if numbers.cuda:
        return trained
    shapes = [model.get_submodule(name).weight.shape for name in lora_targets(model, recipe.lora_on_head)]
    largest = [recipe.lora_rank * max(shape) for shape in shapes]
    if recipe.train_projector:
        largest += [p.numel() for name, p in model.named_parameters() if PROJECTOR in name]
    return 2 * act.FLOAT32 * max(largest)  # and the same over its correction


def what_helps(model: torch.nn.Module, recipe: Recipe, workload: Workload, *, device: str = "cuda",
               attention: str | None = None, precision: str | None = None) -> list[tuple[str, Recipe, int]]:
    """The three changes of the recipe that lower the peak most: (words, new recipe, its peak in bytes), best first.

    A step learns from as many records as before. Fewer than three, or none, where no more lower it.
    """
    def peak(recipe: Recipe, workload: Workload) -> int:
        return sum(estimate_peak(model, recipe, workload, device=device, attention=attention,
                                 precision=precision).values())

    options: list[tuple[str, dict, Workload]] = [
        ("gradient_checkpointing=True", {"gradient_checkpointing": True}, workload),
        ('quantization="nf4"', {"quantization": "nf4"}, workload),
    ]
    if recipe.batch_size > 1:
        half = {"batch_size": math.ceil(recipe.batch_size / 2), "accumulation": recipe.accumulation * 2}
        options.append((", ".join(f"{name}={value}" for name, value in half.items()), half, workload.halved()))
    if max(workload.tiles) > 1:
        fewer = max(1, (max(workload.tiles) - 1) // 2)  # without the thumbnail
        options.append((f"max_tiles={fewer}", {"max_tiles": fewer}, workload.with_max_tiles(fewer)))
    if recipe.lora_rank >= 16:
        less = {"lora_rank": recipe.lora_rank // 4, "lora_alpha": recipe.lora_alpha / 4}
        options.append((f"lora_rank={recipe.lora_rank // 4}, lora_alpha={recipe.lora_alpha / 4:g}", less, workload))
    now, found = peak(recipe, workload), []
    for words, changes, load in options:
        changed = replace(recipe, **changes)
        if changed != recipe and (bytes_ := peak(changed, load)) < now:
            found.append((f"{words}: about {bytes_ / 2**30:.1f} GiB instead of {now / 2**30:.1f}", changed, bytes_))
    return sorted(found, key=lambda option: option[2])[:3]


def measure_memory(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, int]:
    """The same parts of a model that has just made a step, counted from the tensors that are there."""
    parts = dict.fromkeys(PARTS, 0)
    for parameter in model.parameters():
        state = getattr(parameter, "quant_state", None)
        if parameter.requires_grad:
            parts["trained weights"] += parameter.nbytes
            parts["gradients"] += 0 if parameter.grad is None else parameter.grad.nbytes
        elif state is None:
            parts["frozen weights"] += parameter.nbytes
        else:
            parts["NF4 weights"] += parameter.nbytes
            constants = [state.absmax, *([state.state2.absmax, state.state2.code] if state.nested else [])]
            parts["NF4 constants"] += sum(tensor.nbytes for tensor in constants)
    for moments in optimizer.state.values():
        parts["AdamW moments"] += moments["exp_avg"].nbytes + moments["exp_avg_sq"].nbytes
    return parts
