"""Selects the examples of a split that measure accuracy on unseen texts."""

import numpy as np

from textclf.data.dataset import TextDataset
from textclf.data.overlap import Mask, Overlap


def select_subsets(dataset: TextDataset, split: str) -> dict[str, Mask]:
    """Return the examples of a split that measure accuracy on unseen texts.

    Args:
        dataset: Dataset with all its splits.
        split: ``validation`` or ``test``.

    Returns:
        <bool>[texts] for ``all``, ``not_leaked`` (in this split only), ``not_conflicting`` (under
        one label only) and ``clean`` (both).
    """
    overlap = Overlap.of(dataset)
    leaked = overlap.select(overlap.leaked, split)
    conflicting = overlap.select(overlap.conflicting, split)
    return {
        "all": np.ones(len(leaked), bool),
        "not_leaked": ~leaked,
        "not_conflicting": ~conflicting,
        "clean": ~leaked & ~conflicting,
    }
