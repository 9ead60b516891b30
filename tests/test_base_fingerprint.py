"""The fingerprint tells weights apart, and only weights."""

import shutil

from safetensors.torch import load_file, save_file

from course_lib.base_fingerprint import base_fingerprint


def test_fingerprint_is_of_the_weights_not_of_the_folder(tiny_folder, tmp_path):
    copy = shutil.copytree(tiny_folder, tmp_path / "copy")
    (copy / "README.md").write_text("a note")
    assert base_fingerprint(copy) == base_fingerprint(tiny_folder)


def test_one_changed_tensor_changes_it(tiny_folder, tmp_path):
    copy = shutil.copytree(tiny_folder, tmp_path / "copy")
    file = sorted(copy.glob("*.safetensors"))[0]
    tensors = load_file(file)
    name = sorted(tensors)[0]
    save_file(tensors | {name: tensors[name] + 1}, file)
    assert base_fingerprint(copy) != base_fingerprint(tiny_folder)
