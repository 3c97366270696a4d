"""Untrusted model files that name classes of KerasHub, files, or a preset elsewhere."""

import itertools
import json
import shutil
import sys
import zipfile

import numpy as np
import pytest
from support import write_preset

from textclf.errors import EmbeddingError, RunError
from textclf.runs.model_file import check_model_file, load_model

TEXTS = ["the apple", "a saw"]


def make_classifier(encoder):
    import keras

    from textclf.text.classifier import TextClassifier

    keras.utils.set_random_seed(2)
    network = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2, activation="softmax")])
    return TextClassifier(encoder, network, ["a", "b"])


@pytest.fixture(scope="module")
def encoder(bert):
    from textclf.encoders.loading import load_encoder
    from textclf.encoders.presets import hash_preset

    preset = {"name": str(bert), "digest": hash_preset(bert)}
    return load_encoder(bert, preset, sequence_length=8, pooling="mean", precision="float32")


@pytest.fixture(scope="module")
def saved(encoder, tmp_path_factory):
    """A model file with a frozen encoder, which tests must not change."""
    path = tmp_path_factory.mktemp("saved") / "model.keras"
    make_classifier(encoder).save(path)
    return path


def rewrite(path, folder, change):
    """Write a model file with another configuration, like an attacker."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(files["config.json"])
    change(config["config"]["encoder"]["config"])
    files["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(folder / "model.keras", "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return folder / "model.keras"


def find_backbone(encoder):
    return encoder["transformer"]["config"]["backbone"]


def find_tokenizer(encoder):
    return encoder["tokenizer"]["config"]["preprocessor"]["config"]["tokenizer"]


@pytest.mark.slow
def test_models_of_this_project_are_accepted(saved, tmp_path, encoder):
    check_model_file(saved)
    loaded = load_model(rewrite(saved, tmp_path, lambda config: None))
    expected = make_classifier(encoder).predict_texts(TEXTS)
    np.testing.assert_allclose(loaded.predict_texts(TEXTS), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("find", "changes", "message"),
    [
        (find_backbone, {"class_name": "GPT2Backbone"}, "it names keras_hub>BertBackbone of"),
        (
            find_backbone,
            {"class_name": "GPT2Backbone", "registered_name": None},
            "it names GPT2Backbone of keras_hub.src.models.bert.bert_backbone, and only",
        ),
        (find_backbone, {"module": "evil.keras_hub"}, "it names keras_hub>BertBackbone of"),
        (
            find_backbone,
            {"module": "evil.keras_hub", "registered_name": None},
            "it names BertBackbone of evil.keras_hub, and only",
        ),
        (
            find_backbone,
            {"registered_name": "keras_hub>GPT2Backbone"},
            "it names keras_hub>GPT2Backbone of KerasHub, and only",
        ),
        (
            find_backbone,
            {"class_name": "Dense", "module": "keras.layers"},
            "it names keras_hub>BertBackbone of KerasHub, and only",
        ),
        (
            lambda encoder: find_backbone(encoder)["config"],
            {"activation": {"class_name": "Lambda", "module": "keras.layers", "config": {}}},
            "its Lambda layer can run any code",
        ),
        (
            lambda encoder: find_tokenizer(encoder)["config"],
            {"dtype": {"class_name": "function", "module": "os", "config": "system"}},
            "it names system of os, and only",
        ),
    ],
)
def test_other_classes_are_refused_before_anything_is_imported(
    saved, tmp_path, monkeypatch, find, changes, message
):
    path = rewrite(saved, tmp_path, lambda encoder: find(encoder).update(changes))
    monkeypatch.setitem(sys.modules, "keras_hub", None)  # An import would fail.
    with pytest.raises(RunError) as info:
        load_model(path)
    assert f"model.keras is refused: {message}" in str(info.value)


@pytest.mark.parametrize("key", ["vocabulary", "proto", "merges"])
def test_file_outside_the_model_is_not_read(saved, tmp_path, key):
    secret = tmp_path / "secret.txt"
    secret.write_text("[UNK]\n[CLS]\n[SEP]\n[PAD]\n[MASK]\n")

    def name_file(encoder):
        find_tokenizer(encoder)["config"][key] = str(secret)

    with pytest.raises(RunError) as info:
        load_model(rewrite(saved, tmp_path, name_file))
    assert str(info.value).endswith(
        f"model.keras is refused: it names {str(secret)!r}, a file outside of the model"
    )


def save_reference(folder, **changes):
    """Save a model whose encoder is a reference, and return its path."""
    from textclf.encoders.layers import PresetReference

    options = {"sequence_length": 8, "pooling": "mean", "precision": "float32", **changes}
    preset = options.pop("preset")
    path = folder / "model.keras"
    make_classifier(PresetReference(preset, **options)).save(path)
    return path


@pytest.mark.slow
def test_reference_gives_the_same_probabilities(encoder, tmp_path):
    path = save_reference(tmp_path, preset=encoder.preset)
    assert path.stat().st_size < 30_000
    expected = make_classifier(encoder).predict_texts(TEXTS)
    np.testing.assert_array_equal(load_model(path).predict_texts(TEXTS), expected)


def test_reference_to_another_preset_is_refused(tmp_path, encoder):
    other = write_preset(tmp_path / "other", seed=5)
    path = save_reference(tmp_path, preset={**encoder.preset, "name": str(other)})
    with pytest.raises(EmbeddingError, match="is not the preset that the model was trained with"):
        load_model(path)


def test_preset_of_a_reference_is_not_downloaded(tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise AssertionError("it asks the network")

    monkeypatch.setattr("textclf.encoders.presets.check_reachable", fail)
    names = ("hf://user/evil", "bert_tiny_en_uncased", "kaggle://a/b/keras/c/1")
    for name, digest in itertools.product(names, ("0" * 64, "", None)):
        path = save_reference(tmp_path, preset={"name": name, "digest": digest})
        with pytest.raises(EmbeddingError) as info:
            load_model(path)
        assert str(info.value) == (
            f"{name} is not in the cache, and loading a model downloads nothing: run textclf hub"
            f" info {name}"
        )


def test_reference_without_a_checksum_is_refused(encoder, tmp_path):
    path = save_reference(tmp_path, preset={**encoder.preset, "digest": None})
    with pytest.raises(EmbeddingError, match="is not the preset that the model was trained with"):
        load_model(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"preset": {}},
        {"preset": {"name": 5, "digest": "0"}},
        {"preset": {"name": "/", "digest": None}},
        {"sequence_length": "many"},
        {"sequence_length": -1},
        {"precision": "float99"},
        {"pooling": "max"},
    ],
    ids=str,
)
def test_damaged_reference_is_one_error(encoder, tmp_path, changes):
    path = save_reference(tmp_path, **{"preset": encoder.preset, **changes})
    with pytest.raises((EmbeddingError, ValueError, TypeError, LookupError, AttributeError)):
        load_model(path)


def test_preset_of_a_reference_is_checked(family_preset, tmp_path):
    from textclf.encoders.presets import hash_preset

    folder = shutil.copytree(family_preset("Bert"), tmp_path / "preset")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "class_name": "Lambda"}))
    preset = {"name": str(folder), "digest": hash_preset(folder)}
    with pytest.raises(EmbeddingError, match="is a Lambda model, which is not supported"):
        load_model(save_reference(tmp_path, preset=preset))
