"""What a model thinks of a known answer: logits and loss at the answer's tokens, the answer's earlier tokens given.

Generation shows one answer; this shows the whole distribution at every step of the right one, so it moves long before
the first generated word changes. Training minimises exactly this loss, and two models are compared by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from course_lib.dataset import Record, VLDataset, collate
from course_lib.vision_features import model_inputs

if TYPE_CHECKING:
    import torch

    from course_lib.vlm import VLM

NO_LIMIT = 1_000_000  # held-out records are measured whole; only training has a maximum length


def answer_logits(
    vlm: VLM, records: Sequence[Record], *, batch_size: int = 8, max_tiles: int | None = None
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield per batch (logits `[answer tokens, vocabulary]` in float32, wanted ids `[answer tokens]`) on the CPU.

    Only the answers' positions reach the output head: with 3,328 visual tokens and 92,553 words a whole prompt's
    logits would take 1.2 GB a record.
    """
    import torch

    examples = VLDataset(records, vlm.tokenizer, vlm.spec, max_length=NO_LIMIT, max_tiles=max_tiles)
    vlm.model.eval()
    for start in range(0, len(examples), batch_size):
        rows = [examples[i] for i in range(start, min(start + batch_size, len(examples)))]
        batch = {name: tensor.to(vlm.device) for name, tensor in collate(rows, vlm.tokenizer.pad_token_id).items()}
        with torch.inference_mode():
            inputs = model_inputs(vlm.model, batch)
            wanted = inputs.pop("labels")  # already moved one step left: logits at t are about token t + 1
            del inputs["shift_labels"]  # without labels the model returns logits only
            logits = vlm.model(**inputs).logits  # [answer tokens, vocabulary]
        yield logits.reshape(-1, logits.shape[-1]).float().cpu(), wanted.cpu()


def held_out_loss(
    vlm: VLM, records: Sequence[Record], *, batch_size: int = 8, max_tiles: int | None = None
) -> float:
    """Mean cross-entropy in nats over all answer tokens of `records` (each token counts alike, as in training)."""
    import torch

    total, tokens = 0.0, 0
    for logits, wanted in answer_logits(vlm, records, batch_size=batch_size, max_tiles=max_tiles):
        total += torch.nn.functional.cross_entropy(logits, wanted, reduction="sum").item()
        tokens += wanted.numel()
    if not tokens:
        raise ValueError("no record has an answer token to measure the loss on")
    return total / tokens
