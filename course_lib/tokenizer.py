"""A checkpoint's tokenizer, without its remote code: fast, and equal to the official one id for id.

The official class wraps SentencePiece. Three things keep a plain conversion of `tokenizer.model` from agreeing with it:
it puts `<s>` first; where the model wants a dummy space in front, it adds one *again after each special token*
(`<|im_start|>system` is the piece `▁system`); and the real vocabulary of InternVL2 gives ids that SentencePiece calls
`[UNUSED_TOKEN_146]` to added tokens such as `<|im_start|>`, so that both texts are that one id.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

SPACE = "▁"  # SentencePiece writes a space as U+2581
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6  # its kinds of pieces


class TokenizerError(ValueError):
    """A folder's tokenizer is missing, damaged or of another kind; the message says which file and what to do."""


def load_tokenizer(folder: str | Path) -> PreTrainedTokenizerFast:
    """The fast tokenizer of a checkpoint's folder, equal to the official one id for id. Raises TokenizerError."""
    folder = Path(folder)
    config = _read_json(folder / "tokenizer_config.json", missing={})
    if (folder / "tokenizer.model").is_file():
        # Preferred even when a tokenizer.json lies beside it: others' conversions differ from the official ids.
        return build_fast_tokenizer((folder / "tokenizer.model").read_bytes(), _added_tokens(folder, config), config)
    if (folder / "tokenizer.json").is_file() or (folder / "vocab.json").is_file():
        return _load_byte_level(folder)
    raise TokenizerError(
        f"{folder} has no tokenizer: expected tokenizer.model (InternLM2), tokenizer.json, or vocab.json and "
        "merges.txt (Qwen2). Copy it from the checkpoint that the weights came from"
    )


def build_fast_tokenizer(
    model: bytes, added_tokens: Mapping[str, int], config: Mapping[str, Any] | None = None
) -> PreTrainedTokenizerFast:
    """A fast tokenizer from a SentencePiece model's bytes and the added tokens' ids. Raises TokenizerError."""
    from transformers import PreTrainedTokenizerFast

    config = config or {}
    backend = _convert(model, added_tokens)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token=config.get("pad_token") or "</s>",
        extra_special_tokens=[token for token in added_tokens if token not in ("<s>", "</s>", "<unk>")],
        model_max_length=config.get("model_max_length", 8192),
        clean_up_tokenization_spaces=False,
    )


