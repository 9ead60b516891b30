"""InternVL2's config.json as objects, which lmdeploy's PyTorch backend wants, in place of the checkpoint's own code."""

from __future__ import annotations

from typing import Any

from transformers import CONFIG_MAPPING, AutoConfig, PretrainedConfig


def register() -> None:
    """Let transformers, and so lmdeploy, read InternVL2's config.json with the class below, in this process."""
    AutoConfig.register(ServedConfig.model_type, ServedConfig, exist_ok=True)


class ServedConfig(PretrainedConfig):
    """config.json with its two parts as objects: transformers alone leaves them plain dicts."""

    model_type = "internvl_chat"

    def __init__(
        self, llm_config: dict[str, Any] | None = None, vision_config: dict[str, Any] | None = None, **rest: Any
    ):
        super().__init__(**rest)
        self.llm_config = _part(llm_config or {})
        self.vision_config = _part(vision_config or {})


def _part(values: dict[str, Any]) -> PretrainedConfig:
    if values.get("model_type") in ("qwen2", "llama"):
        return CONFIG_MAPPING[values["model_type"]](**values)
    # transformers does not know InternLM2 and InternViT: their fields are taken as they are, but for the rotary
    # embedding's, which it has under one name since its version 5.
    values = dict(values)
    if "rope_theta" in values:
        scaling = values.pop("rope_scaling", None) or {"type": "default"}
        values["rope_parameters"] = {
            "rope_theta": values.pop("rope_theta"), "rope_type": scaling["type"], "factor": scaling.get("factor", 1.0)
        }  # fmt: skip
    return PretrainedConfig(**values)
