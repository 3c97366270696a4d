"""Each model in each format: exported with parity, or refused with nothing written."""

import json
import subprocess
import sys

import numpy as np
import pytest
from support import PLUGINS, write_csv

import textclf
from textclf import api
from textclf.errors import RequestError
from textclf.exporting.formats import FORMATS, QUANTIZATIONS
from textclf.exporting.parity import load_example
from textclf.registry import list_built_in, load_module

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("hub_cache")]

VARIANTS = [*((name, None) for name in FORMATS), *(("litert", each) for each in QUANTIZATIONS)]

LABELS = ('says "yes"', "<b>né|e</b>", "{'a': \\n}")

WORDS = (
    "apple",
    "Pêche",
    "\ufb01g",
    "\u0130zmir\u2019s",
    "\U0001f44d\U0001f3fd",
    "\u65b0\u3057\u3044",
)
ROWS = [
    (f"{WORDS[label]} and {WORDS[i % 6]} {i} {WORDS[label + 3]}", LABELS[label])
    for i in range(40)
    for label in range(3)
]

TEXTS = ["", " ", "apple", "x " * 50_000, "\u0130\u2019\ufb01 " * 100, WORDS[5], "<br />&amp;\x00"]
"""Texts that are not in the dataset: empty, without known words, very long, of one token."""

SMALL = {"text.num_words": 60, "text.sequence_length": 12, "training.epochs": 2}


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    """Return a function that trains a small run, or returns the one that it has trained."""
    folder, runs = tmp_path_factory.mktemp("runs"), {}

    def train(model, rows=ROWS, **overrides):
        key = json.dumps([str(model), len(rows), overrides])
        if key not in runs:
            data = write_csv(folder / f"{len(rows)}.csv", rows)
            runs[key] = textclf.train(
                model, data, overrides={**SMALL, **overrides}, run_root=folder, quiet=True
            )
        return runs[key]

    return train


def find_formats(module):
    """Return the formats that a model can be exported to."""
    if hasattr(module, "fit"):
        return {"numpy"}
    if module.TAKES == "token_ids":
        return {"saved-model", "onnx", "litert"}
    networks = {"saved-model", "onnx", "litert"}
    allowed = {"encoder": networks, "hub": {"saved-model"}, "ngram": set(FORMATS)}
    return allowed[module.__name__.rpartition(".")[2]]


@pytest.mark.parametrize(("name", "quantize"), VARIANTS)
@pytest.mark.parametrize("model", list_built_in("models"))
def test_model_is_exported_with_parity_or_refused(train, tmp_path, model, name, quantize):
    run = train(model)
    if name not in find_formats(load_module("models", model)):
        with pytest.raises(RequestError) as info:
            api.export(run, tmp_path / "out", format=name, quantize=quantize, quiet=True)
        assert str(info.value).startswith(f"--format {name}")
        assert "\n" not in str(info.value)
        assert [*tmp_path.iterdir()] == []
        return
    exported = api.export(run, tmp_path / "out", format=name, quantize=quantize, quiet=True)
    assert exported.parity.passed
    check_texts(run, exported)


def check_texts(run, exported):
    """Check that example.py and the run predict the same for texts outside the dataset."""
    example = load_example(exported.path)
    assert tuple(example.label_names) == run.label_names
    predicted = example.predict(TEXTS)
    assert predicted.dtype == np.float32
    assert np.abs(predicted - run.predict_proba(TEXTS)).max() <= exported.parity.bound
    assert example.predict([]).shape == (0, len(run.label_names))


SETTINGS = [
    {"text.split": "characters"},
    {"text.split": "words", "text.truncating": "post", "text.padding": "post"},
    {"text.sequence_length": 1},
    {"training.refit": True},
    {"evaluation.calibration": "temperature-prior"},
    {"dataset.folds": 3, "dataset.fold": 2},
]


