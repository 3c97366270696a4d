"""The calibration of a network as a Keras layer, which is saved with the network."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np


@keras.saving.register_keras_serializable("textclf")
class CalibrationLayer(keras.layers.Layer):  # type: ignore[misc]
    """Calibrates probabilities, <float32>[batch, labels], by the formula of `Calibration`.

    Args:
        inverse_temperature: Factor of the logarithms of the probabilities.
        prior_weight: Weight of ``prior``.
        prior: Frequency of each label; one zero if it is not mixed in.
        options: Options of every Keras layer.
    """

    def __init__(
        self,
        *,
        inverse_temperature: float,
        prior_weight: float,
        prior: Sequence[float],
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.inverse_temperature = inverse_temperature
        self.prior_weight = prior_weight
        self.prior = tuple(prior)

    def call(self, probabilities: Any) -> Any:
        """Return calibrated probabilities, <float32>[batch, labels]."""
        smallest = float(np.finfo(np.float32).tiny)  # The logarithm of zero is not finite.
        scores = keras.ops.log(keras.ops.maximum(probabilities, smallest))
        scaled = keras.ops.softmax(self.inverse_temperature * scores)
        prior = keras.ops.convert_to_tensor(self.prior, scaled.dtype)
        return (1 - self.prior_weight) * scaled + self.prior_weight * prior

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {
            **super().get_config(),
            "inverse_temperature": self.inverse_temperature,
            "prior_weight": self.prior_weight,
            "prior": list(self.prior),
        }
