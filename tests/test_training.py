"""Training: the loss is the plain one, the right parts learn, runs resume exactly, and their folders tell the story."""

import json
import shutil
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from training_samples import QUICK, losses, write_colours

from course_lib.adapters import add_adapter
from course_lib.checkpoint import load_checkpoint, write_random_checkpoint
from course_lib.dataset import DataError, Record, VLDataset, collate, read_records
from course_lib.recipes import FOOD_LORA, MEME_QLORA, RECIPES
from course_lib.run_folder import Run, newest_checkpoint, read_metrics
from course_lib.training import choose_precision, evenly, train
from course_lib.vision_features import cache_features, model_inputs, vision_features

@pytest.fixture(scope="module")
def checkpoint(tiny_folder) -> Path:
    return tiny_folder


@pytest.fixture(scope="module")
def records(tmp_path_factory) -> list[Record]:
    """Ten pictures of three colours, one or five tiles large, and two records without a picture."""
    return read_records(write_colours(tmp_path_factory.mktemp("pictures")))


def record(folder: Path, number: int, question: str, answer: str, *images: Path) -> Record:
    return Record(folder / "data.json", number, images, ({"role": "user", "content": question},
                                                         {"role": "assistant", "content": answer}))


def batch_of(vlm, records, **options) -> dict[str, torch.Tensor]:
    data = VLDataset(records, vlm.tokenizer, vlm.spec, max_length=400, **options)
    return collate([data[i] for i in range(len(data))], vlm.tokenizer.pad_token_id)


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("chosen", [slice(0, 12, 3), slice(10, 12)], ids=["pictures and text", "text only"])
def test_loss_and_gradients_at_labelled_positions_equal_the_plain_path(checkpoint, records, cached, chosen):
    vlm = load_checkpoint(checkpoint)
    adapted = add_adapter(vlm, rank=4, alpha=8, head=True)
    with torch.no_grad():  # peft begins with B = 0, where A gets no gradient
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.05, generator=torch.Generator().manual_seed(0))
    trained = [parameter for parameter in adapted.parameters() if parameter.requires_grad]
    features = cache_features(vlm, records) if cached else None
    plain = adapted(**batch_of(vlm, records[chosen]), use_cache=False)
    short = adapted(**model_inputs(vlm.model, batch_of(vlm, records[chosen], features=features)))
    torch.testing.assert_close(short.loss, plain.loss, atol=1e-5, rtol=0)
    assert short.logits.numel() < plain.logits.numel() / 5
    gradients = (torch.autograd.grad(loss, trained, allow_unused=True) for loss in (plain.loss, short.loss))
    for expected, found in zip(*gradients, strict=True):
        if expected is not None:
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
        else:
            assert found is None  # the projector, without pictures


def test_vision_features_are_what_the_projector_sees_and_carry_no_gradient(checkpoint, records):
    vlm = load_checkpoint(checkpoint)
    pixels = vlm.pixel_values(records[0].images[0])  # [5, 3, 56, 56]
    features = vision_features(vlm.model, pixels.requires_grad_())
    assert features.shape == (5, vlm.spec.tokens_per_tile, vlm.model.config.vision_config.hidden_size * 4)
    assert not features.requires_grad
    torch.testing.assert_close(vlm.model.model.multi_modal_projector(features), vlm.visual_tokens(pixels))
    cached = cache_features(vlm, records, tiles_at_once=3)
    assert len(cached) == 10
    torch.testing.assert_close(cached[records[0].images[0]], features, atol=1e-5, rtol=1e-5)


@pytest.fixture(scope="module")
def undisturbed(checkpoint, records, tmp_path_factory) -> Run:
    """QLoRA, six steps with dropout, kept with every checkpoint."""
    folder = tmp_path_factory.mktemp("runs") / "undisturbed"
    return train(replace(QUICK, keep=9), checkpoint, records, records[:4], folder)


