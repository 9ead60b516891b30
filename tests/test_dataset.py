"""Data: every layout learners have is read, every problem is listed with its place, nothing is cut or dropped."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from PIL import Image

from course_lib.dataset import (
    DataError, LengthGroupedSampler, Record, VLDataset, check_records, collate, encode_record, load_task, read_records,
    shared_pictures, split_by_picture, summarise, tile_counts,
)  # fmt: skip
from course_lib.vlm import ModelSpec

JOKE = [{"from": "human", "value": "<image>\n请你根据这张图片，讲一个脑洞大开的梗"}, {"from": "gpt", "value": "笑话"}]
PLAIN = [{"from": "human", "value": "你好"}, {"from": "gpt", "value": "您好"}]
FOODIE = {
    "question_id": 7,
    "question": "图片中的食物通常属于哪个菜系?",
    "choices": ["川菜", "苏菜", "粤菜", "湘菜"],
    "answer": "1",
    "question_type": "cuisine_type",
    "food_meta": {"food_file": "images/a.jpg", "food_name": "松鼠鳜鱼"},
}

# All fields that FoodieQA's sivqa_tidy.json has; the texts are this test's own.
FOODIE_WHOLE = {
    "question": "食用图片中的食物时，一般它上菜或摆盘时的特点是?",
    "choices": ["整鱼装盘", "小碗盛汤", "竹签串好", "分层摆放"],
    "answer": "0",
    "question_type": "present",
    "food_name": "松鼠鳜鱼",
    "question_id": 128,
    "food_meta": {"main_ingredient": ["鱼"], "id": 217, "food_name": "松鼠鳜鱼", "food_type": "苏菜",
                  "food_location": "江苏苏州", "food_file": "images/a.jpg"},
    "question_en": "How is the food in the picture usually served?",
    "choices_en": ["a whole fish on a plate", "soup in a small bowl", "on bamboo skewers", "in layers"],
}  # fmt: skip
OOGIRI = {"type": "I2T", "question": None, "image": "5651380", "text": "不是故意的", "star": 5}
TELL = "请你根据这张图片，讲一个脑洞大开的梗"


@dataclass(frozen=True)
class Spec:
    """What the data code needs to know of a checkpoint: 112-px tiles of 16 tokens, as in the mini."""

    tile_size: int = 112
    min_tiles: int = 1
    max_tiles: int = 6
    thumbnail: bool = True
    tokens_per_tile: int = 16
    image_token_id: int = 92546
    system: str | None = "系统"
    separator: str = ""

    grid_settings, tile_count = ModelSpec.grid_settings, ModelSpec.tile_count


class WordTokenizer:
    """Image tokens, control tokens and single characters: enough for lengths and masks, and quick to read."""

    def __call__(self, text: str, return_offsets_mapping: bool) -> dict:
        import re

        parts = re.finditer(r"<\|im_start\|>|<\|im_end\|>|<img>|</img>|<IMG_CONTEXT>|[\s\S]", text)
        offsets = [part.span() for part in parts]
        ids = [92546 if text[a:b] == "<IMG_CONTEXT>" else ord(text[a]) for a, b in offsets]
        return {"input_ids": ids, "offset_mapping": offsets}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for name, size in (("a.jpg", (300, 200)), ("b.jpg", (100, 100)), ("c.png", (1, 1))):
        Image.new("RGB", size, (200, 80, 40)).save(tmp_path / "images" / name)
    whole = (tmp_path / "images" / "a.jpg").read_bytes()
    (tmp_path / "images" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "images" / "text.jpg").write_text("not a picture")
    return tmp_path


def write(folder: Path, records: object, name: str = "data.json") -> Path:
    file = folder / name
    file.write_text(records if isinstance(records, str) else json.dumps(records, ensure_ascii=False), encoding="utf-8")
    return file


def problems(file: Path) -> list[tuple[int | None, str, str]]:
    with pytest.raises(DataError) as caught:
        read_records(file)
    return [(problem.number, problem.field, problem.what) for problem in caught.value.problems]


@pytest.mark.parametrize("image, images", [
    ("images/a.jpg", ["images/a.jpg"]),
    (["images/a.jpg"], ["images/a.jpg"]),
    (["images/a.jpg", "images/b.jpg", "images/c.png"], ["images/a.jpg", "images/b.jpg", "images/c.png"]),
    ([], []),
    (None, []),
])
def test_llava_pictures_may_be_one_many_null_or_none(folder, image, images):
    turns = [{"from": "human", "value": "<image>" * len(images) + "看"}, {"from": "gpt", "value": "好"}]
    [record] = read_records(write(folder, [{"image": image, "conversations": turns}]))
    assert record.images == tuple(folder / name for name in images)
    assert record.messages == ({"role": "user", "content": turns[0]["value"]}, {"role": "assistant", "content": "好"})
    assert (record.number, record.id) == (1, None)


def test_records_keep_id_further_fields_and_turns(folder):
    raw = {"id": 12, "conversations": PLAIN + PLAIN, "licence": "MIT"}
    [record] = read_records(write(folder, [raw]))
    assert (record.id, record.meta, record.images, len(record.messages)) == ("12", {"licence": "MIT"}, (), 4)


def test_a_foodieqa_record_becomes_question_with_picture_and_choice_with_dish(folder):
    [record] = read_records(write(folder, [FOODIE], "sivqa_tidy.json"))
    assert record.messages == (
        {"role": "user", "content": "图片中的食物通常属于哪个菜系?\n<image>"},
        {"role": "assistant", "content": "苏菜，图中的菜是松鼠鳜鱼"},
    )
    assert record.images == (folder / "images/a.jpg",)
    assert record.meta == FOODIE


def as_the_old_lesson_converted(raw: dict) -> dict:
    """One record of sivqa_llava.json: no id, the picture's path as FoodieQA has it."""
    answer = f"{raw['choices'][int(raw['answer'])]}，图中的菜是{raw['food_meta']['food_name']}"
    turns = [{"from": "human", "value": raw["question"] + "\n<image>"}, {"from": "gpt", "value": answer}]
    return {"image": raw["food_meta"]["food_file"], "conversations": turns}


