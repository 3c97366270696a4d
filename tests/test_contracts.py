"""What every dataset, source, model, configuration and command must have, found by discovery."""

import importlib
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import PLUGINS, ROOT, list_commands, write_csv

import textclf
import textclf.commands
import textclf.data.loading
import textclf.executors
import textclf.models
from textclf.commands._output import list_summaries
from textclf.commands.models import list_models
from textclf.config.loading import Override, read_yaml
from textclf.config.resolve import resolve
from textclf.config.schema import DatasetConfig, ModelConfig
from textclf.registry import list_built_in, list_names, load_module
from textclf.tables import GAP, Column
from textclf.testing import check_dataset, check_model, make_model_config

pytestmark = pytest.mark.usefixtures("hub_cache")

SOURCE = Path(textclf.__file__).parent
FIXED = ["config", "text", "n_labels"]
"""Arguments of every ``build``."""

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
DOWNLOADED = {
    name
    for name in list_names("datasets")
    if load_module("datasets", name).ABOUT["download"] != "none"
}

BUILT_IN_DATASETS = [load_module("datasets", name) for name in list_names("datasets")]
SOURCES = [load_module("datasets", f"{name}:x") for name in list_names("sources")]
MODELS = [load_module("models", name) for name in list_names("models")]


def name_module(module):
    return module.__name__.removeprefix("textclf.")


@pytest.mark.parametrize("module", MODELS, ids=name_module)
def test_model_module_has_the_contract(module):
    assert module.TAKES in {"token_ids", "text"}
    assert hasattr(module, "build") != hasattr(module, "fit")
    assert issubclass(getattr(module, "Config", ModelConfig), ModelConfig)
    if hasattr(module, "build"):
        parameters = inspect.signature(module.build).parameters
        assert list(parameters) in (FIXED, [*FIXED, "train"])
    else:
        assert list(inspect.signature(module.fit).parameters) == ["config", "dataset", "seed"]


@pytest.mark.parametrize("module", BUILT_IN_DATASETS + SOURCES, ids=name_module)
def test_dataset_module_has_the_contract(module):
    assert hasattr(module, "ABOUT") != hasattr(module, "about")
    assert issubclass(getattr(module, "Config", DatasetConfig), DatasetConfig)
    functions = {"about", "label_names", "load", "source_digest"} & set(vars(module))
    assert "load" in functions
    for name in functions:
        assert list(inspect.signature(getattr(module, name)).parameters) == ["config"]


@pytest.mark.parametrize(
    "rows", [list_summaries("datasets"), list_models()], ids=["data", "models"]
)
def test_summaries_fit_into_80_columns(rows):
    widths = {key: max(len(row[key]) for row in rows) for key in rows[0]}
    assert sum(widths.values()) + len(GAP) * (len(widths) - 1) <= 80, rows
    assert all(row["summary"] for row in rows)


def list_column_tuples():
    """Yield each tuple of columns in the package, with its name."""
    for path in sorted(SOURCE.rglob("*.py")):
        if "COLUMNS = (" in path.read_text():
            module = ".".join(("textclf", *path.relative_to(SOURCE).with_suffix("").parts))
            for name, value in vars(importlib.import_module(module)).items():
                if isinstance(value, tuple) and value and isinstance(value[0], Column):
                    yield pytest.param(value, id=f"{module}.{name}")


COLUMN_TUPLES = list(list_column_tuples())


def test_tuples_of_columns_are_found():
    found = {parameter.id for parameter in COLUMN_TUPLES}
    assert found >= {"textclf.comparison.report.COLUMNS", "textclf.commands.predict.COLUMNS"}


@pytest.mark.parametrize("columns", COLUMN_TUPLES)
def test_headings_of_a_table_differ(columns):
    titles = [column.title for column in columns]
    assert len(set(titles)) == len(titles)
    assert all(titles)
    assert len({column.key for column in columns}) == len(columns)


@pytest.mark.parametrize("name", list_names("executors"))
def test_executor_module_has_the_contract(name):
    parameters = inspect.signature(load_module("executors", name).opened).parameters
    assert list(parameters)[:2] == ["root", "config"]
    for parameter in list(parameters.values())[2:]:
        assert parameter.kind == parameter.KEYWORD_ONLY
        assert parameter.default is not parameter.empty


@pytest.mark.parametrize(
    ("section", "name"),
    [(kind[:-1], name) for kind in ("datasets", "models") for name in list_names(kind)],
)
def test_defaults_of_datasets_and_models_resolve(section, name):
    defaults = getattr(load_module(f"{section}s", name), "DEFAULTS", {})
    config = resolve(
        {"dataset": {"name": "bbc"}, "model": {"name": "mlp"}, section: {"name": name}}
    )
    for key, values in defaults.items():
        assert values.items() <= getattr(config, key).model_dump().items()


CONTRACTS = {
    textclf.models: {
        *("TAKES", "TEXT_KEYS", "Config", "DEFAULTS", "find_defaults"),
        *("SEARCH", "find_search"),
        *("build", "fit", "make_loss"),
    },
    textclf.data.loading: {
        *("ABOUT", "about", "label_names", "load"),
        *("Config", "DEFAULTS", "source_digest"),
    },
    textclf.executors: {"opened"},
    textclf.commands: {"command"},
}
"""The names that a plug-in module may define, by the module that documents them."""

