"""Runs of a pretrained encoder, with and without its weights in the model file."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from support import write_preset

import textclf
from textclf import api
from textclf.config.resolve import resolve
from textclf.config.tuned_keys import find_model_space
from textclf.errors import EmbeddingError, RequestError
from textclf.explanation.explain import explain_texts, list_methods
from textclf.runtime.progress import Reporter

TEXTS = ["", "the good apple", "Bads, NUMBER\u2026 d\u00e9j\u00e0 vu\x00", "number apple " * 40]


@pytest.fixture(scope="module")
def train(tensorflow, tmp_path_factory):
    """Return a function that trains a small run in which settings differ, once."""
    folder, runs = tmp_path_factory.mktemp("encoder"), {}
    preset = write_preset(folder / "preset")

    def train(**settings):
        key = json.dumps(settings)
        if key not in runs:
            overrides = {"model.preset": str(preset), "text.sequence_length": 16}
            overrides |= {"dataset.limit": 15, "training.epochs": 2}
            runs[key] = textclf.train(
                "encoder",
                "bbc",
                overrides={**overrides, **settings},
                run_dir=folder / f"run-{len(runs)}",
                device="cpu",
                quiet=True,
            )
        return runs[key]

    return train


@pytest.fixture(scope="module")
def full(train):
    return train()


@pytest.fixture(scope="module")
def head(train):
    return train(**{"output.model": "head"})


@pytest.mark.slow
def test_a_model_file_without_its_encoder_predicts_the_same_bits(full, head):
    assert full.config.fingerprint == head.config.fingerprint
    assert full.predict_proba(TEXTS).tobytes() == head.predict_proba(TEXTS).tobytes()
    assert np.array_equal(full.predictions.probabilities, head.predictions.probabilities)
    assert full.result.n_parameters == head.result.n_parameters


def test_only_a_full_model_file_contains_the_weights_of_the_encoder(full, head):
    encoders, sizes = [], []
    for run in (full, head):
        with zipfile.ZipFile(run.path / "model.keras") as archive:
            sizes.append(len(archive.read("model.weights.h5")))
            encoders.append(json.loads(archive.read("config.json"))["config"]["encoder"])
    assert [each["class_name"] for each in encoders] == ["PretrainedEncoder", "PresetReference"]
    n_head = full.model.network.count_params()
    assert sizes[0] - sizes[1] >= 4 * (full.result.n_parameters - n_head)
    assert n_head == 45


def test_the_versions_of_the_extra_are_recorded(full):
    versions = full.directory.read_meta()["versions"]
    assert versions["keras-hub"]
    assert versions["tensorflow-text"]


@pytest.mark.parametrize(
    ("model", "settings"),
    [("encoder", {"model.trainable_layers": 1}), ("cnn", {}), ("majority", {})],
)
def test_a_model_without_a_frozen_encoder_is_not_written_without_it(model, settings, tmp_path):
    with pytest.raises(RequestError) as info:
        textclf.train(
            model, "bbc", overrides={**settings, "output.model": "head"}, run_dir=tmp_path / "run"
        )
    assert str(info.value).endswith(
        f"output.model: should be full with the model {model}, got 'head', which needs a frozen"
        " encoder (the model encoder with model.trainable_layers=0)"
    )
    assert [*tmp_path.iterdir()] == []


def test_a_run_without_its_encoder_says_how_to_get_it(head, tmp_path, monkeypatch):
    from textclf.encoders import presets

    def remove(preset, **options):
        presets._refuse_download(preset, options["may_download"])

    monkeypatch.setattr(presets, "resolve", remove)
    with pytest.raises(EmbeddingError, match="run textclf hub info") as info:
        textclf.load_run(head.path).predict_proba(TEXTS)
    assert "\n" not in str(info.value)


def test_a_run_whose_preset_was_moved_says_so(head, tmp_path):
    folder = Path(head.config.model.preset)
    folder.rename(tmp_path / "moved")
    try:
        with pytest.raises(EmbeddingError) as info:
            textclf.load_run(head.path).predict_proba(TEXTS)
    finally:
        (tmp_path / "moved").rename(folder)
    assert str(info.value) == (
        f"the model refers to the preset {folder}, which does not exist; put its folder back, or"
        " train the model with output.model=full"
    )


def test_a_run_whose_preset_has_changed_is_refused(head):
    folder = Path(head.config.model.preset)
    vocabulary = folder / "vocab.txt"
    before = vocabulary.read_bytes()
    vocabulary.write_bytes(before + b"more\n")
    try:
        with pytest.raises(EmbeddingError, match="is not the preset") as info:
            textclf.load_run(head.path).predict_proba(TEXTS)
    finally:
        vocabulary.write_bytes(before)
    assert str(folder) in str(info.value)
    assert "\n" not in str(info.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"output.model": "head"},
        pytest.param({"model.trainable_layers": 1}, marks=pytest.mark.slow),
    ],
)
def test_explanations_equal_a_direct_recomputation(train, settings):
    run = train(**settings)
    assert list_methods(run.model) == ["occlusion"]
    text = "the good apple, the bad number"
    (explanation,) = explain_texts(run.model, [text], reporter=Reporter(quiet=True))
    column = run.label_names.index(explanation.label)
    without = [f"{text[: token.start]} {text[token.end :]}" for token in explanation.tokens]
    (before,), after = (run.predict_proba(each)[:, column] for each in ([text], without))
    weights = [token.weight for token in explanation.tokens]
    assert [token.text for token in explanation.tokens] == text.replace(",", "").split()
    assert weights == pytest.approx([*(before - after)], abs=1e-6)
    assert max(map(abs, weights)) > 1e-4


def test_words_that_are_cut_off_are_not_predicted(full, monkeypatch):
    """14 of the 16 token ids are words; the others are the marks at both ends."""
    n_predicted = []
    predict = full.model.predict_texts

    def count(texts):
        n_predicted.append(len(texts))
        return predict(texts)

    monkeypatch.setattr(full.model, "predict_texts", count)
    (explanation,) = explain_texts(full.model, ["good bad " * 20], reporter=Reporter(quiet=True))
    weights = [token.weight for token in explanation.tokens]
    assert len(weights) == 40
    assert n_predicted == [1, 14]
    assert all(weights[:14])
    assert not any(weights[14:])


@pytest.mark.slow
def test_the_saved_model_names_the_package_of_its_operations(head, tmp_path):
    exported = api.export(head, tmp_path / "out", quiet=True)
    assert exported.parity.largest_difference == 0
    document = json.loads((tmp_path / "out" / "export.json").read_text())
    assert document["packages"] == ["tensorflow", "tensorflow-text"]
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"tensorflow-text=={document['versions']['tensorflow-text']}" in card
    assert "reads at most 16 tokens, which are words or pieces of words" in card


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"output.model": "head"}, {"model.trainable_layers": 1}])
def test_the_onnx_model_reads_texts_by_itself(train, settings, tmp_path):
    pytest.importorskip("tf2onnx")
    from textclf.exporting.parity import load_example

    run = train(**settings)
    exported = api.export(run, tmp_path / "out", format="onnx", quiet=True)
    assert exported.parity.largest_difference < 1e-5
    found = load_example(tmp_path / "out").predict(TEXTS)
    assert np.abs(found - run.predict_proba(TEXTS)).max() < 1e-5


@pytest.mark.slow
def test_a_study_computes_features_once(tmp_path, monkeypatch, tensorflow):
    from textclf.encoders.layers import PretrainedEncoder

    preset = write_preset(tmp_path / "preset", seed=7)  # Whose features are not in the cache.
    n_encoded = []
    encode = PretrainedEncoder.encode_each

    def count(self, texts):
        for features in encode(self, texts):
            n_encoded.append(1)
            yield features

    monkeypatch.setattr(PretrainedEncoder, "encode_each", count)
    overrides = {"model.preset": str(preset), "text.sequence_length": 16, "dataset.limit": 15}
    overrides["training.epochs"] = 1
    search = {"training.learning_rate": {"low": 0.001, "high": 0.01, "log": True}}
    study = api.tune(
        "encoder",
        "bbc",
        overrides=overrides,
        search=search,
        trials=3,
        run_root=tmp_path,
        device="cpu",
        quiet=True,
    )
    assert len(study.trials) == 3
    assert 0 < len(n_encoded) <= 45


@pytest.mark.parametrize("value", ["few", -1, 1_001, 1.5, True, None, [1]])
def test_trainable_layers_are_a_number_or_all(value):
    tree = {"dataset": {"name": "bbc"}, "model": {"name": "encoder", "trainable_layers": value}}
    with pytest.raises(RequestError) as info:
        resolve(tree)
    assert str(info.value) == (
        "configuration: model.trainable_layers: should be all, or an integer from 0 to 1,000, got"
        f" {value!r}"
    )


def test_a_number_in_quotes_has_the_defaults_of_the_number():
    trees = [{"name": "encoder", "trainable_layers": value} for value in (0, "0")]
    frozen, quoted = (resolve({"dataset": {"name": "bbc"}, "model": tree}) for tree in trees)
    assert quoted == frozen


def test_older_configurations_have_no_output():
    tree = resolve({"dataset": {"name": "bbc"}, "model": {"name": "cnn"}}).model_dump(mode="json")
    del tree["output"]
    assert resolve(tree).output.model == "full"


@pytest.mark.parametrize(("n_layers", "highest"), [(0, 0.03), ("all", 0.0002)])
def test_the_search_space_fits_an_encoder_that_is_trained(n_layers, highest):
    tree = {"dataset": {"name": "bbc"}, "model": {"name": "encoder", "trainable_layers": n_layers}}
    config = resolve(tree)
    space = find_model_space(config)
    rate = space["training.learning_rate"]
    assert rate.low < config.training.learning_rate < rate.high == highest
    assert config.training.epochs in space["training.epochs"].choices


@pytest.mark.parametrize(("n_layers", "memory"), [(0, 1.5), (1, 3.5), ("all", 3.5)])
def test_fine_tuning_reserves_more_memory(n_layers, memory):
    tree = {"dataset": {"name": "bbc"}, "model": {"name": "encoder", "trainable_layers": n_layers}}
    assert resolve(tree).resources.memory == memory