def test_foodieqa_and_its_conversion_by_the_old_lesson_read_to_the_same_record(folder):
    [own] = read_records(write(folder, [FOODIE_WHOLE], "sivqa_tidy.json"))
    [converted] = read_records(write(folder, [as_the_old_lesson_converted(FOODIE_WHOLE)], "sivqa_llava.json"))
    assert own.messages == converted.messages and own.images == converted.images == (folder / "images/a.jpg",)
    assert own.messages[1]["content"] == "整鱼装盘，图中的菜是松鼠鳜鱼"
    assert own.meta == FOODIE_WHOLE and (own.id, converted.id) == ("128", None)


def test_an_absolute_path_inside_the_pictures_folder_is_that_picture(folder):
    raw = {"image": str(folder / "images" / "a.jpg"), "conversations": JOKE}
    [record] = read_records(write(folder, [raw]))
    assert record.images == (folder / "images/a.jpg",)


@pytest.mark.parametrize("change, picture, question", [
    ({}, "images/5651380.jpg", f"<image>\n{TELL}"),
    ({"image": 5651380}, "images/5651380.jpg", f"<image>\n{TELL}"),
    ({"image": "a"}, "images/a.jpg", f"<image>\n{TELL}"),
    ({"image": "a.jpg"}, "images/a.jpg", f"<image>\n{TELL}"),
    ({"image": "c", "star": None}, "images/c.png", f"<image>\n{TELL}"),
    ({"image": "top"}, "top.jpeg", f"<image>\n{TELL}"),
    ({"type": "IT2T"}, "images/5651380.jpg", f"<image>\n{TELL}"),  # the picture shows the text
    ({"type": "IT2T", "question": "猫说：__"}, "images/5651380.jpg", f"<image>\n猫说：__\n{TELL}"),
    ({"type": "T2T", "question": "什么猫?", "image": None}, None, "什么猫?\n请你根据这句话，讲一个脑洞大开的梗"),
    ({"type": "T2T", "question": "什么猫?"}, None, "什么猫?\n请你根据这句话，讲一个脑洞大开的梗"),
    ({"type": "T2T", "question": "None"}, "images/5651380.jpg", f"<image>\n{TELL}"),  # Japanese: a picture of a text
])  # fmt: skip
def test_oogiri_records_ask_as_clot_does_about_a_picture_a_text_or_both(folder, change, picture, question):
    shutil.copy(folder / "images/a.jpg", folder / "images/5651380.jpg")
    shutil.copy(folder / "images/a.jpg", folder / "top.jpeg")
    raw = {**OOGIRI, **change}
    [record] = read_records(write(folder, json.dumps(raw), "cn.jsonl"))
    assert record.images == (() if picture is None else (folder / picture,))
    assert record.messages == ({"role": "user", "content": question}, {"role": "assistant", "content": "不是故意的"})
    assert record.meta == raw


