"""Damaged presets, and the embeddings of a preset in Hugging Face's layout."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from scipy.special import erf

TEXTS = ["the apple and a saw", "Pear", "", "good bads number 5", "fig " * 20]


def embed(folder, texts, *, activation, pooling):
    """Compute BERT's features with NumPy, one text after the other, as an independent check."""
    weights = load_file(folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())

    def layer(x, name):
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(x, name):
        centred = x - x.mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-12)
        return scaled * weights[f"{name}.LayerNorm.weight"] + weights[f"{name}.LayerNorm.bias"]

    def attend(x, name):
        heads = (len(x), config["num_attention_heads"], -1)
        query, key, value = (
            layer(x, f"{name}.self.{part}").reshape(heads).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 2, 1) / np.sqrt(query.shape[-1])
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = scores / scores.sum(axis=-1, keepdims=True) @ value
        return norm(
            x + layer(mixed.transpose(1, 0, 2).reshape(x.shape), f"{name}.output.dense"),
            f"{name}.output",
        )

    features = []
    for ids in texts:
        x = weights["embeddings.word_embeddings.weight"][ids]
        x = x + weights["embeddings.position_embeddings.weight"][: len(ids)]
        x = norm(x + weights["embeddings.token_type_embeddings.weight"][0], "embeddings")
        for number in range(config["num_hidden_layers"]):
            name = f"encoder.layer.{number}"
            x = attend(x, f"{name}.attention")
            inner = activation(layer(x, f"{name}.intermediate.dense"))
            x = norm(x + layer(inner, f"{name}.output.dense"), f"{name}.output")
        features.append(x.mean(axis=0) if pooling == "mean" else x[0])
    return np.array(features)


def gelu(x):
    return x * 0.5 * (1 + erf(x / np.sqrt(2)))


def gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def test_embeddings_equal_those_of_numpy(bert):
    import tensorflow as tf

    from textclf.encoders.loading import load_tokenizer_and_features

    options = {"sequence_length": 12, "precision": "float32"}
    for pooling in ("mean", "cls"):
        tokenizer, transformer = load_tokenizer_and_features(
            bert, "mine", pooling=pooling, **options
        )
        ids = tokenizer(tf.constant(TEXTS)).numpy()
        features = transformer(ids).numpy()
        rows = [row[row != 0] for row in ids]
        expected = embed(bert, rows, activation=gelu_tanh, pooling=pooling)
        np.testing.assert_allclose(features, expected, atol=1e-5)
        exact = embed(bert, rows, activation=gelu, pooling=pooling)
        # KerasHub computes the approximation of GELU by tanh.
        assert 1e-5 < np.abs(features - exact).max() < 5e-3


@pytest.mark.slow
def test_features_do_not_depend_on_other_texts_and_are_the_same_in_any_order(bert):
    from textclf.encoders.loading import load_encoder
    from textclf.encoders.presets import hash_preset

    preset = {"name": str(bert), "digest": hash_preset(bert)}
    encoder = load_encoder(bert, preset, sequence_length=32, pooling="mean", precision="float32")
    texts = [
        " ".join(["the apple", "good saws", "fig"][i % 3] for _ in range(i)) for i in range(20)
    ]
    together = np.stack([*encoder.encode_each(texts)])
    assert together.dtype == np.float32
    reverse = np.stack([*encoder.encode_each(texts[::-1])])[::-1]
    alone = next(encoder.encode_each(texts[7:8]))
    np.testing.assert_array_equal(reverse, together)
    np.testing.assert_array_equal(alone, together[7])


def test_folder_with_the_name_of_a_preset_of_kerashub_is_read(copy, monkeypatch):
    """KerasHub would download the preset of this name."""
    from textclf.encoders.loading import describe_preset

    copy.rename(copy.with_name("bert_tiny_en_uncased"))
    monkeypatch.chdir(copy.parent)
    assert describe_preset("bert_tiny_en_uncased")["dim"] == 8


def change_weights(folder, change):
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors")


def test_weights_of_another_shape(copy, find_error):
    change_weights(copy, lambda weights: weights.update({"pooler.dense.bias": np.zeros(5, "f4")}))
    assert find_error(copy).startswith("mine cannot be loaded: ")
    assert "(5,)" in find_error(copy)
    assert "(8,)" in find_error(copy)


def test_missing_weight(copy, find_error):
    change_weights(copy, lambda weights: weights.pop("encoder.layer.1.output.dense.bias"))
    message = find_error(copy)
    assert message.startswith("mine cannot be loaded: ")
    assert "encoder.layer.1.output.dense.bias" in message


def test_truncated_weights(copy, find_error):
    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    message = find_error(copy)
    assert message.startswith("mine cannot be loaded: ")
    assert message.endswith("; its files do not belong together, or one is damaged: get them again")


@pytest.mark.parametrize("word", ["[UNK]", "[CLS]", "[PAD]"])
def test_vocabulary_without_a_special_token(copy, find_error, word):
    path = copy / "vocab.txt"
    path.write_text(path.read_text().replace(word, "word"))
    message = find_error(copy)
    assert message.startswith("mine cannot be loaded: Cannot find ")
    assert word in message


def test_configuration_without_a_value(copy, find_error):
    (copy / "tokenizer_config.json").write_text("{}")
    message = find_error(copy)
    assert message.startswith("mine cannot be loaded: it has no do_lower_case")


@pytest.mark.parametrize("length", [1, 2])
def test_length_that_leaves_no_token_of_the_text(copy, find_error, length):
    assert find_error(copy, length) == (
        f"text.sequence_length: {length} leaves no token for the text; at least 3 are needed, of"
        " which two are the first and the last of mine"
    )


def test_length_that_the_encoder_does_not_take(copy, find_error):
    assert find_error(copy, 65) == (
        "text.sequence_length: 65 is more than the 64 tokens that mine takes"
    )
