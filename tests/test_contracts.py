"""What every dataset, model, configuration and command must do, found by discovery."""

import re
from pathlib import Path

import numpy as np
import pytest
from support import make_dataset

from textclf.config.loading import Override, read_yaml
from textclf.config.resolve import resolve
from textclf.data.loading import load_dataset, load_label_names
from textclf.models._build import find_fit
from textclf.registry import list_names, load_module
from textclf.runtime import backend

ROOT = Path(__file__).parent.parent
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
DOWNLOADED = {
    name
    for name in list_names("datasets")
    if load_module("datasets", name).ABOUT["download"] != "none"
}


def configure(model, dataset="bbc", **training):
    tree = {
        "dataset": {"name": dataset},
        "model": {"name": model},
        "text": {"num_words": 40, "sequence_length": 16},
        "training": {"epochs": 2, "batch_size": 8, **training},
    }
    return resolve(tree)


DATASETS = [
    pytest.param(name, marks=pytest.mark.real_data if name in DOWNLOADED else ())
    for name in list_names("datasets")
]


@pytest.mark.parametrize("name", DATASETS)
def test_dataset(name):
    options = resolve({"dataset": {"name": name}, "model": {"name": "mlp"}}).dataset
    dataset = load_dataset(options)
    assert dataset.name == name
    assert dataset.label_names == load_label_names(options)
    assert len(set(dataset.label_names)) == len(dataset.label_names) >= 2
    for split in dataset.splits.values():
        assert len(split.texts) == len(split.labels) == len(split.index) > 0
        assert len(set(split.index.tolist())) == len(split)
        assert 0 <= split.labels.min() <= split.labels.max() < len(dataset.label_names)
        assert all(isinstance(text, str) for text in split.texts)
    about = load_module("datasets", name).ABOUT
    assert set(about) == {"download", "source", "licence", "citation"}
    again = load_dataset(options)
    assert again.digest == dataset.digest


NETWORKS = [name for name in list_names("models") if find_fit(name) is None]
FLOORS = [name for name in list_names("models") if find_fit(name)]


@pytest.mark.parametrize("n_labels", [2, 3])
@pytest.mark.parametrize("name", FLOORS)
def test_floor_fits_saves_and_loads(name, n_labels, tmp_path):
    from textclf.models._sklearn import EstimatorClassifier

    dataset = make_dataset(n_labels)
    config = configure(name)
    classifier = find_fit(name)(config.model, dataset, seed=1)
    probabilities = classifier.predict_texts(dataset.test.texts)
    assert probabilities.shape == (9, n_labels)
    assert probabilities.dtype == np.float32
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    path = tmp_path / f"model{classifier.file_suffix}"
    classifier.save(path)
    loaded = EstimatorClassifier.load(path)
    assert loaded.predict_texts(dataset.test.texts).tobytes() == probabilities.tobytes()
    assert loaded.label_names == dataset.label_names
    assert loaded.count_params() == classifier.count_params() > 0


