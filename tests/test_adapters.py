"""QLoRA by hand and by library: the same numbers, the right layers, and nothing but the adapter learns."""

import json

import pytest
import torch

from course_lib.adapters import (
    NF4_LEVELS, add_adapter, attach_adapter, dequantise_nf4_by_hand, lora_targets, parameter_table,
    quantise_nf4_by_hand, save_adapter,
)  # fmt: skip
from course_lib.checkpoint import load_checkpoint

KINDS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def test_nf4_has_sixteen_rising_levels_with_an_exact_zero_and_both_ends():
    assert len(NF4_LEVELS) == 16 and sorted(set(NF4_LEVELS)) == list(NF4_LEVELS)
    assert (NF4_LEVELS[0], NF4_LEVELS[7], NF4_LEVELS[15]) == (-1.0, 0.0, 1.0)


def test_nf4_levels_and_quantisation_by_hand_equal_bitsandbytes():
    from bitsandbytes.functional import dequantize_4bit, get_4bit_type, quantize_4bit

    assert torch.allclose(torch.tensor(NF4_LEVELS), get_4bit_type("nf4", device="cpu"), atol=1e-6)
    w = torch.randn(96, 64, generator=torch.Generator().manual_seed(0))
    packed, state = quantize_4bit(w, blocksize=64, quant_type="nf4", compress_statistics=False)
    codes, absmax = quantise_nf4_by_hand(w)
    high_nibble_first = torch.stack([packed.flatten() >> 4, packed.flatten() & 15], dim=1).flatten()
    assert torch.equal(codes.flatten(), high_nibble_first)
    assert torch.equal(absmax, state.absmax.flatten())
    by_hand = dequantise_nf4_by_hand(codes, absmax, w.shape)
    assert torch.allclose(by_hand, dequantize_4bit(packed, state), atol=1e-5)
    # No level is farther from a weight than half the widest gap between levels, times the block's largest value.
    gap = max(b - a for a, b in zip(NF4_LEVELS, NF4_LEVELS[1:]))
    assert ((by_hand - w).abs().view(-1, 64) <= absmax[:, None] * gap / 2 + 1e-6).all()


@pytest.mark.parametrize("shape", [(1,), (5, 7), (3, 64), (130,)])
def test_any_shape_can_be_quantised_and_zeros_stay_zero(shape):
    w = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    for weights in (w, torch.zeros(shape)):
        back = dequantise_nf4_by_hand(*quantise_nf4_by_hand(weights), weights.shape)
        assert back.shape == weights.shape and back.isfinite().all()
    assert (back == 0).all()


@pytest.fixture(scope="module")
def checkpoint(tiny_folder):
    return tiny_folder


def test_targets_are_all_linears_of_the_language_model_and_the_head_only_if_asked(checkpoint):
    model = load_checkpoint(checkpoint).model
    layers = model.config.text_config.num_hidden_layers
    names = lora_targets(model)
    assert len(names) == 7 * layers
    assert {name.rsplit(".", 1)[1] for name in names} == set(KINDS)
    assert all(name.startswith("model.language_model.layers.") for name in names)
    assert lora_targets(model, head=True) == [*names, "lm_head"]
    assert lora_targets(load_checkpoint(checkpoint, quantization="nf4").model) == names


@pytest.mark.parametrize("rank, head, projector, trained", [
    (4, False, True, {"LoRA", "projector"}),
    (4, True, False, {"LoRA"}),
    (0, False, True, {"projector"}),
])
def test_only_adapter_and_projector_are_trained_and_in_float32(checkpoint, rank, head, projector, trained):
    vlm = load_checkpoint(checkpoint, dtype=torch.bfloat16)
    targets = [vlm.model.get_submodule(name) for name in lora_targets(vlm.model, head)]
    adapted = add_adapter(vlm, rank=rank, alpha=8, head=head, train_projector=projector)
    table = parameter_table(vlm.model)
    assert set(table.index[table["trained"] > 0]) == trained | {"total"}
    assert table.loc["total", "trained"] == sum(p.numel() for p in adapted.parameters() if p.requires_grad)
    assert {p.dtype for p in adapted.parameters() if p.requires_grad} == {torch.float32}
    if rank:
        expected = sum(rank * (layer.in_features + layer.out_features) for layer in targets)
        assert table.loc["LoRA", "parameters"] == expected


