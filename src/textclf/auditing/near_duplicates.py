"""Near-duplicates: texts that share most pairs of neighboring words, found by MinHash."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from textclf.data.text_store import BLOCK_SIZE
from textclf.text.tokenizer import tokenize
from textclf.text.tokens import normalize_text

MIN_SIMILARITY = 0.5
"""Jaccard similarity of the word pairs of two near-duplicates.

If 20 of 200 words are replaced at random, about two thirds of the pairs remain.
"""
MIN_PAIRS = 4
"""Texts with fewer word pairs are too short to be near-duplicates."""

N_BANDS, BAND_SIZE = 32, 4
"""Two texts of similarity s share a bucket of some band with probability 1 - (1 - s^4)^32: 87% for
0.5 and 99.9% for 0.68 (Leskovec, Rajaraman, Ullman: Mining of Massive Datasets, section 3.4)."""

HASH_FACTOR = np.uint64(0x9E3779B97F4A7C15)
"""Odd multiplier with well-mixed bits: 2^64 divided by the golden ratio (Knuth, TAOCP 6.4)."""

Shingles = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class NearDuplicate:
    """The positions of two texts, and the Jaccard similarity of their word pairs."""

    position: int
    other: int
    similarity: float


@dataclass(frozen=True)
class ShingledTexts:
    """Texts as sets of word pairs.

    Attributes:
        lengths: <int64>[texts], number of words.
        shingles: For each text, the sorted hashes of its distinct pairs of neighboring words.
    """

    lengths: npt.NDArray[np.int64]
    shingles: list[Shingles]

    @classmethod
    def of(cls, texts: Sequence[str]) -> "ShingledTexts":
        """Tokenize texts like the models."""
        lengths, shingles = [], []
        for start in range(0, len(texts), BLOCK_SIZE):
            normalized = [*map(normalize_text, texts[start : start + BLOCK_SIZE])]
            words = tokenize(tf.constant(normalized))
            hashes = tf.strings.to_hash_bucket_fast(words.flat_values, 2**62).numpy()
            counts = words.row_lengths().numpy()
            lengths.append(counts)
            rows = np.split(hashes.astype(np.uint64), np.cumsum(counts)[:-1])
            # The factor tells "a b" from "b a"; the sum may overflow.
            shingles += [np.unique(row[:-1] * HASH_FACTOR + row[1:]) for row in rows]
        return cls(np.concatenate(lengths), shingles)


def find_near_duplicates(
    shingles: Sequence[Shingles], keys: npt.NDArray[np.uint64]
) -> list[NearDuplicate]:
    """Find near-duplicates in time that grows linearly with the number of texts.

    Args:
        shingles: Shingles of each text.
        keys: <uint64>[texts]; of exact duplicates, which share a key, only the first is compared.

    Returns:
        For each near-duplicate, the most similar of the earlier texts it was compared with; in
        order of position.
    """
    first = np.sort(np.unique(keys, return_index=True)[1])
    positions = np.array([i for i in first if len(shingles[i]) >= MIN_PAIRS], np.int64)
    if not len(positions):
        return []
    nearest: dict[int, NearDuplicate] = {}
    for position, other in sorted(_find_candidates(_sign(shingles, positions), positions)):
        similarity = measure_similarity(shingles[position], shingles[other])
        if similarity >= MIN_SIMILARITY:
            found = nearest.get(position)
            if found is None or similarity > found.similarity:
                nearest[position] = NearDuplicate(position, other, similarity)
    return list(nearest.values())


def measure_similarity(one: Shingles, other: Shingles) -> float:
    """Return the Jaccard similarity of two sets, |A and B| / |A or B|, in [0, 1]."""
    common = len(np.intersect1d(one, other, assume_unique=True))
    return common / max(1, len(one) + len(other) - common)


def _find_candidates(
    signatures: npt.NDArray[np.uint64], positions: npt.NDArray[np.int64]
) -> set[tuple[int, int]]:
    """Return pairs of texts, the later first, that share a bucket in some band.

    Each text of a bucket is paired with the first text and with the one before it only, because
    all pairs of a thousand similar texts would be half a million.

    Args:
        signatures: <uint64>[texts, N_BANDS * BAND_SIZE], MinHash signatures.
        positions: <int64>[texts], position of each text in the dataset, ascending.
    """
    candidates: set[tuple[int, int]] = set()
    for band in np.split(signatures, N_BANDS, axis=1):
        _, bucket_of_text = np.unique(band, axis=0, return_inverse=True)
        # Texts sorted by bucket; the stable sort keeps their order within a bucket.
        by_bucket = np.argsort(bucket_of_text.ravel(), kind="stable")
        buckets = bucket_of_text.ravel()[by_bucket]
        starts = np.flatnonzero(np.diff(buckets, prepend=-1))
        first_in_bucket = np.repeat(starts, np.diff(starts, append=len(buckets)))
        later = np.flatnonzero(first_in_bucket != np.arange(len(buckets)))
        texts = positions[by_bucket]
        for earlier in (first_in_bucket[later], later - 1):
            candidates.update(zip(texts[later].tolist(), texts[earlier].tolist(), strict=True))
    return candidates


def _sign(shingles: Sequence[Shingles], positions: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """Return MinHash signatures, <uint64>[positions, N_BANDS * BAND_SIZE]."""
    from datasketch import MinHash

    # datasketch expects hashes of 32 bits.
    hashes = [(shingles[position] >> np.uint64(32)).tolist() for position in positions]
    signatures = MinHash.generator(hashes, num_perm=N_BANDS * BAND_SIZE, seed=1, hashfunc=int)
    return np.stack([signature.hashvalues for signature in signatures])
