"""The prompt viewer shows what training would get, right or wrong, and says what cannot be encoded."""

import pytest
from PIL import Image

from course_lib.conversation import TURN_END, encode_example
from course_lib.token_view import token_parts
from course_lib.widgets_tokens import ALL, NO_END, NONE, prompt_viewer

TALL = Image.new("RGB", (56, 112))


def viewer_of(tiny, **settings):
    return prompt_viewer(tiny, "几只?", TALL, answer="三只", **settings)


def test_tokens_and_labels_are_those_of_training(tiny):
    viewer = viewer_of(tiny)
    messages = [{"role": "user", "content": "<image>\n几只?"}, {"role": "assistant", "content": "三只"}]
    tokens = len(tiny.tiles(TALL)) * tiny.spec.tokens_per_tile
    example = encode_example(messages, tiny.tokenizer, [tokens], system=tiny.spec.system, separator=tiny.spec.separator)
    assert viewer.encoded() == (example["input_ids"], example["labels"])
    assert f"IMG_CONTEXT&gt; × {tokens}" in viewer._view.value == viewer.static.html


def test_prompt_without_labels_is_what_the_model_is_asked(tiny):
    viewer = prompt_viewer(tiny, "几只?", TALL)
    assert viewer.mask.value == NONE and viewer.encoded()[1] is None
    asked = tiny.encode_prompt([{"role": "user", "content": "几只?"}], [TALL])["input_ids"][0].tolist()
    assert viewer.encoded()[0] == asked


def test_parts_add_up_to_all_tokens_and_count_visual_ones(tiny):
    viewer = viewer_of(tiny)
    ids, labels = viewer.encoded()
    parts = token_parts(ids, tiny.tokenizer)
    assert sum(parts.values()) == len(ids) and parts["visual"] == 3 * tiny.spec.tokens_per_tile
    assert parts["answer"] + 1 == sum(label != -100 for label in labels)  # the answer, and its end
    viewer.system.value = False
    without = token_parts(viewer.encoded()[0], tiny.tokenizer)
    assert without["system"] == 0 < parts["system"] and without["question"] == parts["question"]


def test_picture_and_tiles_can_be_changed(tiny):
    viewer = viewer_of(tiny)
    viewer.max_tiles.value = 1
    assert token_parts(viewer.encoded()[0], tiny.tokenizer)["visual"] == tiny.spec.tokens_per_tile
    viewer.picture.value = ()
    assert "IMG_CONTEXT" not in viewer._view.value


def test_two_pictures_have_a_mark_each(tiny):
    viewer = prompt_viewer(tiny, "<image>和<image>?", [TALL, Image.new("RGB", (56, 56))], answer="三只")
    assert viewer._view.value.count("IMG_CONTEXT&gt; ×") == 2
    viewer.picture.value = (0,)
    assert 'role="alert"' in viewer._alert.value and "2 &lt;image&gt; marks for 1 pictures" in viewer._alert.value


def test_wrong_masks_are_shown_as_wrong(tiny):
    viewer = viewer_of(tiny)
    end, right = tiny.tokenizer.convert_tokens_to_ids(TURN_END), viewer.encoded()[1]
    viewer.mask.value = NO_END
    assert end in right and viewer.encoded()[1] == [-100 if label == end else label for label in right]
    assert "never learns to stop" in viewer._view.value
    viewer.mask.value = ALL
    ids, labels = viewer.encoded()
    assert ids == labels and "0 masked" in viewer._view.value


def test_ids_are_shown_on_demand(tiny):
    viewer = viewer_of(tiny)
    assert "<small>" not in viewer._view.value
    viewer.ids.value = True
    assert f"<small> {tiny.spec.image_token_id}</small>" in viewer._view.value


@pytest.mark.parametrize("field, text, problem", [
    ("answer", "  ", "empty answer"),
    ("question", "a<|im_end|>b", "control token &lt;|im_end|&gt;"),
    ("answer", "see <image>", "only the user&#x27;s turns hold pictures"),
])  # fmt: skip
def test_errors_are_alerts_and_the_next_good_text_ends_them(tiny, field, text, problem):
    viewer = viewer_of(tiny)
    control = getattr(viewer, field)
    good = control.value
    control.value = text
    assert 'role="alert"' in viewer._alert.value and problem in viewer._alert.value
    control.value = good + "!"
    assert viewer._alert.value == "" and "!" in viewer.static.text


def test_conversation_keeps_its_earlier_turns_and_its_last_answer_can_be_edited(tiny):
    turns = [{"role": role, "content": text} for role, text in
             (("user", "one?"), ("assistant", "1"), ("user", "two?"), ("assistant", "2"))]  # fmt: skip
    viewer = prompt_viewer(tiny, turns)
    assert (viewer.question.value, viewer.answer.value) == ("two?", "2")
    viewer.answer.value = "3"
    turns[-1] = {"role": "assistant", "content": "3"}
    expected = encode_example(turns, tiny.tokenizer, system=tiny.spec.system, separator=tiny.spec.separator)
    assert viewer.encoded() == (expected["input_ids"], expected["labels"])


def test_an_example_that_cannot_be_encoded_is_refused_at_once(tiny):
    with pytest.raises(ValueError, match="control token"):
        prompt_viewer(tiny, "<|im_start|>")
    with pytest.raises(ValueError, match="no question to show"):
        prompt_viewer(tiny, [])