def test_qlora_lowers_the_loss_and_writes_down_what_made_it(undisturbed, checkpoint, records):
    before, *_, after = undisturbed.held_out_losses().values()
    assert after < before - 0.3
    assert list(undisturbed.held_out_losses()) == [0, 3, 6]
    assert [line["step"] for line in undisturbed.metrics if "loss" in line] == [1, 2, 3, 4, 5, 6]
    step = undisturbed.metrics[2]
    assert step.keys() >= {"epoch", "loss", "learning_rate", "grad_norm", "tokens_per_second", "memory_mib", "seconds"}
    assert undisturbed.recipe == replace(QUICK, keep=9) and undisturbed.finished
    assert undisturbed.about["data"]["train"]["records"] == 12
    assert undisturbed.about["versions"]["torch"] == version("torch")
    assert {path.name for path in undisturbed.folder.glob("checkpoint-*")} == {f"checkpoint-{n}" for n in (2, 4, 6)}
    assert (undisturbed.adapter_folder / "adapter_model.safetensors").is_file()
    assert not list(undisturbed.folder.rglob("*.bin"))


def test_the_learning_rate_rises_then_falls_as_half_a_cosine(undisturbed):
    rates = [line["learning_rate"] for line in undisturbed.metrics if "loss" in line]
    assert rates[0] == 0 and rates[1] == pytest.approx(QUICK.learning_rate)  # one step of warm-up
    assert rates[1:] == sorted(rates[1:], reverse=True)
    assert rates[-1] < QUICK.learning_rate / 5


def test_the_same_seed_gives_the_same_losses_and_another_does_not(undisturbed, checkpoint, records, tmp_path):
    short = replace(QUICK, save_every=0, eval_every=0, epochs=1)
    runs = [train(replace(short, seed=seed), checkpoint, records, [], tmp_path / name)
            for name, seed in (("first", 0), ("again", 0), ("other", 1))]
    assert losses(runs[0]) == losses(runs[1]) != losses(runs[2])


@pytest.mark.parametrize("killed_at", [2, 4])
def test_a_resumed_run_ends_with_the_same_losses_as_an_undisturbed_one(
    undisturbed, checkpoint, records, tmp_path, killed_at
):
    folder = tmp_path / "killed"
    shutil.copytree(undisturbed.folder, folder)
    shutil.rmtree(folder / "adapter")
    about = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(about | {"finished": None}))
    (folder / "unfinished").mkdir()
    for step in {2, 4, 6} - set(range(killed_at + 1)):  # what a kill while writing the next checkpoint leaves
        (folder / f"checkpoint-{step}").rename(folder / "unfinished" / f"checkpoint-{step}")
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 7, "lo')
    assert newest_checkpoint(folder).name == f"checkpoint-{killed_at}"
    resumed = train(replace(QUICK, keep=9), checkpoint, records, records[:4], folder, resume=True)
    assert losses(resumed) == losses(undisturbed)
    assert resumed.finished


def test_resuming_a_finished_run_only_reads_it_and_other_settings_data_or_models_are_refused(
    undisturbed, checkpoint, records, tmp_path
):
    recipe, held_out, folder = undisturbed.recipe, records[:4], undisturbed.folder
    again = train(recipe, checkpoint, records, held_out, folder, resume=True)
    assert again.metrics == undisturbed.metrics
    with pytest.raises(ValueError, match="learning_rate was 0.01, is 0.1"):
        train(replace(recipe, learning_rate=0.1), checkpoint, records, held_out, folder, resume=True)
    with pytest.raises(ValueError, match="data was"):
        train(recipe, checkpoint, records[1:], held_out, folder, resume=True)
    other = write_random_checkpoint(tmp_path / "other", "tiny", seed=1)
    with pytest.raises(ValueError, match="model was 'another model'"):
        train(recipe, other, records, held_out, folder, resume=True)
    with pytest.raises(FileExistsError, match="holds a run already"):
        train(recipe, checkpoint, records, held_out, folder)


@pytest.mark.parametrize("changes", [
    {"lora_rank": 0},
    {"cache_vision": True, "accumulation": 2},
    {"quantization": None, "lora_on_head": True, "gradient_checkpointing": True},
    {"mask_labels": False, "group_by_length": False, "max_tiles": 1},
    {"precision": "bf16", "quantization": None},
], ids=lambda changes: " ".join(changes))
def test_other_ways_to_train_lower_the_loss_too(checkpoint, records, tmp_path, changes):
    recipe = replace(QUICK, **{"save_every": 0, "eval_every": 0, "lora_dropout": 0.0, **changes})
    run = train(recipe, checkpoint, records, records[:4], tmp_path)
    before, after = run.held_out_losses().values()
    assert after < before - 0.01


