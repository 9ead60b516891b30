"""Activations: the tensors named in course_lib.activations are, to the byte, what autograd keeps."""

from dataclasses import replace

import pytest
import torch

from course_lib import activations as act
from course_lib.activations import Numbers
from course_lib.adapters import add_adapter
from course_lib.checkpoint import load_checkpoint
from course_lib.memory import Workload, activation_sizes, copied_weights
from course_lib.recipes import Recipe
from course_lib.vision_features import model_inputs

PLAIN = Recipe("plain", lora_rank=8, lora_alpha=16)
DROPOUT = replace(PLAIN, lora_dropout=0.05, lora_on_head=True)
NF4 = {"quantization": "nf4"}
CPU_BF16, CPU_FLOAT32 = Numbers(4, 2, False, "eager"), Numbers(4, 4, False, "eager")
IN_16_BITS = Numbers(2, 2, False, "sdpa")


def kept_by_autograd(folder, recipe: Recipe, numbers: Numbers, load: Workload) -> int:
    """Bytes of the pieces of memory that the backward pass of one batch will read, weights aside."""
    vlm = load_checkpoint(folder, quantization=recipe.quantization, device="cpu",
                          dtype=torch.float32 if numbers.weights == 4 else torch.bfloat16)
    vlm.model.set_attn_implementation(numbers.attention)
    adapted = add_adapter(vlm, rank=recipe.lora_rank, alpha=recipe.lora_alpha, dropout=recipe.lora_dropout,
                          head=recipe.lora_on_head, train_projector=recipe.train_projector).train()
    records, longest = len(load.tiles), max(load.lengths)
    ids = torch.full((records, longest), 5)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
    for row, (tiles, length, labelled) in enumerate(zip(load.tiles, load.lengths, load.labelled)):
        ids[row, 1:1 + tiles * load.tokens_per_tile] = vlm.spec.image_token_id
        mask[row, :length] = 1
        labels[row, length - labelled:length] = 5
    side = vlm.spec.tile_size
    batch = {"input_ids": ids, "attention_mask": mask, "labels": labels,
             "pixel_values": torch.zeros(sum(load.tiles), 3, side, side)}
    weights = {parameter.untyped_storage().data_ptr() for parameter in adapted.parameters()}
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        memory = tensor.untyped_storage()
        if memory.data_ptr() not in weights:
            kept[memory.data_ptr()] = memory.nbytes()
        return tensor

    with (torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor),
          torch.autocast("cpu", torch.bfloat16, enabled=numbers.products == 2)):
        output = adapted(**model_inputs(adapted.get_base_model(), batch))
    assert torch.isfinite(output.loss)
    return sum(kept.values())


def predicted(model, recipe: Recipe, numbers: Numbers, load: Workload) -> int:
    size = activation_sizes(model, recipe, load, numbers)
    layers = model.config.text_config.num_hidden_layers
    return (layers * (size["layer"] + size["bias"]) + size["outside"] + size["head"]
            + copied_weights(model, recipe, numbers) + 4)  # and the number of labels, a float32


@pytest.fixture
def like_a_gpu(monkeypatch):
    """CUDA's dropout, which keeps a byte a number, and peft seeing that autocast is on (it asks about CUDA's)."""
    import peft.tuners.lora.bnb as bnb

    def dropout(x, p=0.5, training=True, inplace=False):
        return torch.native_dropout(x, p, training)[0] if p and training else x

    class Torch:
        def __getattr__(self, name):
            return getattr(torch, name)

        def is_autocast_enabled(self):
            return torch.is_autocast_enabled("cpu")

    monkeypatch.setattr(torch.nn.functional, "dropout", dropout)
    monkeypatch.setattr(bnb, "torch", Torch())


