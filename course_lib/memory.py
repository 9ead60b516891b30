"""What fine-tuning keeps in memory, part by part: predicted from a model's shapes, and measured from its tensors.

These parts are there as long as the training is. Activations come on top, and grow with batch, length and tiles.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from course_lib.adapters import PROJECTOR, lora_targets
from course_lib.recipes import Recipe

if TYPE_CHECKING:
    import torch

PARTS = ("frozen weights", "NF4 weights", "NF4 constants", "trained weights", "gradients", "AdamW moments")
NF4_BLOCK = 64  # weights that share one largest value
NESTED_BLOCK = 256  # largest values that share one of their own: double quantisation (QLoRA, section 3)
NESTED_CODE = 256 * 4  # bytes a layer: the 256 levels of those 8-bit values, in float32


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
