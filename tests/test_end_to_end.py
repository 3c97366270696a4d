"""The installed command in separate processes: reproducible, and robust on any terminal."""

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from textclf.registry import list_names, load_module

COMMAND = Path(sys.executable).with_name("textclf")

PLAIN_KERAS = """
import json, sys
import keras, numpy as np, tensorflow as tf
import textclf.encoders.layers, textclf.hub.layer, textclf.text.classifier
texts = tf.constant(json.load(sys.stdin))
for path in sys.argv[1:]:
    model = keras.models.load_model(path)
    np.save(path + ".npy", model.predict(texts, verbose=0))
    print(json.dumps(model.label_names))
"""


def run(*arguments, cwd, code=0, **options):
    done = subprocess.run(
        [str(argument) for argument in arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        **options,
    )
    assert done.returncode == code, done.stderr
    return done


@pytest.fixture(scope="module")
def train_all(hub_cache, tmp_path_factory):
    """Return a function that trains every model by the same command, and returns the runs."""
    folder = tmp_path_factory.mktemp("smoke")
    models = [f"--model={name}" for name in list_names("models")]
    arguments = ["compare", "--dataset", "bbc", *models, "--smoke", "--format=json", "--run-root"]

    @functools.cache
    def train(root):
        table = json.loads(run(COMMAND, *arguments, root, cwd=folder).stdout)
        assert sorted(row["model"] for row in table) == list_names("models")
        return folder / root / "_smoke"

    return train


@pytest.mark.slow
@pytest.mark.parametrize("name", list_names("models"))
def test_same_command_gives_the_same_bytes(train_all, name):
    first, second = (
        next((train_all(root) / "bbc" / name).glob("*/*/predictions.npz")) for root in "ab"
    )
    with np.load(first) as arrays, np.load(second) as repeated:
        assert arrays.files == ["index", "label", "probabilities"]
        for key in arrays.files:
            assert arrays[key].tobytes() == repeated[key].tobytes()


@pytest.mark.slow
def test_plain_keras_predicts_the_stored_probabilities_from_raw_text(train_all, tmp_path):
    from textclf.config.loading import read_yaml
    from textclf.config.resolve import resolve
    from textclf.data.loading import load_dataset

    stored = {}
    for name in list_names("models"):
        if hasattr(load_module("models", name), "build"):
            path = next((train_all("a") / "bbc" / name).glob("*/*"))
            shutil.copy(path / "model.keras", tmp_path / f"{name}.keras")
            stored[f"{name}.keras"] = path
    dataset = load_dataset(resolve(read_yaml(path / "config.yaml")).dataset)
    arguments = [sys.executable, "-c", PLAIN_KERAS, *stored]
    done = run(*arguments, cwd=tmp_path, input=json.dumps(dataset.test.texts))
    assert len(stored) == 7
    for names, (name, path) in zip(done.stdout.splitlines(), stored.items(), strict=True):
        assert tuple(json.loads(names)) == dataset.label_names
        with np.load(path / "predictions.npz") as arrays:
            expected = arrays["probabilities"]
        assert np.abs(np.load(tmp_path / f"{name}.npy") - expected).max() < 1e-5, name


@pytest.mark.posix
def test_reader_may_close_the_pipe(tmp_path):
    done = run(
        "bash", "-c", f"set -o pipefail; {COMMAND} models --format csv | head -n 1", cwd=tmp_path
    )
    assert done.stdout == "name,kind,summary\n"
    assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full imitates a full disk")
def test_full_disk_is_one_line(tmp_path):
    done = run("bash", "-c", f"{COMMAND} models > /dev/full", cwd=tmp_path, code=1)
    assert done.stderr.startswith("textclf: standard output: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_characters_outside_the_encoding_of_the_terminal_are_escaped(train_all, tmp_path):
    shutil.copytree(train_all("a") / "bbc" / "majority", tmp_path / "\u65e5")
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = run(COMMAND, "runs", "check", "\u65e5", "--format", "csv", cwd=tmp_path, env=environment)
    assert "\n\\u65e5/" in done.stdout


def test_python_m_is_the_same_command(tmp_path):
    done = run(sys.executable, "-m", "textclf", "--version", cwd=tmp_path)
    assert done.stdout.startswith("textclf, version ")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_run_root_is_one_line(tmp_path):
    root = tmp_path / "root"
    root.mkdir(mode=0o500)
    arguments = ["train", "--model", "mlp", "--dataset", "bbc", "--smoke", "--run-root", root]
    done = run(COMMAND, *arguments, cwd=tmp_path, code=1)
    assert done.stderr.startswith("textclf: cannot write")
    assert done.stderr.count("\n") == 1
