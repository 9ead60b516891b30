import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from course_lib.checkpoint import (
    CheckpointError,
    count_parameters,
    empty_model,
    internvl2_2b_config,
    load_checkpoint,
    save_checkpoint,
    write_random_checkpoint,
)
from course_lib.layout import OfficialLayout, native_config
from course_lib.random_checkpoint import tiny_config
from course_lib.settings import ROOT


@pytest.fixture
def folder(tiny_folder, tmp_path) -> Path:
    """A copy of the tiny checkpoint, to be spoiled."""
    return Path(shutil.copytree(tiny_folder, tmp_path / "copy"))


def edit(file: Path, **fields) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


def edit_tensors(folder: Path, change) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def same_weights(one: Path, other: Path) -> bool:
    a, b = (
        {name: tensor for file in folder.glob("*.safetensors") for name, tensor in load_file(file).items()}
        for folder in (one, other)
    )
    return a.keys() == b.keys() and all(a[name].dtype == b[name].dtype and torch.equal(a[name], b[name]) for name in a)


def inputs_of(vlm) -> dict[str, torch.Tensor]:
    pixels = torch.randn(2, 3, vlm.spec.tile_size, vlm.spec.tile_size, generator=torch.Generator().manual_seed(0))
    ids = [5, *[vlm.spec.image_token_id] * 2 * vlm.spec.tokens_per_tile, 100, 101]
    return {"input_ids": torch.tensor([ids]), "pixel_values": pixels}


def logits_of(vlm) -> torch.Tensor:
    with torch.no_grad():
        return vlm.model(**inputs_of(vlm)).logits


# The official layout


