"""The official InternVLChatModel layout in terms of transformers' own InternVL: its configuration and its tensors.

Both describe the same mathematics. What differs: the official ViT keeps query, key and value in one matrix; so does
InternLM2, which orders its rows by key-value head, each with its group of queries: (kv heads, group + 2, head).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from course_lib.pixel_shuffle import space_to_depth_v1

if TYPE_CHECKING:
    from transformers import InternVLConfig, InternVLForConditionalGeneration, PretrainedConfig

LANGUAGE_MODELS = {
    "InternLM2ForCausalLM": "internlm2",
    "Qwen2ForCausalLM": "qwen2",
    "LlamaForCausalLM": "llama",
}
# Fields that mean the same in the official llm_config and in transformers' text_config.
_SHARED_FIELDS = (
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
    "hidden_act", "max_position_embeddings", "initializer_range", "rms_norm_eps", "bos_token_id", "eos_token_id",
    "pad_token_id", "use_sliding_window", "sliding_window", "max_window_layers", "attention_bias", "mlp_bias",
)  # fmt: skip

# transformers' names -> official names, as replacements of parts.
_VISION = {
    "model.vision_tower.": "vision_model.",
    ".cls_token": ".class_embedding",
    ".position_embeddings": ".position_embedding",
    ".patch_embeddings.projection": ".patch_embedding",
    ".encoder.layer.": ".encoder.layers.",
    ".lambda_1": ".ls1",
    ".lambda_2": ".ls2",
    ".layernorm_before": ".norm1",
    ".layernorm_after": ".norm2",
    ".attention.q_proj": ".attn.qkv",
    ".attention.k_proj": ".attn.qkv",
    ".attention.v_proj": ".attn.qkv",
    ".attention.q_norm": ".attn.q_norm",
    ".attention.k_norm": ".attn.k_norm",
    ".attention.projection_layer": ".attn.proj",
}
_PROJECTOR = {
    "model.multi_modal_projector.layer_norm": "mlp1.0",
    "model.multi_modal_projector.linear_1": "mlp1.1",
    "model.multi_modal_projector.linear_2": "mlp1.3",
}
_INTERNLM2 = {
    "lm_head.": "language_model.output.",
    "model.language_model.": "language_model.model.",
    ".embed_tokens": ".tok_embeddings",
    ".self_attn.q_proj": ".attention.wqkv",
    ".self_attn.k_proj": ".attention.wqkv",
    ".self_attn.v_proj": ".attention.wqkv",
    ".self_attn.o_proj": ".attention.wo",
    ".input_layernorm": ".attention_norm",
    ".post_attention_layernorm": ".ffn_norm",
    ".mlp.gate_proj": ".feed_forward.w1",
    ".mlp.up_proj": ".feed_forward.w3",
    ".mlp.down_proj": ".feed_forward.w2",
}
_LLAMA_OR_QWEN2 = {"lm_head.": "language_model.lm_head.", "model.language_model.": "language_model.model."}


class CheckpointError(ValueError):
    """A folder that is not a checkpoint this kit can load; the message names the file or field and what to do."""


def native_config(config: Mapping[str, Any], image_token_id: int, *, tied: bool = False) -> InternVLConfig:
    """The official config.json -> transformers' InternVLConfig. Raises CheckpointError."""
    from transformers import InternVLConfig

    # `tie_word_embeddings` is True by default at the top level: left alone, it silently replaces the output head.
    return InternVLConfig(
        vision_config=_vision_config(config["vision_config"]),
        text_config=_text_config(config["llm_config"], tied),
        image_token_id=image_token_id,
        image_seq_length=tokens_per_tile(config),
        downsample_ratio=config.get("downsample_ratio", 0.5),
        vision_feature_layer=config.get("select_layer", -1),
        tie_word_embeddings=tied,
    )


def tokens_per_tile(config: Mapping[str, Any]) -> int:
    """Visual tokens a tile: (tile / patch * downsample ratio) squared, of an official config.json."""
    vision = config["vision_config"]
    side = (config.get("force_image_size") or vision["image_size"]) // vision["patch_size"]
    return int((side * config.get("downsample_ratio", 0.5)) ** 2)


def _vision_config(vision: Mapping[str, Any]) -> PretrainedConfig:
    from transformers import InternVLVisionConfig

    if vision.get("use_mean_pooling") is False:
        raise CheckpointError("vision_config.use_mean_pooling is false: InternViT has no final norm")
    return InternVLVisionConfig(
        hidden_size=vision["hidden_size"],
        num_hidden_layers=vision["num_hidden_layers"],
        num_attention_heads=vision["num_attention_heads"],
        intermediate_size=vision["intermediate_size"],
        attention_bias=vision.get("qkv_bias", False),
        use_qk_norm=vision.get("qk_normalization", False),
        hidden_act=vision.get("hidden_act", "gelu"),
        norm_type=vision.get("norm_type", "layer_norm"),
        layer_norm_eps=vision.get("layer_norm_eps", 1e-6),
        image_size=vision["image_size"],
        patch_size=vision["patch_size"],
        num_channels=vision.get("num_channels", 3),
    )


def language_model_kind(llm: Mapping[str, Any]) -> str:
    """`internlm2`, `qwen2` or `llama`, from an official llm_config. Raises CheckpointError."""
    architecture = (llm.get("architectures") or ["nothing"])[0]
    if architecture not in LANGUAGE_MODELS:
        raise CheckpointError(
            f"llm_config names the language model {architecture}; this kit loads {', '.join(LANGUAGE_MODELS)}"
        )
    return LANGUAGE_MODELS[architecture]


