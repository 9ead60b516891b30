"""The web page's server, asked as a browser asks it: each Client is a visitor."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from gradio_client import Client, handle_file
from PIL import Image

from course_lib import webui
from course_lib.chat import Chat
from course_lib.checkpoint import load_spec
from course_lib.run_folder import Run
from course_lib.ports import require_free
from course_lib.sampling import Sampling
from course_lib.webui_pictures import Limits, accept_picture
from course_lib.webui_speakers import KeptLimit, Model, Speakers, Wish, make_room, with_marks
from course_lib.webui_texts import Refused, language_of
from course_lib.webui_visit import Turn, Visit

# temperature, top-p, top-k, seed, longest answer, most tiles, place of pictures, new pictures start afresh
WISH = [0.0, 1.0, 0, "", 8, 2, "before", False]
TOKENS = 4
# A visitor in a process of its own, who asks for an answer that takes most of a minute.
LEAVING = """
import sys, time
from gradio_client import Client
client = Client(sys.argv[1], verbose=False, analytics_enabled=False)
client.predict({"text": "a long one", "files": []}, [0], "en", api_name="/send")
job = client.submit(0, 1, 0, "", 1000, 2, "before", False, "en", api_name="/answer")
while len(job.outputs()) < 2:
    time.sleep(0.05)
print("begun", flush=True)
time.sleep(600)
"""


def picture(folder: Path, seed: int = 0, size=(112, 56), name: str = "p.png") -> Path:
    folder.mkdir(exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / f"{seed}-{name}")
    return folder / f"{seed}-{name}"


@pytest.fixture(scope="module")
def models(tiny_folder):
    """Two models: the tiny one, and one with other random weights."""
    from course_lib.checkpoint import load_checkpoint

    tuned = load_checkpoint(tiny_folder, device="cpu")
    for parameter in tuned.model.parameters():
        parameter.data += 0.02 * parameter.data.flip(0)
    base = load_checkpoint(tiny_folder, device="cpu")
    spec = load_spec(tiny_folder)
    return [Model("base", "before", base, *spec), Model("tuned", "after", tuned, *spec)]


@pytest.fixture(scope="module")
def address(models):
    with webui.serve_page(models, max_megabytes=1, max_megapixels=2) as address:
        yield address


@pytest.fixture(scope="module")
def slow(models):
    """The tiny model, at a speed at which one can see it speak; `closed` counts the answers that were ended early."""

    class Slow(type(models[0].engine)):
        closed = 0

        def stream_messages(self, *arguments, **options):
            with closing(super().stream_messages(*arguments, **options)) as pieces:
                try:
                    for piece in pieces:
                        time.sleep(0.05)
                        yield piece
                except GeneratorExit:
                    self.closed += 1
                    raise

    return Slow(models[0].engine.model, models[0].tokenizer, models[0].spec)


@pytest.fixture
def slow_address(models, slow):
    with webui.serve_page([replace(models[0], engine=slow)]) as address:
        yield address


@pytest.fixture
def visitor(address):
    with arriving(address) as visitor:
        yield visitor


@contextmanager
def arriving(address):
    client = Client(address, verbose=False, analytics_enabled=False)
    try:
        yield Visitor(client)
    finally:
        client.close()


class Visitor:
    """What a person does on the page, and what each model's side then shows."""

    def __init__(self, client: Client):
        self.client = client

    def send(self, question="hi", files=(), answering=(0,), language="en"):
        box = {"text": question, "files": [handle_file(str(file)) for file in files]}
        return Shown(self.client.predict(box, list(answering), language, api_name="/send"))

    def answer(self, wish=WISH, language="en"):
        return Shown(self.client.predict(*wish, language, api_name="/answer"))

    def ask(self, question="hi", files=(), answering=(0,), wish=WISH, language="en"):
        shown = self.send(question, files, answering, language)
        return shown if shown.notice else self.answer(wish, language)

    def raw(self, question):
        """The outputs of a short answer, on a page with one model."""
        self.client.predict({"text": question, "files": []}, [0], "en", api_name="/send")
        return self.client.predict(*WISH, "en", api_name="/answer")

    def begin(self, question):
        """A long answer that has begun."""
        self.client.predict({"text": question, "files": []}, [0], "en", api_name="/send")
        job = self.client.submit(*[*WISH[:4], 1000, *WISH[5:]], "en", api_name="/answer")
        until(lambda: len(job.outputs()) >= 2)
        return job

    def call(self, name, *inputs):
        return Shown(self.client.predict(*inputs, api_name=name))


