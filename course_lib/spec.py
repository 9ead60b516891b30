"""What a checkpoint's small files say: which model, which tiles, which prompt template, which tokenizer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from course_lib.conversation import CONTROL_TOKENS, IMAGE_TOKEN, SYSTEM_PROMPT, SYSTEM_PROMPT_2_5, TURN_END
from course_lib.layout import CheckpointError, NativeLayout, OfficialLayout, native_config, tokens_per_tile
from course_lib.tokenizer import TokenizerError, load_tokenizer
from course_lib.vlm import ModelSpec
from course_lib.weights import StoredTensor, read_json, stored_tensors

if TYPE_CHECKING:
    from transformers import InternVLConfig, PreTrainedTokenizerFast

# Official template -> (system prompt, what stands between <|im_end|> and the next turn).
TEMPLATES = {
    "internlm2-chat": (SYSTEM_PROMPT, ""),
    "Hermes-2": (SYSTEM_PROMPT, ""),
    "internvl2_5": (SYSTEM_PROMPT_2_5, "\n"),
}
# What travels along with the weights when a checkpoint is loaded and saved (code is copied, never run).
SMALL_FILES = (
    "config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json",
    "video_preprocessor_config.json", "chat_template.json", "chat_template.jinja", "tokenizer.model", "tokenizer.json",
    "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt", "*.py",
)  # fmt: skip


def load_spec(folder: str | Path) -> tuple[PreTrainedTokenizerFast, ModelSpec]:
    """Tokenizer and spec of a checkpoint without its weights, to check data before the long load. CheckpointError."""
    folder = Path(folder)
    config = _read_config(folder)
    try:
        tokenizer = load_tokenizer(folder)
    except TokenizerError as error:
        raise CheckpointError(str(error)) from error
    return tokenizer, _read_spec(folder, config, tokenizer, stored_tensors(folder))


def tensor_layout(spec: ModelSpec) -> OfficialLayout | NativeLayout:
    """How this checkpoint's file names and orders its tensors."""
    return OfficialLayout.of(spec.config) if spec.layout == "internvl_chat" else NativeLayout(spec.names_prefixed)