READS = (
    re.compile(r"(?:load_module\([^()]*\)|\bmodule)\.(\w+)"),
    re.compile(r'(?:get|has)attr\((?:dataset|model|module|load_module\([^()]*\)), "(\w+)"'),
)


@pytest.mark.parametrize("module", CONTRACTS, ids=name_module)
def test_contract_is_documented(module):
    for name in CONTRACTS[module]:
        assert re.search(rf"``{name}\b", module.__doc__), name


def test_contracts_have_every_name_that_is_read_from_a_plug_in():
    texts = [path.read_text() for path in SOURCE.rglob("*.py")]
    read = {name for text in texts for pattern in READS for name in pattern.findall(text)}
    assert read == set().union(*CONTRACTS.values()) | {"__doc__", "__file__", "__name__"}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.real_data if name in DOWNLOADED else ())
        for name in list_names("datasets")
    ],
)
def test_dataset_keeps_its_contract(name):
    check_dataset(name)
    about = load_module("datasets", name).ABOUT
    assert set(about) == {"download", "source", "license", "citation"}


SLOW_MODELS = ("cnn-lstm", "encoder", "lstm")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in SLOW_MODELS else [])
        for name in list_built_in("models")
    ],
)
def test_model_keeps_its_contract(name):
    check_model(name)


RUN_COMMANDS = """
import json, sys
from textclf.cli import main

for arguments in json.loads(sys.argv[1]):
    try:
        main(arguments)
    except SystemExit as end:
        assert not end.code, arguments
assert not {"tensorflow", "keras"} & sys.modules.keys()
"""


@pytest.mark.slow
def test_models_that_are_not_networks_never_import_tensorflow(tmp_path):
    names = [name for name in list_names("models") if hasattr(load_module("models", name), "fit")]
    assert {*names} >= {"majority", "tfidf-svc"}
    write_csv(tmp_path / "own.csv")
    commands = []
    for number, model in enumerate([*names, str(PLUGINS / "bayes.py")]):
        trust = ["--trust-code"] * model.endswith(".py")
        commands += [
            ["train", "--model", model, "--dataset", "own.csv", "--run-dir", f"{number}"],
            ["predict", f"{number}", "good number", *trust],
            ["explain", f"{number}", "good number", *trust],
            ["evaluate", f"{number}", *trust],
            ["evaluate", f"{number}", "own.csv", "--output", "plots", *trust],
        ]
    commands += [["compare", "0", "1"], ["runs", "check", "."]]
    program = [sys.executable, "-c", RUN_COMMANDS, json.dumps(commands)]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_two_labels_are_trained_by_binary_cross_entropy_from_one_logit():
    import keras
    import tensorflow as tf

    from textclf.models._build import build_model

    network = build_model(make_model_config("mlp"), n_labels=2).network
    assert network.get_layer("logit").units == 1
    ids = np.arange(32).reshape(2, 16) % 40
    logit = keras.Model(network.input, network.get_layer("logit").output)(ids)[:, 0]
    assert network(ids)[:, 1].numpy() == pytest.approx(tf.sigmoid(logit).numpy(), abs=1e-6)


@pytest.mark.parametrize(
    ("dataset", "name", "n_parameters"),
    [
        ("reuters", "mlp", 5_864_238),
        ("reuters", "lstm", 2_057_518),
        ("reuters", "cnn", 2_057_390),
        ("reuters", "cnn-lstm", 2_221_614),
        ("imdb", "hub", 400_373),
    ],
)
def test_recipe_has_the_published_number_of_parameters(cli, dataset, name, n_parameters):
    result = cli("models", name, "--dataset", dataset, "--format", "json")
    assert result.json["n_parameters"] == n_parameters
    assert sum(layer["n_parameters"] for layer in result.json["layers"]) == n_parameters


def test_every_recipe_has_a_configuration():
    expected = {f"{d}-{m}.yaml" for d in DOWNLOADED for m in ("mlp", "lstm", "cnn", "cnn-lstm")}
    expected.add("imdb-hub.yaml")
    assert expected <= {path.name for path in CONFIGS}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_configuration_is_valid_and_states_its_accuracy_and_duration(path):
    config = resolve(read_yaml(path), source=str(path))
    assert path.stem == f"{config.dataset.name}-{config.model.name}"
    comment = path.read_text().split("\n\n")[0]
    assert f"textclf train --config configs/{path.name}" in comment
    assert float(re.search(r"test accuracy (0\.\d{3})", comment)[1]) > 0.5
    assert int(re.search(r"about (\d+) (seconds|minutes?)", comment)[1]) > 0
    if config.model.name == "ngram":  # Its settings suit one dataset; the defaults suit many.
        return
    # The file of a recipe and the defaults are the same experiment.
    names = {"dataset.name": config.dataset.name, "model.name": config.model.name}
    if config.model.name == "hub":  # Its file names an embedding that needs no download.
        names["model.handle"] = "glove"
    defaults = resolve({}, [Override(key, value, "test") for key, value in names.items()])
    assert config.fingerprint == defaults.fingerprint


@pytest.mark.parametrize("name", list(list_commands()))
def test_command_has_help_with_an_example_and_is_documented(cli, name):
    result = cli(*name.split(), "--help")
    assert result.code == 0
    assert re.search(rf"Example: textclf {name}\b", result.out)
    assert len(result.out.splitlines()[2]) < 80
    assert f"## textclf {name}\n" in (ROOT / "docs" / "reference" / "cli.md").read_text()
