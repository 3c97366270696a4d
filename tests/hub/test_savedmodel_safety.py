"""SavedModels whose graph could do more than compute are refused before they are loaded."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from textclf.hub.savedmodel_safety import check_graph
from textclf.hub.text_embedding import TextEmbedding

pytestmark = pytest.mark.usefixtures("tensorflow")


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


def write_in_a_branch(texts, path):
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
        (write_in_a_branch, "WriteFile"),
    ],
)
def test_graph_that_accesses_files_is_not_loaded(
    function, operation, tmp_path, save_function, find_error
):
    target = tmp_path / "target"
    save_function(tmp_path / "model", functools.partial(function, path=str(target)))
    message = find_error(TextEmbedding, tmp_path / "model")
    assert f"is refused: its graph contains the operation {operation}," in message
    assert not target.exists()


def test_saved_model_of_tf1_is_refused(tmp_path, find_error):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        texts = tf.compat.v1.placeholder(tf.string, [None])
        lengths = tf.strings.to_number(tf.strings.as_string(tf.strings.length(texts)))
        builder = tf.compat.v1.saved_model.Builder(str(tmp_path / "model"))
        signature = tf.compat.v1.saved_model.predict_signature_def(
            {"texts": texts}, {"lengths": lengths}
        )
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature})
        builder.save()
    assert "is a TF1 SavedModel" in find_error(TextEmbedding, tmp_path / "model")


def test_damaged_graph_is_one_line(folder, find_error):
    path = folder / "saved_model.pb"
    check_graph(folder, "small")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    message = find_error(check_graph, folder, "small")
    assert message.startswith("small is damaged (saved_model.pb: ")
    assert message.endswith("; download it again")
