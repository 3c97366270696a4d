"""Computes the features of each text once, and caches them on disk by the content of the text.

So the runs of a comparison, a study or a learning curve share them, whatever their splits are.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from textclf.data.dataset import TextDataset
from textclf.data.text_store import BLOCK_SIZE
from textclf.runtime.progress import Reporter
from textclf.storage.arrays import ArrayWriter, read_rows, write_batches
from textclf.storage.cache import CacheEntry, CacheParts
from textclf.storage.checksums import hash_bytes

PART_SIZE = 512
"""Number of texts whose features are stored together; a killed process loses at most as many."""

MISSING = -1

Keys = npt.NDArray[np.bytes_]
"""A hash of each text, 32 hexadecimal digits."""


@runtime_checkable
class CachedEncoder(Protocol):
    """An encoder that takes long enough for its features to be cached.

    Attributes:
        feature_key: What decides the features of a text, besides the text; JSON.
        dim: Number of features.
    """

    feature_key: Mapping[str, Any]
    dim: int

    def encode_each(self, texts: Iterable[str]) -> Iterator[npt.NDArray[np.float32]]:
        """Yield the features <float32>[dim] of each text, which do not depend on the others."""


def encode_once(
    dataset: TextDataset, encoder: CachedEncoder, *, reporter: Reporter
) -> dict[str, npt.NDArray[np.float32]]:
    """Return the features of all texts by split, <float32>[texts, dim].

    If several processes need the same features, one computes them and the others wait.

    Args:
        dataset: Dataset to encode.
        encoder: What computes features.
        reporter: Prints progress and the time left.
    """
    keys = {name: _hash_texts(split.texts) for name, split in dataset.splits.items()}
    wanted = np.unique(np.concatenate(list(keys.values())))
    rows = np.full(len(wanted), MISSING)  # Where the features of each wanted text are written.
    parts = CacheParts("features", encoder.feature_key)
    with ArrayWriter(np.float32, encoder.dim) as writer, parts.locked():

        def take(entry: CacheEntry) -> None:
            positions = np.searchsorted(wanted, entry.arrays["keys"]).clip(max=len(wanted) - 1)
            is_new = (wanted[positions] == entry.arrays["keys"]) & (rows[positions] == MISSING)
            rows[positions[is_new]] = rows.max() + 1 + np.arange(is_new.sum())
            writer.append(entry.arrays["features"][is_new])

        for entry in parts.read():
            take(entry)
        missing = wanted[rows == MISSING]
        if len(missing) < len(wanted):
            reporter.info(f"{len(wanted) - len(missing):,} of {len(wanted):,} are in the cache")
        for entry in _compute(dataset, keys, missing, encoder, reporter):
            parts.add(hash_bytes(entry.arrays["keys"].tobytes())[:20], entry)
            take(entry)
        features = writer.finish()
    return {
        name: write_batches(_gather(features, rows[np.searchsorted(wanted, own)]))
        for name, own in keys.items()
    }


def _hash_texts(texts: Iterable[str]) -> Keys:
    return np.array([hash_bytes(text.encode())[:32] for text in texts], "S32")


def _compute(
    dataset: TextDataset,
    keys: Mapping[str, Keys],
    missing: Keys,
    encoder: CachedEncoder,
    reporter: Reporter,
) -> Iterator[CacheEntry]:
    """Yield the features of the texts that are missing, in the order of the dataset."""
    if not len(missing):
        return
    left = {*missing.tolist()}
    taken: list[bytes] = []
    rows: list[npt.NDArray[np.float32]] = []

    def take_texts() -> Iterator[str]:
        for name, split in dataset.splits.items():
            for key, text in zip(keys[name].tolist(), split.texts, strict=True):
                if key in left:
                    left.remove(key)
                    taken.append(key)
                    yield text

    with reporter.processing(len(missing), unit="texts") as advance:
        for row in encoder.encode_each(take_texts()):
            rows.append(row)
            advance(1)
            # The encoder may have taken more texts than it has encoded.
            if len(rows) == min(PART_SIZE, len(taken) + len(left)):
                part = np.array(taken[: len(rows)], "S32")
                yield CacheEntry({"keys": part, "features": np.stack(rows)}, {})
                del taken[: len(rows)]
                rows.clear()


def _gather(
    features: npt.NDArray[np.float32], positions: npt.NDArray[np.int64]
) -> Iterator[npt.NDArray[np.float32]]:
    for start in range(0, len(positions), BLOCK_SIZE):
        yield read_rows(features, positions[start : start + BLOCK_SIZE])
