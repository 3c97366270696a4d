"""Adam with one pass over each weight, or over the rows that a batch uses."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("textclf")
class FusedAdam(keras.optimizers.Adam):  # type: ignore[misc]
    """Adam (Kingma and Ba, 2015) as one TensorFlow kernel per weight.

    Keras's own Adam runs about ten operations, each of which reads and writes all weights, and
    which dominate a step of a large embedding. The formula and the variables are the same. Rounding
    differs, so weights differ in their last digits.

    Raises:
        ValueError: AMSGrad or a beta of 0 is asked for.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.amsgrad or not (self.beta_1 and self.beta_2):
            raise ValueError(
                f"{type(self).__name__} has no AMSGrad and no beta of 0; use keras.optimizers.Adam"
            )

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update a weight and its two moments in place.

        Args:
            gradient: Tensor or tf.IndexedSlices of the weight's shape.
            variable: tf.Variable of a floating-point type.
            learning_rate: Learning rate of this step, before bias correction.
        """
        index = self._get_variable_index(variable)
        m, v = self._momentums[index].value, self._velocities[index].value
        dtype = variable.dtype
        beta_1, beta_2 = tf.constant(self.beta_1, dtype), tf.constant(self.beta_2, dtype)
        gradient = tf.cast(gradient, dtype)
        if isinstance(gradient, tf.IndexedSlices):
            # Added before the kernel decays both moments, hence the division by beta. As in Keras,
            # a row that occurs twice adds two squares, not the square of the sum.
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


@keras.saving.register_keras_serializable("textclf")
class LazyAdam(FusedAdam):
    """Adam that updates only those rows of a weight that a batch uses.

    The moments of the other rows do not decay, so that a step costs as much as the rows that have a
    gradient (``LazyAdam`` of TensorFlow Addons, ``torch.optim.SparseAdam``). Weights with a dense
    gradient are updated as by `FusedAdam`.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update a weight and its two moments in place.

        Args:
            gradient: Tensor or tf.IndexedSlices of the weight's shape.
            variable: tf.Variable of a floating-point type.
            learning_rate: Learning rate of this step, before bias correction.
        """
        if not isinstance(gradient, tf.IndexedSlices):
            super().update_step(gradient, variable, learning_rate)
            return
        index = self._get_variable_index(variable)
        m, v = self._momentums[index].value, self._velocities[index].value
        dtype = variable.dtype
        step = tf.cast(self.iterations + 1, dtype)
        bias = tf.sqrt(1 - tf.pow(tf.cast(self.beta_2, dtype), step))
        bias /= 1 - tf.pow(tf.cast(self.beta_1, dtype), step)
        rows, position = tf.unique(gradient.indices)
        total = tf.math.unsorted_segment_sum(
            tf.cast(gradient.values, dtype), position, tf.size(rows)
        )
        new_m = self.beta_1 * tf.gather(m, rows) + (1 - self.beta_1) * total
        new_v = self.beta_2 * tf.gather(v, rows) + (1 - self.beta_2) * tf.square(total)
        m.scatter_update(tf.IndexedSlices(new_m, rows))
        v.scatter_update(tf.IndexedSlices(new_v, rows))
        change = tf.cast(learning_rate, dtype) * bias * new_m / (tf.sqrt(new_v) + self.epsilon)
        variable.scatter_sub(tf.IndexedSlices(change, rows))


@keras.saving.register_keras_serializable("textclf")
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """Learning rate that rises linearly from zero, and then follows another schedule.

    Args:
        peak: Learning rate at the end of the warm-up.
        n_steps: Steps of the warm-up; the first one has the rate ``peak / n_steps``.
        after: Keras schedule of the later steps, which begins with ``peak``; or ``peak``.
    """

    def __init__(self, peak: float, n_steps: int, after: Any) -> None:
        super().__init__()
        self.peak = peak
        self.n_steps = n_steps
        self.after = after

    def __call__(self, step: Any) -> Any:
        """Return the learning rate of a step, the first of which is number 0."""
        step = tf.cast(step, tf.float32)
        rising = self.peak * (step + 1) / self.n_steps
        later = self.after(step - self.n_steps) if callable(self.after) else self.peak
        return tf.where(step < self.n_steps, rising, later)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        after = keras.saving.serialize_keras_object(self.after)
        return {"peak": self.peak, "n_steps": self.n_steps, "after": after}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "WarmUp":
        """Rebuild the schedule from `get_config`."""
        return cls(**{**config, "after": keras.saving.deserialize_keras_object(config["after"])})
