"""What every dataset, source, model, configuration and command must have, found by discovery."""

import importlib
import inspect
import re
from pathlib import Path

import numpy as np
import pytest
from support import ROOT, make_dataset

import textclf
import textclf.commands
import textclf.data.loading
import textclf.executors
import textclf.models
from textclf.commands._options import list_summaries
from textclf.config.loading import Override, read_yaml
from textclf.config.resolve import resolve
from textclf.config.schema import DatasetConfig, ModelConfig
from textclf.data.loading import load_dataset, load_label_names
from textclf.models._build import find_fit
from textclf.registry import list_names, load_module
from textclf.runtime import backend
from textclf.tables import GAP, Column

pytestmark = pytest.mark.usefixtures("hub_cache")

SOURCE = Path(textclf.__file__).parent
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


def configure(model, dataset="bbc", **training):
    tree = {
        "dataset": {"name": dataset},
        "model": {"name": model},
        "text": {"num_words": 40, "sequence_length": 16},
        "training": {"epochs": 2, "batch_size": 8, **training},
    }
    return resolve(tree)


@pytest.mark.parametrize("module", MODELS, ids=name_module)
def test_model_module_has_the_contract(module):
    assert module.TAKES in {"token_ids", "text"}
    assert hasattr(module, "build") != hasattr(module, "fit")
    assert issubclass(getattr(module, "Config", ModelConfig), ModelConfig)
    if hasattr(module, "build"):
        parameters = inspect.signature(module.build).parameters
        assert list(parameters) == ["config", "text", "n_labels"]
    else:
        assert list(inspect.signature(module.fit).parameters) == ["config", "dataset", "seed"]


@pytest.mark.parametrize("module", BUILT_IN_DATASETS + SOURCES, ids=name_module)
def test_dataset_module_has_the_contract(module):
    assert hasattr(module, "ABOUT") != hasattr(module, "about")
    assert issubclass(getattr(module, "Config", DatasetConfig), DatasetConfig)
    functions = {"about", "label_names", "load", "source_digest"} & set(vars(module))
    assert functions >= {"label_names", "load"}
    for name in functions:
        assert list(inspect.signature(getattr(module, name)).parameters) == ["config"]


@pytest.mark.parametrize("kind", ["datasets", "models"])
def test_summaries_fit_into_80_columns(kind):
    rows = list_summaries(kind)
    name_width = max(len(row["name"]) for row in rows)
    for row in rows:
        assert 0 < name_width + len(GAP) + len(row["summary"]) <= 80, row["name"]


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
    parameters = inspect.signature(load_module("executors", name).execute).parameters
    assert list(parameters)[:4] == ["configs", "root", "context", "executor"]
    for parameter in list(parameters.values())[4:]:
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
    textclf.models: {"TAKES", "Config", "DEFAULTS", "build", "fit"},
    textclf.data.loading: {
        *("ABOUT", "about", "label_names", "load"),
        *("Config", "DEFAULTS", "source_digest"),
    },
    textclf.executors: {"execute"},
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
    assert read == set().union(*CONTRACTS.values()) | {"__doc__"}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.real_data if name in DOWNLOADED else ())
        for name in list_names("datasets")
    ],
)
def test_dataset_loads_as_described(name):
    config = resolve({"dataset": {"name": name}, "model": {"name": "mlp"}}).dataset
    dataset = load_dataset(config)
    assert dataset.name == name
    assert dataset.label_names == load_label_names(config)
    assert len(set(dataset.label_names)) == len(dataset.label_names) >= 2
    for split in dataset.splits.values():
        assert len(split.texts) == len(split.labels) == len(split.index) > 0
        assert len(set(split.index.tolist())) == len(split)
        assert 0 <= split.labels.min() <= split.labels.max() < len(dataset.label_names)
        assert all(isinstance(text, str) for text in split.texts)
    about = load_module("datasets", name).ABOUT
    assert set(about) == {"download", "source", "license", "citation"}
    again = load_dataset(config)
    assert again.digest == dataset.digest


NETWORKS = [name for name in list_names("models") if find_fit(name) is None]
BASELINES = [name for name in list_names("models") if find_fit(name)]


@pytest.mark.parametrize("n_labels", [2, 3])
@pytest.mark.parametrize("name", BASELINES)
def test_baseline_model_fits_saves_and_loads(name, n_labels, tmp_path):
    from textclf.models._sklearn import SklearnClassifier

    dataset = make_dataset(n_labels)
    config = configure(name)
    classifier = find_fit(name)(config.model, dataset, seed=1)
    if classifier.needs_calibration:
        classifier.scale = 2.0
    probabilities = classifier.predict_texts(dataset.test.texts)
    assert probabilities.shape == (9, n_labels)
    assert probabilities.dtype == np.float32
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    path = tmp_path / f"model{classifier.file_suffix}"
    classifier.save(path)
    loaded = SklearnClassifier.load(path)
    assert loaded.predict_texts(dataset.test.texts).tobytes() == probabilities.tobytes()
    assert loaded.label_names == dataset.label_names
    assert loaded.count_params() == classifier.count_params() > 0


