"""Prints the validation accuracy of settings of ngram, as in docs/how-to/ngrams.md.

Example: python scripts/benchmarks/choose_ngram_settings.py > settings.md

Takes about fifteen minutes on two cores; needs the real Reuters and IMDB in their caches.
"""

import itertools
import math
import statistics
from typing import Any

import textclf
from textclf.tables import Column, format_number, format_table

DATASETS = ("bbc", "imdb", "reuters")
GRID = {
    "model.max_ngram": (1, 2),
    "model.ratio": ("ones", "naive-bayes"),
    "model.C": (0.25, 0.5, 1.0),
}


def main() -> None:
    """Train every combination with one seed, and print the table and the standard error."""
    rows: list[dict[str, Any]] = []
    errors: dict[str, float] = {}
    for values in itertools.product(*GRID.values()):
        overrides = dict(zip(GRID, values, strict=True))
        row: dict[str, Any] = {key.split(".")[1]: value for key, value in overrides.items()}
        for dataset in DATASETS:
            run = textclf.train("ngram", dataset, seed=1, overrides=overrides)
            row[dataset] = run.history[-1].val_accuracy
            n_examples = len(textclf.load_dataset(dataset).validation)
            errors[dataset] = math.sqrt(row[dataset] * (1 - row[dataset]) / n_examples)
        row["mean"] = statistics.fmean(row[dataset] for dataset in DATASETS)
        rows.append(row)
    number = format_number(4)
    columns = [Column(key.split(".")[1], key) for key in GRID]
    columns += [Column(name, name, number, numeric=True) for name in (*DATASETS, "mean")]
    print(format_table(rows, columns, "markdown"))
    print(f"\nstandard error of the mean: {math.hypot(*errors.values()) / len(errors):.4f}")


if __name__ == "__main__":
    main()
