"""`python -m course_lib`: train, merge and evaluate from a terminal, and mistakes told in plain words."""

import json
import subprocess
import sys
import venv
from dataclasses import dataclass

import pytest
from PIL import Image

from course_lib.__main__ import main
from course_lib.checkpoint import load_checkpoint
from course_lib.settings import ROOT, pick_device

COMMANDS = ("doctor", "train", "merge", "evaluate", "chat", "webui", "benchmark")
JOKES = ("再等五分钟。", "我没睡，我在思考。")


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def course(monkeypatch, capsys):
    """Run a command as a terminal would, in this process: torch is imported once for all."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["course_lib", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        written = capsys.readouterr()
        return Done(ended.value.code or 0, written.out, written.err)

    for name in ("COURSE_MODEL", "COURSE_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    return run


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A meme task of two scenes in CLoT's layout."""
    folder = tmp_path_factory.mktemp("meme")
    (folder / "ex_images").mkdir()
    for scene in range(2):
        Image.new("RGB", (64, 64), (200 * scene, 90, 40)).save(folder / "ex_images" / f"{scene}.jpg")
    records = [
        {
            "id": f"{scene}-0-{copy}",
            "image": f"ex_images/{scene}.jpg",
            "conversations": [
                {"from": "human", "value": "<image>\n请你根据这张图片，讲一个脑洞大开的梗"},
                {"from": "gpt", "value": JOKES[scene]},
            ],
        }
        for scene in range(2)
        for copy in range(2)
    ]
    for name in ("ex_cn.json", "ex_cn_test.json"):
        (folder / name).write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")
    return folder


def test_help_names_every_command_and_each_has_its_own(course):
    text = course("--help").stdout
    assert all(command in text for command in COMMANDS)
    for command in COMMANDS[1:]:
        done = course(command, "--help")
        assert done.returncode == 0 and f" {command} [OPTIONS]" in done.stdout


def test_train_merge_evaluate_on_a_random_model(course, tmp_path, data, tiny_folder):
    run, merged, answers = tmp_path / "run", tmp_path / "merged", tmp_path / "answers.json"
    done = course(
        "train", "meme", "--recipe", "mini-meme", "--set", "epochs=1", "--model", tiny_folder, "--data", data, "--out", run
    )
    assert done.returncode == 0, done.stderr
    assert "held-out loss at step 0: " in done.stdout and f"adapter: {run / 'adapter'}" in done.stdout
    done = course("merge", run / "adapter", "--model", tiny_folder, "--out", merged)
    assert done.returncode == 0, done.stderr
    assert (merged / "config.json").is_file()
    done = course("evaluate", "meme", "--model", merged, "--data", data, "--limit", 2, "--out", answers)
    assert done.returncode == 0, done.stderr
    assert "[0.0%, 65.8%] (0/2)" in done.stdout and "held-out loss: " in done.stdout
    assert len(json.loads(answers.read_text(encoding="utf-8"))["answers"]) == 2
    again = course("train", "meme", "--recipe", "mini-meme", "--model", tiny_folder, "--data", data, "--out", run)
    assert_told(again, "holds a run already")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("train", "sport", "--out", "x"), "sport"),
        (("train", "food", "--out", "x", "--recipe", "huge"), "mini-food"),
        (("train", "food", "--out", "x", "--set", "epochs=0"), "epochs=0"),
        (("train", "food", "--out", "x", "--set", "epoch=1"), "accumulation"),
        (("train", "--out", "x"), "food or meme"),
        (("train", "--held-out", "x.json", "--recipe", "mini-food"), "--data"),
        (("train", "--recipe", "pyproject.json", "--data", "nowhere.json"), "pyproject.json"),
        (("evaluate", "meme", "--split", "middle"), "train"),
        (("evaluate", "food", "--data", "nowhere"), "nowhere"),
        (("evaluate", "food", "--limit", "0"), "limit"),
        (("merge", "nowhere", "--out", "x"), "nowhere"),
        (("chat", "--engine", "vllm"), "lmdeploy-server"),
        (("chat", "--model", "nowhere"), "nowhere"),
        (("webui", "--tuned", "nowhere"), "nowhere"),
        (("benchmark", "--engine", "vllm"), "lmdeploy-server"),
        (("bake",), "bake"),
    ],
)
def test_a_mistake_is_told_in_plain_words(course, arguments, words):
    assert_told(course(*arguments), words)


@pytest.mark.skipif(pick_device()[0].type == "cuda", reason="what happens without a GPU")
def test_lmdeploy_without_a_gpu_is_told_what_to_use(course):
    assert_told(course("chat", "--engine", "lmdeploy-server"), "engine='transformers'")


def test_a_chat_and_a_benchmark_on_a_random_model(course, tiny_folder, monkeypatch, tmp_path):
    typed = iter(["hi", "/quit"])
    monkeypatch.setattr("builtins.input", lambda prompt: next(typed))
    done = course("chat", "--model", tiny_folder, "--engine", "transformers", "--max-new-tokens", 4)
    answer = load_checkpoint(tiny_folder, device="cpu").answer("hi", max_new_tokens=4)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == answer
    done = course("benchmark", "--model", tiny_folder, "--engine", "transformers", "--questions", 2, "--batch", 2,
                  "--max-new-tokens", 2, "--out", tmp_path / "speed.json")  # fmt: skip
    assert done.returncode == 0 and "2 of 2" in done.stdout and (tmp_path / "speed.json").is_file()


def test_broken_records_are_listed_before_anything_starts(course, tmp_path, data, tiny_folder):
    records = json.loads((data / "ex_cn.json").read_text(encoding="utf-8"))
    for number in (0, 2):
        records[number]["image"] = "ex_images/lost.jpg"
    for name in ("ex_cn.json", "ex_cn_test.json"):
        (tmp_path / name).write_text(json.dumps(records), encoding="utf-8")
    done = course("train", "meme", "--model", tiny_folder, "--data", tmp_path, "--out", tmp_path / "run")
    assert_told(done, "record 1")
    assert "record 3" in done.stderr and not (tmp_path / "run").exists()


def test_another_python_is_told_how_to_get_the_right_one(tmp_path):
    venv.EnvBuilder(symlinks=True).create(tmp_path / "venv")
    command = [tmp_path / "venv" / "bin" / "python", "-m", "course_lib", "doctor"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and "make env" in done.stderr and "Traceback" not in done.stderr


def assert_told(done, words):
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr and "Traceback" not in done.stderr
