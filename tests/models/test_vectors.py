"""Pretrained vectors in the embedding of a network."""

from pathlib import Path

import numpy as np
import pytest

from textclf.config.loading import Override
from textclf.config.resolve import resolve
from textclf.errors import EmbeddingError, RequestError
from textclf.models._build import build_model
from textclf.testing import check_training, make_model_config

pytestmark = pytest.mark.usefixtures("tensorflow")

LINES = ("apple 3 4", "Pear -1 2", "zebra 9 9")


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "vectors.txt", "\n".join(LINES))


def configure(name="mlp", **hyperparameters):
    return resolve(
        {
            "dataset": {"name": "bbc"},
            "text": {"num_words": 10, "sequence_length": 4},
            "model": {"name": str(name), **hyperparameters},
        },
        [Override("model.name", str(name), "--model")],
    )


def fill(config, words, ids):
    from textclf.models._vectors import fill_embedding
    from textclf.runtime import backend
    from textclf.text.encoder import TextEncoder

    encoder = TextEncoder(**config.text.model_dump(), vocabulary=words)
    backend.set_seed(1)
    network = build_model(config, n_labels=3).network
    layer = network.get_layer("embedding")
    before = layer.embeddings.numpy()
    coverage = fill_embedding(network, encoder, np.array(ids, np.int32), config.model)
    return before, layer.embeddings.numpy(), coverage


def test_rows_of_known_words_are_their_vectors(path):
    # 0 is padding, 1 the start of a text, 2 an unknown word, 4 the first word.
    ids = [[0, 1, 4, 5], [1, 2, 6, 4]]
    config = configure(vectors=path)
    assert (config.model.embedding_dim, config.model.vectors_trainable) == (None, True)
    before, table, coverage = fill(config, ["pear", "plum", "apple"], ids)
    assert table.shape == (10, 2)
    assert table[4].tolist() == [-1, 2]
    assert table[6].tolist() == [3, 4]
    assert table[0].tolist() == [0, 0]
    others = [1, 2, 3, 5, 7, 8, 9]
    scale = np.std([[-1, 2], [3, 4]]) / before.std()
    assert table[others] == pytest.approx(before[others] * scale, rel=1e-5)
    assert coverage.to_json() == {"vocabulary": 2 / 3, "train_tokens": 3 / 5}
    assert coverage.describe() == (
        f"vectors {path}: 66.7% of the vocabulary (2 of 3 words) and 60.0% of the training tokens"
        " have one"
    )
    assert not coverage.is_low


def test_vectors_of_another_language_change_nothing_and_say_so(path):
    before, table, coverage = fill(configure(vectors=path), ["плод"], [[1, 4, 2, 0]])
    assert np.array_equal(before, table)
    assert coverage.is_low
    assert coverage.describe().endswith("have one; are they of the language of the texts?")


def test_network_without_vectors_stays_as_it_is():
    before, table, coverage = fill(configure(embedding_dim=2), ["pear"], [[1, 4, 0, 0]])
    assert np.array_equal(before, table)
    assert coverage is None


def test_size_follows_the_vectors(path):
    for name in ("mlp", "lstm", "cnn", "cnn-lstm"):
        sizes = {"kernel_size": 2, "pool_size": 2} if name == "cnn-lstm" else {}
        config = configure(name, vectors=path, **sizes)
        layer = build_model(config, n_labels=3).network.get_layer("embedding")
        assert (layer.output_dim, layer.trainable) == (2, True)
    frozen = configure(vectors=path, vectors_trainable=False, embedding_dim=2)
    assert not build_model(frozen, n_labels=3).network.get_layer("embedding").trainable
    with pytest.raises(RequestError) as info:
        build_model(configure(vectors=path, embedding_dim=128), n_labels=3)
    assert str(info.value) == (
        f"model.embedding_dim: 128 is not the size of the vectors {path}, which is 2; leave it out,"
        " or --set model.embedding_dim=null"
    )


@pytest.mark.parametrize(
    ("hyperparameters", "message"),
    [
        (
            {"vectors_trainable": False},
            "model.vectors_trainable: should be true, unless model.vectors is set, got False",
        ),
        ({"vectors": 3}, "model.vectors: should be a valid string, got 3"),
        (
            {"vectors": "no/where.txt"},
            "cannot find word vectors 'no/where.txt': choose glove, a file of word vectors, or a"
            " text embedding such as google/tf2-preview/nnlm-en-dim50/1",
        ),
    ],
)
def test_invalid_keys_are_refused(hyperparameters, message):
    with pytest.raises(RequestError) as info:
        configure(**hyperparameters)
    assert message in str(info.value)
    assert "\n" not in str(info.value)


