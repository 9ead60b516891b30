"""Stage 1 trains the projector and nothing else, on captions whose loss is that of the whole model."""

from pathlib import Path

import pytest
import torch

from course_lib import stage_one
from course_lib.checkpoint import load_checkpoint
from course_lib.mini.exam import items
from course_lib.vision_features import model_inputs


@pytest.fixture
def vlm(tiny_folder: Path):
    return load_checkpoint(tiny_folder, device="cpu")


def test_only_the_answers_are_learned_and_every_picture_has_its_features(vlm):
    batches = stage_one.caption_batches(vlm, 6, "train", size=4)
    assert [len(batch["input_ids"]) for batch in batches] == [4, 2]
    answers = [item.answer for item in items("caption", "en", 6, tiled=False, split="train")]
    for batch in batches:
        assert batch["vision_features"].shape[:2] == (len(batch["input_ids"]), vlm.spec.tokens_per_tile)
        for labels in batch["labels"]:
            text = vlm.tokenizer.decode(labels[labels >= 0], skip_special_tokens=True)
            assert text.strip() == answers.pop(0)


def test_the_loss_is_that_of_the_model_looking_at_the_pictures(vlm):
    batches = stage_one.caption_batches(vlm, 4, "train", size=4)
    pictures = [vlm.pixel_values(i.image, max_tiles=1) for i in items("caption", "en", 4, tiled=False, split="train")]
    plain = {name: batches[0][name] for name in ("input_ids", "attention_mask", "labels")}
    with torch.no_grad():
        loss = vlm.model(**plain, pixel_values=torch.cat(pictures)).loss.item()
    assert stage_one.mean_loss(vlm, batches) == pytest.approx(loss, rel=1e-4)


def test_a_step_moves_the_projector_and_nothing_else(vlm):
    batch = stage_one.caption_batches(vlm, 4, "train", size=4)[0]
    before = {name: tensor.clone() for name, tensor in vlm.model.state_dict().items()}
    trained = stage_one.freeze_all_but_projector(vlm)
    assert trained == sum(p.numel() for p in vlm.model.model.multi_modal_projector.parameters())
    optimizer = torch.optim.AdamW([p for p in vlm.model.parameters() if p.requires_grad], 1e-2)
    vlm.model(**model_inputs(vlm.model, batch)).loss.backward()
    optimizer.step()
    moved = {name for name, tensor in vlm.model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved and all("multi_modal_projector" in name for name in moved)


def test_forgetting_is_repeatable_and_leaves_the_global_generator_alone(vlm):
    projector = vlm.model.model.multi_modal_projector
    before = projector.linear_1.weight.clone()
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    stage_one.forget_projector(vlm, seed=1)
    assert torch.equal(torch.rand(1), expected)
    first = projector.linear_1.weight.clone()
    assert not torch.equal(first, before)
    stage_one.forget_projector(vlm, seed=1)
    assert torch.equal(projector.linear_1.weight, first)
