"""The small files beside a checkpoint's weights: all that lmdeploy and plain transformers need, without remote code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from course_lib.chat_template import chat_template, warn_of_guess
from course_lib.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from course_lib.vlm import ModelSpec


def write_small_files(folder: Path, spec: ModelSpec, tokenizer: PreTrainedTokenizerFast) -> None:
    """Configuration, tokenizer, prompt template and stop tokens, as the checkpoint has them or as others need them.

    A checkpoint in transformers' own layout keeps its files: there the processor and its template belong together.
    """
    files = dict(spec.files)
    if "config.json" not in files or json.loads(files["config.json"]) != spec.config:
        files["config.json"] = json_bytes(spec.config)
    if spec.layout == "internvl_chat":
        warn_of_guess(folder)
        files["chat_template.jinja"] = chat_template(spec.system, spec.separator).encode()
        files |= _generation_config(files, spec, tokenizer)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    if "tokenizer.model" in files:
        _write_fast_tokenizer(files, folder)
    elif not files.keys() & {"tokenizer.json", "vocab.json"}:
        tokenizer.save_pretrained(folder)
    if spec.layout == "internvl_chat":
        _leave_one_template(folder / "tokenizer_config.json")


def json_bytes(content: Any) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def _generation_config(
    files: Mapping[str, bytes], spec: ModelSpec, tokenizer: PreTrainedTokenizerFast
) -> dict[str, bytes]:
    """lmdeploy stops at the tokenizer's end token and at those named here: `<|im_end|>` must be among them."""
    config = json.loads(files.get("generation_config.json", b"{}"))
    named = config.get("eos_token_id", [])
    named = {named} if isinstance(named, int) else set(named)
    if set(spec.stop_token_ids) <= named | {tokenizer.eos_token_id}:
        return {}
    config["eos_token_id"] = sorted(named | set(spec.stop_token_ids))
    config.setdefault("pad_token_id", tokenizer.pad_token_id)
    return {"generation_config.json": json_bytes(config)}


def _write_fast_tokenizer(files: Mapping[str, bytes], folder: Path) -> None:
    """tokenizer.json beside tokenizer.model, and a tokenizer_config.json that names no remote code."""
    tokenizer = load_tokenizer(folder)
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    config = json.loads(files.get("tokenizer_config.json", b"{}"))
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    config["added_tokens_decoder"] = {
        str(number): {
            "content": token.content, "lstrip": False, "normalized": token.normalized, "rstrip": False,
            "single_word": False, "special": token.special,
        }
        for number, token in sorted(tokenizer.added_tokens_decoder.items()) if token.special
    }  # fmt: skip
    for name in ("bos_token", "eos_token", "unk_token", "pad_token"):
        config.setdefault(name, getattr(tokenizer, name))
    (folder / "tokenizer_config.json").write_bytes(json_bytes(config))


def _leave_one_template(file: Path) -> None:
    """Take remote code and the official template out of tokenizer_config.json: that one has newlines after
    `<|im_end|>` and no system prompt, which is not what InternVL2 was trained on."""
    config = json.loads(file.read_bytes()) if file.is_file() else {}
    if config.keys() & {"auto_map", "chat_template"}:
        file.write_bytes(json_bytes({k: v for k, v in config.items() if k not in ("auto_map", "chat_template")}))
