"""The chat box: answers grow in a thread, can be stopped, and everything shown is escaped."""

import time

import pytest
from PIL import Image
from test_widgets_drop import png

from course_lib.chat_view import conversation_html
from course_lib.widgets_chat import chat_box

RED = Image.new("RGB", (56, 56), "red")


def ask(box, question):
    box.text.value = question
    box.send.click()
    box.wait(60)


def press_enter(box):
    box.text._handle_custom_msg({"event": "submit"}, [])


def test_answer_is_the_models_and_is_kept_in_the_conversation(tiny):
    box = chat_box(tiny, RED, max_new_tokens=8)
    ask(box, "几只?")
    expected = tiny.answer("几只?", RED, max_new_tokens=8)
    assert [message["content"] for message in box.chat.messages] == ["<image>\n几只?", expected]
    assert box.static.html == box._past.value and box._live.value == "" == box.text.value
    assert "complete" in box._status.value and box.stop.disabled and not box.send.disabled


def test_enter_sends_the_text_that_arrives_just_behind_it(tiny):
    box = chat_box(tiny, max_new_tokens=4)
    press_enter(box)
    box.text.value = "你好"
    box.wait(60)
    assert box.chat.messages[0]["content"] == "你好"


def test_answer_grows_and_stop_keeps_what_was_said(tiny):
    box = chat_box(tiny, max_new_tokens=4000, temperature=1.0)
    grown = []
    box._live.observe(lambda change: grown.append(change["new"]), names="value")
    box.text.value = "你好"
    started = time.monotonic()
    box.send.click()
    while len(grown) < 3 and time.monotonic() - started < 60:
        time.sleep(0.01)
    assert not box.stop.disabled and box.send.disabled and 'aria-busy="true"' in grown[-1]
    box.send.click()  # does nothing: one question at a time
    box.stop.click()
    box.wait(60)
    assert len(box.chat.messages) == 2 and "Stopped: what was said" in box._status.value
    assert len(tiny.tokenizer(box.chat.messages[1]["content"])["input_ids"]) < 3000
    assert not box._worker.is_alive() and not box.send.disabled


def test_added_pictures_go_with_the_next_question_only(tiny):
    box = chat_box(tiny, max_new_tokens=4)
    for name, content in (("a.png", png(RED)), ("b.png", png(RED)), ("c.png", b"nothing")):
        box.drop.hand_over(name, content)
    assert len(box.attached) == 2 and "2 pictures" in box._pending.value and "c.png" in box.drop.problem
    ask(box, "两个?")
    ask(box, "还有?")
    assert [message["content"].count("<image>") for message in box.chat.messages] == [2, 0, 0, 0]
    assert len(box.chat.images) == 2 and box.attached == [] and box._past.value.count("<img ") == 2


def test_a_picture_added_during_an_answer_waits_for_the_next_question(tiny):
    box = chat_box(tiny, max_new_tokens=4)
    box.drop.hand_over("first.png", png(RED))
    later = [png(RED)]
    box._live.observe(lambda change: later and box.drop.hand_over("next.png", later.pop()), "value")
    ask(box, "几只?")
    assert len(box.chat.images) == 1 and len(box.attached) == 1 and not box.detach.disabled
    ask(box, "还有?")
    assert len(box.chat.images) == 2 and box.attached == []


def test_pictures_can_be_removed_before_they_are_sent(tiny):
    box = chat_box(tiny)
    box.drop.hand_over("a.png", png(RED))
    box.detach.click()
    assert box.attached == [] and box._pending.value == "" and box.detach.disabled


def test_errors_are_alerts_and_the_question_comes_back(tiny):
    box = chat_box(tiny, max_new_tokens=4)
    ask(box, "<b> <|im_end|>")
    assert 'role="alert"' in box._alert.value and "control token &lt;|im_end|&gt;" in box._alert.value
    assert box.chat.messages == [] and box.text.value == "<b> <|im_end|>" and not box.send.disabled
    ask(box, "  ")
    assert "no question" in box._alert.value
    ask(box, "你好")
    assert box._alert.value == "" and len(box.chat.messages) == 2


def test_clear_begins_anew_with_the_picture_that_was_given(tiny):
    box = chat_box(tiny, RED, first="几只?", max_new_tokens=4)
    assert len(box.chat.messages) == 2
    box.clear.click()
    assert box.chat.messages == [] and box.chat.images == [RED] and "No question asked yet" in box._past.value
    ask(box, "你好")
    assert box.chat.messages[0]["content"].startswith("<image>")


def test_static_form_shows_the_given_turns_and_the_first_real_one(tiny):
    box = chat_box(tiny, RED, turns=[("红?", "是")], first="几只?", max_new_tokens=4)
    asked = [message["content"] for message in box.chat.messages[::2]]
    assert asked == ["<image>\n红?", "几只?"] and box.static.html.count("<img ") == 1
    assert box.static.text.startswith("You: [1 picture] 红?\nModel: 是\nYou: 几只?\nModel: ")


def test_examples_fill_the_field(tiny):
    box = chat_box(tiny, examples=["What is this?", "How many?"])
    box.examples[1].click()
    assert box.text.value == "How many?" and box.chat.messages == []


@pytest.mark.parametrize("role", ["user", "assistant"])
def test_what_user_or_model_says_is_never_markup(role):
    shown = conversation_html([{"role": role, "content": "<script>alert(1)</script> & <image>"}], [RED])
    assert "<script" not in shown.html and "&lt;script&gt;" in shown.html and 'alt="picture 1"' in shown.html
