"""What a method finds out about one text."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from textclf.text.spans import Token

FloatArray = npt.NDArray[np.floating[Any]]


class Attribution(NamedTuple):
    """The tokens of a text with their weights; `Explanation` describes score and baseline."""

    tokens: Sequence[Token]
    weights: FloatArray
    score: float
    baseline: float | None
