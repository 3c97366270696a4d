"""Near copies: texts that share most pairs of neighbouring words, found by MinHash."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from textclf.data.text_store import BLOCK
from textclf.text.encoder import tokenize

SIMILARITY = 0.5
"""Share of two texts' pairs of words that is common to both, from which on they are near copies.

A text of 200 words in which 20 were exchanged, here and there, shares two thirds of its pairs with
what it was.
"""
MIN_PAIRS = 4
"""A text with fewer pairs of words is too short to be near anything."""

N_BANDS, BAND_SIZE = 32, 4
"""A pair as similar as 0.5 falls into the same bucket of a band with 1 - (1 - 0.5^4)^32 = 87 %; one
of 0.68, with 99.9 % (Leskovec, Rajaraman, Ullman: Mining of Massive Datasets, section 3.4)."""

FACTOR = np.uint64(0x9E3779B97F4A7C15)
"""Odd, of which any bit may be set; 2^64 divided by the golden ratio."""

Shingles = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class NearCopy:
    """Two texts, by their places, and the share of their pairs of words that both have."""

    place: int
    other: int
    similarity: float


@dataclass(frozen=True)
class Words:
    """What is counted and compared of texts.

    Attributes:
        lengths: <int64>[texts], words.
        shingles: of each text, the distinct pairs of neighbouring words, as sorted hashes.
    """

    lengths: npt.NDArray[np.int64]
    shingles: list[Shingles]

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Words":
        """Split texts into words, as `textclf.text` does."""
        lengths, shingles = [], []
        for start in range(0, len(texts), BLOCK):
            words = tokenize(tf.constant(texts[start : start + BLOCK]))
            hashes = tf.strings.to_hash_bucket_fast(words.flat_values, 2**62).numpy()
            counts = words.row_lengths().numpy()
            lengths.append(counts)
            rows = np.split(hashes.astype(np.uint64), np.cumsum(counts)[:-1])
            # The factor keeps "a b" and "b a" apart; the sum may flow over.
            shingles += [np.unique(row[:-1] * FACTOR + row[1:]) for row in rows]
        return cls(np.concatenate(lengths), shingles)


def find_near_copies(shingles: Sequence[Shingles], keys: npt.NDArray[np.uint64]) -> list[NearCopy]:
    """Find near copies among texts, the time growing with their number and not its square.

    Args:
        shingles: of each text.
        keys: <uint64>[texts]; of texts with the same key, which are no near but exact copies, the
            first alone takes part.

    Returns:
        Each text with the most similar of the earlier ones that were looked at; in order.
    """
    first = np.sort(np.unique(keys, return_index=True)[1])
    places = np.array([i for i in first if len(shingles[i]) >= MIN_PAIRS], np.int64)
    if not len(places):
        return []
    nearest: dict[int, NearCopy] = {}
    for place, other in sorted(_find_candidates(shingles, places)):
        similarity = measure_similarity(shingles[place], shingles[other])
        if similarity >= SIMILARITY:
            found = nearest.get(place)
            if found is None or similarity > found.similarity:
                nearest[place] = NearCopy(place, other, similarity)
    return list(nearest.values())


def measure_similarity(one: Shingles, other: Shingles) -> float:
    """Return the Jaccard similarity of two sets, in [0, 1]."""
    common = len(np.intersect1d(one, other, assume_unique=True))
    return common / max(1, len(one) + len(other) - common)


def _find_candidates(
    shingles: Sequence[Shingles], places: npt.NDArray[np.int64]
) -> set[tuple[int, int]]:
    """Return pairs of texts, the later first, that fall into one bucket of some band.

    Of a bucket, each text is paired with the first one and with the one before it: all pairs of a
    thousand equal forms would be half a million.
    """
    signatures = np.stack(list(_sign(shingles, places)))
    candidates: set[tuple[int, int]] = set()
    for band in range(N_BANDS):
        rows = signatures[:, band * BAND_SIZE : (band + 1) * BAND_SIZE]
        _, bucket = np.unique(rows, axis=0, return_inverse=True)
        order = np.argsort(bucket.ravel(), kind="stable")
        ordered = bucket.ravel()[order]
        begins = np.flatnonzero(np.diff(ordered, prepend=-1))
        heads = np.repeat(begins, np.diff(begins, append=len(ordered)))
        later = np.flatnonzero(heads != np.arange(len(ordered)))
        for earlier in (heads[later], later - 1):
            pairs = zip(places[order[later]].tolist(), places[order[earlier]].tolist(), strict=True)
            candidates.update(pairs)
    return candidates


def _sign(
    shingles: Sequence[Shingles], places: npt.NDArray[np.int64]
) -> Iterator[npt.NDArray[Any]]:
    """Yield the MinHash signature of each text."""
    from datasketch import MinHash

    blank = MinHash(num_perm=N_BANDS * BAND_SIZE, seed=1, hashfunc=int)
    for place in places:
        signature = blank.copy()
        # The hash function of datasketch gives 32 bits.
        signature.update_batch((shingles[place] >> np.uint64(32)).tolist())
        yield signature.hashvalues
