"""The doctor names each breakage and the command that mends it, in environments that really are broken."""

import json
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from types import MappingProxyType

import pytest

from course_lib import doctor
from course_lib.doctor_packages import locked_versions
from course_lib.findings import Finding, Report
from course_lib.licences import VARIABLE
from course_lib.settings import ROOT

SITE = Path(sysconfig.get_path("purelib"))


def broken_environment(folder, *, without=(), versions=MappingProxyType({}), modules=MappingProxyType({})):
    """A venv that shares this one's packages, but for those left out, of another version, or replaced by some code.

    Gives its Python. Only what is changed is copied: the rest are links.
    """
    venv.EnvBuilder(symlinks=True).create(folder)
    site = next((folder / "lib").glob("python3*/site-packages"))
    for entry in SITE.iterdir():
        package, _, rest = entry.name.partition("-")
        if package in without:
            continue
        if package in versions and rest.endswith(".dist-info"):
            changed = site / f"{package}-{versions[package]}.dist-info"
            shutil.copytree(entry, changed)
            text = (changed / "METADATA").read_text(encoding="utf-8")
            text = re.sub(r"^Version: .*$", f"Version: {versions[package]}", text, count=1, flags=re.MULTILINE)
            (changed / "METADATA").write_text(text, encoding="utf-8")
        elif entry.name in modules:
            (site / entry.name).mkdir()
            (site / entry.name / "__init__.py").write_text(modules[entry.name], encoding="utf-8")
        else:
            (site / entry.name).symlink_to(entry)
    return folder / "bin" / "python"


def ask(python, function):
    """The findings of one of the doctor's functions, in another environment."""
    code = f"import dataclasses, json; from course_lib import doctor as d; f = d.{function}(); " \
           "print(json.dumps([dataclasses.asdict(x) for x in (f if isinstance(f, list) else [f])]))"  # fmt: skip
    done = subprocess.run([python, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return {row["what"]: Finding(**row) for row in json.loads(done.stdout)}


def problems(findings):
    return {what: finding for what, finding in findings.items() if finding.status == "problem"}


@pytest.fixture(scope="module")
def here():
    """What the command says in this environment."""
    return subprocess.run([sys.executable, "-m", "course_lib", "doctor"], cwd=ROOT, capture_output=True, text=True)


def test_here_nothing_is_to_mend(here):
    assert here.returncode == 0, here.stdout + here.stderr
    assert here.stdout.rstrip().endswith("Ready.")


def test_the_device_has_its_reason_and_what_follows_for_serving(here):
    device, reason = re.search(r"device +(cpu|cuda:0): (.+)", here.stdout).groups()
    assert reason
    assert ("lmdeploy's engine" in here.stdout) == (device == "cpu")
    assert ("GPU memory" in here.stdout) == (device != "cpu")


def test_unbroken_packages_leave_one_note_the_override():
    findings = {finding.what: finding for finding in doctor.package_findings()}
    assert problems(findings) == {}
    assert [what for what, finding in findings.items() if finding.status == "note"] == ["peft + lmdeploy"]


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        ({"versions": {"torch": "2.13.0"}}, {"torch": "torch drifted", "torch + torchvision": "torchvision::nms"}),
        ({"versions": {"torch": "2.12.1+cpu"}}, {"torch": "torch drifted", "torch + torchvision": "torchvision::nms"}),
        ({"versions": {"torchvision": "0.26.0"}}, {"torchvision": "torchvision drifted"}),
        ({"versions": {"transformers": "5.8.0"}}, {"transformers": "transformers drifted"}),
        ({"versions": {"peft": "0.14.0"}}, {"peft": "0.20 or newer"}),
        ({"versions": {"numpy": "3.0.0"}}, {"numpy": "numpy drifted"}),
        ({"without": ("deepspeed",)}, {"deepspeed": "built on this machine"}),
        ({"without": ("bitsandbytes",)}, {"bitsandbytes": "4-bit"}),
        ({"without": ("lmdeploy", "gradio")}, {"lmdeploy": "notebook 08", "gradio": ""}),
    ],
    ids=lambda case: "-".join(case.get("without", ()) or case.get("versions", {}) or ["named"]),
)
def test_a_package_that_drifted_or_is_missing_is_named_with_the_command(tmp_path, broken, expected):
    found = problems(ask(broken_environment(tmp_path / "venv", **broken), "package_findings"))
    assert found.keys() == expected.keys()
    for what, words in expected.items():
        assert words in found[what].why
        assert found[what].mend == "make env"
    for name, version in broken.get("versions", {}).items():
        assert found[name].found == f"{version} (lock: {locked_versions()[name]})"


