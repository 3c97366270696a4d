"""Measures recall and precision of the search for near-duplicates.

Recall: in 500 texts of a dataset, a tenth of the words is replaced by other words of the dataset;
these near-duplicates are added, and each should be found together with its original. Precision: of
the pairs that are found in the dataset itself, a sample is compared word by word, in order, by
Python's difflib, which does not know how they were found.

Example: python scripts/benchmarks/plant_near_duplicates.py reuters imdb
"""

import argparse
import difflib
import random
from typing import TYPE_CHECKING

from textclf.config.resolve import resolve
from textclf.data.loading import load_dataset
from textclf.data.overlap import hash_texts
from textclf.runtime import backend

if TYPE_CHECKING:
    from textclf.auditing.near_duplicates import NearDuplicate

N_PLANTED, N_SAMPLED = 500, 200
MIN_RATIO = 0.6
"""A pair is correct if this fraction of the words of both texts appears in both, in order."""


def replace_words(text: str, vocabulary: list[str], rng: random.Random) -> str:
    """Replace a tenth of the words of a text, at least one, by words of the vocabulary."""
    words = text.split()
    for index in rng.sample(range(len(words)), max(1, round(len(words) / 10))):
        words[index] = rng.choice(vocabulary)
    return " ".join(words)


def find_pairs(texts: list[str]) -> "list[NearDuplicate]":
    """Return the near-duplicates that an audit finds."""
    from textclf.auditing.near_duplicates import ShingledTexts, find_near_duplicates

    return find_near_duplicates(ShingledTexts.of(texts).shingles, hash_texts(texts))


def measure_recall(texts: list[str], rng: random.Random) -> float:
    """Return the fraction of planted near-duplicates that are found with their original."""
    vocabulary = [word for text in rng.sample(texts, 1_000) for word in text.split()]
    long_enough = [i for i, text in enumerate(texts) if len(text.split()) >= 10]
    originals = rng.sample(long_enough, N_PLANTED)
    planted = texts + [replace_words(texts[i], vocabulary, rng) for i in originals]
    other_of = {pair.position: pair.other for pair in find_pairs(planted)}
    # An original that appears several times in the dataset may be found at another position.
    keys = hash_texts(texts)
    n_found = 0
    for position, original in enumerate(originals, len(texts)):
        other = other_of.get(position)
        n_found += other is not None and other < len(texts) and keys[other] == keys[original]
    return n_found / N_PLANTED


def measure_precision(texts: list[str], rng: random.Random) -> tuple[int, int, float]:
    """Return the number of pairs found, the number sampled, and the fraction of correct ones."""
    pairs = find_pairs(texts)
    sample = rng.sample(pairs, min(N_SAMPLED, len(pairs)))
    ratios = []
    for pair in sample:
        one, other = (texts[i].lower().split() for i in (pair.position, pair.other))
        ratios.append(difflib.SequenceMatcher(None, one, other, autojunk=False).ratio())
    n_correct = sum(ratio >= MIN_RATIO for ratio in ratios)
    return len(pairs), len(sample), n_correct / max(1, len(sample))


def main() -> None:
    """Print a row for each dataset."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("datasets", nargs="+", metavar="DATASET", help="Dataset to measure on.")
    datasets = parser.parse_args().datasets
    backend.import_tensorflow()
    print("| dataset | texts | recall of planted | pairs found | pairs sampled | precision |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name in datasets:
        tree = {"dataset": {"name": name}, "model": {"name": "majority"}}
        splits = load_dataset(resolve(tree).dataset).splits.values()
        texts = [text for split in splits for text in split.texts]
        rng = random.Random(0)  # noqa: S311 - not for cryptography
        n_pairs, n_sampled, precision = measure_precision(texts, rng)
        recall = measure_recall(texts, rng)
        print(
            f"| {name} | {len(texts):,} | {recall:.1%} of {N_PLANTED} | {n_pairs:,} | {n_sampled} |"
            f" {precision:.1%} |"
        )


if __name__ == "__main__":
    main()
