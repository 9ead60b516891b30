"""Memory: predicted from shapes, what lies there after a step is right to the byte, and the step's peak nearly so."""

import json
from dataclasses import replace

import pytest
import torch

from course_lib import gpu_memory
from course_lib.adapters import add_adapter
from course_lib.checkpoint import empty_model, internvl2_2b_config, load_checkpoint
from course_lib.dataset import LengthGroupedSampler
from course_lib.gpu_memory import Case, compare
from course_lib.layout import native_config
from course_lib.memory import (
    PARTS, PEAK_PARTS, Numbers, Workload, estimate_peak, measure_memory, model_shapes, predict_memory, step_moments,
    what_helps,
)  # fmt: skip
from course_lib.recipes import FOOD_LORA, MEME_QLORA, Recipe

SMALL = Recipe("small", lora_rank=8, lora_alpha=16)


@pytest.fixture(scope="module")
def large():
    return empty_model(native_config(internvl2_2b_config(), image_token_id=92546))


@pytest.mark.parametrize("recipe", [
    replace(SMALL, quantization="nf4"),
    replace(SMALL, lora_on_head=True),
    replace(SMALL, quantization="nf4", train_projector=False),
    replace(SMALL, lora_rank=0),
], ids=["QLoRA", "LoRA with head", "no projector", "projector alone"])  # fmt: skip
def test_prediction_from_shapes_equals_what_a_training_step_leaves(tiny_folder, tiny, recipe):
    predicted = predict_memory(tiny.model, recipe)
    vlm = load_checkpoint(tiny_folder, quantization=recipe.quantization, dtype=torch.bfloat16, device="cpu")
    adapted = add_adapter(vlm, rank=recipe.lora_rank, alpha=recipe.lora_alpha, head=recipe.lora_on_head,
                          train_projector=recipe.train_projector)  # fmt: skip
    optimizer = torch.optim.AdamW([parameter for parameter in adapted.parameters() if parameter.requires_grad])
    tokens = torch.full((1, 2 + vlm.spec.tokens_per_tile), vlm.spec.image_token_id)
    tokens[0, [0, -1]] = 5
    side = vlm.spec.tile_size
    with torch.autocast("cpu", torch.bfloat16):
        adapted(input_ids=tokens, labels=tokens, pixel_values=torch.zeros(1, 3, side, side)).loss.backward()
    optimizer.step()
    assert measure_memory(adapted, optimizer) == predicted
    assert list(predicted) == list(PARTS)


def test_full_fine_tuning_takes_sixteen_bytes_a_parameter(large):
    parts = predict_memory(large, None)
    assert sum(parts.values()) == 16 * 2_205_754_368 and not parts["frozen weights"]


def test_nf4_takes_a_little_over_four_bits_of_the_2b_layers_and_leaves_the_rest_in_sixteen(large):
    lora, qlora = predict_memory(large, FOOD_LORA), predict_memory(large, MEME_QLORA)
    in_nf4 = (lora["frozen weights"] - qlora["frozen weights"]) // 2
    assert in_nf4 == 24 * (2 * 2048 * 2048 + 2 * 2048 * 1024 + 3 * 2048 * 8192)
    assert 4.12 < 8 * (qlora["NF4 weights"] + qlora["NF4 constants"]) / in_nf4 < 4.13
    assert lora["AdamW moments"] == qlora["AdamW moments"] == 2 * lora["gradients"] == 2 * lora["trained weights"]


# Four records of 13 tiles: the heaviest batch of the kit's food pictures.
FOOD = Workload((13, 13, 13, 13), (53, 51, 51, 51), (20, 19, 18, 19))
LARGE = Recipe("large", lora_rank=64, lora_alpha=128, lora_dropout=0.05, lora_on_head=True, batch_size=3,
               accumulation=2, epochs=1)
STEPS = {
    "16 bit, dropout, head": Case(LARGE, 5, uneven=True),
    "one batch a step": Case(replace(LARGE, accumulation=1, batch_size=2, lora_on_head=False), 3, text=200),
    "checkpointing": Case(replace(LARGE, gradient_checkpointing=True), 5, text=200, uneven=True),
    "NF4": Case(replace(LARGE, quantization="nf4", lora_dropout=0.0), 5, uneven=True),
    "most tokens have labels": Case(replace(LARGE, lora_rank=8), 1, text=200, labelled=190),
    "projector alone": Case(replace(LARGE, lora_rank=0), 5),
}


@pytest.mark.parametrize("case", STEPS.values(), ids=STEPS)
def test_predicted_peak_is_what_the_tensors_of_real_steps_take_at_most(tiny_folder, case, capsys):
    [row] = compare(tiny_folder, [case], device="cpu")
    assert abs(row["error"]) < 0.05, row
    assert sum(row["parts"].values()) == row["predicted"] and list(row["parts"]) == list(PEAK_PARTS)


