"""The first training stage, small enough for a notebook: captions of drawn pictures, and a projector that forgot all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from course_lib.conversation import encode_example
from course_lib.dataset import collate
from course_lib.mini.exam import items
from course_lib.vision_features import model_inputs, vision_features

if TYPE_CHECKING:
    import torch

    from course_lib.vlm import VLM


def caption_batches(vlm: VLM, count: int, split: str, *, size: int = 32) -> list[dict[str, torch.Tensor]]:
    """Batches of English captions of drawn pictures, one tile each, with `vision_features` [size, tokens, channels].

    The encoder is frozen in this stage, so it runs once for each picture, here, and not at every step.
    """
    import torch

    examples = []
    for item in items("caption", "en", count, tiled=False, split=split):
        turns = [
            {"role": "user", "content": f"<image>\n{item.question}"},
            {"role": "assistant", "content": item.answer},
        ]
        ids = encode_example(
            turns, vlm.tokenizer, (vlm.spec.tokens_per_tile,), system=vlm.spec.system, separator=vlm.spec.separator
        )
        pixel_values = vlm.pixel_values(item.image, max_tiles=1).to(vlm.device)
        example = {name: torch.tensor(ids[name]) for name in ("input_ids", "labels")}
        examples.append({**example, "vision_features": vision_features(vlm.model, pixel_values)})
    batches = [collate(examples[i : i + size], vlm.tokenizer.pad_token_id) for i in range(0, count, size)]
    return [{name: tensor.to(vlm.device) for name, tensor in batch.items()} for batch in batches]


def mean_loss(vlm: VLM, batches: Sequence[dict[str, torch.Tensor]]) -> float:
    """The captions' loss in nats a token, without learning."""
    import torch

    with torch.no_grad():
        losses = [vlm.model(**model_inputs(vlm.model, batch)).loss.item() for batch in batches]
    return sum(losses) / len(losses)


def freeze_all_but_projector(vlm: VLM) -> int:
    """Leave only the projector trainable; returns how many parameters that is."""
    vlm.model.requires_grad_(False)
    vlm.model.model.multi_modal_projector.requires_grad_(True)
    return sum(p.numel() for p in vlm.model.parameters() if p.requires_grad)


def forget_projector(vlm: VLM, seed: int = 0) -> None:
    """Give the projector's layers random weights, as before any training."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for layer in vlm.model.model.multi_modal_projector.modules():
            if hasattr(layer, "reset_parameters"):
                layer.reset_parameters()