def test_visual_tokens_and_logits_equal_the_official_ones(golden):
    vlm = load_checkpoint(golden / "internvl_tiny", device="cpu")
    expected = load_file(golden / "internvl_tiny" / "expected.safetensors")
    tokens = vlm.visual_tokens(expected["pixel_values"])
    torch.testing.assert_close(tokens, expected["visual_tokens"], rtol=0, atol=1e-4)
    with torch.no_grad():
        logits = vlm.model(input_ids=expected["input_ids"], pixel_values=expected["pixel_values"]).logits
    torch.testing.assert_close(logits, expected["logits"], rtol=0, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_load_and_save_is_bit_identical(golden, tmp_path, dtype):
    source = golden / "internvl_tiny"
    save_checkpoint(load_checkpoint(source, dtype=dtype, device="cpu"), tmp_path)
    expected, written = load_file(source / "model.safetensors"), load_file(tmp_path / "model.safetensors")
    assert expected.keys() == written.keys()
    assert all(expected[k].dtype == written[k].dtype and torch.equal(expected[k], written[k]) for k in expected)
    for name in ("config.json", "tokenizer.model", "special_tokens_map.json"):
        assert (tmp_path / name).read_bytes() == (source / name).read_bytes()
    before, after = (json.loads((folder / "generation_config.json").read_text()) for folder in (source, tmp_path))
    assert after == before | {"eos_token_id": [2, 2600], "pad_token_id": 2}  # lmdeploy would not stop at <|im_end|>
    again = load_checkpoint(tmp_path, device="cpu")
    assert again.spec.config == json.loads((source / "config.json").read_text())


def test_a_saved_folder_saves_to_the_same_bytes_again(tiny, tmp_path):
    save_checkpoint(tiny, tmp_path / "one")
    save_checkpoint(load_checkpoint(tmp_path / "one", device="cpu"), tmp_path / "two")
    names = sorted(file.name for file in (tmp_path / "one").iterdir())
    assert names == sorted(file.name for file in (tmp_path / "two").iterdir())
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_a_checkpoint_can_be_saved_over_itself(folder, tiny_folder):
    save_checkpoint(load_checkpoint(folder, device="cpu"), folder)
    assert same_weights(folder, tiny_folder)


def test_shards_and_one_file_hold_the_same(tiny, tiny_folder, tmp_path):
    save_checkpoint(tiny, tmp_path, shard_bytes=200_000)
    shards = sorted(tmp_path.glob("model-*-of-*.safetensors"))
    assert len(shards) > 2 and not (tmp_path / "model.safetensors").exists()
    assert same_weights(tmp_path, tiny_folder)
    loaded = load_checkpoint(tmp_path, device="cpu")
    assert torch.equal(logits_of(loaded), logits_of(tiny))
    save_checkpoint(loaded, tmp_path)  # one file again: the shards must not linger
    assert not list(tmp_path.glob("model-*")) and not (tmp_path / "model.safetensors.index.json").exists()


@pytest.mark.filterwarnings("ignore")
def test_a_saved_tokenizer_loads_in_plain_transformers(golden, tmp_path):
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    save_checkpoint(load_checkpoint(golden / "internvl_tiny", device="cpu"), tmp_path)
    cases = json.loads((golden / "tokenizer_cases.json").read_text())["cases"]
    for kind in (AutoTokenizer, PreTrainedTokenizerFast):
        tokenizer = kind.from_pretrained(tmp_path)
        assert tokenizer.is_fast and len(tokenizer) == 2615 and tokenizer.pad_token_id == 2
        for case in cases:
            assert tokenizer(case["text"])["input_ids"] == case["ids"]


def test_the_taken_over_pieces_survive_saving(tiny, tmp_path):
    from transformers import PreTrainedTokenizerFast

    save_checkpoint(tiny, tmp_path)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    for text in ("<|im_start|>user", "[UNUSED_TOKEN_5]user"):
        assert tokenizer(text)["input_ids"] == tiny.tokenizer("<|im_start|>user")["input_ids"]


def test_query_key_and_value_rows_are_where_internlm2_keeps_them():
    layout = OfficialLayout("internlm2", kv_heads=2)
    # 2 kv heads, each with 2 queries, a key, a value; heads of 3 rows: row number = place in the file
    rows = torch.arange(2 * (2 + 2) * 3).unsqueeze(1)
    shapes = [torch.Size((12, 1)), torch.Size((6, 1)), torch.Size((6, 1))]
    q, k, v = layout.split("layers.0.attention.wqkv.weight", rows, shapes)
    assert q.flatten().tolist() == [0, 1, 2, 3, 4, 5, 12, 13, 14, 15, 16, 17]
    assert k.flatten().tolist() == [6, 7, 8, 18, 19, 20]
    assert v.flatten().tolist() == [9, 10, 11, 21, 22, 23]
    assert torch.equal(layout.join("layers.0.attention.wqkv.weight", [q, k, v]), rows)


def test_the_output_head_is_not_tied_to_the_embeddings(tiny, tiny_folder):
    stored = load_file(tiny_folder / "model.safetensors")
    assert torch.equal(tiny.model.lm_head.weight, stored["language_model.output.weight"].float())
    assert not torch.equal(tiny.model.lm_head.weight, tiny.model.get_input_embeddings().weight)


def test_ps_version_v1_transposes_the_visual_tokens(folder, tiny):
    edit(folder / "config.json", ps_version="v1")
    pixels = inputs_of(tiny)["pixel_values"]
    v1, v2 = load_checkpoint(folder, device="cpu").visual_tokens(pixels), tiny.visual_tokens(pixels)
    assert not torch.allclose(v1, v2, atol=1e-5)
    torch.testing.assert_close(v1, v2.unflatten(1, (2, 2)).transpose(1, 2).flatten(1, 2))


def test_rope_stretches_beyond_the_trained_length(tiny):
    rope = tiny.model.config.text_config.rope_parameters
    assert rope["rope_type"] == "dynamic" and rope["factor"] == 2.0 and rope["rope_theta"] == 1e6


@pytest.mark.parametrize("architecture", ["Qwen2ForCausalLM", "LlamaForCausalLM"])
@pytest.mark.parametrize("tied", [False, True])
def test_other_language_models_of_the_family_load_and_save(tmp_path, architecture, tied):
    """InternVL2-1B has a Qwen2; its template is Hermes-2."""
    config = tiny_config()
    config["llm_config"] |= {"architectures": [architecture], "tie_word_embeddings": tied, "rope_scaling": None}
    config["template"] = "Hermes-2"
    write_random_checkpoint(tmp_path / "one", config)
    vlm = load_checkpoint(tmp_path / "one", device="cpu")
    names = load_file(tmp_path / "one" / "model.safetensors").keys()
    assert "language_model.model.layers.0.self_attn.q_proj.weight" in names
    assert ("language_model.model.layers.0.self_attn.q_proj.bias" in names) == (architecture == "Qwen2ForCausalLM")
    assert ("language_model.lm_head.weight" in names) != tied
    assert (vlm.model.lm_head.weight is vlm.model.get_input_embeddings().weight) == tied
    save_checkpoint(vlm, tmp_path / "two")
    assert same_weights(tmp_path / "one", tmp_path / "two")
    assert torch.equal(logits_of(load_checkpoint(tmp_path / "two", device="cpu")), logits_of(vlm))


# transformers' own layout


def write_hf_checkpoint(folder: Path) -> None:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import (
        InternVLConfig,
        InternVLForConditionalGeneration,
        InternVLVisionConfig,
        PreTrainedTokenizerFast,
        Qwen2Config,
    )

    tokenizer = Tokenizer(models.BPE({c: n for n, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, []))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<img>", "</img>", "<IMG_CONTEXT>"]
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in special])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>", extra_special_tokens=special[3:]
    ).save_pretrained(folder)
    torch.manual_seed(0)
    model = InternVLForConditionalGeneration(
        InternVLConfig(
            vision_config=InternVLVisionConfig(
                hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=56,
                patch_size=14, attention_bias=True,
            ),
            text_config=Qwen2Config(
                vocab_size=264, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
                num_key_value_heads=1, max_position_embeddings=512, tie_word_embeddings=False,
            ),
            image_token_id=261, image_seq_length=4, tie_word_embeddings=False,
        )
    )  # fmt: skip
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    model.to(torch.bfloat16).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({"min_patches": 1, "max_patches": 6}))