def test_peft_as_old_as_lmdeploy_asks_is_no_longer_excused(tmp_path):
    found = ask(broken_environment(tmp_path / "venv", versions={"peft": "0.14.0"}), "package_findings")
    assert "peft + lmdeploy" not in found


@pytest.mark.parametrize(
    ("module", "code", "words"),
    [
        ("torch", "raise ImportError('libcudnn.so.9: cannot open shared object file')", "libcudnn.so.9"),
        ("torch", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "died with code -11"),
        ("torchvision", "raise RuntimeError('operator torchvision::nms does not exist')", "torchvision::nms"),
    ],
)
def test_a_package_that_does_not_load_is_told_without_taking_the_doctor_along(tmp_path, module, code, words):
    python = broken_environment(tmp_path / "venv", modules={module: code})
    found = ask(python, "device_findings")
    assert list(found) == [f"import {module}"]
    assert found[f"import {module}"].status == "problem"
    assert words in found[f"import {module}"].found
    assert f"--reinstall-package {module} requirements.lock" in found[f"import {module}"].mend


def test_another_python_is_a_problem(monkeypatch):
    monkeypatch.setattr(doctor, "PYTHON", "3.99")
    finding = doctor.python_finding()
    assert finding.status == "problem" and finding.mend.startswith("make env PYTHON=")


def test_an_environment_that_make_did_not_build_is_noted(tmp_path):
    assert ask(broken_environment(tmp_path / "venv"), "python_finding")["Python"].status == "note"


def test_a_kernel_of_another_python_is_a_problem(tmp_path, monkeypatch):
    kernel = tmp_path / "kernels" / "python3"
    kernel.mkdir(parents=True)
    spec = {"argv": ["/usr/bin/python3", "-m", "ipykernel_launcher", "-f", "{connection_file}"], "display_name": "x"}
    (kernel / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    monkeypatch.delenv("JUPYTER_PATH", raising=False)
    assert doctor.kernel_finding().status == "ok"
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    finding = doctor.kernel_finding()
    assert finding.status == "problem" and "/usr/bin/python3" in finding.found and finding.mend == "make env"


def checkpoint(folder, config, files=()):
    folder.mkdir()
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    for name, content in dict(files).items():
        (folder / name).write_text(content, encoding="utf-8")
    return folder


OFFICIAL = {"architectures": ["InternVLChatModel"]}
INDEX = json.dumps({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}})


@pytest.mark.parametrize(
    ("config", "files", "words"),
    [
        (None, {}, "no config.json"),
        ({"architectures": ["LlamaForCausalLM"]}, {}, "LlamaForCausalLM"),
        ({}, {}, "unnamed"),
        (OFFICIAL, {}, "model.safetensors missing"),
        (OFFICIAL, {"model.safetensors.index.json": INDEX, "model-1.safetensors": "x"}, "model-2.safetensors missing"),
    ],
)
def test_a_folder_that_is_no_whole_internvl_is_told(tmp_path, monkeypatch, config, files, words):
    monkeypatch.setenv("COURSE_MODEL", str(checkpoint(tmp_path / "model", config, files)))
    finding = doctor.model_finding()
    assert finding.status == "problem" and words in finding.found and finding.mend == "unset COURSE_MODEL"


def test_a_model_or_data_folder_that_does_not_exist_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_MODEL", str(tmp_path / "nowhere"))
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "nowhere"))
    assert doctor.model_finding().mend == "unset COURSE_MODEL"
    assert [finding.mend for finding in doctor.data_findings()] == ["unset COURSE_DATA"] * 2


