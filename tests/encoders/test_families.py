"""Every supported family of encoders: from a preset to features, and to a model file and back."""

import functools
import json
import subprocess
import sys

import numpy as np
import pytest

from textclf.encoders.supported import FAMILIES
from textclf.errors import EmbeddingError

TEXTS = ["the apple and a saw", "Pear", "", "fig fig fig fig fig fig fig fig", "a <pad> nail"]

QUICK = ("Bert", "XLMRoberta")

MARKED = [
    family if family in QUICK else pytest.param(family, marks=pytest.mark.slow)
    for family in FAMILIES
]

SPECIAL = {
    "Albert": (2, 3, 0),
    "Bert": (2, 3, 0),
    "DebertaV3": (1, 2, 0),
    "DistilBert": (2, 3, 0),
    "Roberta": (0, 2, 1),
    "XLMRoberta": (0, 2, 1),
}
"""First and last token of a text, and the one that fills short texts."""

LOAD = """
import json, sys
from pathlib import Path
from textclf.runs.model_file import load_model
texts, *paths = json.loads(sys.argv[1])
print(json.dumps([load_model(Path(path)).predict_texts(texts).tolist() for path in paths]))
"""


@functools.cache
def load_parts(folder, *, pooling="mean", length=12, precision="float32"):
    from textclf.encoders.loading import load_tokenizer_and_features

    return load_tokenizer_and_features(
        folder, "mine", sequence_length=length, pooling=pooling, precision=precision
    )


def make_classifier(folder, pooling):
    """Return a classifier with a frozen encoder and random weights of its last layer."""
    import keras

    from textclf.encoders.loading import load_encoder
    from textclf.encoders.presets import hash_preset
    from textclf.text.classifier import TextClassifier

    preset = {"name": str(folder), "digest": hash_preset(folder)}
    encoder = load_encoder(folder, preset, sequence_length=12, pooling=pooling, precision="float32")
    keras.utils.set_random_seed(2)
    network = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3, activation="softmax")])
    return TextClassifier(encoder, network, ["a", "b", "c"])


@pytest.mark.parametrize("family", MARKED)
def test_texts_become_tokens_and_features(family_preset, family):
    import tensorflow as tf

    tokenizer, transformer = load_parts(family_preset(family))
    ids = tokenizer(tf.constant(TEXTS)).numpy()
    first, last, padding = SPECIAL[family]
    assert tokenizer.padding_id == padding
    assert ids.shape == (5, 12)
    assert ids.dtype == np.int32
    assert (ids[:, 0] == first).all()
    assert ids[2].tolist() == [first, last, *[padding] * 10]
    assert [row[row != padding][-1] for row in ids] == [last] * 5
    mean = transformer(ids).numpy()
    assert mean.shape == (5, 8)
    assert mean.dtype == np.float32
    # The vectors of all tokens of each text alone, without padding.
    for row, features in zip(ids, mean, strict=True):
        n_tokens = 1 + np.flatnonzero(row != padding).max()
        inputs = dict.fromkeys(transformer.backbone.input, row[None, :n_tokens])
        inputs |= {"padding_mask": np.ones((1, n_tokens), np.int32)}
        inputs |= (
            {"segment_ids": np.zeros((1, n_tokens), np.int32)} if "segment_ids" in inputs else {}
        )
        outputs = transformer.backbone(inputs)
        vectors = outputs["sequence_output"] if isinstance(outputs, dict) else outputs
        np.testing.assert_allclose(features, vectors.numpy()[0].mean(axis=0), atol=2e-5)
    transformer.pooling = "cls"
    first_vectors = transformer(ids).numpy()
    transformer.pooling = "mean"
    np.testing.assert_allclose(first_vectors[-1], vectors.numpy()[0, 0], atol=2e-5)
    assert np.abs(mean[0] - mean[3]).max() > 0.01


@pytest.mark.parametrize("family", MARKED)
def test_last_layers_or_all_are_trained(family_preset, family):
    from textclf.encoders.loading import set_trainable

    backbone = load_parts(family_preset(family))[1].backbone
    everything = sum(weight.shape.num_elements() for weight in backbone.weights)
    set_trainable(backbone, "all", "mine")
    trained = {weight.path for weight in backbone.trainable_weights}
    assert trained == {w.path for w in backbone.weights if "pooled_dense" not in w.path}
    set_trainable(backbone, 0, "mine")
    assert backbone.trainable_weights == []
    if family == "Albert":
        with pytest.raises(EmbeddingError, match="the layers of mine share weights; choose 0 or"):
            set_trainable(backbone, 1, "mine")
        return
    counts = []
    for n_layers in (1, 2):
        set_trainable(backbone, n_layers, "mine")
        counts.append(sum(w.shape.num_elements() for w in backbone.trainable_weights))
    assert counts[1] == 2 * counts[0]
    assert counts[1] < everything
    with pytest.raises(EmbeddingError) as info:
        set_trainable(backbone, 3, "mine")
    assert str(info.value) == (
        "model.trainable_layers: 3 is more than the 2 layers of mine; all also trains its"
        " embeddings"
    )


@pytest.mark.slow
def test_model_files_load_in_a_new_process_without_the_presets(family_preset, tmp_path):
    expected, paths = [], []
    for i, family in enumerate(FAMILIES):
        folder = family_preset(family)
        hidden = folder.rename(folder.with_name("moved"))
        classifier = make_classifier(hidden, ("mean", "cls")[i % 2])
        paths.append(str(tmp_path / f"{family}.keras"))
        classifier.save(paths[-1])
        expected.append(classifier.predict_texts(TEXTS))
        hidden.rename(folder)
    done = subprocess.run(
        [sys.executable, "-c", LOAD, json.dumps([TEXTS, *paths])],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for probabilities, others in zip(expected, json.loads(done.stdout), strict=True):
        assert np.ptp(probabilities[:, 0]) > 0.01
        np.testing.assert_allclose(others, probabilities, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mean_of_many_tokens_is_exact_to_the_precision(bert, precision):
    import tensorflow as tf

    text = tf.constant(["the good bad " * 30])
    exact = load_parts(bert, length=64)[1](load_parts(bert, length=64)[0](text)).numpy()
    tokenizer, transformer = load_parts(bert, length=64, precision=precision)
    found = transformer(tokenizer(text))
    assert found.dtype == precision.removeprefix("mixed_")
    np.testing.assert_allclose(tf.cast(found, tf.float32).numpy(), exact, atol=0.05)


@pytest.mark.slow
def test_text_with_the_padding_token_keeps_its_last_tokens(family_preset):
    import tensorflow as tf

    tokenizer, transformer = load_parts(family_preset("Roberta"))
    ids = tokenizer(tf.constant(["a<pad>b", "a<pad>c"])).numpy()
    assert ids[0, :5].tolist()[2] == tokenizer.padding_id
    alone = transformer(ids).numpy()
    assert np.abs(alone[0] - alone[1]).max() > 1e-3
    longer = tokenizer(tf.constant(["a<pad>b", "the the the"])).numpy()
    np.testing.assert_allclose(transformer(longer).numpy()[0], alone[0], atol=1e-5)
