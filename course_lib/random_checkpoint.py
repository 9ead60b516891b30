"""A checkpoint with the shapes of the real InternVL2-2B and random weights, to measure memory and time with."""

from __future__ import annotations

import argparse
import json
import math
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from course_lib.layout import OfficialLayout, empty_model, native_config, tensor_table
from course_lib.small_files import write_small_files
from course_lib.spec import load_spec
from course_lib.tokenizer import SPACE
from course_lib.weights import write_weights

# The ids of InternVL2-2B, at the end of InternLM2's 92,544 pieces (the first six replace pieces, the rest come after).
ADDED_TOKENS = (
    "<|plugin|>", "<|interpreter|>", "<|action_end|>", "<|action_start|>", "<|im_end|>", "<|im_start|>",
    "<img>", "</img>", "<IMG_CONTEXT>", "<quad>", "</quad>", "<ref>", "</ref>", "<box>", "</box>",
)  # fmt: skip
REPLACING = 6


def internvl2_2b_config() -> dict[str, Any]:
    """The config.json of InternVL2-2B (the fields that describe the model): 2,205,754,368 parameters."""
    return {
        "architectures": ["InternVLChatModel"],
        "downsample_ratio": 0.5,
        "dynamic_image_size": True,
        "force_image_size": 448,
        "llm_config": {
            "architectures": ["InternLM2ForCausalLM"],
            "bias": False,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "hidden_act": "silu",
            "hidden_size": 2048,
            "intermediate_size": 8192,
            "max_position_embeddings": 32768,
            "model_type": "internlm2",
            "num_attention_heads": 16,
            "num_hidden_layers": 24,
            "num_key_value_heads": 8,
            "pad_token_id": 2,
            "rms_norm_eps": 1e-05,
            "rope_scaling": {"factor": 2.0, "type": "dynamic"},
            "rope_theta": 1000000,
            "tie_word_embeddings": False,
            "vocab_size": 92553,
        },
        "max_dynamic_patch": 12,
        "min_dynamic_patch": 1,
        "model_type": "internvl_chat",
        "pad2square": False,
        "ps_version": "v2",
        "select_layer": -1,
        "template": "internlm2-chat",
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "use_thumbnail": True,
        "vision_config": {
            "architectures": ["InternVisionModel"],
            "hidden_act": "gelu",
            "hidden_size": 1024,
            "image_size": 448,
            "intermediate_size": 4096,
            "layer_norm_eps": 1e-06,
            "model_type": "intern_vit_6b",
            "norm_type": "layer_norm",
            "num_attention_heads": 16,
            "num_channels": 3,
            "num_hidden_layers": 24,
            "patch_size": 14,
            "qk_normalization": False,
            "qkv_bias": True,
        },
    }


def tiny_config() -> dict[str, Any]:
    """The same architecture with some 200,000 parameters and 56-px tiles: loads and answers in a blink."""
    config = internvl2_2b_config()
    config["force_image_size"] = 56
    config["llm_config"] |= {
        "hidden_size": 64, "intermediate_size": 160, "num_attention_heads": 4, "num_hidden_layers": 2,
        "num_key_value_heads": 2, "vocab_size": 1009, "max_position_embeddings": 2048,
    }  # fmt: skip
    config["vision_config"] |= {
        "hidden_size": 64, "image_size": 56, "intermediate_size": 128, "num_attention_heads": 4, "num_hidden_layers": 2,
    }  # fmt: skip
    return config


SIZES = {"2b": internvl2_2b_config, "tiny": tiny_config}