def test_a_folder_may_stand_for_its_one_file_of_records(folder):
    write(folder, [{"image": "images/a.jpg", "conversations": JOKE}], "mine.json")
    assert read_records(folder)[0].source == folder / "mine.json"
    write(folder, [{"image": "images/a.jpg", "conversations": JOKE}], "ex_cn.json")  # a known name wins
    assert read_records(folder)[0].source == folder / "ex_cn.json"
    write(folder, [FOODIE], "sivqa_tidy.json")
    with pytest.raises(DataError, match="name the file of records in it .sivqa_tidy.json, ex_cn.json"):
        read_records(folder)
    with pytest.raises(DataError, match="it holds no .json or .jsonl file"):
        read_records(folder / "images")


@pytest.mark.parametrize("task, name", [
    ("meme", "ex_cn.json"), ("meme", "cn.jsonl"), ("food", "sivqa_tidy.json"), ("food", "sivqa_llava.json"),
])
def test_a_learners_set_without_a_test_file_is_split_by_picture_the_same_way_each_time(folder, task, name):
    raw = []
    for number in range(20):
        picture = folder / "images" / f"{number}.png"
        Image.new("RGB", (8, 8), (number, 0, 0)).save(picture)
        food = {**FOODIE_WHOLE, "food_meta": {**FOODIE_WHOLE["food_meta"], "food_file": f"images/{number}.png"}}
        raw += {"ex_cn.json": [{"image": f"images/{number}.png", "conversations": JOKE}] * 2,
                "cn.jsonl": [{**OOGIRI, "image": str(number)}] * 2, "sivqa_tidy.json": [food] * 2,
                "sivqa_llava.json": [as_the_old_lesson_converted(food)] * 2}[name]  # fmt: skip
    file = write(folder, "\n".join(map(json.dumps, raw)) if name == "cn.jsonl" else raw, name)
    for place in (folder, file):
        train, test = load_task(task, "train", place), load_task(task, "test", place)
        assert (len(train), len(test)) == (36, 4) and shared_pictures(train, test) == []
        assert sorted(record.number for record in train + test) == list(range(1, 41))
    assert load_task(task, "test", folder) == test


def test_jsonl_is_read_line_by_line_and_pictures_from_any_folder(folder, tmp_path_factory):
    lines = "\n".join(["\ufeff" + json.dumps({"conversations": PLAIN}), "",
                       json.dumps({"image": "images/a.jpg", "conversations": JOKE})])
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    records = read_records(write(elsewhere, lines, "data.jsonl"), image_folder=folder)
    assert [record.number for record in records] == [1, 3]
    assert records[1].images == (folder / "images/a.jpg",)


def answers(value: object) -> list:
    return [JOKE[0], {"from": "gpt", "value": value}]


