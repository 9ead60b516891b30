"""Intervals and paired comparison, against the equations that define them."""

import math

import pytest

from course_lib.scores import Score, TaskScores, compare_paired, wilson


@pytest.mark.parametrize("successes, n, low, high", [
    (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (1, 10, 0.0179, 0.4042), (5, 10, 0.2366, 0.7634),
    (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611),
])  # fmt: skip
def test_wilson_equals_published_values(successes, n, low, high):
    """The last three rows are examples of Newcombe 1998 (Statistics in Medicine 17, 857-872), table I."""
    assert wilson(successes, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("n", [1, 2, 7, 40, 1000])
def test_wilson_bounds_solve_the_score_equation(n):
    for successes in range(0, n + 1, max(1, n // 7)):
        rate = successes / n
        for bound in wilson(successes, n):
            if 0 < bound < 1:
                assert abs(rate - bound) == pytest.approx(1.96 * math.sqrt(bound * (1 - bound) / n), rel=1e-9)


def test_wilson_says_nothing_about_nothing_and_refuses_the_impossible():
    assert wilson(0, 0) == (0.0, 1.0)
    with pytest.raises(ValueError, match="between 0 and n"):
        wilson(3, 2)


def test_score_states_rate_interval_and_count():
    assert str(Score("x", 45, 50)) == "90.0% [78.6%, 95.7%] (45/50)"
    assert str(Score("x", 0, 0)) == "no questions"


@pytest.mark.parametrize("only_before, only_after, p", [
    (0, 0, 1.0), (0, 5, 0.0625), (5, 0, 0.0625), (1, 9, 2 * 11 / 1024), (4, 4, 1.0), (0, 40, 2 / 2**40),
])  # fmt: skip
def test_mcnemar_is_the_exact_binomial_tail(only_before, only_after, p):
    before = [True] * only_before + [False] * only_after + [True, False, None]
    after = [False] * only_before + [True] * only_after + [True, False, None]
    pair = compare_paired(before, after)
    assert (pair.n, pair.only_before, pair.only_after) == (only_before + only_after + 2, only_before, only_after)
    assert pair.p_value == pytest.approx(p)


def test_paired_comparison_refuses_other_questions():
    with pytest.raises(ValueError, match="same questions"):
        compare_paired([True, None], [True, False])
    with pytest.raises(ValueError, match="same questions"):
        compare_paired([True], [True, False])


def test_scores_count_only_the_records_that_were_asked():
    scores = TaskScores("a", {"a": (True, None, False, True), "b": (None,) * 4})
    assert (scores["a"].successes, scores["a"].n) == (2, 3)
    assert math.isnan(scores["b"].rate)
    with pytest.raises(KeyError, match="there are a, b"):
        scores["c"]