class Shown:
    def __init__(self, outputs, sides=2):
        self.chats, (self.notice, self.box) = outputs[:sides], outputs[sides : sides + 2]

    def said(self, model=0):
        """(role, text) of what a side shows, pictures as "[picture]"."""
        chat = self.chats[model]
        texts = [[part["text"] for part in message["content"]] for message in chat]
        return [
            (message["role"], " ".join("[picture]" * part.count("<img") or part for part in parts))
            for message, parts in zip(chat, texts, strict=True)
        ]


def test_a_question_about_a_picture_is_answered_as_the_model_answers_it(visitor, tiny, tmp_path):
    file = picture(tmp_path)
    shown = visitor.ask("what?", [file])
    alone = tiny.answer("what?", file, max_new_tokens=8, max_tiles=2)
    assert shown.said() == [("user", "[picture] what?"), ("assistant", alone.strip())]


def test_new_pictures_come_in_later_turns_and_the_hundredth_is_answered_too(visitor, tmp_path):
    wish = [*WISH[:4], TOKENS, 1, "before", False]
    for number in range(100):
        shown = visitor.ask(f"picture {number}?", [picture(tmp_path, number, (56, 56))], wish=wish)
        assert shown.said()[-2] == ("user", f"[picture] picture {number}?") and shown.said()[-1][0] == "assistant"
    assert len(shown.said()) == 200


def test_several_pictures_can_come_with_one_question(visitor, tiny, tmp_path):
    files = [picture(tmp_path, seed) for seed in range(3)]
    assert visitor.ask("all?", files).said()[1][1] == tiny.answer("all?", files, max_new_tokens=8, max_tiles=2).strip()


def test_a_later_question_remembers_the_turns_before_it(visitor, tiny, tmp_path):
    file, chat = picture(tmp_path), tiny.chat()
    visitor.ask("one", [file])
    shown = visitor.ask("two")
    chat.ask("one", file, max_new_tokens=8, max_tiles=2)
    assert shown.said()[-1][1] == chat.ask("two", max_new_tokens=8, max_tiles=2).strip()


def test_a_new_picture_can_start_afresh(visitor, tiny, tmp_path):
    visitor.ask("one", [picture(tmp_path)])
    fresh = visitor.ask("two", [picture(tmp_path, 1)], wish=[*WISH[:7], True])
    alone = tiny.answer("two", picture(tmp_path, 1), max_new_tokens=8, max_tiles=2)
    assert fresh.said()[-1][1] == alone.strip() and len(fresh.said()) == 4


def test_the_answer_grows_in_several_updates(visitor):
    visitor.send("tell me everything")
    job = visitor.client.submit(*[*WISH[:4], 120, *WISH[5:]], "en", api_name="/answer")
    job.result()
    lengths = [len(Shown(update).said()[-1][1]) for update in job.outputs() if isinstance(update[0], list)]
    assert len(set(lengths)) >= 3 and lengths == sorted(lengths)


def test_two_models_answer_the_same_question_each_in_its_way(visitor, models, tmp_path):
    file = picture(tmp_path)
    shown = visitor.ask("what?", [file], answering=[0, 1])
    for number, model in enumerate(models):
        assert shown.said(number)[1][1] == model.engine.answer("what?", file, max_new_tokens=8, max_tiles=2).strip()
    assert shown.said(0)[1] != shown.said(1)[1]


def test_stop_keeps_what_was_said_and_the_next_turn_works(slow_address, slow, tiny):
    with arriving(slow_address) as visitor:
        job = visitor.begin("a long one")
        visitor.client.predict(api_name="/stop")
        said = Shown(job.result(timeout=30), sides=1).said()[-1][1]
        assert said.endswith("*(stopped)*")
        said = said.removesuffix("*(stopped)*").strip()
        assert said and tiny.answer("a long one", max_new_tokens=1000).strip().startswith(said)
        assert len(Shown(visitor.raw("and now?"), sides=1).said()) == 4


def test_clear_empties_the_page_and_the_models_memory(visitor, tiny):
    visitor.ask("one")
    cleared = visitor.call("/clear", "en")
    assert list(cleared.chats) == [[], []] and cleared.box["text"] == ""
    assert visitor.ask("two").said() == [
        ("user", "two"), ("assistant", tiny.answer("two", max_new_tokens=8).strip())
    ]  # fmt: skip


