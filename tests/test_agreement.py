import torch

from course_lib.agreement import agreement, token_gaps
from course_lib.benchmark import greedy_with_cache

MESSAGES = [{"role": "user", "content": "hi"}]


def test_the_models_own_greedy_tokens_have_no_gap_and_others_have_theirs(tiny):
    ids = greedy_with_cache(tiny, tiny.encode_prompt(MESSAGES), 8)[0]
    gaps, spread = token_gaps(tiny, MESSAGES, (), ids)
    assert gaps.tolist() == [0] * 8 and spread > 0
    other = [*ids[:3], (ids[3] + 1) % 900, *ids[4:]]
    changed, _ = token_gaps(tiny, MESSAGES, (), other)
    assert changed[:3].tolist() == [0] * 3 and changed[3] > 0
    with torch.no_grad():
        whole = torch.cat([tiny.encode_prompt(MESSAGES)["input_ids"], torch.tensor([ids[:3]])], 1)
        logits = tiny.model(input_ids=whole).logits[0, -1]
    torch.testing.assert_close(changed[3], logits.max() - logits[other[3]], atol=1e-4, rtol=1e-4)


def test_agreement_counts_answers_and_tokens(tiny):
    ids = greedy_with_cache(tiny, tiny.encode_prompt(MESSAGES), 4)[0]
    found = agreement(tiny, [(MESSAGES, ())] * 2, [ids, [*ids[:3], (ids[3] + 1) % 900]])
    assert (found.answers, found.same_answers, found.tokens, found.likeliest) == (2, 1, 8, 7)
    assert found.largest_gap > 0
