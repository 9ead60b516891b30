"""The plan before a training: its steps are the run's, its memory names the parts, a leak is called one."""

import json
from dataclasses import replace

import pytest
from training_samples import QUICK, write_colours

from course_lib.dataset import read_records
from course_lib.plan import expected_steps, make_plan, out_of_memory_advice
from course_lib.train_command import find_recipe, find_records, task_of
from course_lib.training import train


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return read_records(write_colours(tmp_path_factory.mktemp("data")))


@pytest.mark.parametrize("changes", [{}, {"epochs": 1.5, "accumulation": 2}, {"batch_size": 5, "epochs": 0.4}])
def test_the_steps_expected_are_the_steps_taken(tiny_folder, records, tmp_path, changes):
    recipe = replace(QUICK, save_every=0, eval_every=0, **changes)
    plan = make_plan(recipe, tiny_folder, records, records[:2])
    run = train(recipe, tiny_folder, records, records[:2], tmp_path / "run")
    assert plan.steps == run.metrics[-1]["step"] == run.about["steps"]
    assert expected_steps(replace(QUICK, epochs=1), 64, processes=2) == 8


def test_a_plan_says_what_there_is_and_what_it_takes(tiny_folder, records):
    text = str(make_plan(QUICK, tiny_folder, records, records[:3]))
    for words in ("12 (2 text only)", "10", "95 %:", "longest", "most tiles", "6 of 4 records: 2 epochs", "GiB at most"):
        assert words in text, text
    assert "LEAK" in text and "0.png among them" in text
    # 1.png and 4.png hold the same green: one picture under two names is a leak as well.
    assert "LEAK             1 held-out pictures" in str(make_plan(QUICK, tiny_folder, records[4:5], records[1:2]))
    assert "LEAK" not in str(make_plan(QUICK, tiny_folder, records[10:], records[:10]))


def test_the_heaviest_batch_decides_the_memory(tiny_folder, records):
    light, heavy = (sum(make_plan(replace(QUICK, batch_size=size), tiny_folder, records).memory.values())
                    for size in (1, 8))
    assert heavy > 2 * light
    advice = out_of_memory_advice(replace(QUICK, batch_size=8), tiny_folder, records, "cuda")
    assert advice.count("  - ") == 3


def test_a_recipe_is_a_preset_a_file_or_what_fits(tiny_folder, tmp_path):
    assert find_recipe(None, "food", tiny_folder).name == "food-lora"
    assert find_recipe("mini-meme", None, tiny_folder, ["epochs=2"]).epochs == 2
    file = tmp_path / "recipe.json"
    file.write_text(json.dumps({"name": "mine", "lora_rank": 3}))
    assert find_recipe(str(file), None, tiny_folder).lora_rank == 3
    file.write_text(json.dumps({"name": "mine", "rank": 3}))
    with pytest.raises(ValueError, match="is not a recipe"):
        find_recipe(str(file), None, tiny_folder)
    assert task_of("meme-qlora", []) == "meme" and task_of(None, []) is None


@pytest.mark.parametrize("task, file", [("food", "sivqa_tidy.json"), ("food", "sivqa_llava.json"),
                                        ("meme", "ex_cn.json"), ("meme", "cn.jsonl")])
def test_a_folder_tells_its_task_by_every_name_that_learners_training_files_have(tmp_path, task, file):
    assert task_of(None, [str(tmp_path)]) is None
    (tmp_path / file).touch()
    assert task_of(None, [str(tmp_path)]) == task
    assert task_of("mini-food", [str(tmp_path)]) == task  # the records decide, not the preset


def test_files_are_mixed_and_what_is_held_out_is_split_by_picture(tmp_path):
    file = write_colours(tmp_path)
    train_records, held_out = find_records(None, [f"{file}*2", f"{file}*0.5"], [])
    assert len(train_records) + len(held_out) == 30
    assert not {r.images for r in train_records if r.images} & {r.images for r in held_out if r.images}
    assert len(find_records(None, [str(file)], [str(file)])[1]) == 12
    with pytest.raises(ValueError, match="which records"):
        find_records(None, [], [])