@pytest.mark.parametrize("name", NETWORKS)
def test_network_computes_in_bfloat16_and_predicts_in_float32(name, tmp_path):
    import keras
    import tensorflow as tf

    from textclf.models._build import build_model
    from textclf.text.classifier import TextClassifier
    from textclf.text.encode_dataset import encode_dataset
    from textclf.training.optimizer import FusedAdam

    dataset = make_dataset(3)
    config = configure(name, precision="mixed_bfloat16")
    backend.set_seed(1)
    model = build_model(config, n_labels=3)
    network = model.network
    assert keras.config.dtype_policy().name == "float32"
    assert {layer.compute_dtype for layer in network.layers} >= {"bfloat16", "float32"}
    assert {weight.dtype for weight in network.weights} <= {"float32", "uint32"}
    encoder, inputs = encode_dataset(dataset, config.text, takes=model.takes, encoder=model.encoder)
    before = [weight.numpy() for weight in network.trainable_weights]
    network.compile(FusedAdam(), "sparse_categorical_crossentropy")
    network.fit(tf.constant(inputs["train"]), dataset.train.labels, verbose=0)
    for old, new in zip(before, network.trainable_weights, strict=True):
        assert np.isfinite(new.numpy()).all()
        assert (old != new.numpy()).any(), new.path
    classifier = TextClassifier.without_optimizer(encoder, network, dataset.label_names)
    probabilities = classifier.predict_texts(dataset.test.texts)
    assert probabilities.dtype == np.float32
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    classifier.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert np.array_equal(loaded.predict_texts(dataset.test.texts), probabilities)


@pytest.mark.parametrize("n_labels", [2, 3])
@pytest.mark.parametrize("name", NETWORKS)
def test_network_trains_saves_and_loads(name, n_labels, tmp_path):
    import keras

    from textclf.models._build import build_model
    from textclf.text.classifier import TextClassifier, predict
    from textclf.text.encode_dataset import encode_dataset
    from textclf.training.batches import Examples, TrainingData
    from textclf.training.loop import train

    dataset = make_dataset(n_labels)
    config = configure(name)
    backend.set_seed(1)
    model = build_model(config, n_labels=n_labels)
    network = model.network
    encoder, inputs = encode_dataset(dataset, config.text, takes=model.takes, encoder=model.encoder)
    before = [weight.numpy() for weight in network.trainable_weights]
    assert network.output_shape == (None, n_labels)

    class EmptyStore:
        def read_checkpoint(self):
            return None

        def write_checkpoint(self, checkpoint):
            assert len(checkpoint.rows) in {1, 2}

    def examples(name):
        return Examples(inputs[name], dataset.splits[name].labels)

    data = TrainingData(examples("train"), examples("validation"), dataset.label_names)
    history = train(network, data, config.training, seed=1, store=EmptyStore())
    assert len(history.rows) == 2
    for old, new in zip(before, network.trainable_weights, strict=True):
        assert (old != new.numpy()).any(), new.path

    probabilities = predict(network, inputs["test"])
    assert probabilities.shape == (9, n_labels)
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    path = tmp_path / "model.keras"
    TextClassifier.without_optimizer(encoder, network, dataset.label_names).save(path)
    loaded = keras.models.load_model(path)
    assert np.abs(loaded.predict_texts(dataset.test.texts) - probabilities).max() < 1e-6
    assert loaded.label_names == dataset.label_names


def test_two_labels_are_trained_by_binary_cross_entropy_from_one_logit():
    import keras
    import tensorflow as tf

    from textclf.models._build import build_model

    network = build_model(configure("mlp"), n_labels=2).network
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
    # The file of a recipe and the defaults are the same experiment.
    names = {"dataset.name": config.dataset.name, "model.name": config.model.name}
    if config.model.name == "hub":  # Its file names an embedding that needs no download.
        names["model.handle"] = "glove"
    defaults = resolve({}, [Override(key, value, "test") for key, value in names.items()])
    assert config.fingerprint == defaults.fingerprint


def list_commands():
    for name in list_names("commands"):
        yield name
        for subname in getattr(load_module("commands", name).command, "commands", ()):
            yield f"{name} {subname}"


@pytest.mark.parametrize("name", list(list_commands()))
def test_command_has_help_with_an_example_and_is_documented(cli, name):
    result = cli(*name.split(), "--help")
    assert result.code == 0
    assert re.search(rf"Example: textclf {name}\b", result.out)
    assert len(result.out.splitlines()[2]) < 80
    assert f"## textclf {name}\n" in (ROOT / "docs" / "cli.md").read_text()