def test_training_nothing_is_refused(checkpoint):
    with pytest.raises(ValueError, match="would train nothing"):
        add_adapter(load_checkpoint(checkpoint), rank=0, alpha=1, train_projector=False)


def test_the_table_counts_a_4_bit_weight_as_the_numbers_it_stands_for(checkpoint):
    plain, quantised = (parameter_table(load_checkpoint(checkpoint, quantization=q, dtype=torch.float32).model)
                        for q in (None, "nf4"))
    assert (plain["parameters"] == quantised["parameters"]).all()
    # float32 is 8 times as large as 4 bits; the blocks' constants add an eighth of a bit and a bit more.
    ratio = quantised.loc["language model", "MiB"] / plain.loc["language model", "MiB"]
    assert 1 / 8 < ratio < 1 / 4
    assert quantised.loc["ViT", "MiB"] == plain.loc["ViT", "MiB"]


def ids_and_pixels(vlm) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    spec = vlm.spec
    ids = torch.randint(5, 200, (2, 12), generator=generator)
    ids[:, 2:2 + spec.tokens_per_tile] = spec.image_token_id
    pixels = torch.randn(2, 3, spec.tile_size, spec.tile_size, generator=generator)
    return {"input_ids": ids, "pixel_values": pixels}


@pytest.mark.parametrize("quantization", [None, "nf4"])
def test_a_saved_adapter_gives_the_same_logits_when_attached_again(checkpoint, tmp_path, quantization):
    vlm = load_checkpoint(checkpoint, quantization=quantization)
    before = vlm.model(**ids_and_pixels(vlm)).logits.detach() if quantization is None else None
    adapted = add_adapter(vlm, rank=4, alpha=8, head=True)
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)))
    adapted.eval()
    expected = vlm.model(**ids_and_pixels(vlm)).logits
    save_adapter(adapted, tmp_path / "adapter")
    fresh = load_checkpoint(checkpoint, quantization=quantization)
    attach_adapter(fresh, tmp_path / "adapter")
    torch.testing.assert_close(fresh.model(**ids_and_pixels(fresh)).logits, expected, atol=1e-5, rtol=1e-5)
    if before is not None:
        assert (expected - before).abs().max() > 0.1


def test_an_adapter_folder_holds_lora_and_projector_in_safetensors_and_nothing_else(checkpoint, tmp_path):
    from safetensors import safe_open

    vlm = load_checkpoint(checkpoint)
    save_adapter(add_adapter(vlm, rank=4, alpha=8, head=True), tmp_path)
    with safe_open(tmp_path / "adapter_model.safetensors", "pt") as file:
        names = list(file.keys())
    layers = vlm.model.config.text_config.num_hidden_layers
    assert sum("lora_" in name for name in names) == 2 * (7 * layers + 1)
    assert sum("multi_modal_projector" in name for name in names) == 6 == len([n for n in names if "lora_" not in n])
    assert json.loads((tmp_path / "adapter_config.json").read_text())["r"] == 4


def test_attaching_a_folder_without_an_adapter_names_what_is_missing(checkpoint, tmp_path):
    with pytest.raises(FileNotFoundError, match="no adapter_config.json"):
        attach_adapter(load_checkpoint(checkpoint), tmp_path)


def test_an_nf4_model_can_answer_between_training_steps_without_losing_gradients(checkpoint):
    vlm = load_checkpoint(checkpoint, quantization="nf4")
    adapted = add_adapter(vlm, rank=4, alpha=8)
    inputs = ids_and_pixels(vlm)
    adapted.eval()
    with torch.no_grad():
        first = vlm.model(**inputs).logits
    adapted.train()
    vlm.model(**inputs).logits.sum().backward()
    lowest = vlm.model.model.language_model.layers[0].self_attn.q_proj
    assert lowest.lora_B["default"].weight.grad.abs().sum() > 0
    with torch.no_grad():
        torch.testing.assert_close(vlm.model(**inputs).logits, first)  # training and evaluation path agree exactly
