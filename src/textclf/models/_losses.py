"""The loss of linear support vector machines."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("textclf")
class SquaredHinge(keras.losses.Loss):  # type: ignore[misc]
    """Squared hinge loss of each label against all others, as in scikit-learn's ``LinearSVC``.

    Of two labels, only the second has a score.
    """

    def call(self, targets: tf.Tensor, scores: tf.Tensor) -> tf.Tensor:
        """Return the loss of each example, <float32>[batch].

        Args:
            targets: <float32>[batch, n_labels], one-hot.
            scores: <float32>[batch, n_labels].
        """
        first = 1 if scores.shape[1] == 2 else 0
        signs = 2 * targets[:, first:] - 1
        return tf.reduce_sum(tf.square(tf.nn.relu(1 - signs * scores[:, first:])), axis=1)
