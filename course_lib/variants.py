"""Variants of a recipe: chosen setting by setting, named for people, and checked before the first is trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from itertools import product
from pathlib import Path
from typing import Any

from course_lib import settings
from course_lib.recipes import Recipe
from course_lib.records import Record

Variants = Mapping[str, Mapping[str, Any]]  # {readable name: {setting of the recipe: value}}
WORDS = {
    ("quantization", None): "16 bits instead of NF4", ("quantization", "nf4"): "NF4 instead of 16 bits",
    ("lora_on_head", True): "head adapted", ("lora_on_head", False): "head not adapted",
    ("train_projector", True): "projector trained", ("train_projector", False): "projector frozen",
    ("mask_labels", False): "prompts learned too", ("lora_rank", 0): "projector alone",
}  # fmt: skip


def one_at_a_time(choices: Mapping[str, Sequence[Any]], base: Recipe) -> dict[str, dict[str, Any]]:
    """The base, and a variant for every value of every setting that is not the base's own; see `full_grid`."""
    _check_choices(choices)
    return _combined(base, [{}, *({name: value} for name, values in choices.items() for value in values)])


def full_grid(choices: Mapping[str, Sequence[Any]], base: Recipe) -> dict[str, dict[str, Any]]:
    """Every combination of the values; a variant's name and changes leave out what is the base's own.

    Another lora_rank keeps alpha / rank, and so the adapter's scale, unless lora_alpha is a choice too. Raises
    ValueError for an unknown setting or a value that is not in a list.
    """
    _check_choices(choices)
    return _combined(base, [dict(zip(choices, values)) for values in product(*choices.values())])


def variant_recipes(base: Recipe, variants: Variants) -> dict[str, Recipe]:
    """Each variant's recipe. Raises ValueError naming the variant whose settings are unknown or make no recipe."""
    recipes = {}
    for name, changes in variants.items():
        _check_known(changes)
        try:
            recipes[name] = replace(base, **changes)
        except ValueError as error:
            raise ValueError(f"variant {name!r}: {error}") from None
    return recipes


def check_recipes(recipes: Sequence[Recipe], model_folder: Path, train_records: Sequence[Record],
                  held_out_records: Sequence[Record]) -> None:
    """What a training would refuse at its start, found before the first one."""
    from course_lib.checkpoint import load_spec
    from course_lib.dataset import check_records
    from course_lib.training import choose_precision, evenly

    device, _ = settings.pick_device()
    tokenizer, spec = load_spec(model_folder)
    for recipe in recipes:
        choose_precision(recipe, device)
    held_out = evenly(held_out_records, max(recipe.eval_records for recipe in recipes))
    for length, tiles in {(recipe.max_length, recipe.max_tiles) for recipe in recipes}:
        check_records([*train_records, *held_out], tokenizer, spec, length, tiles)


def _check_choices(choices: Mapping[str, Sequence[Any]]) -> None:
    _check_known(choices)
    if single := [name for name, values in choices.items() if not isinstance(values, (list, tuple))]:
        raise ValueError(f"values of {', '.join(map(repr, single))} should be a list, of one value too")


def _check_known(names: Iterable[str]) -> None:
    known = [field.name for field in fields(Recipe)]
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"no setting {', '.join(map(repr, unknown))}; a recipe has {', '.join(known)}")


def _combined(base: Recipe, combinations: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """{name: changes} of chosen values; for a rank without an alpha, alpha / rank stays."""
    variants = {}
    for chosen in combinations:
        changes = {name: value for name, value in chosen.items() if value != getattr(base, name)}
        words = [_words(name, value) for name, value in changes.items()]
        rank = changes.get("lora_rank")
        if rank and base.lora_rank and "lora_alpha" not in chosen:
            changes["lora_alpha"] = base.lora_alpha * rank / base.lora_rank
        variants[", ".join(words) or "base"] = changes
    return variants


def _words(name: str, value: Any) -> str:
    shown = f"{value:g}" if isinstance(value, float) else value
    return WORDS.get((name, value), f"{name.removeprefix('lora_').replace('_', ' ')} {shown}")