def _read_config(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise CheckpointError(f"{folder} is not a folder: give the folder that holds config.json and model.safetensors")
    if not (folder / "config.json").is_file():
        raise CheckpointError(f"{folder} has no config.json: it is no checkpoint's folder, or the download is partial")
    config = read_json(folder / "config.json")
    if not isinstance(config, dict):
        raise CheckpointError(f"{folder / 'config.json'} must hold an object, not a {type(config).__name__}")
    kind, architectures = config.get("model_type"), config.get("architectures")
    if kind not in ("internvl_chat", "internvl"):
        raise CheckpointError(
            f"{folder / 'config.json'} describes another architecture (model_type {kind!r}, {architectures}): "
            "this kit loads InternVLChatModel (internvl_chat) and InternVLForConditionalGeneration (internvl)"
        )
    return config


def _read_spec(
    folder: Path, config: Mapping[str, Any], tokenizer: PreTrainedTokenizerFast, stored: Mapping[str, StoredTensor]
) -> ModelSpec:
    for token in CONTROL_TOKENS:
        if tokenizer.convert_tokens_to_ids(token) in (None, tokenizer.unk_token_id):
            raise CheckpointError(f"{folder}: its tokenizer does not know {token}, so it is not an InternVL tokenizer")
    stop_ids = {tokenizer.convert_tokens_to_ids(TURN_END), tokenizer.eos_token_id} - {None}
    shared = {
        "image_token_id": tokenizer.convert_tokens_to_ids(IMAGE_TOKEN),
        "stop_token_ids": tuple(sorted(stop_ids)),
        "layout": config["model_type"],
        "config": config,
        "stored_dtype": Counter(tensor.dtype for tensor in stored.values()).most_common(1)[0][0],
        "names_prefixed": "lm_head.weight" in stored or any(name.startswith("model.") for name in stored),
        "files": {
            file.name: file.read_bytes()
            for pattern in SMALL_FILES
            for file in sorted(folder.glob(pattern))
        },
    }
    read = _official_spec if config["model_type"] == "internvl_chat" else _native_spec
    try:
        return ModelSpec(**shared, **read(folder, config))
    except KeyError as error:
        raise CheckpointError(f"{folder / 'config.json'} has no field {error}, which the model needs") from error


def _official_spec(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    template, ps_version = config.get("template"), config.get("ps_version", "v1")
    if template not in TEMPLATES:
        raise CheckpointError(
            f"{folder / 'config.json'}: template {template!r} is unknown; this kit knows {', '.join(TEMPLATES)}"
        )
    if ps_version not in ("v1", "v2"):
        raise CheckpointError(f"{folder / 'config.json'}: ps_version {ps_version!r} is unknown; expected v1 or v2")
    if config.get("pad2square"):
        raise CheckpointError(f"{folder / 'config.json'}: pad2square is not supported (no released InternVL2 uses it)")
    system, separator = TEMPLATES[template]
    return {
        "tile_size": config.get("force_image_size") or config["vision_config"]["image_size"],
        "patch_size": config["vision_config"]["patch_size"],
        "min_tiles": config.get("min_dynamic_patch", 1),
        "max_tiles": config.get("max_dynamic_patch", 12) if config.get("dynamic_image_size", True) else 1,
        "thumbnail": config.get("use_thumbnail", True),
        "tokens_per_tile": tokens_per_tile(config),
        "system": system,
        "separator": separator,
        "ps_version": ps_version,
    }


def _native_spec(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    file = folder / "preprocessor_config.json"
    processor = read_json(file) if file.is_file() else {}
    tile, patch = (_side(config["vision_config"][name]) for name in ("image_size", "patch_size"))
    return {
        "tile_size": tile,
        "patch_size": patch,
        "min_tiles": processor.get("min_patches", 1),
        "max_tiles": processor.get("max_patches", 12),
        "thumbnail": True,
        "tokens_per_tile": int((tile // patch * config.get("downsample_ratio", 0.5)) ** 2),
        # The -hf checkpoints are InternVL2.5 and 3, trained with the template internvl2_5.
        "system": SYSTEM_PROMPT_2_5,
        "separator": "\n",
        "ps_version": "v2",
    }


def _side(size: int | list[int]) -> int:
    return size if isinstance(size, int) else size[0]


def transformers_config(folder: Path, spec: ModelSpec, stored: Mapping[str, StoredTensor]) -> InternVLConfig:
    """The configuration of transformers' InternVL for this checkpoint. Raises CheckpointError."""
    # A head in the file is used as it is; without one the embeddings serve, if the configuration says so.
    heads = ("language_model.output.weight", "language_model.lm_head.weight", "lm_head.weight")
    has_head = any(name in stored for name in heads)
    try:
        if spec.layout == "internvl_chat":
            tied = bool(spec.config["llm_config"].get("tie_word_embeddings")) and not has_head
            return native_config(spec.config, spec.image_token_id, tied=tied)
        return _own_config(spec, has_head)
    except KeyError as error:
        raise CheckpointError(f"{folder / 'config.json'} has no field {error}, which the model needs") from error


def _own_config(spec: ModelSpec, has_head: bool) -> InternVLConfig:
    from transformers import InternVLConfig

    if (kind := spec.config["text_config"].get("model_type")) not in ("qwen2", "qwen3", "llama"):
        raise CheckpointError(f"text_config names the language model {kind!r}; this kit loads qwen2, qwen3 and llama")
    native = InternVLConfig.from_dict(dict(spec.config))
    if native.image_token_id != spec.image_token_id:
        raise CheckpointError(
            f"config.json says that {IMAGE_TOKEN} is {native.image_token_id}, its tokenizer that it is "
            f"{spec.image_token_id}"
        )
    tied = not has_head and (native.tie_word_embeddings or native.text_config.tie_word_embeddings)
    native.tie_word_embeddings = native.text_config.tie_word_embeddings = tied
    return native
