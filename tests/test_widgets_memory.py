"""The memory calculator shows what course_lib.memory computes, and says rightly which cards it fits."""

from dataclasses import replace

import pytest

from course_lib.layout import count_parameters
from course_lib.memory import (
    PEAK_PARTS, Numbers, Workload, estimate_peak, model_shapes, predict_memory, step_moments, what_helps,
)  # fmt: skip
from course_lib.recipes import FOOD_LORA, MEME_QLORA
from course_lib.widgets_memory import (
    CARDS, GROUPS, METHODS, MODELS, MemoryCalculator, grouped, memory_calculator, memory_html, smallest_card, verdict,
)

GIB = 2**30


@pytest.fixture(scope="module")
def calculator():
    return memory_calculator()


@pytest.fixture
def fresh(calculator):
    """At its first settings, without building the models again."""
    other = memory_calculator()
    other._shapes = calculator._shapes
    return other


@pytest.mark.parametrize("name, parameters", [
    ("internvl-mini", 7_829_056), ("InternVL2-1B", 938_158_976), ("InternVL2-2B", 2_205_754_368),
    ("InternVL2-8B", 8_075_365_376),
])  # fmt: skip
def test_models_have_the_published_number_of_parameters(name, parameters):
    assert sum(count_parameters(MODELS[name]()).values()) == parameters


def test_every_part_of_the_peak_is_in_one_group():
    members = [part for names, _ in GROUPS.values() for part in names]
    assert sorted(members) == sorted(PEAK_PARTS)
    assert sum(grouped(dict.fromkeys(PEAK_PARTS, 3)).values()) == 3 * len(PEAK_PARTS)


def test_it_shows_what_the_calculator_computes_for_the_recipe_given(fresh):
    load = Workload.alike(4, 13, 60, 20, 256)
    recipe = replace(FOOD_LORA, precision="bf16", max_tiles=12)
    assert fresh.recipe == recipe and fresh.workload == load
    assert fresh.parts == estimate_peak(fresh.shapes, recipe, load)
    peak = sum(fresh.parts.values()) / GIB
    assert f"{peak:.2f} GiB" in fresh.static.text and f"about {peak:.1f} GiB" in fresh._status.value
    assert 'role="status"' in fresh._status.value and fresh._view.value == fresh.static.html
    assert all(words in fresh.static.text for words, _, _ in what_helps(fresh.shapes, recipe, load))


@pytest.mark.parametrize("control, value, part, larger", [
    ("rank", 256, "AdamW moments", True), ("head", False, "trained weights", False),
    ("batch", 2, "activations", False), ("tiles", 1, "activations", False), ("text", 1000, "activations", True),
    ("answer", 60, "logits", True), ("checkpointing", True, "activations", False),
    ("precision", "float32", "frozen weights", True), ("method", "QLoRA (NF4)", "frozen weights", False),
    ("model", "InternVL2-1B", "frozen weights", False),
])  # fmt: skip
def test_every_control_moves_the_part_it_should_and_the_view(fresh, control, value, part, larger):
    def most():  # of all moments: the logits are there at the loss, which need not be the fullest
        numbers = Numbers.of(fresh.recipe, "cuda")
        moments = step_moments(fresh.shapes, fresh.recipe, fresh.workload, numbers)
        return max(moment[part] for moment in moments.values())

    before, view = most(), fresh._view.value
    getattr(fresh, control).value = value
    assert most() != before and (most() > before) is larger
    assert fresh._view.value != view


def test_a_picture_of_one_tile_has_no_thumbnail(fresh):
    fresh.tiles.value = 1
    assert fresh.workload.tiles == (1, 1, 1, 1)
    fresh.tiles.value = 6
    assert fresh.workload.tiles == (7, 7, 7, 7)


def test_full_fine_tuning_counts_no_activations_and_says_so(fresh):
    fresh.method.value = "full fine-tuning"
    assert fresh.recipe is None and fresh.parts == predict_memory(fresh.shapes, None)
    assert f"{16 * 2_205_754_368 / GIB:.2f} GiB" in fresh.static.text and "not counted" in fresh.static.text
    assert "without activations" in fresh._status.value and "left for activations" in fresh.static.text
    assert fresh.rank.disabled and fresh.batch.disabled and not fresh.model.disabled
    fresh.method.value = "LoRA (16 bits)"
    assert not fresh.rank.disabled


def test_controls_begin_at_the_recipe_s_own_settings(calculator):
    recipe = replace(MEME_QLORA, lora_rank=48, lora_alpha=72, gradient_checkpointing=True)
    other = MemoryCalculator("internvl-mini", recipe)
    assert (other.method.value, other.rank.value, other.checkpointing.value) == ("QLoRA (NF4)", 48, True)
    assert other.recipe.lora_alpha == 72 and other.recipe.accumulation == MEME_QLORA.accumulation
    assert other.workload.tokens_per_tile == 16
    other.rank.value = 16
    assert other.recipe.lora_alpha == 24  # the adapter's scale stays
    with pytest.raises(ValueError, match="model 'InternVL2-4B' should be one of internvl-mini"):
        memory_calculator("InternVL2-4B")


def test_a_model_of_one_s_own_can_be_added(tiny_folder):
    own = memory_calculator("mine", models={"mine": lambda: model_shapes(tiny_folder)})
    assert own.workload.tokens_per_tile == 4 and "mine" in own._status.value


@pytest.mark.parametrize("peak, card, expected", [
    (10.0, 24, "✓ fits, 14.0 GiB left"), (22.5, 24, "△ tight: 1.5 GiB left for CUDA and gaps"),
    (24.5, 24, "✗ too large by 0.5 GiB"), (24.0, 24, "△ tight: 0.0 GiB left for CUDA and gaps"),
])  # fmt: skip
def test_verdicts(peak, card, expected):
    assert verdict(peak, card) == expected


def test_the_smallest_card_is_one_that_is_not_tight():
    assert smallest_card(10) == next(iter(CARDS)) and smallest_card(11).startswith("16 GB")
    assert smallest_card(79) is None


def test_the_bar_adds_up_to_the_peak_and_is_read_out():
    shown = memory_html({"frozen weights": 6 * GIB, "activations": 2 * GIB}, "caption", [])
    assert "width:50.00%" in shown.html and "width:16.67%" in shown.html  # of 12 GiB
    assert 'role="img" aria-label="stacked bar of 12 GiB: weights 6.00 GiB; activations 2.00 GiB"' in shown.html
    assert "8.00 GiB" in shown.text and "no change of the recipe" in shown.text and "gradients" not in shown.text


def test_widget_and_static_form_come_in_one_small_output(calculator):
    bundle = calculator._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle and len(bundle["text/html"]) < 60_000
    assert bundle["text/plain"].startswith("InternVL2-2B, LoRA") and len(METHODS) == 3
