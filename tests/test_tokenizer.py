import io
import json
import random
import re

import pytest
import sentencepiece
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from course_lib.tokenizer import TokenizerError, build_fast_tokenizer, load_tokenizer

TEXTS = [
    "<|im_start|>system\nbe kind<|im_end|><|im_start|>user\n<img><IMG_CONTEXT><IMG_CONTEXT></img>\n这是什么？<|im_end|>",
    "hello world", " a", "  two  spaces ", "", "\n", "\n\n", "a\n", "你好，世界！", "松鼠鳜鱼 🍜", "3.14159 100,000",
    "<img></img> <IMG_CONTEXT>\n", "def f(x):\n    return x\n", "a\r\nb\t", "#" * 31, " " * 17 + "x", "▁", "<s>x</s>",
]  # fmt: skip
ADDED = ("<|im_end|>", "<|im_start|>", "<img>", "</img>", "<IMG_CONTEXT>")


def train(dummy_prefix: bool) -> bytes:
    """A small SentencePiece model, as InternLM2's is made."""
    vocabulary = "the hello world return def 你好 世界 这是 什么 松鼠 ## ==== ' 12 user system".split()
    words = random.Random(0).choices(vocabulary, k=3000)
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(" ".join(words[i : i + 10]) for i in range(0, len(words), 10)), model_writer=model,
        vocab_size=360, model_type="bpe", byte_fallback=True, add_dummy_prefix=dummy_prefix, split_digits=True,
        remove_extra_whitespaces=False, normalization_rule_name="identity", minloglevel=2, hard_vocab_limit=False,
    )  # fmt: skip
    return model.getvalue()


def official_ids(model: bytes, added: dict[str, int], text: str) -> list[int]:
    """What the official class does: cut the text at the special tokens, and give each piece to SentencePiece."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    special = {"<s>": 1, "</s>": 2, "<unk>": 0, **added}
    ids = [1]
    for part in re.split("(" + "|".join(map(re.escape, special)) + ")", text):
        ids += [special[part]] if part in special else processor.encode(part) if part else []
    return ids


@pytest.fixture(scope="module", params=[True, False], ids=["dummy prefix", "no dummy prefix"])
def trained(request):
    model = train(request.param)
    size = sentencepiece.SentencePieceProcessor(model_proto=model).get_piece_size()
    return model, {token: size + number for number, token in enumerate(ADDED)}


@pytest.mark.parametrize("text", TEXTS)
def test_ids_equal_sentencepiece_between_special_tokens(trained, text):
    model, added = trained
    tokenizer = build_fast_tokenizer(model, added)
    assert tokenizer(text)["input_ids"] == official_ids(model, added, text)
    assert tokenizer(text, add_special_tokens=False)["input_ids"] == official_ids(model, added, text)[1:]


def test_ids_equal_sentencepiece_on_random_text(trained):
    model, added = trained
    tokenizer, draw = build_fast_tokenizer(model, added), random.Random(1)
    alphabet = [*"the hello 你好世界 #='12\n\t▁🍜é", *ADDED, "hello", "  "]
    for _ in range(300):
        text = "".join(draw.choices(alphabet, k=draw.randrange(40)))
        assert tokenizer(text)["input_ids"] == official_ids(model, added, text), repr(text)


@pytest.mark.parametrize("text", ["hello world", "你好，世界！ 松鼠鳜鱼 🍜", "a\n\n b", "  two  spaces "])
def test_decoding_gives_the_text_back(trained, text):
    tokenizer = build_fast_tokenizer(*trained)
    assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == text


@pytest.mark.parametrize(("folder", "cases"), [
    ("internvl_tiny", "tokenizer_cases.json"), ("internlm2_tokenizer", "internlm2_tokenizer/cases.json"),
])  # fmt: skip
def test_ids_and_decoded_text_equal_the_official_ones(golden, folder, cases):
    tokenizer = load_tokenizer(golden / folder)
    expected = json.loads((golden / cases).read_text())
    assert {token: tokenizer.convert_tokens_to_ids(token) for token in expected["special"]} == expected["special"]
    for case in expected["cases"]:
        assert tokenizer(case["text"])["input_ids"] == case["ids"], case["text"]
        assert tokenizer(case["text"], add_special_tokens=False)["input_ids"] == case["ids_no_special"], case["text"]
        if "decoded" in case:
            assert tokenizer.decode(case["ids"], skip_special_tokens=True) == case["decoded"]


def test_the_real_vocabulary_is_whole(golden):
    tokenizer = load_tokenizer(golden / "internlm2_tokenizer")
    assert tokenizer.is_fast and len(tokenizer) == 92553
    assert [tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id] == [1, 2, 2]
    assert len(tokenizer.get_vocab()) == 92553


def test_an_added_token_takes_over_the_piece_that_has_its_id(tiny_folder):
    """As in InternVL2: 92543 is `<|im_start|>`, and the piece [UNUSED_TOKEN_146] of old."""
    tokenizer = load_tokenizer(tiny_folder)
    number = tokenizer.convert_tokens_to_ids("<|im_start|>")
    assert tokenizer("[UNUSED_TOKEN_5]user")["input_ids"] == tokenizer("<|im_start|>user")["input_ids"]
    assert tokenizer.convert_ids_to_tokens(number) == "<|im_start|>"


@pytest.fixture
def byte_level_folder(tmp_path):
    """vocab.json and merges.txt as Qwen2 has them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(["hello hello world"] * 9, trainer)
    tokenizer.model.save(str(tmp_path))
    specials = {"<|endoftext|>": len(tokenizer.get_vocab())} | {
        token: len(tokenizer.get_vocab()) + 1 + number for number, token in enumerate(ADDED)
    }
    config = {
        "tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>",
        "added_tokens_decoder": {
            str(number): {
                "content": token, "special": True, "lstrip": False, "rstrip": False, "normalized": False,
                "single_word": False,
            }
            for token, number in specials.items()
        },
    }  # fmt: skip
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    return tmp_path, specials


