"""Experiments: a grid is checked before it runs, resumed by content, looks at pictures once, and tells of failures."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from safetensors import safe_open
from training_samples import losses, write_colours

from course_lib import course_steps, experiments, training, vision_features
from course_lib.checkpoint import load_checkpoint
from course_lib.dataset import Record, read_records
from course_lib.experiments import run_experiments
from course_lib.figures_experiments import experiments_figure
from course_lib.licences import LicenceError
from course_lib.recipes import Recipe
from course_lib.scores import wilson
from course_lib.variants import variant_recipes

QUICK = Recipe("quick", quantization="nf4", lora_rank=4, lora_alpha=8, max_length=400, epochs=2, batch_size=2,
               accumulation=1, learning_rate=1e-2, save_every=1, precision="float32")
VARIANTS = {"base": {}, "rank 2": {"lora_rank": 2, "lora_alpha": 4.0},
            "explodes": {"learning_rate": 1e30, "warmup": 0.0}, "head adapted": {"lora_on_head": True}}


@pytest.fixture(scope="module")
def records(tmp_path_factory) -> list[Record]:
    """Four pictures, each with one question in FoodieQA's fields."""
    folder = tmp_path_factory.mktemp("pictures")
    made = []
    for number, (colour, dish) in enumerate((("red", "红菜"), ("green", "绿菜"), ("blue", "蓝菜"), ("white", "白菜"))):
        picture = folder / f"{number}.png"
        Image.new("RGB", (56, 56), colour).save(picture)
        messages = ({"role": "user", "content": "<image>\n什么菜系"},
                    {"role": "assistant", "content": f"川菜，图中的菜是{dish}"})
        meta = {"question_type": "cuisine_type", "choices": ["川菜", "湘菜"], "answer": "0",
                "licence": "MIT", "food_meta": {"food_name": dish, "food_type": "川菜"}}
        made.append(Record(folder / "data.json", number + 1, (picture,), messages, meta=meta))
    return made


@pytest.fixture
def trained(monkeypatch) -> list[int]:
    """The ranks of the adapters that `train` made since the test began: it really trains, and is only watched."""
    ranks, real = [], training.add_adapter

    def add_adapter(vlm, *, rank, **options):
        ranks.append(rank)
        return real(vlm, rank=rank, **options)

    monkeypatch.setattr(training, "add_adapter", add_adapter)
    return ranks


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("grid")


@pytest.fixture(scope="module")
def grid(folder, records, tiny_folder):
    return run(folder, records, tiny_folder)


def run(folder, records, model, variants=VARIANTS, base=QUICK, **options):
    options = {"task": "food", "score_records": 3} | options
    return run_experiments(base, variants, records, records, folder, model_folder=model, **options)


@pytest.mark.parametrize("last, said", [
    ({"lora_rank": -1}, "variant 'last': .*lora_rank=-1"),
    ({"rank": 4}, "no setting 'rank'"),
    ({"workers": 2}, "'base' and 'last' would learn the same"),
    ({"max_length": 10}, "10"),
    ({"precision": "fp16"}, "needs a GPU"),
], ids=str)  # fmt: skip
def test_every_variant_is_checked_before_the_first_is_trained(records, tiny_folder, tmp_path, last, said):
    if torch.cuda.is_available() and "precision" in last:
        pytest.skip("a GPU computes in fp16")
    with pytest.raises(ValueError, match=said):
        run(tmp_path, records, tiny_folder, {"base": {}, "last": last})
    assert not list(tmp_path.iterdir())


def test_no_variant_an_unknown_task_and_records_without_a_measure_are_refused(records, tiny_folder, tmp_path):
    with pytest.raises(ValueError, match="0 variants"):
        run(tmp_path, records, tiny_folder, {})
    with pytest.raises(ValueError, match="task 'foods'"):
        run(tmp_path, records, tiny_folder, task="foods")
    with pytest.raises(ValueError, match="FoodieQA's own fields"):
        run(tmp_path, [replace(record, meta={}) for record in records], tiny_folder)
    assert not list(tmp_path.iterdir())


