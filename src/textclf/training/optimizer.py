"""Adam, in one pass over each weight."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("textclf")
class FusedAdam(keras.optimizers.Adam):  # type: ignore[misc]
    """Adam (Kingma and Ba, 2015) as one kernel of TensorFlow for each weight.

    Keras's own takes about ten operations, each of which reads and writes all weights: most of
    what a step of a large embedding costs. The formula and the variables are the same; rounding is
    not, so that weights differ in their last bits.

    Raises:
        ValueError: AMSGrad or a beta of 0 is asked for, which this cannot do.
    """

    def __init__(self, *words: Any, **options: Any) -> None:
        super().__init__(*words, **options)
        if self.amsgrad or not (self.beta_1 and self.beta_2):
            raise ValueError("FusedAdam has no AMSGrad and no beta of 0; use keras.optimizers.Adam")

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update a weight, and its two moments, in place.

        Args:
            gradient: tensor or tf.IndexedSlices of the weight's shape.
            variable: tf.Variable of a float type.
            learning_rate: of this step, before the correction of the moments' bias.
        """
        place = self._get_variable_index(variable)
        m, v = self._momentums[place].value, self._velocities[place].value
        dtype = variable.dtype
        beta_1, beta_2 = tf.constant(self.beta_1, dtype), tf.constant(self.beta_2, dtype)
        gradient = tf.cast(gradient, dtype)
        if isinstance(gradient, tf.IndexedSlices):
            # What the kernel would add, before it shrinks both moments. As in Keras, a row that
            # occurs twice adds two squares, and not the square of its sum.
            values, rows = gradient.values, gradient.indices
            m.scatter_add(tf.IndexedSlices(values * ((1 - beta_1) / beta_1), rows))
            v.scatter_add(tf.IndexedSlices(tf.square(values) * ((1 - beta_2) / beta_2), rows))
            gradient = tf.zeros_like(variable)
        step = tf.cast(self.iterations + 1, dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=m.handle,
            v=v.handle,
            beta1_power=tf.pow(beta_1, step),
            beta2_power=tf.pow(beta_2, step),
            lr=tf.cast(learning_rate, dtype),
            beta1=beta_1,
            beta2=beta_2,
            epsilon=tf.constant(self.epsilon, dtype),
            grad=gradient,
        )