def test_a_whole_checkpoint_and_own_data_are_found(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_MODEL", str(checkpoint(tmp_path / "model", OFFICIAL, {"model.safetensors": "x"})))
    for task, name in {"food": "sivqa_tidy.json", "meme": "ex_cn.json"}.items():
        (tmp_path / task).mkdir()
        (tmp_path / task / name).write_text("[{}, {}]", encoding="utf-8")
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    assert doctor.model_finding().status == "ok"
    assert [finding.found for finding in doctor.data_findings()] == [
        f"2 records, {tmp_path / task}" for task in ("food", "meme")
    ]


def own_food(folder, monkeypatch, files):
    """The finding on a learner's own food data, COURSE_DATA's only folder: {file name: records, or a text}."""
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        (folder / name).write_text(text, encoding="utf-8")
    monkeypatch.setenv("COURSE_DATA", str(folder))
    return {finding.what: finding for finding in doctor.data_findings()}["data: food"]


FOODIEQA = {"question": "哪个菜系?", "choices": ["苏菜"], "answer": "0",
            "food_meta": {"food_name": "松鼠鳜鱼", "food_file": "1.jpg"}}  # fmt: skip
CONVERTED = {"image": "1.jpg", "conversations": [{"from": "human", "value": "哪个菜系?\n<image>"},
                                                 {"from": "gpt", "value": "苏菜，图中的菜是松鼠鳜鱼"}]}  # fmt: skip
FREE = {**FOODIEQA, "licence": "MIT"}


def test_the_kits_own_data_have_a_test_file_and_need_no_consent(monkeypatch):
    monkeypatch.delenv("COURSE_DATA", raising=False)
    assert [(finding.status, finding.why) for finding in doctor.data_findings()] == [("ok", "")] * 2


@pytest.mark.parametrize("name, record", [("sivqa_tidy.json", FOODIEQA), ("sivqa_llava.json", CONVERTED)])
def test_foodieqa_under_either_name_is_noted_with_held_out_tenth_and_consent(tmp_path, monkeypatch, name, record):
    monkeypatch.delenv(VARIABLE, raising=False)
    finding = own_food(tmp_path, monkeypatch, {name: [record] * 3})
    assert (finding.status, finding.found, finding.mend) == ("note", f"3 records, {tmp_path}", "")
    assert f"no sivqa_test.json: 10% of {name}, by picture, are held out" in finding.why
    assert f"needs your consent ({VARIABLE}=yes)" in finding.why


@pytest.mark.parametrize("consent, status, words", [
    ("yes", "note", "was consented to"), ("no", "note", "needs your consent"), ("maybe", "problem", "yes or no"),
])  # fmt: skip
def test_consent_that_was_given_is_told_and_one_that_cannot_be_read_is_a_problem(
    tmp_path, monkeypatch, consent, status, words
):
    monkeypatch.setenv(VARIABLE, consent)
    finding = own_food(tmp_path, monkeypatch, {"sivqa_tidy.json": [FOODIEQA], "sivqa_test.json": [FOODIEQA]})
    assert finding.status == status and words in finding.why and "held out" not in finding.why
    assert finding.mend == (f"unset {VARIABLE}" if status == "problem" else "")


def test_free_records_need_no_consent_and_oogiri_go_is_read_line_by_line(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "maybe")  # nobody asks
    finding = own_food(tmp_path, monkeypatch, {"sivqa_tidy.json": [FREE], "sivqa_test.json": [FREE]})
    assert (finding.status, finding.why) == ("ok", "")
    line = json.dumps({"type": "T2T", "question": "q", "image": None, "text": "t", "star": 1})
    (tmp_path / "cn.jsonl").write_text(f"{line}\n{line}\n\n", encoding="utf-8")
    meme = doctor.data_findings()[1]
    assert meme.found == f"2 records, {tmp_path}" and meme.why.startswith("no ex_cn_test.json: 10% of cn.jsonl")


@pytest.mark.parametrize("files", [{}, {"sivqa_tidy.json": "[1"}, {"sivqa_llava.json": '{"a": 1}'}])
def test_food_data_that_cannot_be_read_are_a_problem(tmp_path, monkeypatch, files):
    finding = own_food(tmp_path, monkeypatch, files)
    assert finding.found == "no sivqa_tidy.json or sivqa_llava.json that can be read"
    assert (finding.status, finding.mend) == ("problem", "unset COURSE_DATA") and finding.why


def test_little_disk_is_a_problem(monkeypatch):
    monkeypatch.setattr(doctor, "FREE_DISK_GIB", 10**9)
    assert doctor.disk_finding().mend == "make clean"


def test_both_forms_of_the_table_show_every_row_and_every_command():
    rows = (
        Finding("Python", "3.11"),
        Finding("torch & co", "<missing>", "problem", "why so", "make env"),
    )
    text, page = str(Report(rows)), Report(rows)._repr_html_()
    assert text.splitlines()[:4] == [
        "ok    Python      3.11",
        "MEND  torch & co  <missing>",
        "                  why so",
        "                  $ make env",
    ]
    assert "1 to mend" in text and "1 to mend" in page
    assert "torch &amp; co" in page and "&lt;missing&gt;" in page and "<code>make env</code>" in page


def test_the_doctor_itself_does_without_torch():
    code = "import sys; from course_lib import __main__, doctor; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
