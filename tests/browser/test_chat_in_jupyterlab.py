"""The chat box with a model that never ends by itself: its answer is seen growing, and is stopped."""

import pytest
from chat_page import ChatPage
from notebook_page import PATIENCE, NotebookPage, write_notebook

CHAT = """
from course_lib.checkpoint import load_checkpoint
from course_lib.widgets import chat_box

chat_box(load_checkpoint("{folder}", device="cpu"), max_new_tokens=4096)
"""


@pytest.fixture
def chat(page, jupyterlab, tiny_folder):
    name = write_notebook(jupyterlab.folder, "chat.ipynb", CHAT.strip().format(folder=tiny_folder.as_posix()))
    notebook = NotebookPage(page, jupyterlab, name).open()
    yield ChatPage(notebook.run_cell("chat_box(").locator(".course-chat-box"))
    jupyterlab.shut_down_kernels()


def test_an_answer_grows_until_stop_and_what_was_said_stays(chat, page):
    for question in ("你好", "Go on"):
        growing = chat.ask(question)
        page.wait_for_function("box => box.growing.length >= 4", arg=chat.box.element_handle(), timeout=PATIENCE)
        chat.stop.click(timeout=PATIENCE)
        answer = chat.wait_for_end("Stopped: what was said so far stays in the conversation.")
        texts = growing()
        assert all(longer.startswith(text) for text, longer in zip(texts, [*texts[1:], answer], strict=True))
    assert [turn for turn in chat.said() if turn[0] == "You"] == [("You", "你好"), ("You", "Go on")]
