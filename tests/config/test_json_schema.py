"""The JSON Schema of configurations agrees with what the commands accept and refuse."""

import json

import pytest
import yaml
from jsonschema import Draft202012Validator
from support import ROOT, load_script

from textclf.config.loading import read_yaml
from textclf.config.resolve import resolve
from textclf.errors import RequestError
from textclf.registry import list_built_in

FILE = "configuration.schema.json"
SCHEMA = json.loads((ROOT / "docs" / "reference" / FILE).read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))


def find_mistakes(tree):
    """Return the dotted keys whose values break the schema."""
    return [".".join(map(str, error.absolute_path)) for error in VALIDATOR.iter_errors(tree)]


def make(dataset=None, model=None, **sections):
    return {
        "dataset": {"name": "bbc", **(dataset or {})},
        "model": {"name": "cnn", **(model or {})},
    } | sections


def test_schema_is_current():
    # As values, because versions of pydantic differ in whether they write 1 or 1.0.
    assert json.loads(load_script("write_reference").DOCUMENTS[FILE]()) == SCHEMA, (
        "run: python scripts/write_reference.py"
    )


def test_schema_is_valid():
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_file_in_configs_is_valid(path):
    assert find_mistakes(read_yaml(path)) == []


@pytest.mark.parametrize("model", list_built_in("models"))
@pytest.mark.parametrize("dataset", ["bbc", "imdb", "reuters"])
def test_resolved_configuration_is_valid(dataset, model):
    config = resolve({"dataset": {"name": dataset}, "model": {"name": model}})
    assert find_mistakes(yaml.safe_load(config.to_yaml())) == []


@pytest.mark.parametrize(
    "tree",
    [
        make({"name": "reviews.csv", "text_column": ["title", "body"], "quoting": "none"}),
        make({"name": "C:\\data\\reviews.csv", "encoding": "cp1252"}),
        make({"name": "hf:stanfordnlp/imdb", "revision": "main"}),
        make({"name": "tfds:ag_news_subset", "validation_fraction": 0.1}),
        make({"name": "my_dataset.py", "size": 3}),
        make({"name": "my-dataset", "size": 3}),
        make(model={"name": "my_model.py", "depth": 3}),
        make(model={"name": "my-model", "depth": 3}),
        make(training={"class_weight": {"business": 2.5}, "epochs": 3}, text=None),
        make(search={"training.learning_rate": {"low": 1e-4, "high": 0.01, "log": True}}),
        make(search={"training.schedule": {"choices": ["constant", "cosine"]}}),
        {"training": {"epochs": 3}},
    ],
)
def test_valid_configuration(tree):
    assert find_mistakes(tree) == []


MISTAKES = {
    "": make(tranning={"epochs": 3}),
    "training": make(training={"epoch": 3}),
    "training.epochs": make(training={"epochs": 0}),
    "training.batch_size": make(training={"batch_size": "large"}),
    "training.refit": make(training={"refit": 3}),
    "training.optimizer": make(training={"optimizer": "sgd"}),
    "training.class_weight": make(training={"class_weight": {"business": -1}}),
    "text.padding": make(text={"padding": "left"}),
    "text": make(text="long"),
    "dataset": make({"encoding": "cp1252"}),
    "dataset.limit": make({"limit": 0}),
    "dataset.test_fraction": make({"name": "reviews.csv", "test_fraction": 1}),
    "model": make(model={"units_per_layer": 3}),
    "model.filters": make(model={"filters": 0}),
    "model.name": make(model={"name": 3}),
    "seed": make(seed=-1),
    "search": make(search={"model.name": {"choices": ["cnn", "mlp"]}}),
    "search.model.dropout": make(search={"model.dropout": {"low": 0}}),
}
"""Configurations with a mistake, by the key that the schema reports; "" is the whole file."""


@pytest.mark.parametrize(("key", "tree"), MISTAKES.items(), ids=[key or "file" for key in MISTAKES])
def test_mistake_is_found_by_the_schema_and_the_command(key, tree):
    found = find_mistakes(tree)
    assert found, "the schema accepts it"
    assert set(found) == {key}
    with pytest.raises(RequestError):
        resolve(tree)


@pytest.mark.parametrize("kind", ["datasets", "models"])
def test_names_are_proposed(kind):
    section = SCHEMA["properties"][kind.removesuffix("s")]
    assert section["properties"]["name"]["anyOf"][0]["enum"] == list_built_in(kind)


def test_keys_have_descriptions_and_defaults():
    epochs = SCHEMA["properties"]["training"]["properties"]["epochs"]
    assert epochs == {
        "default": 10,
        "description": "passes over the training examples",
        "exclusiveMinimum": 0,
        "maximum": 1_000_000,
        "type": "integer",
    }