@pytest.mark.parametrize("numbers", [CPU_BF16, CPU_FLOAT32, IN_16_BITS], ids=["bf16", "float32", "16-bit weights"])
@pytest.mark.parametrize("recipe", [
    PLAIN, DROPOUT, replace(PLAIN, **NF4), replace(DROPOUT, **NF4), replace(PLAIN, lora_rank=0),
], ids=["16 bit", "16 bit, dropout, head", "NF4", "NF4, dropout, head", "projector alone"])  # fmt: skip
def test_named_tensors_are_what_autograd_keeps_on_a_cpu(tiny_folder, tiny, recipe, numbers):
    load = Workload((2, 3, 1), (30, 34, 21), (5, 4, 6), tiny.spec.tokens_per_tile)
    assert load.padded
    assert kept_by_autograd(tiny_folder, recipe, numbers, load) == predicted(tiny.model, recipe, numbers, load)


@pytest.mark.parametrize("text", [(30, 30), (30, 21)], ids=["equal lengths", "padded"])
@pytest.mark.parametrize("recipe", [PLAIN, DROPOUT, replace(PLAIN, **NF4), replace(DROPOUT, **NF4)],
                         ids=["16 bit", "16 bit, dropout, head", "NF4", "NF4, dropout, head"])  # fmt: skip
def test_named_tensors_are_what_autograd_keeps_where_a_gpu_differs(tiny_folder, tiny, like_a_gpu, recipe, text):
    load = Workload((2, 2), text, (5, 4), tiny.spec.tokens_per_tile)
    gpu = Numbers.of(recipe, "cuda")
    norm_of_projector = 2 * load.visual_tokens * act.vision_channels(tiny.model.config)  # float32 under CUDA's autocast
    kept = kept_by_autograd(tiny_folder, recipe, replace(gpu, cuda=False), load)
    assert kept == predicted(tiny.model, recipe, gpu, load) - norm_of_projector


def test_a_frozen_projector_keeps_nothing_and_neither_does_the_first_norm(tiny_folder, tiny):
    load = Workload.alike(2, 2, 30, 5, tiny.spec.tokens_per_tile)
    frozen = replace(PLAIN, train_projector=False)
    kept = kept_by_autograd(tiny_folder, frozen, IN_16_BITS, load)
    text = tiny.model.config.text_config
    not_read = 3 * 2 * frozen.lora_rank * text.hidden_size  # copies of the first q, k, v adapters' A
    assert kept == predicted(tiny.model, frozen, IN_16_BITS, load) - not_read
    assert kept < kept_by_autograd(tiny_folder, PLAIN, IN_16_BITS, load)


def test_a_layer_of_the_2b_model_adds_up_from_its_named_tensors():
    from course_lib.checkpoint import internvl2_2b_config
    from course_lib.layout import native_config
    from course_lib.recipes import FOOD_LORA

    text = native_config(internvl2_2b_config(), image_token_id=92546).text_config
    hidden, inner, rank, heads = 2048, 8192, 128, 16
    layer = act.layer_tensors(text, FOOD_LORA, Numbers(), padded=True)
    norms, attention, mlp = 8 * hidden + 8, 8 * hidden + 4 * heads, 6 * inner
    adapters = 3 * (6 * hidden + inner) + 7 * 2 * rank  # 16-bit input and a byte of dropout, and what A gives
    assert sum(layer.values()) == norms + attention + mlp + adapters == 145_224
    shared = act.layer_tensors(text, FOOD_LORA, Numbers(), padded=False)
    assert sum(layer.values()) - sum(shared.values()) == 2 * 2 * hidden // 2  # keys and values of half the heads


def test_attention_grows_with_the_square_of_the_length_unless_it_is_fused_and_without_a_mask(tiny):
    text = tiny.model.config.text_config
    assert act.layer_pairs(text, Numbers(), padded=False) == 0
    assert act.layer_pairs(text, Numbers(), padded=True) == 2
    assert act.layer_pairs(text, Numbers(attention="eager"), padded=False) == 6 * text.num_attention_heads


def test_an_unknown_device_is_an_error():
    with pytest.raises(ValueError, match="'cuda' or 'cpu'"):
        Numbers.of(PLAIN, "tpu")