def _text_config(llm: Mapping[str, Any], tied: bool) -> PretrainedConfig:
    from transformers import LlamaConfig, Qwen2Config

    kind = language_model_kind(llm)
    fields = {name: llm[name] for name in _SHARED_FIELDS if llm.get(name) is not None}
    rope = {"rope_type": "default", **(llm.get("rope_scaling") or {})}
    rope["rope_type"] = rope.pop("type", rope["rope_type"])
    rope["rope_theta"] = llm.get("rope_theta", 10000.0)
    if kind == "internlm2":
        fields["attention_bias"] = llm.get("bias", False)
    return (Qwen2Config if kind == "qwen2" else LlamaConfig)(
        **fields, rope_parameters=rope, tie_word_embeddings=tied
    )


@dataclass(frozen=True)
class OfficialLayout:
    """The tensors of an official checkpoint in terms of transformers' model, one at a time, in either direction."""

    kind: str  # of the language model: internlm2 | qwen2 | llama
    kv_heads: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> OfficialLayout:
        """The layout that an official config.json describes. Raises CheckpointError."""
        llm = config["llm_config"]
        return cls(language_model_kind(llm), llm.get("num_key_value_heads") or llm["num_attention_heads"])

    def name(self, native: str) -> str:
        """transformers' name of a tensor -> the official name; q, k and v share one where the file joins them."""
        if native.startswith("model.vision_tower."):
            parts = _VISION
        elif native.startswith("model.multi_modal_projector."):
            parts = _PROJECTOR
        else:
            parts = _INTERNLM2 if self.kind == "internlm2" else _LLAMA_OR_QWEN2
        for ours, theirs in parts.items():
            native = native.replace(ours, theirs)
        return native

    def join(self, official: str, parts: list[torch.Tensor]) -> torch.Tensor:
        """transformers' tensors (one; or query, key and value) -> the official one."""
        if len(parts) == 1:
            return parts[0]
        if ".attention.wqkv." not in official:
            return torch.cat(parts)  # [3 * hidden, ...]
        # Rows in order of kv head, each with its group of queries, then its key, then its value.
        group = parts[0].shape[0] // parts[1].shape[0]
        heads = [
            part.unflatten(0, (self.kv_heads, count, -1)) for part, count in zip(parts, (group, 1, 1), strict=True)
        ]
        return torch.cat(heads, dim=1).flatten(0, 2)  # [kv heads, group + 2, head, ...] -> [rows, ...]

    def split(self, official: str, tensor: torch.Tensor, shapes: list[torch.Size]) -> list[torch.Tensor]:
        """The official tensor -> transformers' tensors of these shapes, each with memory of its own."""
        if len(shapes) == 1:
            return [tensor]
        rows = [shape[0] for shape in shapes]
        if ".attention.wqkv." not in official:
            return [part.clone() for part in tensor.split(rows)]
        group = rows[0] // rows[1]
        heads = tensor.unflatten(0, (self.kv_heads, group + 2, -1))  # [kv heads, group + 2, head, ...]
        return [part.flatten(0, 2).clone() for part in heads.split([group, 1, 1], dim=1)]


@dataclass(frozen=True)
class NativeLayout:
    """The tensors of transformers' own layout: one to one, with today's names or those of before transformers 4.52."""

    prefixed: bool  # model.vision_tower… and lm_head (today), or vision_tower… and language_model.lm_head

    def name(self, native: str) -> str:
        """transformers' name of a tensor -> its name in the file."""
        if self.prefixed:
            return native
        if native.startswith(("lm_head.", "model.language_model.")):
            return native.replace("model.language_model.", "language_model.model.").replace(
                "lm_head.", "language_model.lm_head."
            )
        return native.removeprefix("model.")

    def join(self, stored: str, parts: list[torch.Tensor]) -> torch.Tensor:
        return parts[0]

    def split(self, stored: str, tensor: torch.Tensor, shapes: list[torch.Size]) -> list[torch.Tensor]:
        return [tensor]


def empty_model(config: InternVLConfig, *, ps_version: str = "v2") -> InternVLForConditionalGeneration:
    """transformers' model on the meta device: all shapes, no weights, no memory."""
    from transformers import InternVLForConditionalGeneration

    with torch.device("meta"):
        model = InternVLForConditionalGeneration(config)
    # Computed, not stored in any checkpoint, so made here for real.
    rotary = model.model.language_model.rotary_emb
    model.model.language_model.rotary_emb = type(rotary)(model.config.text_config)
    if ps_version == "v1":
        model.model.pixel_shuffle = lambda features, scale_factor: space_to_depth_v1(features, round(1 / scale_factor))
    return model


def count_parameters(model: torch.nn.Module) -> dict[str, int]:
    """Parameters by part: vision tower, projector, language model (its layers and last norm), embeddings, head."""
    parts = dict.fromkeys(("vision tower", "projector", "language model", "embeddings", "head"), 0)
    for name, parameter in model.named_parameters():
        if "vision_tower." in name:
            part = "vision tower"
        elif "multi_modal_projector." in name:
            part = "projector"
        elif "embed_tokens." in name:
            part = "embeddings"
        elif "lm_head." in name:
            part = "head"
        else:
            part = "language model"
        parts[part] += parameter.numel()
    return parts


def tensor_table(
    model: InternVLForConditionalGeneration, layout: OfficialLayout | NativeLayout
) -> dict[str, list[str]]:
    """Each tensor of the file with those of transformers' model that it holds (three where q, k, v are joined)."""
    table: dict[str, list[str]] = {}
    for name in model.state_dict():
        if not (name == "lm_head.weight" and model.config.tie_word_embeddings):
            table.setdefault(layout.name(name), []).append(name)
    return table