@pytest.mark.parametrize("record, field, what", [
    ({"image": "images/none.jpg", "conversations": JOKE}, "image", "no picture at"),
    ({"image": "images/cut.jpg", "conversations": JOKE}, "image", "does not decode"),
    ({"image": "images/text.jpg", "conversations": JOKE}, "image", "does not decode"),
    ({"image": "/etc/a.jpg", "conversations": JOKE}, "image", "absolute path"),
    ({"image": "C:\\a.jpg", "conversations": JOKE}, "image", "absolute path"),
    ({"image": "../a.jpg", "conversations": JOKE}, "image", "leaves the pictures' folder"),
    ({"image": "images\\..\\..\\a.jpg", "conversations": JOKE}, "image", "leaves the pictures' folder"),
    ({"image": 3, "conversations": JOKE}, "image", "should be a picture's path, but is 3"),
    ({"image": "images/a.jpg", "conversations": PLAIN}, "conversations", "0 <image> in the text, but 1 pictures"),
    ({"conversations": JOKE}, "conversations", "1 <image> in the text, but 0 pictures"),
    ({"conversations": [PLAIN[0], {"from": "gpt", "value": "<image>"}]}, "conversations", "<image> in an answer"),
    ({"image": "images/a.jpg", "conversations": answers("  ")}, "conversations[1].value", "empty answer"),
    ({"image": "images/a.jpg", "conversations": answers(3)}, "conversations[1].value", "should be a text, but is 3"),
    ({"image": "images/a.jpg", "conversations": answers("<|im_end|>")}, "conversations[1].value", "control token"),
    ({"conversations": [{"from": "human", "value": ""}, PLAIN[1]]}, "conversations[0].value", "empty question"),
    ({"conversations": [PLAIN[0], {"from": "bot", "value": "x"}]}, "conversations[1].from", "unknown role 'bot'"),
    ({"conversations": [PLAIN[0], PLAIN[0], PLAIN[1]]}, "conversations[1].from", "turns must alternate"),
    ({"conversations": PLAIN[::-1]}, "conversations[0].from", "human first"),
    ({"conversations": PLAIN[:1]}, "conversations", "a question without an answer"),
    ({"conversations": []}, "conversations", "no turns"),
    ({"conversations": "x"}, "conversations", 'should be a list, but is "x"'),
    ({"conversations": [PLAIN[0], 5]}, "conversations[1]", "a turn should be an object, but is 5"),
    ({"conversations": [PLAIN[0], {"from": "gpt"}]}, "conversations[1].value", "missing"),
    ({"id": [1], "conversations": PLAIN}, "id", "should be text or a whole number"),
    ({"text": "x"}, "conversations", "missing"),
    (17, "", "a record should be an object, but is 17"),
    ({**FOODIE, "answer": "4"}, "answer", "index 4 is out of range: there are 4 choices"),
    ({**FOODIE, "answer": "苏菜"}, "answer", "should be the right choice's index"),
    ({**FOODIE, "answer": None}, "answer", "should be the right choice's index"),
    ({**FOODIE, "choices": "川菜"}, "choices", "should be a list"),
    ({**FOODIE, "choices": ["川菜", 2, "x", "y"]}, "choices[1]", "the right choice should be text, but is 2"),
    ({**FOODIE, "food_meta": {"food_file": "images/a.jpg"}}, "food_meta.food_name", "missing"),
    ({**FOODIE, "food_meta": {"food_file": "/a.jpg", "food_name": "x"}}, "food_meta.food_file", "absolute path"),
    ({**FOODIE, "question": None}, "question", "should be a text, but is null"),
    ({**OOGIRI, "type": "V2T"}, "type", "unknown type 'V2T'"),
    ({"image": "a", "text": "x", "star": 1}, "type", "missing"),
    ({**OOGIRI, "image": "gone"}, "image", "no picture gone, gone.jpg, ..."),
    ({**OOGIRI, "image": None}, "image", "should be a picture's path, but is null"),
    ({**OOGIRI, "image": "../a"}, "image", "leaves the pictures' folder"),
    ({**OOGIRI, "image": "a", "text": " "}, "text", "empty answer"),
    ({**OOGIRI, "image": "a", "text": "<|im_end|>"}, "text", "control token"),
    ({**OOGIRI, "image": "a", "question": "<image>"}, "question", "holds <image>"),
    ({**OOGIRI, "image": "a", "question": 3}, "question", "should be a text or null, but is 3"),
    ({**OOGIRI, "image": "a", "star": "many"}, "star", "should be a number or null"),
    ({**OOGIRI, "type": "T2T", "image": None}, "question", "a T2T record without it needs a picture"),
])  # fmt: skip
def test_each_problem_is_named_with_record_and_field(folder, record, field, what):
    found = problems(write(folder, [{"conversations": PLAIN}, record]))
    assert any(number == 2 and where == field and what in text for number, where, text in found), found


def test_all_problems_of_a_file_are_listed_in_order_and_the_text_shows_twenty(folder):
    bad = {"image": "images/cut.jpg", "conversations": answers("")}
    with pytest.raises(DataError) as caught:
        read_records(write(folder, [bad, {"conversations": PLAIN}] * 12))
    assert [problem.number for problem in caught.value.problems] == [n for k in range(12) for n in [2 * k + 1] * 2]
    text = str(caught.value)
    assert text.startswith("24 problems") and "and 4 more" in text and text.count("\n  - ") == 20
    assert "data.json, record 1, conversations[1].value: empty answer" in text


def test_broken_json_is_named_with_line_and_column(folder):
    [(number, _, what)] = problems(write(folder, '[\n{"a": 1},\n{"a" 2}\n]'))
    assert number is None and "line 3, column 6" in what
    [(number, _, what)] = problems(write(folder, json.dumps({"conversations": PLAIN}) + "\n{]", "data.jsonl"))
    assert number == 2 and "line 2, column 2" in what


