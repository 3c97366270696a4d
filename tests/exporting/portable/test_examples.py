"""The programs beside exported models need nothing of textclf, and make arrays of any texts."""

import ast
import sys
from pathlib import Path

import numpy as np
import pytest

from textclf.exporting import portable
from textclf.exporting.formats import FORMATS
from textclf.exporting.portable import example_litert, example_onnx

FOLDER = Path(portable.__file__).parent


def list_imports(path):
    """Yield the package of every import."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.split(".")[0]


@pytest.mark.parametrize("name", FORMATS)
def test_programs_import_only_what_the_format_names(name):
    chosen = FORMATS[name]
    imported = set(list_imports(FOLDER / f"{chosen.example}.py")) - set(sys.stdlib_module_names)
    allowed = {package.replace("-", "_") for package in chosen.packages} | {"numpy"}
    # Without it, the model reads texts, for which that of some presets needs TensorFlow Text.
    assert imported <= allowed | {"tokenizer" if chosen.has_tokenizer else "tensorflow_text"}
    assert "numpy" in chosen.packages or name == "saved-model"  # TensorFlow needs NumPy.
    assert set(list_imports(FOLDER / "tokenizer.py")) <= {*sys.stdlib_module_names}


def test_every_program_belongs_to_a_format():
    examples = {path.stem for path in FOLDER.glob("example_*.py")}
    assert examples == {chosen.example for chosen in FORMATS.values()}


def test_token_ids_become_rows():
    inputs = example_onnx.make_inputs([[0, 1, 5], [1, 2, 7]])
    assert inputs["token_ids"].dtype == np.int32
    assert inputs["token_ids"].tolist() == [[0, 1, 5], [1, 2, 7]]
    assert example_litert.make_inputs([1, 2])["token_ids"].tolist() == [[1, 2]]


def test_ngrams_are_filled_with_zeros():
    inputs = example_onnx.make_inputs([([3, 1], [0.6, 0.8]), ([], []), ([2], [1.0])])
    assert inputs["features"].tolist() == [[3, 1], [0, 0], [2, 0]]
    assert inputs["values"].tolist() == [[np.float32(0.6), np.float32(0.8)], [0, 0], [1, 0]]
    assert (inputs["features"].dtype, inputs["values"].dtype) == (np.int32, np.float32)


def test_a_text_without_ngrams_has_one_of_value_zero():
    for inputs in (example_onnx.make_inputs([([], [])]), example_litert.make_inputs(([], []))):
        assert (inputs["features"].tolist(), inputs["values"].tolist()) == ([[0]], [[0]])
    inputs = example_litert.make_inputs(([4], [0.5]))
    assert (inputs["features"].tolist(), inputs["values"].tolist()) == ([[4]], [[0.5]])
