"""Memory: what is predicted from shapes is, to the byte, what is there after a training step."""

from dataclasses import replace

import pytest
import torch

from course_lib.adapters import add_adapter
from course_lib.checkpoint import empty_model, internvl2_2b_config, load_checkpoint
from course_lib.layout import native_config
from course_lib.memory import PARTS, measure_memory, predict_memory
from course_lib.recipes import FOOD_LORA, MEME_QLORA, Recipe

SMALL = Recipe("small", lora_rank=8, lora_alpha=16)


@pytest.fixture(scope="module")
def large():
    return empty_model(native_config(internvl2_2b_config(), image_token_id=92546))


@pytest.mark.parametrize("recipe", [
    replace(SMALL, quantization="nf4"),
    replace(SMALL, lora_on_head=True),
    replace(SMALL, quantization="nf4", train_projector=False),
    replace(SMALL, lora_rank=0),
], ids=["QLoRA", "LoRA with head", "no projector", "projector alone"])  # fmt: skip
def test_prediction_from_shapes_equals_what_a_training_step_leaves(tiny_folder, tiny, recipe):
    predicted = predict_memory(tiny.model, recipe)
    vlm = load_checkpoint(tiny_folder, quantization=recipe.quantization, dtype=torch.bfloat16, device="cpu")
    adapted = add_adapter(vlm, rank=recipe.lora_rank, alpha=recipe.lora_alpha, head=recipe.lora_on_head,
                          train_projector=recipe.train_projector)  # fmt: skip
    optimizer = torch.optim.AdamW([parameter for parameter in adapted.parameters() if parameter.requires_grad])
    tokens = torch.full((1, 2 + vlm.spec.tokens_per_tile), vlm.spec.image_token_id)
    tokens[0, [0, -1]] = 5
    side = vlm.spec.tile_size
    with torch.autocast("cpu", torch.bfloat16):
        adapted(input_ids=tokens, labels=tokens, pixel_values=torch.zeros(1, 3, side, side)).loss.backward()
    optimizer.step()
    assert measure_memory(adapted, optimizer) == predicted
    assert list(predicted) == list(PARTS)


def test_full_fine_tuning_takes_sixteen_bytes_a_parameter(large):
    parts = predict_memory(large, None)
    assert sum(parts.values()) == 16 * 2_205_754_368 and not parts["frozen weights"]


def test_nf4_takes_a_little_over_four_bits_of_the_2b_layers_and_leaves_the_rest_in_sixteen(large):
    lora, qlora = predict_memory(large, FOOD_LORA), predict_memory(large, MEME_QLORA)
    in_nf4 = (lora["frozen weights"] - qlora["frozen weights"]) // 2
    assert in_nf4 == 24 * (2 * 2048 * 2048 + 2 * 2048 * 1024 + 3 * 2048 * 8192)
    assert 4.12 < 8 * (qlora["NF4 weights"] + qlora["NF4 constants"]) / in_nf4 < 4.13
    assert lora["AdamW moments"] == qlora["AdamW moments"] == 2 * lora["gradients"] == 2 * lora["trained weights"]