@pytest.mark.parametrize("name", NETWORKS)
def test_network_computes_in_bfloat16_and_answers_in_float32(name, tmp_path):
    import keras
    import tensorflow as tf

    from textclf.models._build import build_network
    from textclf.text.encode_dataset import encode_dataset
    from textclf.text.encoder import TextClassifier
    from textclf.training.optimizer import FusedAdam

    dataset = make_dataset(3)
    config = configure(name, precision="mixed_bfloat16")
    backend.set_seed(1)
    network = build_network(config, n_labels=3)
    assert keras.config.dtype_policy().name == "float32"
    assert {layer.compute_dtype for layer in network.layers} >= {"bfloat16", "float32"}
    assert {weight.dtype for weight in network.weights} <= {"float32", "uint32"}
    encoder, network, ready = encode_dataset(network, config.text, dataset)
    before = [weight.numpy() for weight in network.trainable_weights]
    network.compile(FusedAdam(), "sparse_categorical_crossentropy")
    network.fit(tf.constant(ready["train"]), dataset.train.labels, verbose=0)
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

    from textclf.models._build import build_network
    from textclf.text.encode_dataset import encode_dataset
    from textclf.text.encoder import TextClassifier, predict
    from textclf.training.loop import Examples, TrainingData, train

    dataset = make_dataset(n_labels)
    config = configure(name)
    backend.set_seed(1)
    network = build_network(config, n_labels=n_labels)
    encoder, network, ready = encode_dataset(network, config.text, dataset)
    before = [weight.numpy() for weight in network.trainable_weights]
    assert network.output_shape == (None, n_labels)

    class NoStore:
        def read_checkpoint(self):
            return None

        def write_checkpoint(self, checkpoint):
            assert len(checkpoint.rows) in {1, 2}

    def examples(name):
        return Examples(ready[name], dataset.splits[name].labels)

    data = TrainingData(examples("train"), examples("validation"), dataset.label_names)
    history = train(network, data, config.training, seed=1, store=NoStore())
    assert len(history.rows) == 2
    for old, new in zip(before, network.trainable_weights, strict=True):
        assert (old != new.numpy()).any(), new.path

    probabilities = predict(network, ready["test"])
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

    from textclf.models._build import build_network

    network = build_network(configure("mlp"), n_labels=2)
    assert network.get_layer("logit").units == 1
    ids = np.arange(32).reshape(2, 16) % 40
    logit = keras.Model(network.input, network.get_layer("logit").output)(ids)[:, 0]
    assert network(ids)[:, 1].numpy() == pytest.approx(tf.sigmoid(logit).numpy(), abs=1e-6)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("reuters-mlp", 5_864_238),
        ("reuters-lstm", 2_057_518),
        ("reuters-cnn", 2_057_390),
        ("reuters-cnn-lstm", 2_221_614),
        ("imdb-hub", 400_373),
    ],
)
def test_recipes_have_the_published_number_of_parameters(cli, name, parameters):
    dataset, name = name.split("-", 1)
    answer = cli("models", name, "--dataset", dataset, "--format", "json")
    assert answer.json["parameters"] == parameters
    assert sum(layer["parameters"] for layer in answer.json["layers"]) == parameters


def test_there_is_a_configuration_for_every_recipe():
    expected = {f"{d}-{m}.yaml" for d in DOWNLOADED for m in ("mlp", "lstm", "cnn", "cnn-lstm")}
    expected.add("imdb-hub.yaml")
    assert expected <= {path.name for path in CONFIGS}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_configuration_is_valid_and_says_what_to_expect(path):
    config = resolve(read_yaml(path), source=str(path))
    assert path.stem == f"{config.dataset.name}-{config.model.name}"
    comment = path.read_text().split("\n\n")[0]
    assert f"textclf train --config configs/{path.name}" in comment
    assert float(re.search(r"test accuracy (0\.\d{3})", comment)[1]) > 0.5
    assert int(re.search(r"about (\d+) (seconds|minutes?)", comment)[1]) > 0
    # A recipe's file and the defaults are the same experiment.
    names = {"dataset.name": config.dataset.name, "model.name": config.model.name}
    if config.model.name == "hub":  # Its file names the embedding that needs no download.
        names["model.handle"] = "glove"
    defaults = resolve({}, [Override(key, value, "test") for key, value in names.items()])
    assert config.fingerprint == defaults.fingerprint


def list_commands():
    for name in list_names("commands"):
        yield name
        for own_name in getattr(load_module("commands", name).command, "commands", ()):
            yield f"{name} {own_name}"


@pytest.mark.parametrize("name", list(list_commands()))
def test_command_has_help_with_an_example_and_is_documented(cli, name):
    answer = cli(*name.split(), "--help")
    assert answer.code == 0
    assert re.search(rf"Example: textclf {name}\b", answer.out)
    assert len(answer.out.splitlines()[2]) < 80
    assert f"## textclf {name}\n" in (ROOT / "docs" / "cli.md").read_text()