def old_name(name: str) -> str:
    """Names of the -hf checkpoints that transformers wrote before 4.52."""
    if name == "lm_head.weight":
        return "language_model.lm_head.weight"
    name = name.removeprefix("model.")
    return name.replace("language_model.", "language_model.model.", 1) if name.startswith("language_model.") else name


@pytest.mark.parametrize("names", ["as written", "old", "new"])
def test_transformers_own_layout_loads_and_saves(tmp_path, names):
    from transformers import InternVLForConditionalGeneration

    source = tmp_path / "source"
    write_hf_checkpoint(source)
    reference = InternVLForConditionalGeneration.from_pretrained(source, dtype=torch.float32).eval()
    if names != "as written":
        weights = {name: tensor.to(torch.bfloat16) for name, tensor in reference.state_dict().items()}
        rename = old_name if names == "old" else str
        save_file({rename(k): v for k, v in weights.items()}, source / "model.safetensors", metadata={"format": "pt"})
    vlm = load_checkpoint(source, device="cpu")
    with torch.no_grad():
        torch.testing.assert_close(logits_of(vlm), reference(**inputs_of(vlm)).logits)
    assert (vlm.spec.layout, vlm.spec.separator, vlm.spec.max_tiles) == ("internvl", "\n", 6)
    prompt = vlm.tokenizer.decode(vlm.encode_prompt([{"role": "user", "content": "Q"}])["input_ids"][0])
    assert prompt.startswith("<|im_start|>system\n你是书生·万象") and "<|im_end|>\n<|im_start|>user\nQ" in prompt
    save_checkpoint(vlm, tmp_path / "saved")
    assert same_weights(source, tmp_path / "saved")
    for name in ("config.json", "preprocessor_config.json", "tokenizer.json"):
        assert (tmp_path / "saved" / name).read_bytes() == (source / name).read_bytes()
    assert torch.equal(logits_of(load_checkpoint(tmp_path / "saved", device="cpu")), logits_of(vlm))