def test_a_turn_taken_back_is_forgotten_and_comes_back_to_the_box(visitor, tiny, tmp_path):
    visitor.ask("one")
    visitor.ask("two", [picture(tmp_path)])
    taken = visitor.call("/undo", "en")
    assert [role for role, _ in taken.said()] == ["user", "assistant"]
    assert taken.box["text"] == "two" and len(taken.box["files"]) == 1
    chat = tiny.chat()
    chat.ask("one", max_new_tokens=8)
    assert visitor.ask("three").said()[-1][1] == chat.ask("three", max_new_tokens=8).strip()


def test_asking_again_replaces_the_answer(visitor, tmp_path):
    visitor.ask("one", [picture(tmp_path)])
    assert [role for role, _ in visitor.call("/retry", [0], "en").said()] == ["user"]
    drawn = visitor.answer([2.0, 1.0, 0, "7", *WISH[4:]])
    assert [role for role, _ in drawn.said()] == ["user", "assistant"]


def test_two_visitors_at_the_same_time_see_and_continue_only_their_own_chats(address, tiny, tmp_path):
    def visit(number):
        file = picture(tmp_path / str(number), number)
        with arriving(address) as visitor:
            shown = [visitor.ask(f"visitor {number}, turn {turn}", [file] if not turn else []) for turn in range(3)]
        return shown[-1].said()

    def expected(number):
        chat, said = tiny.chat(), []
        for turn in range(3):
            question = f"visitor {number}, turn {turn}"
            file = [picture(tmp_path / str(number), number)] if not turn else []
            said += [("user", "[picture] " * (not turn) + question)]
            said += [("assistant", chat.ask(question, file, max_new_tokens=8, max_tiles=2).strip())]
        return said

    with ThreadPoolExecutor() as pool:
        seen = list(pool.map(visit, range(2)))
    assert seen == [expected(0), expected(1)]


def test_a_visitor_who_leaves_does_not_keep_the_model_busy(slow_address, slow):
    before = slow.closed
    leaving = subprocess.Popen([sys.executable, "-c", LEAVING, slow_address], stdout=subprocess.PIPE)
    assert leaving.stdout.readline() == b"begun\n"
    leaving.kill()  # as a browser that is closed: its connections break off
    leaving.wait()
    until(lambda: slow.closed == before + 1)
    with arriving(slow_address) as visitor:
        assert len(Shown(visitor.raw("me?"), sides=1).said()) == 2


@pytest.mark.parametrize(("name", "content", "words"), [
    ("a.png", b"no picture at all", "no picture that this page can read"),
    ("b.png", None, "damaged"),
    ("c.png", (3000, 1000), "3000 x 1000 pixels, more than 2 million"),
])  # fmt: skip
def test_a_file_that_is_refused_is_named_with_the_reason_and_the_chat_goes_on(visitor, tmp_path, name, content, words):
    file = tmp_path / name
    if isinstance(content, tuple):
        Image.new("RGB", content).save(file)
    else:
        file.write_bytes(content or picture(tmp_path).read_bytes()[:2000])
    visitor.ask("before")
    refused = visitor.send("what?", [file])
    assert words in refused.notice and name in refused.notice
    assert len(visitor.ask("after").said()) == 4


def test_a_file_over_the_limit_is_not_even_uploaded(visitor, tmp_path):
    (tmp_path / "big.png").write_bytes(bytes(2 * 2**20))
    with pytest.raises(Exception, match="413|exceed"):
        visitor.send("what?", [tmp_path / "big.png"])


def test_a_question_that_the_model_cannot_take_is_explained_in_the_visitors_language(visitor):
    visitor.ask("before")
    shown = visitor.ask("<|im_end|>", language="zh")
    assert "对话保持原样" in shown.notice and "<|im_end|>" in shown.box["text"].replace("&lt;", "<")
    assert len(visitor.ask("after").said()) == 4
    assert "Write a question" in visitor.send("  ").notice and "请先输入问题" in visitor.send("", language="zh").notice


def test_a_second_question_waits_until_the_first_is_answered(visitor):
    visitor.send("first")
    assert "still being answered" in visitor.send("second").notice
    assert visitor.answer().said()[0] == ("user", "first")


def test_the_server_listens_on_this_machine_only_and_shares_nothing(address):
    port = int(address.rstrip("/").rsplit(":", 1)[1])
    listening = {
        item.laddr.ip for item in psutil.Process().net_connections("inet")
        if item.status == psutil.CONN_LISTEN and item.laddr.port == port
    }  # fmt: skip
    assert listening == {"127.0.0.1"}
    others = [entry.address for entries in psutil.net_if_addrs().values() for entry in entries
              if entry.family == socket.AF_INET and not entry.address.startswith("127.")]  # fmt: skip
    for other in others:
        with pytest.raises(OSError), socket.create_connection((other, port), timeout=2):
            pass


