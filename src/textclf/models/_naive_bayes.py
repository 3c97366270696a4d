"""The log-count ratios of naive Bayes (Wang and Manning, Baselines and Bigrams, ACL 2012)."""

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64] | npt.NDArray[np.float64]


def log_count_ratios(
    inside: Counts, outside: Counts, *, alpha: float = 1.0
) -> npt.NDArray[np.float64]:
    """Return by how much more frequent each n-gram is in texts with a label, <float64>[..., n].

    Args:
        inside: [..., n-grams], number of texts with the label that contain the n-gram.
        outside: [..., n-grams], number of texts without the label that contain it.
        alpha: Added to each number; 1 in the paper.
    """
    with_label, without = (
        smoothed / smoothed.sum(axis=-1, keepdims=True)
        for smoothed in (inside + alpha, outside + alpha)
    )
    ratios: npt.NDArray[np.float64] = np.log(with_label / without)
    return ratios