# NF4


@pytest.fixture(scope="module")
def nf4(tiny_folder):
    return load_checkpoint(tiny_folder, quantization="nf4", device="cpu")


def test_only_the_language_models_linear_layers_are_held_in_4_bits(nf4):
    from bitsandbytes.nn import Linear4bit, Params4bit

    layers = nf4.model.model.language_model.layers
    in_layers = [module for module in layers.modules() if isinstance(module, torch.nn.Linear)]
    assert len(in_layers) == 2 * 7 and all(type(module) is Linear4bit for module in in_layers)
    assert all(module.weight.dtype == torch.uint8 and module.weight.quant_type == "nf4" for module in in_layers)
    everywhere = [module for module in nf4.model.modules() if isinstance(module, Linear4bit)]
    assert len(everywhere) == len(in_layers)
    others = [p for p in nf4.model.parameters() if not isinstance(p, Params4bit)]
    assert {p.dtype for p in others} == {torch.float32}


def test_4_bit_answers_are_close_to_the_full_ones(nf4, tiny):
    full, four = logits_of(tiny), logits_of(nf4)
    assert 0 < (full - four).abs().mean() < 0.5 * full.std()
    assert nf4.answer("hi", max_new_tokens=3) is not None


def test_evaluating_does_not_change_how_4_bit_layers_compute(nf4):
    """bitsandbytes repacks weights on some processors when it first meets them in eval mode; see _prepare_nf4."""
    before = logits_of(nf4)
    nf4.answer("hi", max_new_tokens=2)
    nf4.model.train()
    trained = nf4.model(**inputs_of(nf4)).logits
    nf4.model.eval()
    torch.testing.assert_close(trained.detach(), before, rtol=0, atol=1e-4)
    trained.sum().backward()
    assert nf4.model.model.multi_modal_projector.linear_1.weight.grad.abs().sum() > 0


def test_a_4_bit_model_is_not_saved_as_if_it_were_whole(nf4, tmp_path):
    with pytest.raises(CheckpointError, match="held in 4 bits"):
        save_checkpoint(nf4, tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


def test_a_model_with_an_adapter_is_not_saved_before_merging(tiny_folder, tmp_path):
    from peft import LoraConfig, get_peft_model

    vlm = load_checkpoint(tiny_folder, device="cpu")
    vlm.model = get_peft_model(vlm.model, LoraConfig(r=2, target_modules=["down_proj"]))
    with pytest.raises(CheckpointError, match="merge it first"):
        save_checkpoint(vlm, tmp_path / "saved")


def test_other_quantisations_are_refused(tiny_folder):
    with pytest.raises(ValueError, match="None or 'nf4', got 'int8'"):
        load_checkpoint(tiny_folder, quantization="int8")


# Wrong folders, each with its own message


def cut_weights(folder):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])


def lose_a_shard(folder):
    save_checkpoint(load_checkpoint(folder, device="cpu"), folder, shard_bytes=200_000)
    next(folder.glob("model-00002-of-*")).unlink()


def mix_shards(folder):
    save_checkpoint(load_checkpoint(folder, device="cpu"), folder, shard_bytes=200_000)
    first, second = sorted(folder.glob("model-*-of-*.safetensors"))[:2]
    shutil.copy(first, second)


def shards_outside(folder):
    lose_a_shard(folder)
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    edit(folder / "model.safetensors.index.json", weight_map=dict.fromkeys(index["weight_map"], "../other.safetensors"))


def no_weight_map(folder):
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text("{}")