def test_a_grid_trains_every_variant_and_a_failure_is_a_row_while_the_others_run(grid):
    table = grid.table
    assert [*table.index] == [*VARIANTS]
    assert [*table["failed"].astype(bool)] == [False, False, True, False]
    assert "use a lower learning_rate" in table.loc["explodes", "failed"]
    good = table.drop("explodes")
    assert (good["held-out after"] < good["held-out before"] - 0.1).all()
    assert (good["final loss"] < good["first loss"]).all()
    assert (good["minutes"] > 0).all() and (good["peak MiB"] > 0).all()
    assert table.loc["explodes", ["trained numbers", "held-out after", "score"]].isna().all()
    assert table.loc["rank 2", "changed"] == "lora_rank=2, lora_alpha=4.0"
    assert [run.failed for run in grid.ranked][-1] and grid.ranked[0].name == good["held-out after"].idxmin()


def test_trained_numbers_are_those_of_the_saved_adapter(grid):
    for one in grid.runs:
        if not one.failed:
            with safe_open(one.run.adapter_folder / "adapter_model.safetensors", "pt") as stored:
                tensors = [stored.get_tensor(name) for name in stored.keys()]  # noqa: SIM118
            assert one.trained_numbers() == sum(tensor.numel() for tensor in tensors)
    numbers = grid.table["trained numbers"]
    assert numbers["rank 2"] < numbers["base"] < numbers["head adapted"]


def test_the_score_is_the_tasks_own_with_its_wilson_interval_kept_in_the_run_folder(grid):
    row, one = grid.table.loc["base"], grid["base"]
    assert row["questions"] == 3 and (row["score low"], row["score high"]) == wilson(one.score.successes, 3)
    assert one.score_name == "overall" and one.evaluation.label == "base"
    assert len(list(one.run.folder.glob("evaluation-food-*.json"))) == 1
    assert grid.paired("base", "base").difference == 0
    with pytest.raises(ValueError, match="no score"):
        grid.paired("base", "explodes")
    with pytest.raises(KeyError, match="'rank 2'"):
        grid["rank 3"]


def test_a_finished_grid_is_only_read_and_a_variant_added_later_is_the_only_one_trained(
    grid, folder, records, tiny_folder, trained, monkeypatch
):
    with monkeypatch.context() as patched:
        patched.delattr("course_lib.merging.load_with_adapter")  # nothing is loaded to answer again
        assert run(folder, records, tiny_folder).table.equals(grid.table)
    assert trained == []
    renamed = {"plain": {}, "rank 2": VARIANTS["rank 2"], "explodes": VARIANTS["explodes"], "rank 3": {"lora_rank": 3}}
    more = run(folder, records, tiny_folder, renamed)
    assert trained == [3]
    assert more["plain"].run == grid["base"].run and more["explodes"].failed == grid["explodes"].failed


@pytest.mark.parametrize("max_tiles", [None, 1])
def test_the_vision_features_are_exactly_the_same_whatever_is_quantised(tiny_folder, tmp_path, max_tiles):
    colours = read_records(write_colours(tmp_path))
    whole, nf4 = (vision_features.cache_features(load_checkpoint(tiny_folder, quantization=quantization, device="cpu"),
                                                 colours, max_tiles=max_tiles) for quantization in (None, "nf4"))
    assert len(whole) == 10 and whole.keys() == nf4.keys()
    assert all(torch.equal(whole[path], nf4[path]) for path in whole)


def test_pictures_are_looked_at_once_for_each_max_tiles_and_the_losses_are_those_of_separate_trainings(
    tiny_folder, tmp_path, monkeypatch
):
    looked, real = [], vision_features.cache_features

    def cache_features(vlm, records, *, max_tiles):
        looked.append(max_tiles)
        return real(vlm, records, max_tiles=max_tiles)

    colours = read_records(write_colours(tmp_path))
    base = replace(QUICK, cache_vision=True, batch_size=4, epochs=1, eval_records=3)
    variants = {"base": {}, "one tile": {"max_tiles": 1}, "16 bits": {"quantization": None},
                "pixels": {"cache_vision": False}}
    with monkeypatch.context() as patched:
        patched.setattr(vision_features, "cache_features", cache_features)
        patched.delattr(training, "cache_features")  # no training looks for itself
        grid = run(tmp_path / "grid", colours, tiny_folder, variants, base, task=None)
        assert looked == [None, 1]
        run(tmp_path / "grid", colours, tiny_folder, variants, base, task=None)
        assert looked == [None, 1]  # nothing was left to train
        more = {**variants, "rank 3": {"lora_rank": 3}}
        run(tmp_path / "grid", colours, tiny_folder, more, base, task=None)
        assert looked == [None, 1, None]
    for name, recipe in variant_recipes(base, variants).items():
        alone = training.train(recipe, tiny_folder, colours, colours, tmp_path / name)
        assert losses(grid[name].run) == losses(alone), name
    assert losses(grid["one tile"].run) != losses(grid["base"].run)


