"""timm's vision transformer with InternViT's weights is InternViT; with another option it is not."""

from functools import partial

import pytest
import torch
from timm.models.vision_transformer import VisionTransformer

from course_lib.timm_twin import timm_weights


def twin(tiny, **options):
    config, spec = tiny.model.config.vision_config, tiny.spec
    settings = {
        "img_size": spec.tile_size, "patch_size": spec.patch_size, "num_classes": 0, "global_pool": "",
        "embed_dim": config.hidden_size, "depth": config.num_hidden_layers, "num_heads": config.num_attention_heads,
        "mlp_ratio": config.intermediate_size / config.hidden_size, "qkv_bias": True, "init_values": 0.1,
        "norm_layer": partial(torch.nn.LayerNorm, eps=1e-6), "final_norm": False,
    }  # fmt: skip
    return VisionTransformer(**settings | options).eval()


def test_the_twin_computes_the_same(tiny):
    vit = twin(tiny)
    vit.load_state_dict(timm_weights(tiny.model.model.vision_tower))
    pixels = torch.randn(2, 3, tiny.spec.tile_size, tiny.spec.tile_size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours = tiny.model.model.vision_tower(pixels).last_hidden_state
        torch.testing.assert_close(vit(pixels), ours, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("option", [{"qkv_bias": False}, {"init_values": None}, {"final_norm": True}])
def test_another_option_does_not_even_load(tiny, option: dict):
    with pytest.raises(RuntimeError, match="state_dict"):
        twin(tiny, **option).load_state_dict(timm_weights(tiny.model.model.vision_tower))
