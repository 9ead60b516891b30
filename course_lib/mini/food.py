"""The food task: questions about drawn dishes, in FoodieQA's layout. `python -m course_lib.mini.food` makes data/food."""

import random
from dataclasses import dataclass

from course_lib.mini.food_dishes import CUISINES, DISHES, Dish


@dataclass(frozen=True)
class Question:
    """One kind of question; `field` names the dish's attribute that answers it."""

    kind: str
    field: str
    zh: str
    en: str


QUESTIONS = (
    Question(
        "cuisine_type",
        "cuisine",
        "图片中的食物通常属于哪个菜系?",
        "Which cuisine does the food in the picture usually belong to?",
    ),
    Question(
        "flavor",
        "flavour",
        "如果让你简单形容一下品尝图片中的食物的滋味，你会描述它",
        "If you were to describe the taste of the food in the picture briefly, you would call it",
    ),
    Question(
        "region",
        "region",
        "去哪个地方游玩时应该品尝当地的特色美食图片中的食物?",
        "Where would you travel to taste the local speciality in the picture?",
    ),
    Question(
        "present",
        "serving",
        "食用图片中的食物时，一般它上菜或摆盘时的特点是?",
        "What is typical of how the food in the picture is served or plated?",
    ),
)


def choices(dish: Dish, question: Question) -> tuple[list[str], int]:
    """Four different texts and the index of the right one; the wrong ones are true of dishes of other cuisines."""
    right = getattr(dish, question.field)
    others = sorted({getattr(d, question.field) for d in DISHES if d.cuisine != dish.cuisine} - {right})
    rng = random.Random(f"choices {dish.name} {question.kind}")
    texts = rng.sample(others, 3)
    index = rng.randrange(4)
    texts.insert(index, right)
    return texts, index


def answer_text(dish: Dish, question: Question) -> str:
    """What a model is taught to answer: the right choice and the dish's name."""
    return f"{getattr(dish, question.field)}，图中的菜是{dish.name}"


def all_texts() -> list[str]:
    """Every text of the data set, each once: questions, choices, answers, ingredients."""
    texts = [question.zh for question in QUESTIONS]
    for dish in DISHES:
        for question in QUESTIONS:
            texts += [*choices(dish, question)[0], answer_text(dish, question)]
        texts += [dish.name, *dish.ingredients]
    return list(dict.fromkeys(texts))


def names() -> set[str]:
    """Names of dishes and cuisines, which the base model must never have read."""
    return {dish.name for dish in DISHES} | set(CUISINES)