def test_the_frozen_parts_get_no_gradient_and_do_not_change(checkpoint, records):
    vlm = load_checkpoint(checkpoint, quantization="nf4")
    adapted = add_adapter(vlm, rank=4, alpha=8)
    adapted(**model_inputs(vlm.model, batch_of(vlm, records[:2]))).loss.backward()
    for name, parameter in adapted.named_parameters():
        trained = "lora_" in name or ".modules_to_save." in name
        assert (parameter.grad is not None) == trained, name


def test_bad_data_is_listed_before_anything_is_loaded_or_written(checkpoint, records, tmp_path):
    missing = record(tmp_path, 3, "<image>", "x", tmp_path / "none.png")
    with pytest.raises(DataError) as caught:
        train(replace(QUICK, max_length=60), checkpoint, [*records, missing], [], tmp_path / "run")
    kinds = {problem.what.split(" ")[0] for problem in caught.value.problems}
    assert {"no"} < kinds and len(caught.value.problems) > 3  # the missing picture, and each record that is too long
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_not_a_number_stops_the_run_and_says_what_to_change(checkpoint, records, tmp_path):
    with pytest.raises(FloatingPointError, match="use a lower learning_rate"):
        train(replace(QUICK, learning_rate=1e30, warmup=0.0), checkpoint, records, [], tmp_path)


@pytest.mark.parametrize("changes, said", [
    ({"lora_rank": 0, "train_projector": False}, "train_projector"),
    ({"quantization": "int3"}, "quantization='int3'"),
    ({"batch_size": 0}, "batch_size=0 (should be 1 or more)"),
    ({"warmup": 1.0}, "a share of the steps"),
])  # fmt: skip
def test_a_recipe_that_makes_no_sense_is_refused(changes, said):
    with pytest.raises(ValueError) as caught:
        replace(QUICK, **changes)
    assert said in str(caught.value)


def test_settings_can_be_typed_as_text():
    changed = QUICK.with_settings(["learning_rate=1e-4", "max_tiles=3", "quantization=none", "lora_on_head=true"])
    assert changed == replace(QUICK, learning_rate=1e-4, max_tiles=3, quantization=None, lora_on_head=True)
    assert changed.with_settings(["max_tiles=none"]).max_tiles is None
    for wrong in ("learning_rate", "rate=3", "epochs=many", "mask_labels=1", "batch_size=1.5"):
        with pytest.raises(ValueError, match="should be"):
            QUICK.with_settings([wrong])


def test_the_old_lessons_settings_are_kept_to_the_letter():
    for recipe, expected in {
        MEME_QLORA: ("nf4", 6656, 4, 4, 6, 2e-5, 1000, 1),
        FOOD_LORA: (None, 8192, 4, 2, 10, 3e-5, 64, 1),
    }.items():
        assert (recipe.quantization, recipe.max_length, recipe.batch_size, recipe.accumulation, recipe.epochs,
                recipe.learning_rate, recipe.save_every, recipe.keep) == expected
        assert (recipe.lora_rank, recipe.lora_alpha, recipe.lora_dropout, recipe.lora_on_head) == (128, 256, 0.05, True)
        assert (recipe.beta1, recipe.beta2, recipe.weight_decay) == (0.9, 0.999, 0.05)
        assert (recipe.clip, recipe.warmup) == (1, 0.03)
        assert (recipe.train_projector, recipe.group_by_length, recipe.workers) == (True, True, 4)
    assert RECIPES["meme-qlora"] is MEME_QLORA


def test_precision_follows_the_device(monkeypatch):
    for ability, precision in (("avx512_bf16", "bf16"), ("amx_bf16", "bf16"), ("avx512_f", "float32")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda ability=ability: {ability: True})
        assert choose_precision(QUICK, torch.device("cpu")) == precision
    assert choose_precision(replace(QUICK, precision="bf16"), torch.device("cpu")) == "bf16"
    with pytest.raises(ValueError, match="needs a GPU"):
        choose_precision(replace(QUICK, precision="fp16"), torch.device("cpu"))


def test_held_out_records_are_taken_evenly(records):
    assert evenly(records, 4) == [records[0], records[3], records[6], records[9]]
    assert evenly(records, 100) == records


def test_metrics_of_a_run_that_is_just_writing_are_read_up_to_the_last_whole_line(tmp_path):
    file = tmp_path / "metrics.jsonl"
    assert read_metrics(file) == []
    file.write_text('{"step": 1}\n{"st')
    assert read_metrics(file) == [{"step": 1}]