def write_random_checkpoint(
    folder: str | Path, size: str | Mapping[str, Any] = "2b", seed: int = 0, *, progress: bool = False
) -> Path:
    """Random bf16 weights in the official layout, with a tokenizer of single characters. `size`: 2b, tiny or a config.

    2b takes 4.4 GB on disk, and as long as the disk needs. Returns the folder.
    """
    folder = Path(folder)
    config = SIZES[size]() if isinstance(size, str) else dict(size)
    layout = OfficialLayout.of(config)
    llm = config["llm_config"]
    native = native_config(config, llm["vocab_size"] - 7, tied=llm.get("tie_word_embeddings", False))
    model = empty_model(native)
    table, shapes = tensor_table(model, layout), model.state_dict()
    empty = {name: layout.join(name, [shapes[part] for part in parts]) for name, parts in table.items()}
    generator = torch.Generator().manual_seed(seed)
    # Drawing 2.2 billion numbers takes a minute: each tensor is cut from this many, from a random place on, over and
    # over. Uniform, with the usual start's standard deviation of 0.02.
    count = min(2**24, sum(tensor.numel() for tensor in empty.values()))
    pool = torch.empty(count, dtype=torch.bfloat16)
    pool.uniform_(-0.02 * math.sqrt(3), 0.02 * math.sqrt(3), generator=generator)

    def make(name: str) -> torch.Tensor:
        tensor = torch.empty(empty[name].shape, dtype=torch.bfloat16)
        if tensor.dim() == 1 and name.endswith(".weight"):  # norms
            return tensor.fill_(1)
        flat, start = tensor.view(-1), int(torch.randint(count, (), generator=generator))
        filled = 0
        while filled < flat.numel():
            part = pool[start : start + flat.numel() - filled]
            flat[filled : filled + part.numel()] = part
            filled, start = filled + part.numel(), 0
        return tensor

    folder.mkdir(parents=True, exist_ok=True)
    sizes = {name: tensor.numel() * torch.bfloat16.itemsize for name, tensor in empty.items()}
    write_weights(folder, sizes, make, shard_bytes=1_000_000_000, progress=progress)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    _write_tokenizer(folder, llm["vocab_size"])
    tokenizer, spec = load_spec(folder)
    write_small_files(folder, spec, tokenizer)
    return folder


def _write_tokenizer(folder: Path, vocabulary: int) -> None:
    """A SentencePiece model whose pieces are single characters, and InternVL2's added tokens at the end of it."""
    from sentencepiece import sentencepiece_model_pb2

    first_added = vocabulary - len(ADDED_TOKENS)
    proto = sentencepiece_model_pb2.ModelProto()
    proto.trainer_spec.model_type = proto.trainer_spec.BPE
    proto.trainer_spec.byte_fallback = True
    proto.normalizer_spec.name = "identity"
    proto.normalizer_spec.add_dummy_prefix = False
    proto.normalizer_spec.remove_extra_whitespaces = False
    pieces = [("<unk>", 2), ("<s>", 3), ("</s>", 3), *((f"<0x{byte:02X}>", 6) for byte in range(256))]
    characters = _characters()
    pieces += [(next(characters), 1) for _ in range(first_added - len(pieces))]
    pieces += [(f"[UNUSED_TOKEN_{number}]", 4) for number in range(REPLACING)]
    for number, (text, kind) in enumerate(pieces):
        proto.pieces.add(piece=text, type=kind, score=-float(number))
    (folder / "tokenizer.model").write_bytes(proto.SerializeToString())
    added = {token: first_added + number for number, token in enumerate(ADDED_TOKENS)}
    (folder / "added_tokens.json").write_text(json.dumps(added, indent=2) + "\n", encoding="utf-8")


def _characters() -> Iterator[str]:
    """SentencePiece's space, then letters, digits, signs and ideographs in Unicode's order."""
    yield SPACE
    for code in range(0x21, 0x110000):
        if unicodedata.category(chr(code))[0] in "LNPS" and chr(code) != SPACE:
            yield chr(code)


def main() -> None:
    """The command line: `python -m course_lib.checkpoint FOLDER --size 2b`."""
    parser = argparse.ArgumentParser(
        prog="python -m course_lib.checkpoint",
        description="Write a random-weight InternVL2 in the official layout, to measure memory and time with.",
    )
    parser.add_argument("folder", type=Path, help="where to write it (made if absent)")
    parser.add_argument("--size", choices=sorted(SIZES), default="2b", help="2b is 4.4 GB (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    options = parser.parse_args()
    folder = write_random_checkpoint(options.folder, options.size, options.seed, progress=True)
    total = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{folder}: {total / 1e9:.2f} GB, random weights, official InternVL2 layout")
