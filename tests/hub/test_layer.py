"""The Keras layer of a text embedding: it trains, and its files are saved with the model."""

import functools
import gc
import json
import os
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from support import QUIET

from textclf.errors import EmbeddingError
from textclf.hub.layer import HubEmbedding
from textclf.models._build import build_model
from textclf.runtime import backend
from textclf.testing import make_dataset
from textclf.text.classifier import TextClassifier
from textclf.text.encode_dataset import encode_dataset

pytestmark = pytest.mark.usefixtures("tensorflow")

TEXTS = ["apple pear", "", "Saw, NAIL & file!", "nobody knows", "apple"]
N_PARAMETERS = 6 * 4 + (4 * 16 + 16) + (16 * 3 + 3)


@pytest.fixture
def train_classifier(folder, configure):
    """A function that returns a classifier after an epoch, its layer, and its rows before."""

    def train_classifier(*, trainable):
        backend.set_seed(1)
        dataset = make_dataset(3)
        config = configure(folder, trainable=trainable)
        model = build_model(config, n_labels=3)
        encoder, inputs = encode_dataset(
            dataset, config.text, model.takes, model.encoder, reporter=QUIET
        )
        network = model.network
        layer = network.get_layer("embedding") if trainable else encoder
        before = layer.embedding_weights[0].numpy()
        network.compile("adam", "sparse_categorical_crossentropy")
        network.fit(tf.constant(inputs["train"]), dataset.train.labels, verbose=0)
        classifier = TextClassifier.without_optimizer(encoder, network, dataset.label_names)
        return classifier, layer, before

    return train_classifier


def test_training_changes_the_rows_of_the_words_in_the_texts(train_classifier):
    classifier, layer, before = train_classifier(trainable=True)
    after = layer.embedding_weights[0].numpy()
    # The texts contain all five words, and others, which share the last row.
    assert (before != after).any(axis=1).tolist() == [True] * 6
    # The weights that Keras counts and saves are those that the graph reads.
    first = classifier.network.get_layer("embedding")(tf.constant(["apple"])).numpy()
    assert first[0] == pytest.approx(after[0])
    assert classifier.count_params() == N_PARAMETERS
    assert len(classifier.trainable_weights) == 5


def test_frozen_embedding_is_not_trained(train_classifier):
    classifier, layer, before = train_classifier(trainable=False)
    assert layer.embedding_weights[0].numpy().tobytes() == before.tobytes()
    assert classifier.network.input_shape == (None, 4)
    assert classifier.count_params() == N_PARAMETERS
    assert len(classifier.trainable_weights) == 4
    assert len(classifier.non_trainable_weights) == 1


PLAIN_KERAS = """
import json, sys
import keras, tensorflow as tf
import textclf.hub.layer, textclf.text.classifier
texts = tf.constant(json.loads(sys.argv[1]))
found = []
for path in sys.argv[2:]:
    model = keras.models.load_model(path)
    model.save("again.keras")  # A model that was loaded can be saved.
    for loaded in (model, keras.models.load_model("again.keras")):
        found.append(loaded.predict(texts, verbose=0).tolist())
print(json.dumps(found))
"""