def edit_part(folder, part, **fields):
    config = json.loads((folder / "config.json").read_text())
    edit(folder / "config.json", **{part: {**config[part], **fields}})


WRONG = {
    "no config": (lambda f: (f / "config.json").unlink(), "has no config.json"),
    "malformed config": (lambda f: (f / "config.json").write_text("{"), r"config.json is not valid JSON: .*line 1"),
    "config is a list": (lambda f: (f / "config.json").write_text("[]"), "must hold an object, not a list"),
    "another architecture": (lambda f: edit(f / "config.json", model_type="llava"), "another architecture .*'llava'"),
    "another language model": (
        lambda f: edit_part(f, "llm_config", architectures=["Phi3ForCausalLM"]), "language model Phi3ForCausalLM"
    ),
    "another template": (lambda f: edit(f / "config.json", template="phi3-chat"), "template 'phi3-chat' is unknown"),
    "another ps_version": (lambda f: edit(f / "config.json", ps_version="v9"), "ps_version 'v9' is unknown"),
    "padded pictures": (lambda f: edit(f / "config.json", pad2square=True), "pad2square is not supported"),
    "a field missing": (
        lambda f: (f / "config.json").write_text((f / "config.json").read_text().replace("llm_config", "config")),
        "has no field 'llm_config'",
    ),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "has no weights: expected model.safetensors"),
    "pickled weights": (
        lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"),
        "it has pytorch_model.bin, but only safetensors",
    ),
    "missing shard": (lose_a_shard, r"model-00002-of-\d+.safetensors is missing"),
    "shards of two checkpoints": (mix_shards, "index and shards come from different checkpoints"),
    "shards outside the folder": (shards_outside, "outside the folder"),
    "an index without a map": (no_weight_map, "has no weight_map"),
    "truncated weights": (cut_weights, r"model.safetensors is damaged or cut off at [\d,]+ bytes"),
    "a pointer in place of weights": (
        lambda f: (f / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid x\n"),
        "is a Git LFS pointer",
    ),
    "quantised weights": (
        lambda f: edit_tensors(f, lambda t: t.update({"mlp1.1.bias": t["mlp1.1.bias"].to(torch.int8)})),
        "mlp1.1.bias has the type I8",
    ),
    "missing tensors": (
        lambda f: edit_tensors(f, lambda t: [t.pop("mlp1.1.bias"), t.pop("mlp1.3.bias")]),
        "2 tensors are missing: mlp1.1.bias, mlp1.3.bias",
    ),
    "unexpected tensors": (
        lambda f: edit_tensors(f, lambda t: t.update(extra=torch.zeros(1))), "1 tensors are unexpected: extra"
    ),
    "wrong shape": (
        lambda f: edit_tensors(f, lambda t: t.update({"mlp1.1.bias": torch.zeros(65)})),
        r"1 tensors have the wrong shape: mlp1.1.bias is \[65\] and should be \[64\]",
    ),
    "no tokenizer": (lambda f: [file.unlink() for file in f.glob("tokenizer*")], "has no tokenizer"),
    "a tokenizer of another size": (
        lambda f: edit_part(f, "llm_config", vocab_size=2000), "1,009 tokens but the model's vocabulary 2,000"
    ),
    "a tokenizer without picture tokens": (
        lambda f: [
            (f / "added_tokens.json").write_text('{"<|im_end|>": 994}'), (f / "tokenizer_config.json").unlink()
        ],
        "does not know <",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_folder_is_told_from_the_others(folder, what):
    spoil, message = WRONG[what]
    spoil(folder)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(folder, device="cpu")


def test_no_folder_at_all(tmp_path):
    with pytest.raises(CheckpointError, match="is not a folder"):
        load_checkpoint(tmp_path / "absent")


# Size and memory


def test_the_real_2b_has_2_205_754_368_parameters():
    parts = count_parameters(empty_model(native_config(internvl2_2b_config(), image_token_id=92546)))
    assert sum(parts.values()) == 2_205_754_368
    assert parts["embeddings"] == parts["head"] == 92553 * 2048
    assert parts["projector"] == 2 * 4096 + 4096 * 2048 + 2048 + 2048 * 2048 + 2048
    assert parts["language model"] == 1_510_049_792 and parts["vision tower"] == 304_012_288


PEAK = """
import json, re, sys
from pathlib import Path
import torch
from course_lib.checkpoint import load_checkpoint

tiny, folder, quantization = sys.argv[1:]
options = dict(quantization=quantization or None, dtype=torch.bfloat16, device="cpu")
load_checkpoint(tiny, **options)  # so that what loading imports is not counted

def memory(field):
    return int(re.search(field + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

Path("/proc/self/clear_refs").write_text("5")  # forget the peak of before
before = memory("VmRSS")
vlm = load_checkpoint(folder, **options)
print(json.dumps({"peak": memory("VmHWM") - before, "after": memory("VmRSS") - before}))
"""


def peak_of_loading(tiny_folder: Path, folder: Path, quantization: str = "") -> int:
    """Bytes by which the process grows at most while it loads a folder's checkpoint in bf16."""
    command = [sys.executable, "-c", PEAK, str(tiny_folder), str(folder), quantization]
    # What the loader asks for, not what the C library keeps of what was given back: large blocks are mapped on their own.
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "1000000"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])["peak"]


