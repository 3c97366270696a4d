"""A dense layer over sparse rows, which is saved with the network."""

from typing import Any

import keras
import numpy.typing as npt
import tensorflow as tf


@keras.saving.register_keras_serializable("textclf")
class SparseDense(keras.layers.Layer):  # type: ignore[misc]
    """A dense layer that takes the positions and the values of features that are not zero.

    Args:
        units: Size of the output.
        n_features: Number of features.
        activation: Name of an activation.
        kernel_initializer: Initial weights.
        is_scaled: Whether the kernel is multiplied by weights that are not trained, ``scale``.
        penalties: <float>[n_features], factor of the squared weights of a feature, which are added
            to the loss of each training example that has the feature. It is not saved.
    """

    def __init__(
        self,
        units: int,
        *,
        n_features: int,
        activation: str | None = None,
        kernel_initializer: str = "zeros",
        is_scaled: bool = False,
        penalties: npt.NDArray[Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.units = units
        self.n_features = n_features
        self.activation = activation
        self.kernel_initializer = kernel_initializer
        self.is_scaled = is_scaled
        self._penalties = penalties

    def build(self, input_shape: Any) -> None:  # noqa: ARG002
        """Create the weights."""
        shape = (self.n_features, self.units)
        # Not cast as a whole to the precision of the computation, but only what is gathered.
        self.kernel = self.add_weight(
            name="kernel", shape=shape, initializer=self.kernel_initializer, autocast=False
        )
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")
        if self.is_scaled:
            self.scale = self.add_weight(
                name="scale",
                shape=shape,
                initializer="ones",
                trainable=False,
                autocast=False,
            )

    def call(self, inputs: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Return <float>[batch, units], in the precision of the computation.

        Args:
            inputs: ``features`` <int32>[batch, n] and ``values`` <float32>[batch, n]; those with
                the value 0 are left out.
            training: Whether the penalty is added to the loss.
        """
        features, values = inputs["features"], inputs["values"]
        is_used = values > 0
        rows, n_rows = tf.where(is_used)[:, 0], tf.shape(values)[0]
        features, values = tf.boolean_mask(features, is_used), tf.boolean_mask(values, is_used)
        # Gathered, so that the gradient contains the features of the batch only.
        weights = tf.gather(tf.convert_to_tensor(self.kernel), features)
        if training and self._penalties is not None:
            factors = tf.gather(tf.constant(self._penalties, tf.float32), features)
            squares = tf.reduce_sum(tf.square(weights), axis=1)
            self.add_loss(tf.tensordot(factors, squares, 1) / tf.cast(n_rows, tf.float32))
        if self.is_scaled:
            weights *= tf.gather(tf.convert_to_tensor(self.scale), features)
        weighted = tf.cast(weights, self.compute_dtype) * values[:, None]
        outputs = tf.math.unsorted_segment_sum(weighted, rows, n_rows) + self.bias
        return keras.activations.get(self.activation)(outputs)

    def compute_output_spec(self, inputs: Any, training: bool = False) -> keras.KerasTensor:  # noqa: ARG002
        """Return the output's shape and dtype."""
        return keras.KerasTensor((inputs["values"].shape[0], self.units), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments except the penalties, which only training needs."""
        return {
            **super().get_config(),
            "units": self.units,
            "n_features": self.n_features,
            "activation": self.activation,
            "kernel_initializer": self.kernel_initializer,
            "is_scaled": self.is_scaled,
        }
