"""The mini's SentencePiece vocabulary: single characters for the two tasks, whole words for plain talk."""

import io
import json
from pathlib import Path

import sentencepiece

from course_lib.conversation import SYSTEM_PROMPT
from course_lib.mini import world
from course_lib.mini.sprites import COLOURS

# The control tokens of InternLM2 and the image tokens of InternVL2, in the official order.
ADDED_TOKENS = (
    "<|im_end|>", "<|im_start|>", "<|plugin|>", "<|interpreter|>", "<|action_end|>", "<|action_start|>",
    "<img>", "</img>", "<IMG_CONTEXT>", "<quad>", "</quad>", "<ref>", "</ref>", "<box>", "</box>",
)  # fmt: skip
MERGES = 760


def words() -> list[str]:
    """The words of the mini's plain talk, the commonest several times; longer pieces are made from these only."""
    sprites = [*world.THINGS.values(), *world.CONTAINERS.values()]
    chinese = [text for s in sprites for text in (s.zh, s.measure)] + [f"{c.zh}的" for c in COLOURS.values()]
    chinese += [zh for zh, _ in world.PLACES.values()] + ["有几", "什么", "颜色的？", "在哪里？", "请重复：", *world.ZH_NUMBERS]
    chinese += ["第一个字：", "最后一个字：", *world.CAPTION_ZH, *(q.zh for q in world.FOOD_QUESTIONS)]
    chinese += [world.MEME_QUESTION.removeprefix("<image>\n"), world.UNKNOWN, world.NO_JOKE]
    english = [w for s in sprites for name in (s.en, s.en_plural) for w in name.split()]
    english += [c.en for c in COLOURS.values()] + [w for _, en in world.PLACES.values() for w in en.split()]
    english += " ".join([*world.CAPTION_EN, *world.EN_NUMBERS, "How many colour are there Where"]).split()
    english = sorted(set(english))
    # What stands in every prompt is cut into few pieces.
    common = [SYSTEM_PROMPT] * 6 + [" system", " user", " assistant"] * 6
    return [*common, *chinese, *(f" {word}" for word in english), *(f" {word.capitalize()}" for word in english)]


def train_tokenizer(folder: Path) -> None:
    """Write `tokenizer.model`, `tokenizer_config.json` and `added_tokens.json` in the official layout into `folder`."""
    corpus = words()
    ascii_characters = {chr(c) for c in range(33, 127)}
    characters = set(world.task_characters()) | set("".join(corpus)) | ascii_characters
    characters -= {" ", "\n"}
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([line for line in corpus for _ in range(4)]),
        model_writer=model,
        model_type="bpe",
        vocab_size=259 + len(characters) + 1 + MERGES,  # three control pieces, 256 bytes, the space mark
        required_chars="".join(sorted(characters)),
        character_coverage=1.0,
        byte_fallback=True,
        split_digits=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=True,
        unk_id=0, bos_id=1, eos_id=2, pad_id=-1,
        num_threads=1,
        minloglevel=2,
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue()).vocab_size()
    added = {token: pieces + k for k, token in enumerate(ADDED_TOKENS)}
    decoder = {"<unk>": 0, "<s>": 1, "</s>": 2, **added}
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
    config = {
        "added_tokens_decoder": {str(i): {"content": token, **flags} for token, i in decoder.items()},
        "additional_special_tokens": list(ADDED_TOKENS),
        "bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>",
        "clean_up_tokenization_spaces": False,
        "model_max_length": 8192,
        "tokenizer_class": "InternLM2Tokenizer",
    }  # fmt: skip
    for name, content in (("tokenizer_config.json", config), ("added_tokens.json", added)):
        (folder / name).write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