def size_on_disk(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))


needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc, which Linux alone has")


@needs_linux
def test_loading_needs_little_more_than_the_weights(tiny_folder, tmp_path):
    config = internvl2_2b_config()
    config["vision_config"] |= {"num_hidden_layers": 3}
    config["llm_config"] |= {"num_hidden_layers": 8, "vocab_size": 4096}  # so many that one layer's work weighs little
    write_random_checkpoint(tmp_path, config)
    size = size_on_disk(tmp_path)
    assert 1.1e9 < size < 1.2e9
    assert 0.9 * size < peak_of_loading(tiny_folder, tmp_path) < 1.3 * size
    assert peak_of_loading(tiny_folder, tmp_path, "nf4") < 0.7 * size


def free_memory() -> int:
    """Bytes that a new process can take; 0 where there is no /proc."""
    file = Path("/proc/meminfo")
    return int(re.search(r"MemAvailable:\s+(\d+)", file.read_text())[1]) * 1024 if file.exists() else 0


@needs_linux
@pytest.mark.skipif(
    free_memory() < 12e9 or shutil.disk_usage(tempfile.gettempdir()).free < 10e9,
    reason="needs 12 GB of free memory and 10 GB of free disk",
)
def test_the_full_2b_loads_within_its_size(tiny_folder, tmp_path):
    try:
        write_random_checkpoint(tmp_path, "2b")
        size = size_on_disk(tmp_path)
        assert 4.41e9 < size < 4.42e9
        assert 0.97 * size < peak_of_loading(tiny_folder, tmp_path) < 1.3 * size
        assert peak_of_loading(tiny_folder, tmp_path, "nf4") < 0.7 * size
    finally:
        shutil.rmtree(tmp_path)


def test_the_command_writes_a_checkpoint_that_loads(tmp_path):
    command = [sys.executable, "-m", "course_lib.checkpoint", str(tmp_path / "out"), "--size", "tiny", "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert "random weights, official InternVL2 layout" in done.stdout
    assert load_checkpoint(tmp_path / "out", device="cpu").answer("hi", max_new_tokens=1) is not None


def test_a_seed_repeats_the_random_weights(tiny_folder, tmp_path):
    write_random_checkpoint(tmp_path / "same", "tiny", seed=0)
    write_random_checkpoint(tmp_path / "other", "tiny", seed=1)
    assert same_weights(tmp_path / "same", tiny_folder) and not same_weights(tmp_path / "other", tiny_folder)