@pytest.mark.slow
def test_saved_model_does_not_need_the_folder_of_the_embedding(train_classifier, folder, tmp_path):
    other = tmp_path / "elsewhere"
    other.mkdir()
    expected = []
    for name, trainable in {"trained.keras": True, "frozen.keras": False}.items():
        classifier, _, _ = train_classifier(trainable=trainable)
        classifier.save(other / name)
        expected += 2 * [classifier.predict_texts(TEXTS)]
    folder.rename(tmp_path / "gone")
    environment = {**os.environ, "TFHUB_CACHE_DIR": str(tmp_path / "none")}
    arguments = [json.dumps(TEXTS), "trained.keras", "frozen.keras"]
    done = subprocess.run(
        [sys.executable, "-c", PLAIN_KERAS, *arguments],
        cwd=other,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert np.abs(np.array(json.loads(done.stdout)) - np.array(expected)).max() < 1e-6


@pytest.mark.slow
def test_model_can_be_exported(train_classifier, tmp_path):
    classifier, _, _ = train_classifier(trainable=True)
    specification = keras.InputSpec(dtype="string", shape=(None,))
    classifier.export(tmp_path / "export", input_signature=[specification], verbose=False)
    exported = tf.saved_model.load(str(tmp_path / "export"))
    found = exported.serve(tf.constant(TEXTS)).numpy()
    assert np.abs(found - classifier.predict_texts(TEXTS)).max() < 1e-6


def test_layer_without_its_graph_is_an_error(folder):
    layer = HubEmbedding.from_folder(folder, trainable=True)
    bare = HubEmbedding.from_config(layer.get_config())
    assert [weight.shape for weight in bare.weights] == [weight.shape for weight in layer.weights]
    with pytest.raises(EmbeddingError, match="no graph yet"):
        bare.call(tf.constant(["apple"]))


@pytest.mark.slow
def test_model_with_a_replaced_embedding_is_refused(train_classifier, save_function, tmp_path):
    def write_file(texts, path):
        tf.io.write_file(path, "x")
        return tf.zeros([tf.size(texts), 4])

    classifier, _, _ = train_classifier(trainable=False)
    classifier.save(tmp_path / "model.keras")
    target = tmp_path / "target"
    save_function(tmp_path / "bad", functools.partial(write_file, path=str(target)))
    malicious = (tmp_path / "bad" / "saved_model.pb").read_bytes()
    with (
        zipfile.ZipFile(tmp_path / "model.keras") as good,
        zipfile.ZipFile(tmp_path / "malicious.keras", "w") as bad,
    ):
        for entry in good.infolist():
            is_graph = entry.filename.endswith(".pb")
            bad.writestr(entry, malicious if is_graph else good.read(entry))
    # Keras decides which class it raises.
    with pytest.raises(
        Exception,
        match="the text embedding in the model is refused: its graph contains the operation WriteF",
    ):
        keras.models.load_model(tmp_path / "malicious.keras")
    assert not target.exists()


@pytest.mark.slow
def test_embedding_is_saved_as_it_was_loaded(train_classifier, folder, tmp_path):
    classifier, _, _ = train_classifier(trainable=False)
    (folder / "assets" / "tokens.txt").write_text("changed\nin\nthe\nmean\ntime")
    (folder / "secret").write_text("not a part of it")
    classifier.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        assert "secret" not in " ".join(archive.namelist())
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert np.abs(loaded.predict_texts(TEXTS) - classifier.predict_texts(TEXTS)).max() < 1e-6
    copy = loaded.encoder._embedding.folder
    assert copy.is_dir()
    del loaded
    gc.collect()
    assert not copy.exists()


def test_trainable_layer_uses_the_function_for_training(tmp_path):
    class Scaled(tf.Module):
        def __init__(self):
            self.rows = tf.Variable(tf.ones([3, 4]), name="rows")

        @tf.function
        def __call__(self, texts, training=False):
            rows = tf.gather(self.rows, tf.strings.length(texts) % 3)
            return rows * 10 if training else rows

    module = Scaled()
    for training in (False, True):
        strings = tf.TensorSpec([None], tf.string)
        module.__call__.get_concrete_function(strings, training=training)
    tf.saved_model.save(module, str(tmp_path / "model"))
    texts = tf.constant(["apple"])
    for trainable, factor in {True: 10, False: 1}.items():
        layer = HubEmbedding.from_folder(tmp_path / "model", trainable=trainable)
        assert layer(texts, training=True).numpy().tolist() == [[factor] * 4]
        assert layer(texts).numpy().tolist() == [[1] * 4]


def test_weights_are_trainable_if_the_embedding_says_so(tmp_path):
    class Plain(tf.Module):
        def __init__(self):
            self.rows = tf.Variable(tf.ones([3, 4]), name="rows")
            self.scale = tf.Variable(2.0, trainable=False, name="scale")

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def __call__(self, texts):
            return tf.gather(self.rows, tf.strings.length(texts) % 3) * self.scale

    tf.saved_model.save(Plain(), str(tmp_path / "model"))
    layer = HubEmbedding.from_folder(tmp_path / "model", trainable=True)
    assert [weight.name for weight in layer.trainable_weights] == ["rows"]
    assert [weight.name for weight in layer.non_trainable_weights] == ["scale"]


def test_embedding_without_trainable_weights_is_refused_unless_it_is_frozen(
    tmp_path, save_function, configure, find_error
):
    save_function(tmp_path / "model", lambda texts: tf.zeros([tf.size(texts), 4]))
    message = find_error(lambda: build_model(configure(tmp_path / "model"), n_labels=2))
    assert message == (
        f"{tmp_path / 'model'} has no trainable weights; to use it as it is:"
        " --set model.trainable=false"
    )
    model = build_model(configure(tmp_path / "model", trainable=False), n_labels=2)
    assert model.network.count_params() == (4 * 16 + 16) + 17


@pytest.mark.parametrize("trainable", ["true", "false"])
def test_description_of_the_model_counts_the_embedding(cli, folder, trainable):
    options = ["--set", f"model.handle={folder}", "--set", f"model.trainable={trainable}"]
    document = cli("models", "hub", "--dataset", "bbc", *options, "--format", "json").json
    assert document["n_parameters"] == 6 * 4 + (4 * 16 + 16) + (16 * 5 + 5)
    embedding = next(row for row in document["layers"] if row["layer"] == "embedding")
    assert (embedding["output_shape"], embedding["n_parameters"]) == ([4], 24)