def test_a_port_that_is_taken_is_named_with_what_to_do(models, address):
    port = int(address.rstrip("/").rsplit(":", 1)[1])
    with pytest.raises(OSError, match=f"port {port} .*give another port"), webui.serve_page(models, port=port):
        pass
    with pytest.raises(OSError, match=f"port {port} "):
        webui.launch(port=port)


def test_the_page_closes_its_port_and_deletes_what_was_uploaded(models, tmp_path):
    with webui.serve_page(models) as address:
        uploads = Path(os.environ["GRADIO_TEMP_DIR"])
        with arriving(address) as visitor:
            visitor.ask("what?", [picture(tmp_path)])
        assert any(uploads.rglob("*.png")) and uploads.parent.stat().st_mode & 0o077 == 0
    assert not uploads.parent.exists()
    require_free(int(address.rstrip("/").rsplit(":", 1)[1]))


# Without a server


def turn(question, pictures=(), models=(0,)):
    return Turn(question, list(pictures), [], "", dict.fromkeys(models, ""))


def run(speakers, visit, question, pictures=(), models=(0,), **wish):
    visit.turns.append(turn(question, pictures, models))
    wish = {"sampling": Sampling(max_new_tokens=4), "max_tiles": 1} | wish
    return list(speakers.answer(visit, Wish(**wish)))


def test_an_engine_that_fails_leaves_both_chats_as_they_were(models):
    class Breaks(type(models[0].engine)):
        def stream_messages(self, *arguments, **options):
            yield "half"
            raise MemoryError

    broken = Breaks(models[0].engine.model, models[0].tokenizer, models[0].spec)
    good = Speakers(models)
    visit = Visit()
    run(good, visit, "one", models=(0, 1))
    before = [list(chat.messages) for chat in visit.chats.values()]
    visit.chats[1].engine = broken
    with pytest.raises(MemoryError):
        run(good, visit, "two", models=(0, 1))
    assert [chat.messages for chat in visit.chats.values()] == before and len(visit.turns) == 1
    assert visit.state == "idle"
    visit.chats[1].engine = models[1].engine
    run(good, visit, "three", models=(0, 1))
    assert len(visit.turns) == 2