def test_file_that_does_not_exist_is_refused_with_the_nearest_name(path):
    with pytest.raises(RequestError) as info:
        configure(vectors=path.replace("vectors", "vector"))
    assert f"vector.txt': did you mean '{path}'? Choose glove, a file of" in str(info.value)


def test_content_of_a_file_is_part_of_the_fingerprint(path):
    first = configure(vectors=path)
    assert len(first.model.digest) == 64
    write(Path(path), "\n".join(LINES[:2]))
    second = configure(vectors=path)
    assert second.fingerprint != first.fingerprint
    with pytest.raises(EmbeddingError, match="is not the embedding that the configuration was"):
        build_model(first, n_labels=3)
    Path(path).unlink()
    # The configuration of a finished run can be read, but not trained again.
    assert resolve(second.model_dump(mode="json")) == second
    with pytest.raises(
        RequestError, match=r"cannot find word vectors '.*vectors\.txt': choose glove"
    ):
        build_model(second, n_labels=3)
    assert configure(vectors="glove", digest="0123").model.digest is None
    assert configure(digest="0123", embedding_dim=None) == configure()


PLUGIN = """
'''Mean of pretrained vectors.'''
import keras
from textclf.models._layers import SequenceConfig, classify, embed_tokens

TAKES = "token_ids"
Config = SequenceConfig

def build(config, *, text, n_labels):
    tokens, x = embed_tokens(config, text)
    x = keras.layers.GlobalAveragePooling1D()(x)
    return keras.Model(tokens, classify(x, n_labels))
"""


@pytest.mark.slow
def test_model_of_the_user_can_take_vectors(path, tmp_path, forget):
    mine = write(tmp_path / "mine.py", PLUGIN)
    _, table, _ = fill(configure(mine, vectors=path), ["apple"], [[1, 4, 0, 0]])
    assert table[4].tolist() == [3, 4]
    check_training(make_model_config(mine, overrides={"model.vectors": path}), n_labels=3)


def test_key_of_the_same_name_in_a_model_of_the_user_is_left_alone(tmp_path, forget):
    own = "class Config(textclf.ModelConfig):\n    vectors: int = 3\n    embedding_dim: int = 2\n"
    code = "import keras\nimport textclf\nTAKES = 'token_ids'\n" + own
    code += "def build(config, *, text, n_labels):\n    tokens = keras.Input((4,), dtype='int32')\n"
    code += "    x = keras.layers.Embedding(10, config.vectors, name='embedding')(tokens)\n"
    code += "    x = keras.layers.Dense(n_labels, 'softmax')(keras.layers.Flatten()(x))\n"
    code += "    return keras.Model(tokens, x)\n"
    before, table, coverage = fill(
        configure(write(tmp_path / "mine.py", code)), ["apple"], [[1, 4, 0, 0]]
    )
    assert coverage is None
    assert np.array_equal(before, table)


def test_model_without_such_an_embedding_is_refused(path, tmp_path, forget):
    from textclf.models._vectors import find_embedding

    layer = "keras.Input((4,)), None\n    x = keras.layers.Embedding(10, 3, name='NAME')(tokens)"
    code = PLUGIN.replace("embed_tokens(config, text)", layer)
    config = configure(write(tmp_path / "mine.py", code.replace("NAME", "other")), vectors=path)
    with pytest.raises(RequestError) as info:
        find_embedding(build_model(config, n_labels=3).network, "mine.py")
    assert str(info.value) == (
        "model.vectors: mine.py has no keras.layers.Embedding with the name 'embedding'; make it"
        " with embed_tokens"
    )
    config = configure(write(tmp_path / "his.py", code.replace("NAME", "embedding")), vectors=path)
    with pytest.raises(RequestError) as info:
        fill(config, ["apple"], [[1, 4, 0, 0]])
    assert str(info.value) == (
        "model.vectors: the layer 'embedding' of his.py has 3 numbers per token, but the vectors"
        " have 2; make it with embed_tokens"
    )