@pytest.mark.parametrize("content, what", [
    ("[]", "no records"), ("{}", "should be a list of records"), (None, "no such file"), (b"\xff\xfe", "not UTF-8"),
])
def test_files_without_records_are_named(folder, content, what):
    file = folder / "data.json"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    [(_, _, text)] = problems(file)
    assert what in text


def test_load_task_knows_the_files_of_both_tasks(folder):
    write(folder, [FOODIE], "sivqa_tidy.json")
    write(folder, [{"image": "images/a.jpg", "conversations": JOKE}] * 2, "ex_cn_test.json")
    assert len(load_task("food", "train", folder)) == 1
    assert len(load_task("meme", "test", folder)) == 2
    with pytest.raises(ValueError, match="no task 'food' with split 'dev'"):
        load_task("food", "dev", folder)


def records_of(folder: Path) -> list[Record]:
    raw = [{"image": "images/a.jpg", "conversations": JOKE}, {"conversations": PLAIN},
           {"image": ["images/b.jpg", "images/c.png"],
            "conversations": [{"from": "human", "value": "<image><image>"}, *PLAIN[1:]]}]
    return read_records(write(folder, raw))


def test_too_long_records_are_listed_with_what_would_help_and_never_cut(folder):
    records, tokenizer, spec = records_of(folder), WordTokenizer(), Spec()
    assert tile_counts(records[0], spec) == [7]
    length = len(encode_record(records[0], tokenizer, spec)["input_ids"])
    check_records(records, tokenizer, spec, length)
    with pytest.raises(DataError) as caught:
        check_records(records, tokenizer, spec, length - 20)
    [problem] = caught.value.problems
    assert problem.number == 1 and f"{length} tokens, 20 more than max_length" in problem.what
    assert "set max_tiles=" in problem.what
    suggested = int(problem.what.rsplit("=", 1)[1])
    check_records(records, tokenizer, spec, length - 20, suggested)
    with pytest.raises(ValueError, match="max_length"):
        VLDataset(records, tokenizer, spec, max_length=length - 20)


def test_a_picture_spoiled_after_reading_is_found_before_training(folder):
    records = records_of(folder)
    (folder / "images/b.jpg").write_bytes(b"")
    with pytest.raises(DataError, match="record 3, image"):
        check_records(records, WordTokenizer(), Spec(), 1000)


def test_the_summary_counts_records_pictures_tiles_and_tokens(folder):
    records, spec = records_of(folder), Spec()
    summary = summarise(records, WordTokenizer(), spec)
    lengths = [len(encode_record(record, WordTokenizer(), spec)["input_ids"]) for record in records]
    assert (summary.records, summary.pictures, summary.text_only, summary.tiles) == (3, 3, 1, 9)
    assert summary.lengths == tuple(lengths) and summary.learned == (3, 3, 3)
    assert (summary.percentile(50), summary.percentile(100)) == (sorted(lengths)[1], max(lengths))
    assert summary.longest is records[0]
    assert (summary.most_tiles, summary.most_tiled) == (7, records[0])
    assert "99 %" in str(summary) and "7: record 1 of data.json" in str(summary)
    assert "record 1 of data.json" in str(summary) and "<table>" in summary._repr_html_()


def test_examples_hold_one_image_token_per_visual_token_and_labels_for_answers_only(folder):
    records, spec = records_of(folder), Spec()
    data = VLDataset(records, WordTokenizer(), spec, max_length=1000)
    for example, record in zip((data[i] for i in range(3)), records):
        tiles = sum(tile_counts(record, spec))
        assert (example["input_ids"] == spec.image_token_id).sum() == tiles * spec.tokens_per_tile
        assert example["length"] == len(example["input_ids"]) == len(example["labels"])
        assert ("pixel_values" in example) == bool(tiles)
        answer = [ord(char) for char in record.messages[1]["content"]] + [ord("<")]  # and <|im_end|>
        assert example["labels"][example["labels"] != -100].tolist() == answer
    assert data[0]["pixel_values"].shape == (7, 3, 112, 112)
    assert data[2]["pixel_values"].shape == (2, 3, 112, 112)