@pytest.mark.parametrize("name", ["saved-model", "onnx", "litert"])
@pytest.mark.parametrize("settings", SETTINGS, ids=" ".join)
def test_settings_of_the_run_are_kept(train, tmp_path, name, settings):
    run = train("mlp", **settings)
    exported = api.export(run, tmp_path / "out", format=name, quiet=True)
    assert exported.parity.passed
    check_texts(run, exported)
    document = json.loads((tmp_path / "out" / "export.json").read_text())
    assert document["fold"] == settings.get("dataset.fold")


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("model", ["mlp", "ngram", "tfidf-svc", "nb-svm"])
def test_two_labels_are_exported(train, tmp_path, model, name):
    if name not in find_formats(load_module("models", model)):
        pytest.skip("refused")
    run = train(model, rows=[row for row in ROWS if row[1] != LABELS[0]])
    assert len(run.label_names) == 2
    exported = api.export(run, tmp_path / "out", format=name, quiet=True)
    assert exported.parity.passed
    check_texts(run, exported)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "settings",
    [
        {"model.max_ngram": 3, "model.position_decay": 5.0},
        {"model.ratio": "naive-bayes", "evaluation.calibration": "none"},
        {"model.units": 8},
    ],
    ids=" ".join,
)
def test_settings_of_ngram_are_kept(train, tmp_path, name, settings):
    run = train("ngram", **settings)
    if name == "numpy" and "model.units" in settings:
        with pytest.raises(RequestError, match="--format numpy"):
            api.export(run, tmp_path / "out", format=name, quiet=True)
        return
    exported = api.export(run, tmp_path / "out", format=name, quiet=True)
    assert exported.parity.passed
    check_texts(run, exported)


def test_a_network_in_bfloat16_is_exported_exactly_or_refused(train, tmp_path):
    run = train("mlp", **{"training.precision": "mixed_bfloat16"})
    assert api.export(run, tmp_path / "out", quiet=True).parity.largest_difference == 0
    for name in ("onnx", "litert"):
        with pytest.raises(RequestError, match="the network computes in bfloat16"):
            api.export(run, tmp_path / name, format=name, quiet=True)
        assert not (tmp_path / name).exists()


@pytest.mark.parametrize("name", ["average", "scaled"])
@pytest.mark.parametrize("format_name", ["saved-model", "onnx", "litert"])
def test_networks_of_plug_ins_are_exported(code_runs, tmp_path, name, format_name):
    run = textclf.load_run(code_runs[name], trust_code=True)
    exported = api.export(run, tmp_path / "out", format=format_name, quiet=True)
    assert exported.parity.passed


def test_a_layer_that_cannot_be_converted_is_named_and_nothing_is_written(tmp_path, forget, capfd):
    source = (PLUGINS / "scaled.py").read_text()
    converted = "return x * self.scale * self.factor"
    assert converted in source
    # TensorFlow's own kernels have this operation, which LiteRT could be linked with.
    inverse = "tf.linalg.inv(tf.eye(8) + tf.matmul(x, x, transpose_a=True))"
    layer = source.replace(converted, f"return tf.matmul(x * self.scale, {inverse})")
    (tmp_path / "mine.py").write_text(f"import tensorflow as tf\n{layer}")
    run = textclf.train(
        tmp_path / "mine.py",
        write_csv(tmp_path / "data.csv"),
        overrides=SMALL,
        run_root=tmp_path / "runs",
        quiet=True,
    )
    for name in ("onnx", "litert"):
        with pytest.raises(RequestError, match=r"cannot be converted \(.*MatrixInverse") as info:
            api.export(run, tmp_path / "new" / name, format=name, quiet=True)
        assert capfd.readouterr().err == ""
        assert "\n" not in str(info.value)
        assert not (tmp_path / "new").exists()


PROGRAM = """
import json, runpy, sys
sys.modules["textclf"] = None
folder, texts, output = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
program = runpy.run_path(folder + "/example.py")
import numpy
numpy.save(output, program["Classifier"](folder).predict(texts))
assert not [name for name in sys.modules if name.startswith("textclf.")]
"""


@pytest.mark.parametrize("name", FORMATS)
def test_example_gives_the_same_without_textclf(train, tmp_path, name):
    run = train("ngram")
    exported = api.export(run, tmp_path / "out", format=name, quiet=True)
    arguments = [tmp_path / "out", json.dumps(TEXTS[:3]), tmp_path / "rows.npy"]
    program = [sys.executable, "-I", "-c", PROGRAM, *map(str, arguments)]
    subprocess.run(program, check=True, cwd=tmp_path)
    difference = np.abs(np.load(tmp_path / "rows.npy") - run.predict_proba(TEXTS[:3])).max()
    assert difference <= exported.parity.bound
    done = subprocess.run(
        [sys.executable, "-I", "out/example.py", WORDS[1], "apple"],
        check=True,
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
    )
    labels = [line.split("  ")[0] for line in done.stdout.splitlines()]
    assert labels == run.predict([WORDS[1], "apple"])


def test_a_litert_model_has_builtin_operations_only(train, tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    for model in ("lstm", "cnn", "ngram"):
        api.export(train(model), tmp_path / model, format="litert", quiet=True)
        interpreter = Interpreter(model_path=str(tmp_path / model / "model.tflite"))
        names = {operation["op_name"] for operation in interpreter._get_ops_details()}
        assert len(names) > 3
        assert not [name for name in names if name.startswith("Flex") or name == "CUSTOM"]
