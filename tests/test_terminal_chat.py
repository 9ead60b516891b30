from PIL import Image

from course_lib.sampling import Sampling
from course_lib.terminal_chat import HELP, converse


def talk(chat, *lines, **options):
    shown = []
    converse(chat, lines, shown.append, max_new_tokens=4, **options)
    return "".join(shown)


def test_each_line_is_answered_with_what_went_before(tiny):
    chat = tiny.chat()
    shown = talk(chat, "hi", "and?")
    answers = [message["content"] for message in chat.messages if message["role"] == "assistant"]
    assert shown == HELP + "\n" + "\n".join(answers) + "\n" and len(answers) == 2
    assert answers[1] == "".join(tiny.stream_messages(chat.messages[:-1], (), Sampling(4)))


def test_pictures_go_with_the_next_question(tiny, tmp_path):
    file = tmp_path / "a picture.png"
    Image.new("RGB", (56, 56), "teal").save(file)
    chat = tiny.chat()
    talk(chat, "hi", f"/image {file}", "what is it?", pictures=[file])
    assert [message["content"].count("<image>") for message in chat.messages] == [1, 0, 1, 0]


def test_clear_begins_anew_and_quit_ends(tiny):
    chat = tiny.chat()
    talk(chat, "hi", "/clear", "x", "/quit", "never asked")
    assert [message["content"] for message in chat.messages][::2] == ["x"]


def test_a_mistake_is_told_and_the_chat_goes_on(tiny, tmp_path):
    chat = tiny.chat()
    shown = talk(chat, f"/image {tmp_path / 'absent.png'}", "<img>", "/nonsense", "hi")
    assert "absent.png cannot be read" in shown and "control token" in shown and shown.count(HELP) == 2
    assert len(chat.messages) == 2


def test_ctrl_c_stops_an_answer_and_not_the_chat(tiny):
    chat, pieces = tiny.chat(), []

    def show(text):
        pieces.append(text)
        if len(pieces) == 3:
            raise KeyboardInterrupt

    converse(chat, ["hi", "x"], show, max_new_tokens=20)
    assert "(stopped)" in "".join(pieces) and len(chat.messages) == 4
    assert chat.messages[1]["content"] == "".join(pieces[1:3])