def test_a_full_conversation_forgets_its_earliest_turns_with_their_pictures(models, tmp_path):
    model, files = models[0], [picture(tmp_path, seed) for seed in range(40)]
    chat = Chat(model.engine)
    chat.images = list(files)
    for number in range(40):
        chat.messages.append({"role": "user", "content": f"<image>\n{'word ' * 20}{number}"})
        chat.messages.append({"role": "assistant", "content": "a"})
    now, wish = turn("q"), Wish(Sampling(max_new_tokens=10), 1)
    whole = model.prompt_tokens(chat.messages, chat.images, 1)
    small = Model(model.name, "", model.engine, model.tokenizer, with_room(model.spec, whole // 2))
    forgotten = make_room(chat, small, "q", now, wish)
    assert 20 < forgotten < 40 and len(chat.images) == 40 - forgotten and len(chat.messages) == 2 * (40 - forgotten)
    assert chat.images == files[forgotten:]
    assert make_room(chat, small, "q", now, wish) == 0  # there is room again
    with pytest.raises(Refused, match="more than the model's"):
        make_room(chat, small, "q " * whole, now, wish)


def with_room(spec, tokens):
    name = "llm_config" if "llm_config" in spec.config else "text_config"
    return replace(spec, config={**spec.config, name: {**spec.config[name], "max_position_embeddings": tokens}})


def test_keys_and_values_stay_with_the_conversation_that_spoke_last_where_there_is_no_room_for_all(tiny):
    chats = [tiny.chat() for _ in range(3)]
    for chat in chats:
        chat.ask("hi", max_new_tokens=2)
    kept = KeptLimit(most=2 * chats[0].kept.bytes)
    for chat in chats:
        kept.used([chat])
    assert [chat.kept.bytes > 0 for chat in chats] == [False, True, True]


def test_pictures_that_nothing_can_come_back_to_are_deleted(models, tmp_path):
    visit, speakers = Visit(), Speakers(models)
    folder = visit.picture_folder(tmp_path)
    for number in range(15):
        file = accept_picture(picture(tmp_path / "from", number), folder)
        run(speakers, visit, "q", [file], fresh=True)
    assert 10 <= len(list(folder.iterdir())) < 15
    visit.clear()
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(("after", "expected"), [(False, "<image>\n<image>\nq"), (True, "q\n<image>\n<image>")])
def test_pictures_stand_where_the_visitor_wants_them(after, expected):
    assert with_marks("q", 2, after) == expected
    assert with_marks("this <image> or that <image>", 2, after) == "this <image> or that <image>"


def test_a_picture_is_copied_as_it_is_or_as_a_browser_shows_it(tmp_path):
    plain = picture(tmp_path / "in")
    assert accept_picture(plain, tmp_path / "out").read_bytes() == plain.read_bytes()
    turned = Image.new("RGB", (40, 20), "red")
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.jpg", exif=exif)
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    clear.save(tmp_path / "clear.png")
    frames = [Image.new("RGB", (6, 6), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    with Image.open(accept_picture(tmp_path / "turned.jpg", tmp_path / "out")) as upright:
        assert upright.size == (20, 40)
    with Image.open(accept_picture(tmp_path / "clear.png", tmp_path / "out")) as white:
        assert white.getpixel((0, 0)) == (255, 255, 255)
    with Image.open(accept_picture(tmp_path / "moving.gif", tmp_path / "out")) as first:
        assert first.convert("RGB").getpixel((0, 0)) == (255, 0, 0) and getattr(first, "n_frames", 1) == 1


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    file = io.BytesIO()
    Image.new("1", (9000, 9000)).save(file, "PNG")
    (tmp_path / "bomb.png").write_bytes(file.getvalue())
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("it was decoded"))
    with pytest.raises(Refused) as refused:
        accept_picture(tmp_path / "bomb.png", tmp_path / "out")
    assert "81" not in refused.value.text("zh") and "9000 x 9000" in refused.value.text("zh")
    with pytest.raises(Refused, match="larger than 0 MB"):
        accept_picture(tmp_path / "bomb.png", tmp_path / "out", Limits(megabytes=0))


@pytest.mark.parametrize(("accepted", "language"), [
    ("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("en-GB,en;q=0.5,zh;q=0.3", "en"), ("fr-FR,fr", "en"), ("de,zh-TW;q=0.4", "zh"),
    ("", "en"),
])  # fmt: skip
def test_the_page_speaks_the_browsers_language(accepted, language):
    assert language_of(accepted) == language


def test_what_a_folder_holds_is_told_apart_and_an_unfinished_run_is_not_used(tmp_path, tiny_folder):
    assert webui.resolve_tuned(tiny_folder) == webui.Tuned(tiny_folder.name, tiny_folder)
    (tmp_path / "adapter").mkdir()
    with pytest.raises(ValueError, match="neither a checkpoint"):
        webui.resolve_tuned(tmp_path / "adapter")
    (tmp_path / "adapter" / "adapter_config.json").write_text("{}")
    assert webui.resolve_tuned(tmp_path / "adapter").is_adapter
    with pytest.raises(FileNotFoundError, match="is no folder"):
        webui.resolve_tuned(tmp_path / "nowhere")
    write_run(tmp_path, finished=None)
    assert not Run.read(tmp_path).finished
    with pytest.raises(ValueError, match="not finished"):
        webui.resolve_tuned(tmp_path)
    assert webui.resolve_tuned(tmp_path, unfinished=True) is None
    write_run(tmp_path, finished="now")
    found = webui.resolve_tuned(tmp_path)
    assert found.is_adapter and found.task == "food" and found.name == "mini-food"
    with pytest.raises(ValueError, match="merge it first"), webui.open_models(tiny_folder, [found], "lmdeploy"):
        pass


def test_the_courses_own_finished_runs_are_found(tmp_path, monkeypatch):
    from course_lib import course_steps
    from course_lib.records import load_task
    from course_lib.settings import ROOT

    base = ROOT / "data" / "internvl-mini"
    monkeypatch.setattr(course_steps, "RUNS", tmp_path)
    assert webui.course_runs(base) == []
    records = load_task("food", "train"), load_task("food", "test")
    folder = course_steps.run_folder(course_steps.recipe_for("food", base), *records, model=base)
    (folder / "merged").mkdir(parents=True)
    (folder / "merged" / "config.json").write_text("{}")
    write_run(folder, finished=None)
    assert webui.course_runs(base) == []
    write_run(folder, finished="now")
    assert webui.course_runs(base) == [webui.Tuned("mini-food", folder / "merged", task="food")]


def write_run(folder, finished):
    import json
    from dataclasses import asdict

    from course_lib.recipes import MINI_FOOD

    (folder / "recipe.json").write_text(json.dumps(asdict(MINI_FOOD)))
    (folder / "run.json").write_text(json.dumps({"finished": finished}))


def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
