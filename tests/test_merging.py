"""Merging by hand against peft, three bases, export and reload, and every adapter that does not belong."""

import json
import shutil

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from course_lib.adapters import add_adapter, attach_adapter, save_adapter
from course_lib.base_fingerprint import base_fingerprint
from course_lib.checkpoint import load_checkpoint, save_checkpoint
from course_lib.merging import (
    MergeError, check_fits, compare_logits, dequantised_weight, is_4bit, load_with_adapter, merge_adapter,
    merge_command, merged_weight, read_adapter, verify_export,
)  # fmt: skip
from course_lib.random_checkpoint import tiny_config, write_random_checkpoint
from course_lib.records import Record

TARGET = "model.language_model.layers.1.self_attn.q_proj"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A tiny random checkpoint whose layers suit NF4 (rows of whole 64-blocks)."""
    config = tiny_config()
    config["llm_config"]["intermediate_size"] = 192
    return write_random_checkpoint(tmp_path_factory.mktemp("base"), config)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    picture = tmp_path_factory.mktemp("pictures") / "a.png"
    Image.radial_gradient("L").resize((140, 60)).save(picture)
    messages = ({"role": "user", "content": "<image>\n讲一个梗"}, {"role": "assistant", "content": "今天出现了数据"})
    text = ({"role": "user", "content": "你好"}, {"role": "assistant", "content": "出现"})
    return [Record(picture, 1, (picture,), messages), Record(picture, 2, (), text)]


@pytest.fixture(scope="module")
def adapter(base, tmp_path_factory):
    """An adapter on every linear layer of the language model and the head, and a projector, all random."""
    vlm = load_checkpoint(base, dtype=torch.float32)
    torch.manual_seed(0)
    adapted = add_adapter(vlm, rank=4, alpha=12, head=True)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn_like(parameter))
    folder = tmp_path_factory.mktemp("run") / "adapter"
    save_adapter(adapted, folder)
    return folder


def peft_merged(base, adapter, dtype):
    """The same merge by peft itself."""
    vlm = load_checkpoint(base, dtype=dtype)
    return attach_adapter(vlm, adapter).merge_and_unload()


def test_merged_weight_by_hand():
    w, b, a = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[1.0], [-1.0]]), torch.tensor([[10.0, 20.0]])
    assert merged_weight(w, a, b, 0.5, torch.float32).tolist() == [[6.0, 12.0], [-2.0, -6.0]]
    tiny = merged_weight(torch.ones(1, 1), torch.ones(1, 1), torch.full((1, 1), 1e-4), 1.0, torch.bfloat16)
    assert tiny.item() == 1.0  # bf16 has no number between 1 and 1.0078: a small update is rounded away


def test_read_adapter_finds_every_pair_and_the_projector(adapter):
    read = read_adapter(adapter)
    assert read.scaling == 3.0 and len(read.pairs) == 2 * 7 + 1 and "lm_head" in read.pairs
    assert all(name.startswith("model.multi_modal_projector.") for name in read.whole) and len(read.whole) == 6


def test_exact_merge_equals_peft_in_float32(base, adapter):
    ours = merge_adapter(base, adapter, rounding=False).model.state_dict()
    theirs = peft_merged(base, adapter, torch.float32).state_dict()
    assert ours.keys() == theirs.keys()
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], atol=1e-6, rtol=0)


def test_rounded_merge_equals_peft_on_the_bf16_base_bit_for_bit(base, adapter):
    ours = merge_adapter(base, adapter).model.state_dict()
    theirs = peft_merged(base, adapter, torch.bfloat16).state_dict()
    for name in ours:
        assert torch.equal(ours[name].bfloat16(), theirs[name].bfloat16()), name
        assert torch.equal(ours[name], ours[name].bfloat16().to(ours[name].dtype)), name


def test_merged_model_answers_as_the_adapter_beside_its_base_does(base, adapter, records):
    beside = load_with_adapter(base, adapter)
    assert compare_logits(beside, merge_adapter(base, adapter, rounding=False), records)["max_abs"] < 1e-4
    untuned = compare_logits(beside, load_checkpoint(base, dtype=torch.float32), records)
    rounded = compare_logits(beside, merge_adapter(base, adapter), records)
    assert untuned["max_abs"] > 0.1 and 0 < rounded["kl"] < untuned["kl"] / 10


def test_three_bases_give_three_models(base, adapter, records):
    merged = {kind: merge_adapter(base, adapter, base=kind) for kind in ("16bit", "nf4-dequantised", "nf4")}
    layers = {kind: vlm.model.get_submodule(TARGET) for kind, vlm in merged.items()}
    assert [is_4bit(layer) for layer in layers.values()] == [False, False, True]
    a, b = read_adapter(adapter).pairs[TARGET]
    seen = dequantised_weight(load_checkpoint(base, quantization="nf4").model.get_submodule(TARGET))
    expected = merged_weight(seen, a, b, 3.0, torch.bfloat16).float()
    assert torch.equal(layers["nf4-dequantised"].weight.float(), expected)
    step = (dequantised_weight(layers["nf4"]).float() - expected).abs().max()
    assert 0 < step < 0.2 * expected.abs().max()  # requantised: near, not equal
    pairs = [("16bit", "nf4-dequantised"), ("16bit", "nf4"), ("nf4-dequantised", "nf4")]
    assert all(compare_logits(merged[a], merged[b], records)["kl"] > 1e-6 for a, b in pairs)


def test_weights_repacked_by_an_answer_are_not_misread(base, records):
    vlm = load_checkpoint(base, quantization="nf4")
    layer = vlm.model.get_submodule(TARGET)
    fresh = dequantised_weight(layer)
    vlm.answer("你好", max_new_tokens=1)
    if getattr(layer.weight.quant_state, "packing_format_for_cpu", False):  # only with AVX512-BF16
        with pytest.raises(MergeError, match="load it again"):
            dequantised_weight(layer)
    else:
        assert torch.equal(dequantised_weight(layer), fresh)


def test_dequantised_merge_is_what_training_in_nf4_saw(base, adapter, records):
    """Closer to the adapter beside NF4 than the pristine base is: that is what the middle base is for."""
    trained = load_with_adapter(base, adapter, quantization="nf4")
    near = compare_logits(trained, merge_adapter(base, adapter, base="nf4-dequantised"), records)
    far = compare_logits(trained, merge_adapter(base, adapter, base="16bit"), records)
    assert near["kl"] < far["kl"]


@pytest.mark.parametrize("kind", ["16bit", "nf4-dequantised"])
def test_export_loads_again_bit_for_bit(base, adapter, records, tmp_path, kind):
    vlm = merge_adapter(base, adapter, base=kind)
    save_checkpoint(vlm, tmp_path / "merged")
    report = verify_export(tmp_path / "merged", vlm, records)
    assert report["max_abs"] == 0 and report["top1_agreement"] == 1 and report["kl"] == pytest.approx(0, abs=1e-6)
    assert load_file(tmp_path / "merged" / "model.safetensors").keys() == load_file(base / "model.safetensors").keys()


def test_projector_alone_is_an_adapter_too(base, records, tmp_path):
    adapted = add_adapter(load_checkpoint(base, dtype=torch.float32), rank=0, alpha=1)
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.mul_(1.5)
    save_adapter(adapted, tmp_path / "adapter")
    beside = load_with_adapter(base, tmp_path / "adapter")
    merged = merge_adapter(base, tmp_path / "adapter", rounding=False)
    assert compare_logits(beside, merged, records)["max_abs"] < 1e-5
    assert compare_logits(beside, load_checkpoint(base, dtype=torch.float32), records)["max_abs"] > 1e-3


def test_export_of_another_model_is_noticed(base, adapter, tmp_path):
    save_checkpoint(merge_adapter(base, adapter), tmp_path / "merged")
    with pytest.raises(MergeError, match="tensors differ"):
        verify_export(tmp_path / "merged", load_checkpoint(base))


def test_merge_command_leaves_a_checkpoint_and_a_report(base, adapter, records, tmp_path):
    report = merge_command(base, adapter, tmp_path / "out", records=records)
    assert report["tensors"] > 30 and report["max_abs"] == 0
    with pytest.raises(MergeError, match="no 4-bit weights"):
        merge_command(base, adapter, tmp_path / "out4", base="nf4")


def test_comparison_needs_records(base):
    vlm = load_checkpoint(base)
    with pytest.raises(MergeError, match="at least one"):
        compare_logits(vlm, vlm, [])


def changed(adapter, folder, config=None, tensors=None):
    """A copy of the adapter with some config fields or tensors replaced."""
    shutil.copytree(adapter, folder)
    if config:
        file = folder / "adapter_config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | config))
    if tensors:
        file = folder / "adapter_model.safetensors"
        save_file(tensors(load_file(file)), file)
    return folder


@pytest.mark.parametrize("field, value", [("use_dora", True), ("use_rslora", True), ("rank_pattern", {"q_proj": 8}),
                                          ("peft_type", "IA3")])  # fmt: skip
def test_other_kinds_of_adapter_are_refused(base, adapter, tmp_path, field, value):
    folder = changed(adapter, tmp_path / "a", config={field: value})
    with pytest.raises(MergeError, match="only a plain LoRA"):
        merge_adapter(base, folder)


def halved(tensors):
    name = f"base_model.model.{TARGET}.lora_A.weight"
    return tensors | {name: tensors[name][:, :32].clone()}


def renamed(tensors):
    return {name.replace("layers.1.", "layers.7."): tensor for name, tensor in tensors.items()}


@pytest.mark.parametrize("tensors, words", [(halved, "made for 64 x 32"), (renamed, "has no layer .*layers.7")])
def test_adapter_of_another_base_is_named_tensor_by_tensor(base, adapter, tmp_path, tensors, words):
    folder = changed(adapter, tmp_path / "a", tensors=tensors)
    for merge in (merge_adapter, load_with_adapter):
        with pytest.raises(MergeError, match=f"(?s)another base model.*{words}"):
            merge(base, folder)


def test_adapter_of_other_weights_of_the_same_shapes_is_refused(base, adapter, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(adapter, run / "adapter")
    (run / "run.json").write_text(json.dumps({"model": str(base), "model_fingerprint": base_fingerprint(base)}))
    merge_adapter(base, run / "adapter")
    save_checkpoint(merge_adapter(base, adapter), tmp_path / "other")
    with pytest.raises(MergeError, match="tuned the weights of"):
        merge_adapter(tmp_path / "other", run / "adapter")


@pytest.mark.parametrize("missing", ["adapter_config.json", "adapter_model.safetensors"])
def test_missing_files_are_named(base, adapter, tmp_path, missing):
    folder = changed(adapter, tmp_path / "a")
    (folder / missing).unlink()
    with pytest.raises(MergeError, match=missing):
        merge_adapter(base, folder)
    with pytest.raises(MergeError, match="base is one of"):
        merge_adapter(base, adapter, base="8bit")


def test_head_that_is_the_embeddings_is_not_merged_into(base, adapter):
    model = load_checkpoint(base).model
    model.config.tie_word_embeddings = True
    with pytest.raises(MergeError, match="head is the embeddings"):
        check_fits(read_adapter(adapter), model)
