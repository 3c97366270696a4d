"""Measures the search for near copies: planted ones that are found, and found ones that are copies.

In texts of a dataset a tenth of the words is exchanged for other words of the set, and the copies
are added to it. Of the pairs that are found without them, a sample is compared word by word, in
order, by Python's difflib, which knows nothing of how they were found.

Example: python scripts/benchmarks/plant_copies.py reuters imdb
"""

import argparse
import difflib
import random

from textclf.audit.near_duplicates import Words, find_near_copies
from textclf.config.resolve import resolve
from textclf.data.loading import load_dataset
from textclf.data.overlap import hash_texts
from textclf.runtime import backend

N_COPIES, N_SAMPLED = 500, 200
IN_ORDER = 0.6
"""Share of the words of both texts that stand in both in the same order, in a right pair."""


def exchange_words(text: str, vocabulary: list[str], rng: random.Random) -> str:
    """Exchange a tenth of the words of a text, at least one, for others of the vocabulary."""
    words = text.split()
    for place in rng.sample(range(len(words)), max(1, round(len(words) / 10))):
        words[place] = rng.choice(vocabulary)
    return " ".join(words)


def measure_recall(texts: list[str], rng: random.Random) -> float:
    """Return the share of planted copies that are found as a copy of what they are a copy of."""
    vocabulary = [word for text in rng.sample(texts, 1_000) for word in text.split()]
    long_enough = [i for i, text in enumerate(texts) if len(text.split()) >= 10]
    chosen = rng.sample(long_enough, N_COPIES)
    whole = texts + [exchange_words(texts[i], vocabulary, rng) for i in chosen]
    copies = find_near_copies(Words.of(whole).shingles, hash_texts(whole))
    found = {copy.place: copy.other for copy in copies}
    # A text that stands in the set several times may be found by its first place.
    keys = hash_texts(texts)
    right = sum(
        len(texts) + n in found and bool(keys[found[len(texts) + n]] == keys[i])
        for n, i in enumerate(chosen)
    )
    return right / N_COPIES


def measure_precision(texts: list[str], rng: random.Random) -> tuple[int, int, float]:
    """Return how many pairs were found and sampled, and the share of right ones of the latter."""
    copies = find_near_copies(Words.of(texts).shingles, hash_texts(texts))
    sample = rng.sample(copies, min(N_SAMPLED, len(copies)))
    ratios = []
    for copy in sample:
        one, other = (texts[i].lower().split() for i in (copy.place, copy.other))
        ratios.append(difflib.SequenceMatcher(None, one, other, autojunk=False).ratio())
    return len(copies), len(sample), sum(ratio >= IN_ORDER for ratio in ratios) / len(sample)


def main() -> None:
    """Print a row for each dataset."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("datasets", nargs="+")
    backend.import_tensorflow()
    print("| dataset | texts | planted copies found | pairs | sampled | of them right |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name in parser.parse_args().datasets:
        tree = {"dataset": {"name": name}, "model": {"name": "majority"}}
        splits = load_dataset(resolve(tree).dataset).splits.values()
        texts = [text for split in splits for text in split.texts]
        rng = random.Random(0)  # noqa: S311 - no secret
        n_pairs, n_sampled, precision = measure_precision(texts, rng)
        recall = measure_recall(texts, rng)
        print(
            f"| {name} | {len(texts):,} | {recall:.1%} of {N_COPIES} | {n_pairs:,} | {n_sampled} |"
            f" {precision:.1%} |"
        )


if __name__ == "__main__":
    main()