def _convert(model: bytes, added_tokens: Mapping[str, int]) -> Tokenizer:
    """SentencePiece's BPE as the `tokenizers` library runs it."""
    from google.protobuf.message import DecodeError
    from sentencepiece import sentencepiece_model_pb2
    from tokenizers import AddedToken, Tokenizer, decoders, normalizers, processors
    from tokenizers.models import BPE

    proto = sentencepiece_model_pb2.ModelProto()
    try:
        proto.ParseFromString(model)
    except DecodeError as error:
        raise TokenizerError(f"tokenizer.model is not a SentencePiece model, or is cut off ({error})") from error
    if proto.trainer_spec.model_type != sentencepiece_model_pb2.TrainerSpec.BPE or not proto.trainer_spec.byte_fallback:
        raise TokenizerError("tokenizer.model is not a BPE model with byte fallback, as InternLM2's is")
    dummy_prefix = proto.normalizer_spec.add_dummy_prefix
    user_defined = [piece.piece for piece in proto.pieces if piece.type == USER_DEFINED]
    if dummy_prefix and user_defined:
        raise TokenizerError("tokenizer.model has both a dummy prefix and user-defined symbols: not supported")

    vocabulary = {piece.piece: number for number, piece in enumerate(proto.pieces)}
    # An added token may take the id of a piece (InternVL2: 92538-92543). Its name replaces the piece's, and the piece's
    # old text is rewritten to the new name before tokenizing: one id, two spellings, as in the official class.
    renamed = {
        proto.pieces[number].piece: token
        for token, number in added_tokens.items()
        if number < len(proto.pieces) and token not in vocabulary
    }
    for piece, token in renamed.items():
        vocabulary[token] = vocabulary.pop(piece)
    for token, number in sorted(added_tokens.items(), key=lambda item: item[1]):
        if vocabulary.setdefault(token, number) != number:
            raise TokenizerError(
                f"the added token {token} should have the id {number}, but tokenizer.model gives it "
                f"{vocabulary[token]}: the files come from different checkpoints"
            )
    missing = set(range(len(vocabulary))) - set(vocabulary.values())
    if missing:
        raise TokenizerError(
            f"the added tokens leave the ids {sorted(missing)[:5]} empty: added_tokens.json and tokenizer.model come "
            "from different checkpoints"
        )

    tokenizer = Tokenizer(BPE(vocab=vocabulary, merges=_merges(proto.pieces), unk_token="<unk>", byte_fallback=True))
    steps = [normalizers.Replace(piece, token) for piece, token in renamed.items()]
    if dummy_prefix:
        steps.append(normalizers.Prepend(SPACE))  # runs on each text between two special tokens
    tokenizer.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", SPACE)])
    steps = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    if dummy_prefix:
        steps.append(decoders.Strip(" ", 1, 0))
    tokenizer.decoder = decoders.Sequence(steps)
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", vocabulary["<s>"])])
    # `normalized=True` finds a token in the rewritten text too, so that [UNUSED_TOKEN_146] is found as <|im_start|>.
    special = ["<unk>", "<s>", "</s>", *(token for token in added_tokens if token not in ("<unk>", "<s>", "</s>"))]
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=token in renamed.values()) for token in special]
    )
    tokenizer.add_tokens(
        [AddedToken(token, special=False, normalized=False) for token in user_defined if token not in renamed]
    )
    return tokenizer


def _merges(pieces: Any) -> list[tuple[str, str]]:
    """SentencePiece keeps a score for each piece; BPE wants the pairs that make them, the best-scored piece first."""
    rank = {piece.piece: number for number, piece in enumerate(pieces) if piece.type == NORMAL}
    merges = []
    for piece in sorted((p for p in pieces if p.type == NORMAL), key=lambda p: -p.score):
        text = piece.piece
        splits = [(text[:cut], text[cut:]) for cut in range(1, len(text))]
        splits = [(left, right) for left, right in splits if left in rank and right in rank]
        merges += sorted(splits, key=lambda pair: (rank[pair[0]], rank[pair[1]]))
    return merges


def _added_tokens(folder: Path, config: Mapping[str, Any]) -> dict[str, int]:
    """The added tokens' ids: tokenizer_config.json's decoder, and added_tokens.json where that says more."""
    decoder = {entry["content"]: int(number) for number, entry in config.get("added_tokens_decoder", {}).items()}
    added = {**_read_json(folder / "added_tokens.json", missing={}), **decoder}
    if not added:
        raise TokenizerError(
            f"{folder} names no added tokens (<|im_start|>, <IMG_CONTEXT>, …): tokenizer_config.json with "
            "added_tokens_decoder, or added_tokens.json, is missing"
        )
    return added


def _load_byte_level(folder: Path) -> PreTrainedTokenizerFast:
    """A tokenizer that is already fast (tokenizer.json), or Qwen2's vocab.json and merges.txt."""
    from transformers import PreTrainedTokenizerFast, Qwen2Tokenizer

    kind = PreTrainedTokenizerFast if (folder / "tokenizer.json").is_file() else Qwen2Tokenizer
    try:
        return kind.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # the library raises bare Exception for a damaged file
        raise TokenizerError(f"{folder}: its tokenizer files cannot be read ({error})") from error


def _read_json(file: Path, missing: Any) -> Any:
    if not file.is_file():
        return missing
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise TokenizerError(f"{file} is not valid JSON: {error}") from error
