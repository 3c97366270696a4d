"""Text embeddings are loaded from a copy, and what is not a text embedding is refused."""

import gc
import shutil

import pytest
import tensorflow as tf

from textclf.hub.text_embedding import TextEmbedding, describe_embedding

pytestmark = pytest.mark.usefixtures("tensorflow")

STRINGS = tf.TensorSpec([None], tf.string)
IMAGES = tf.TensorSpec([None, 8, 8, 3], tf.float32)


def test_saved_model_of_something_else_is_refused(tmp_path, save_function, find_error):
    path = tmp_path / "model"
    message = find_error(TextEmbedding, tmp_path)
    assert f"{tmp_path} is not a SavedModel, or cannot be copied: " in message
    save_function(path, lambda images: tf.reduce_mean(images, [1, 2]), IMAGES)
    assert f"{path} does not take texts" in find_error(TextEmbedding, path)
    save_function(path, tf.strings.length)
    assert f"{path} returns " in find_error(TextEmbedding, path)
    tf.saved_model.save(tf.train.Checkpoint(), str(path))
    assert "is a SavedModel that cannot be called" in find_error(TextEmbedding, path)
    (path / "tfhub_module.pb").write_bytes(b"\x08\x03")
    assert "is a TF1 module; use its TF2 version" in find_error(TextEmbedding, path)


def test_missing_assets_are_one_line_with_a_remedy(folder, find_error):
    shutil.rmtree(folder / "assets")
    message = find_error(TextEmbedding, folder)
    assert f"{folder} cannot be loaded: " in message
    assert message.endswith("if it is damaged, delete it and download it again")


def test_missing_weights_are_one_line(folder, find_error):
    next(folder.glob("variables/*.index")).unlink()
    assert f"{folder} cannot be loaded: " in find_error(TextEmbedding, folder)


def test_copy_lasts_as_long_as_the_embedding(folder):
    (folder / "secret").write_text("not a part of a SavedModel")
    embedding = TextEmbedding(folder)
    copy = embedding.folder
    assert {path.name for path in copy.iterdir()} == {"saved_model.pb", "variables", "assets"}
    del embedding
    gc.collect()
    assert not copy.exists()


def save_with_training(path, function):
    """Save a module that has another function for training."""

    class Module(tf.Module):
        def __init__(self):
            self.rows = tf.Variable(tf.ones([3, 4]), name="rows")

        @tf.function
        def __call__(self, texts, training=False):
            rows = tf.gather(self.rows, tf.strings.length(texts) % 3)
            return function(rows) if training else rows

    module = Module()
    for training in (False, True):
        module.__call__.get_concrete_function(STRINGS, training=training)
    tf.saved_model.save(module, str(path))


def test_function_for_training_is_used_unless_it_draws_random_numbers(tmp_path):
    save_with_training(tmp_path / "scaled", lambda rows: 10 * rows)
    functions = TextEmbedding(tmp_path / "scaled").functions
    texts = tf.constant(["apple"])
    assert functions[True](texts).numpy().tolist() == [[10] * 4]
    assert functions[False](texts).numpy().tolist() == [[1] * 4]
    save_with_training(tmp_path / "dropout", lambda rows: tf.nn.dropout(rows, 0.5, seed=1))
    functions = TextEmbedding(tmp_path / "dropout").functions
    assert functions[True] is functions[False]


def test_module_without_lists_of_variables_has_tensorflow_s_own(tmp_path):
    class Plain(tf.Module):
        def __init__(self):
            self.rows = tf.Variable(tf.ones([3, 4]), name="rows")
            self.scale = tf.Variable(2.0, trainable=False, name="scale")

        @tf.function(input_signature=[STRINGS])
        def __call__(self, texts):
            return tf.gather(self.rows, tf.strings.length(texts) % 3) * self.scale

    tf.saved_model.save(Plain(), str(tmp_path / "model"))
    weights = TextEmbedding(tmp_path / "model").describe_weights()
    assert {weight["name"]: weight["trainable"] for weight in weights} == {
        "rows": True,
        "scale": False,
    }


def test_listed_weight_without_a_gradient_is_not_trainable(tmp_path):
    rows = tf.Variable(tf.ones([3, 4]), trainable=False)
    model = tf.train.Checkpoint()
    model.trainable_variables = [rows]
    model.__call__ = tf.function(
        lambda texts: tf.gather(rows, tf.strings.length(texts) % 3), input_signature=[STRINGS]
    )
    tf.saved_model.save(model, str(tmp_path / "model"))
    weights = TextEmbedding(tmp_path / "model").describe_weights()
    assert [weight["trainable"] for weight in weights] == [False]


def test_description(folder, tmp_path, save_function):
    description = describe_embedding("small", folder)
    n_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert description == {
        "handle": "small",
        "dim": 4,
        "vocabulary_size": 5,
        "n_parameters": 24,
        "trainable": True,
        "bytes": n_bytes,
        "folder": str(folder),
    }
    save_function(tmp_path / "model", lambda texts: tf.zeros([tf.size(texts), 4]))
    description = describe_embedding("zeros", tmp_path / "model")
    assert description["vocabulary_size"] is None
    assert (description["n_parameters"], description["trainable"]) == (0, False)
