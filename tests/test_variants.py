"""Variants: a grid is named for people, keeps the adapter's scale, and refuses what is no setting."""

import pytest

from course_lib.recipes import MINI_FOOD
from course_lib.variants import full_grid, one_at_a_time, variant_recipes


def test_one_at_a_time_has_the_base_and_every_other_value_and_keeps_the_adapters_scale():
    choices = {"lora_rank": [4, 32, 128], "learning_rate": [2e-4, 1e-2], "quantization": [None, "nf4"],
               "lora_on_head": [True], "train_projector": [False], "batch_size": [8]}
    assert one_at_a_time(choices, MINI_FOOD) == {
        "base": {},
        "rank 4": {"lora_rank": 4, "lora_alpha": 8.0},
        "rank 128": {"lora_rank": 128, "lora_alpha": 256.0},
        "learning rate 0.0002": {"learning_rate": 2e-4},
        "learning rate 0.01": {"learning_rate": 1e-2},
        "16 bits instead of NF4": {"quantization": None},
        "head adapted": {"lora_on_head": True},
        "projector frozen": {"train_projector": False},
        "batch size 8": {"batch_size": 8},
    }


def test_a_full_grid_has_every_combination_without_the_bases_own_values():
    assert full_grid({"lora_rank": [32, 4], "quantization": ["nf4", None]}, MINI_FOOD) == {
        "base": {},
        "16 bits instead of NF4": {"quantization": None},
        "rank 4": {"lora_rank": 4, "lora_alpha": 8.0},
        "rank 4, 16 bits instead of NF4": {"lora_rank": 4, "lora_alpha": 8.0, "quantization": None},
    }


def test_an_alpha_that_is_a_choice_itself_is_not_scaled():
    grid = full_grid({"lora_rank": [4], "lora_alpha": [64, 16]}, MINI_FOOD)
    recipes = variant_recipes(MINI_FOOD, grid)
    assert {name: recipe.lora_alpha for name, recipe in recipes.items()} == {"rank 4": 64, "rank 4, alpha 16": 16}


@pytest.mark.parametrize("build", [one_at_a_time, full_grid])
def test_an_unknown_setting_is_refused_with_those_there_are(build):
    with pytest.raises(ValueError, match="no setting 'rank'.*lora_rank, lora_alpha"):
        build({"rank": [4]}, MINI_FOOD)
    with pytest.raises(ValueError, match="'quantization'.*list"):
        build({"quantization": "nf4"}, MINI_FOOD)


def test_settings_that_make_no_recipe_are_told_with_their_variants_name():
    with pytest.raises(ValueError, match="variant 'nothing'.*train_projector=False"):
        variant_recipes(MINI_FOOD, {"base": {}, "nothing": {"lora_rank": 0, "train_projector": False}})
