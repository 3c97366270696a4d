"""The dense layer over sparse rows, against dense products."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from textclf.text.sparse_dense import SparseDense

pytestmark = pytest.mark.usefixtures("tensorflow")

INPUTS = {
    "features": np.array([[4, 1, 0], [2, 0, 0], [0, 0, 0]], np.int32),
    "values": np.array([[0.6, 0.8, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]], np.float32),
}
DENSE = np.array([[0, 0.8, 0, 0, 0.6], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0]], np.float32)


def make_layer(**options):
    keras.utils.set_random_seed(1)
    layer = SparseDense(2, n_features=5, kernel_initializer="glorot_uniform", **options)
    layer.build(None)
    layer.bias.assign([0.5, -1.0])
    return layer


@pytest.mark.parametrize("activation", [None, "relu"])
def test_output_equals_that_of_a_dense_layer(activation):
    layer = make_layer(activation=activation)
    expected = DENSE @ layer.kernel.numpy() + [0.5, -1.0]
    if activation:
        expected = np.maximum(expected, 0)
    assert layer(INPUTS).numpy() == pytest.approx(expected, abs=1e-6)


def test_the_scale_multiplies_the_kernel_and_is_not_trained():
    layer = make_layer(is_scaled=True)
    layer.scale.assign(np.arange(10).reshape(5, 2))
    kernel = layer.kernel.numpy() * np.arange(10).reshape(5, 2)
    assert layer(INPUTS).numpy() == pytest.approx(DENSE @ kernel + [0.5, -1.0], abs=1e-5)
    assert [weight.name for weight in layer.trainable_weights] == ["kernel", "bias"]


def test_the_gradient_contains_only_the_rows_of_the_batch():
    layer = make_layer(penalties=np.ones(5))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(INPUTS, training=True)) + sum(layer.losses)
    gradient = tape.gradient(loss, layer.kernel.value)
    assert isinstance(gradient, tf.IndexedSlices)
    assert sorted(gradient.indices.numpy()) == [1, 2, 4] * (len(gradient.indices) // 3)


def test_penalties_of_an_epoch_are_the_squared_norm_of_the_kernel():
    in_texts = (DENSE > 0).sum(axis=0)
    layer = make_layer(penalties=1 / (2 * 0.7 * np.maximum(in_texts, 1)))
    layer(INPUTS, training=True)
    (penalty,) = layer.losses
    used = layer.kernel.numpy()[in_texts > 0]
    assert 3 * float(penalty) == pytest.approx((used**2).sum() / (2 * 0.7), rel=1e-5)
    layer(INPUTS)
    assert layer.losses == []  # Validation loss is that of the examples only.
