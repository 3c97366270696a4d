"""Calibrated probabilities: a temperature, and a mixture with the label frequencies."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Calibration:
    """Turns scores into (1 - e) * softmax(t * scores) + e * prior.

    Attributes:
        inverse_temperature: t > 0.
        prior_weight: e in [0, 1).
        prior: Frequency of each label in the training split; one zero if it is not mixed in.
    """

    inverse_temperature: float
    prior_weight: float
    prior: tuple[float, ...]

    @classmethod
    def without_prior(cls, inverse_temperature: float = 1.0) -> "Calibration":
        """Return a calibration that mixes nothing in; with 1.0, it changes no probability."""
        return cls(inverse_temperature, 0.0, (0.0,))

    @property
    def temperature(self) -> float:
        """What the scores are divided by (Guo et al. 2017)."""
        return 1 / self.inverse_temperature

    def apply(self, scores: Scores) -> npt.NDArray[np.float64]:
        """Return probabilities, <float64>[n, labels].

        Args:
            scores: <float>[n, labels], decisions or logarithms of probabilities; minus infinity
                for labels that the model does not know.
        """
        from scipy.special import softmax

        scaled = softmax(self.inverse_temperature * scores, axis=1)
        mixed = (1 - self.prior_weight) * scaled + self.prior_weight * np.array(self.prior)
        return np.asarray(mixed, np.float64)

    def undo(self, probabilities: Scores) -> npt.NDArray[np.float64]:
        """Return the softmax of the scores whose calibrated probabilities are given.

        Args:
            probabilities: <float>[n, labels], from `apply`. Those that rounding has made equal to
                the part of the prior become almost zero.
        """
        from scipy.special import softmax

        unmixed = probabilities - self.prior_weight * np.array(self.prior)
        return np.asarray(softmax(self.temperature * take_logarithm(unmixed), axis=1), np.float64)


def take_logarithm(probabilities: Scores) -> npt.NDArray[np.float64]:
    """Return the scores of probabilities, <float64>[n, labels], which are finite."""
    return np.log(np.maximum(probabilities, np.finfo(np.float32).tiny, dtype=np.float64))


def append_calibration(network: Any, calibration: Calibration) -> Any:
    """Return a network that shares the weights of another and ends in calibrated probabilities."""
    import keras

    outputs = _make_layer(calibration)(network.outputs[0])
    return keras.Model(network.inputs, outputs, name=network.name)


def make_calibration_network(calibration: Calibration, *, n_labels: int) -> Any:
    """Return a network that calibrates the probabilities of another, <float32>[batch, n_labels]."""
    import keras

    inputs = keras.Input((n_labels,))
    return keras.Model(inputs, _make_layer(calibration)(inputs))


def _make_layer(calibration: Calibration) -> Any:
    from textclf.text.calibration_layer import CalibrationLayer

    # Without a fixed name, Keras would number layers and the number would be in model.keras.
    return CalibrationLayer(**asdict(calibration), dtype="float32", name="calibrated_probabilities")
