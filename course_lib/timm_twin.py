"""InternViT's weights under the names of timm's VisionTransformer: the same network, called differently."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

# transformers' name -> timm's, as replacements of parts.
NAMES = {
    "embeddings.patch_embeddings.projection": "patch_embed.proj",
    "embeddings.cls_token": "cls_token",
    "embeddings.position_embeddings": "pos_embed",
    "encoder.layer": "blocks",
    "layernorm_before": "norm1",
    "layernorm_after": "norm2",
    "attention.projection_layer": "attn.proj",
    "lambda_1": "ls1.gamma",
    "lambda_2": "ls2.gamma",
}


def timm_weights(vision_tower: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The tower's tensors, float32 on the CPU, as timm's `load_state_dict` wants them: q, k and v in one matrix."""
    import torch

    weights, joined = {}, {}
    for name, tensor in vision_tower.state_dict().items():
        for theirs, timms in NAMES.items():
            name = name.replace(theirs, timms)
        tensor = tensor.float().cpu()
        part = re.fullmatch(r"(.*)\.attention\.[qkv]_proj\.(weight|bias)", name)
        if part:
            joined.setdefault(f"{part[1]}.attn.qkv.{part[2]}", []).append(tensor)  # in the order q, k, v
        else:
            weights[name] = tensor
    return weights | {name: torch.cat(parts) for name, parts in joined.items()}
