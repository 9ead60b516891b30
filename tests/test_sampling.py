from functools import partial

import pytest
import torch

from course_lib.sampling import Sampling, next_token_probabilities

LOGITS = torch.tensor([0.1, 0.5, 0.3, 0.1]).log()


def test_temperature_and_top_p_shape_the_distribution():
    torch.testing.assert_close(next_token_probabilities(LOGITS, 1, 1), torch.tensor([0.1, 0.5, 0.3, 0.1]))
    assert next_token_probabilities(LOGITS, 0, 1).tolist() == [0, 1, 0, 0]
    assert next_token_probabilities(LOGITS, 0.5, 1)[1] > 0.5 > next_token_probabilities(LOGITS, 2, 1)[1]
    torch.testing.assert_close(next_token_probabilities(LOGITS, 1, 0.6), torch.tensor([0, 0.625, 0.375, 0]))
    assert next_token_probabilities(LOGITS, 1, 0.01).tolist() == [0, 1, 0, 0]


def test_top_k_keeps_the_k_likeliest_and_top_p_cuts_what_they_leave():
    torch.testing.assert_close(next_token_probabilities(LOGITS, 1, 1, 2), torch.tensor([0, 0.625, 0.375, 0]))
    assert next_token_probabilities(LOGITS, 1, 0.6, 2).tolist() == [0, 1, 0, 0]  # 0.625 alone holds 0.6
    torch.testing.assert_close(next_token_probabilities(LOGITS, 1, 1, 100), LOGITS.exp())
    torch.testing.assert_close(next_token_probabilities(LOGITS, 1, 1, 0), LOGITS.exp())


@pytest.mark.parametrize(("temperature", "top_p", "top_k"), [(0.7, 0.8, 0), (1.3, 1.0, 7), (2.0, 0.6, 20)])
def test_the_distribution_is_that_of_transformers(temperature, top_p, top_k):
    from transformers.generation.logits_process import (
        TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper,
    )  # fmt: skip

    logits = torch.randn(1, 100, generator=torch.Generator().manual_seed(0)) * 2
    warped = TemperatureLogitsWarper(temperature)(None, logits)
    if top_k:
        warped = TopKLogitsWarper(top_k)(None, warped)
    if top_p < 1:
        warped = TopPLogitsWarper(top_p)(None, warped)
    ours = next_token_probabilities(logits[0], temperature, top_p, top_k)
    torch.testing.assert_close(ours, warped.softmax(-1)[0])


@pytest.mark.parametrize(("sampling", "message"), [
    ({"temperature": -1}, "temperature must be"), ({"top_p": 0}, "top_p must"), ({"top_p": 1.1}, "top_p must"),
    ({"top_k": -1}, "top_k must"), ({"max_new_tokens": 0}, "max_new_tokens must"), ({"stop": "。"}, "stop must"),
    ({"stop": ("",)}, "stop must"),
])  # fmt: skip
def test_meaningless_sampling_is_refused_before_the_model_runs(tiny, sampling, message):
    calls = (Sampling, partial(tiny.stream, "hi"), partial(tiny.chat().ask, "hi"), partial(tiny.answer_batch, ["hi"], [None]))
    for call in calls:
        with pytest.raises(ValueError, match=message):
            call(**sampling)