@pytest.mark.parametrize("checkpointing, measured", [(False, 55.6), (True, 11.7)])
def test_predicted_peak_of_the_2b_model_is_that_of_an_h200_to_three_per_cent(large, checkpointing, measured):
    parts = estimate_peak(large, replace(FOOD_LORA, gradient_checkpointing=checkpointing), FOOD)
    assert sum(parts.values()) / 2**30 == pytest.approx(measured, rel=0.03)
    assert {name: parts[name] for name in PARTS} == predict_memory(large, FOOD_LORA)


def test_a_single_batch_a_step_has_no_gradients_while_activations_are_at_their_most(large):
    single = replace(FOOD_LORA, accumulation=1)
    moments = step_moments(large, single, FOOD, Numbers.of(single, "cuda"))
    assert moments["last layer, forward"]["gradients"] == 0 < moments["optimizer"]["gradients"]
    assert estimate_peak(large, FOOD_LORA, FOOD)["gradients"] > 0


def test_shapes_from_a_folder_are_the_model_s(tiny_folder, tiny):
    assert predict_memory(model_shapes(tiny_folder), SMALL) == predict_memory(tiny.model, SMALL)


@pytest.mark.parametrize("grouped", [True, False])
def test_the_workload_is_the_heaviest_batch_that_the_run_will_meet(grouped):
    lengths = [(37 * number) % 101 + 20 for number in range(64)]
    recipe = replace(SMALL, batch_size=4, accumulation=2, epochs=2, group_by_length=grouped)
    load = Workload.of(lengths, [1] * 64, [5] * 64, recipe, tokens_per_tile=4)
    sampler = LengthGroupedSampler(lengths, 8, seed=recipe.seed, grouped=grouped)
    heaviest = 0
    for epoch in range(2):
        sampler.set_epoch(epoch)
        order = [lengths[index] for index in sampler]
        heaviest = max([heaviest, *(4 * max(order[start:start + 4]) for start in range(0, 64, 4))])
    assert load.tokens == heaviest and max(load.lengths) in lengths and len(load.tiles) == 4
    with pytest.raises(ValueError, match="no records"):
        Workload.of([], [], [], recipe)


def test_a_workload_can_be_halved_and_its_pictures_cut_into_fewer_tiles():
    load = Workload((1, 7, 13), (50, 40, 30), (3, 4, 5))
    assert load.lengths == (306, 1832, 3358) and load.tokens == 3 * 3358 and load.padded
    assert load.halved() == Workload((13, 7), (30, 40), (5, 4))
    assert load.with_max_tiles(6).tiles == (1, 7, 7) and load.with_max_tiles(1).tiles == (1, 1, 1)
    assert not Workload.alike(3, 7, 40, 4).padded


def test_what_helps_most_comes_first_and_keeps_the_records_of_a_step(large):
    now = sum(estimate_peak(large, FOOD_LORA, FOOD).values())
    found = what_helps(large, FOOD_LORA, FOOD)
    peaks = [peak for _, _, peak in found]
    assert len(found) == 3 and peaks == sorted(peaks) and peaks[-1] < now
    assert found[0][0] == "gradient_checkpointing=True: about 11.9 GiB instead of 55.0"
    assert found[0][1] == replace(FOOD_LORA, gradient_checkpointing=True)
    assert {recipe.batch_size * recipe.accumulation for _, recipe, _ in found} == {8}
    smallest = replace(SMALL, quantization="nf4", gradient_checkpointing=True, batch_size=1, lora_rank=1)
    assert what_helps(large, smallest, Workload.alike(1, 1, 40, 4)) == []


def test_the_comparison_is_written_with_machine_and_versions_and_goes_on_after_an_out_of_memory(
        tiny_folder, tmp_path, capsys, monkeypatch):
    real = gpu_memory.measure_peak

    def too_large_for_this_machine(vlm, case):
        if case.tiles == 9:
            raise torch.OutOfMemoryError
        return real(vlm, case)

    monkeypatch.setattr(gpu_memory, "measure_peak", too_large_for_this_machine)
    cases = [Case(replace(SMALL, batch_size=1, accumulation=1), tiles) for tiles in (9, 1, 2)]
    file = tmp_path / "memory.json"
    gpu_memory.main(["--model", str(tiny_folder), "--out", str(file), "--device", "cpu"], cases)
    report = json.loads(file.read_text())
    assert [row["measured"] is None for row in report["rows"]] == [True, False, False]
    assert report["largest_error"] < 0.05 and report["versions"]["torch"] and report["machine"] and report["date"]
    assert "out of memory" in capsys.readouterr().out