def test_without_the_mask_everything_but_visual_tokens_is_learned(folder):
    data = VLDataset(records_of(folder), WordTokenizer(), Spec(), max_length=1000, mask_labels=False)
    example = data[0]
    learned = example["labels"] != -100
    assert torch.equal(learned, example["input_ids"] != Spec.image_token_id)
    assert torch.equal(example["labels"][learned], example["input_ids"][learned])


def test_a_batch_pads_text_on_the_right_and_never_pads_tiles(folder):
    data = VLDataset(records_of(folder), WordTokenizer(), Spec(), max_length=1000)
    examples = [data[i] for i in range(3)]
    batch = collate(examples, pad_token_id=2)
    longest = max(data.lengths)
    assert batch["input_ids"].shape == batch["labels"].shape == batch["attention_mask"].shape == (3, longest)
    assert batch["attention_mask"].sum(1).tolist() == data.lengths
    assert (batch["input_ids"][batch["attention_mask"] == 0] == 2).all()
    assert (batch["labels"][batch["attention_mask"] == 0] == -100).all()
    assert torch.equal(batch["pixel_values"], torch.cat([examples[0]["pixel_values"], examples[2]["pixel_values"]]))
    assert "pixel_values" not in collate([examples[1]], pad_token_id=2)


def test_grouping_by_length_wastes_less_and_sees_each_example_once_an_epoch():
    lengths = [(37 * i) % 101 + 1 for i in range(203)]

    def padding(order: list[int]) -> int:
        groups = [[lengths[i] for i in order[start:start + 8]] for start in range(0, len(order), 8)]
        return sum(max(group) * len(group) - sum(group) for group in groups)

    grouped, plain = (LengthGroupedSampler(lengths, 8, seed=1, grouped=flag) for flag in (True, False))
    assert sorted(grouped) == sorted(plain) == list(range(203))
    assert padding(list(grouped)) < padding(list(plain)) / 3
    first = list(grouped)
    assert first == list(grouped)
    grouped.set_epoch(1)
    assert first != list(grouped)


def pictured(folder: Path, number: int, *names: str) -> Record:
    return Record(folder / "x.json", number, tuple(folder / name for name in names), ())


def test_a_split_by_picture_shares_no_picture_and_loses_no_record(tmp_path):
    for i in range(20):
        (tmp_path / f"{i}.jpg").write_text(f"{i:>5}")
    records = [pictured(tmp_path, i, f"{i // 4}.jpg") for i in range(80)]
    records += [pictured(tmp_path, 80, "3.jpg", "4.jpg"), pictured(tmp_path, 81)]
    train, held_out = split_by_picture(records, held_out=0.2, seed=3)
    assert sorted(r.number for r in train + held_out) == list(range(82))
    assert 16 <= len(held_out) <= 26
    assert not {image for r in train for image in r.images} & {image for r in held_out for image in r.images}
    assert (train, held_out) == split_by_picture(records, held_out=0.2, seed=3)


@pytest.mark.parametrize("seed", range(5))
def test_copies_of_a_picture_under_other_names_stay_on_one_side_of_a_split(tmp_path, seed):
    for i in range(20):
        for copy in "ab":
            (tmp_path / f"{copy}{i}.jpg").write_text(f"{i:>5}")  # all of one size: only the bytes tell
    records = [pictured(tmp_path, i, f"{'ab'[i % 2]}{i // 2}.jpg") for i in range(40)]
    train, held_out = split_by_picture(records, held_out=0.25, seed=seed)
    assert len(held_out) == 10 and len(train) == 30
    assert {record.number // 2 for record in train}.isdisjoint(record.number // 2 for record in held_out)
    assert shared_pictures(train, held_out) == []


def test_shared_pictures_are_found_by_content_and_each_suspect_is_read_once(tmp_path, monkeypatch):
    from course_lib import records as module

    for name, text in (("a", "one"), ("b", "two"), ("copy", "one"), ("long", "three")):
        (tmp_path / f"{name}.jpg").write_text(text)
    digest, read = module._digest, []
    monkeypatch.setattr(module, "_digest", lambda path: read.append(path.stem) or digest(path))
    train = [pictured(tmp_path, i, "a.jpg", "b.jpg") for i in range(3)]
    held_out = [pictured(tmp_path, i, "long.jpg", "copy.jpg", "b.jpg") for i in range(3)]
    assert shared_pictures(train, held_out) == [tmp_path / "copy.jpg", tmp_path / "b.jpg"]
    assert sorted(read) == ["a", "b", "copy"]  # no other file is as long as long.jpg