def test_records_that_need_a_persons_consent_are_refused_before_the_first_training(records, tiny_folder, tmp_path):
    own_copy = [replace(record, meta={**record.meta, "licence": None}) for record in records]
    base = replace(QUICK, cache_vision=True)
    with pytest.raises(LicenceError):
        run(tmp_path, own_copy, tiny_folder, {"base": {}}, base)
    assert not list(tmp_path.iterdir())
    assert run(tmp_path, own_copy, tiny_folder, {"base": {}}, base, train_on_foodieqa=True)["base"].run.finished
    assert run(tmp_path, own_copy, tiny_folder, {"base": {}}, base, score_records=2)["base"].score.n == 2  # no training


def test_an_interrupted_variant_goes_on_from_its_checkpoint_to_the_same_losses(
    records, tiny_folder, tmp_path, monkeypatch
):
    steps, real = [], training.VLTrainer.log

    def log(self, logs, *rest):
        real(self, logs, *rest)
        if "loss" in logs:
            steps.append(self.state.global_step)
            if steps == [1, 2, 3]:
                raise KeyboardInterrupt

    whole = run(tmp_path / "whole", records, tiny_folder, {"base": {}}, task=None)
    monkeypatch.setattr(training.VLTrainer, "log", log)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "stopped", records, tiny_folder, {"base": {}}, task=None)
    again = run(tmp_path / "stopped", records, tiny_folder, {"base": {}}, task=None)
    assert steps == [1, 2, 3, 3, 4]  # the checkpoint of step 2 was the last
    assert again.curves() == whole.curves() and again["base"].score is None


def test_anything_but_a_loss_that_is_no_number_is_not_hidden(records, tiny_folder, tmp_path, monkeypatch):
    def out_of_memory(*_, **__):
        raise torch.OutOfMemoryError("no memory left")

    monkeypatch.setattr(training, "add_adapter", out_of_memory)
    with pytest.raises(torch.OutOfMemoryError):
        run(tmp_path, records, tiny_folder)
    assert not list(tmp_path.rglob(experiments.FAILED))


def test_another_number_of_questions_is_asked_anew_without_training(grid, folder, records, tiny_folder, trained):
    more = run(folder, records, tiny_folder, score_records=4)
    assert trained == [] and more.table.loc["base", "questions"] == 4


def test_runs_that_are_there_are_refused_without_resume(grid, folder, records, tiny_folder):
    with pytest.raises(FileExistsError, match="resume=True"):
        run(folder, records, tiny_folder, resume=False)


def test_a_variants_folder_is_the_one_that_the_course_gives_the_same_run(grid, records, tiny_folder, monkeypatch):
    monkeypatch.setenv("COURSE_MODEL", str(tiny_folder))
    where = course_steps.run_folder(QUICK, records, records, grid["base"].run.folder.parent)
    assert where == grid["base"].run.folder


def test_the_table_for_people_says_score_interval_and_failure(grid):
    text = repr(grid)
    assert "failed: the loss became" in text and "/3)" in text and "Wilson" in text
    assert '<th scope="row"' in grid._repr_html_() and "head adapted" in grid._repr_html_()


def test_the_figure_draws_every_variant_differently_and_lists_the_lowest_held_out_loss_first(grid, recwarn):
    figure = experiments_figure(grid)
    assert isinstance(figure, Figure)
    figure.savefig(io.BytesIO(), format="png")
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]
    [legend] = figure.legends
    shown = [text.get_text() for text in legend.get_texts()]
    assert [label.split(":")[0] for label in shown] == [one.name for one in grid.ranked]
    assert shown[-1] == "explodes: failed"
    lines = [line for line in figure.axes[0].lines if not line.get_label().startswith("_")]
    looks = [(line.get_color(), line.get_linestyle(), line.get_marker()) for line in lines]
    for part in zip(*looks):
        assert len(set(part)) == len(grid.runs)  # colour, line style and marker each tell them apart
    assert len(figure.axes[1].containers) == len([one for one in grid.runs if one.score])


def test_without_a_task_the_figure_has_losses_only(grid):
    unscored = replace(grid, runs=tuple(replace(one, evaluation=None) for one in grid.runs))
    assert len(experiments_figure(unscored).axes) == 1 and unscored.table["score"].isna().all()