def test_qwen2s_files_load_with_and_without_tokenizer_json(byte_level_folder):
    folder, specials = byte_level_folder
    text = "<|im_start|>hello 你好<|im_end|>"
    slow = load_tokenizer(folder)
    assert {token: slow.convert_tokens_to_ids(token) for token in specials} == specials
    assert slow.decode(slow(text)["input_ids"]) == text
    slow.save_pretrained(folder)
    assert (folder / "tokenizer.json").is_file()
    assert load_tokenizer(folder)(text)["input_ids"] == slow(text)["input_ids"]


def test_no_tokenizer_is_said_so(tmp_path):
    with pytest.raises(TokenizerError, match="has no tokenizer: expected tokenizer.model"):
        load_tokenizer(tmp_path)


def test_damaged_files_are_named(tmp_path, tiny_folder):
    model = (tiny_folder / "tokenizer.model").read_bytes()
    added = (tiny_folder / "added_tokens.json").read_text()
    (tmp_path / "tokenizer.model").write_bytes(model[: len(model) // 2 + 1])
    (tmp_path / "added_tokens.json").write_text(added)
    with pytest.raises(TokenizerError):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.model").write_bytes(model)
    (tmp_path / "added_tokens.json").write_text(added[:20])
    with pytest.raises(TokenizerError, match="added_tokens.json is not valid JSON"):
        load_tokenizer(tmp_path)
    (tmp_path / "added_tokens.json").unlink()
    with pytest.raises(TokenizerError, match="names no added tokens"):
        load_tokenizer(tmp_path)


def test_added_tokens_of_another_checkpoint_are_refused(trained):
    model, added = trained
    with pytest.raises(TokenizerError, match="leave the ids .* empty"):
        build_fast_tokenizer(model, {token: number + 1000 for token, number in added.items()})
    with pytest.raises(TokenizerError, match="<s> should have the id 5"):
        build_fast_tokenizer(model, {**added, "<s>": 5})
