"""Rows and warnings that describe a dataset: its source, sizes, labels and first texts."""

from typing import Any

import numpy as np

from textclf.config.schema import DatasetConfig
from textclf.data.dataset import TextDataset
from textclf.data.loading import describe_source, load_dataset
from textclf.registry import describe
from textclf.tables import Column, format_number, format_start

FEW_EXAMPLES = 10
"""Labels with fewer training examples are named in a warning."""

N_NAMED = 5
"""Labels that a warning names."""

N_SAMPLES = 3
SAMPLE_CHARACTERS = 200

SPLIT_COLUMNS = (
    Column("train", "train", format_number(), numeric=True),
    Column("validation", "validation", format_number(), numeric=True),
    Column("test", "test", format_number(), numeric=True),
)
LABEL_COLUMNS = (Column("label", "label", shrinks_to=16), *SPLIT_COLUMNS)


def count_labels(dataset: TextDataset) -> list[dict[str, Any]]:
    """Return a row for each label: its name, and its number of examples in each split."""
    counts = {
        name: np.bincount(split.labels, minlength=len(dataset.label_names)).tolist()
        for name, split in dataset.splits.items()
    }
    return [
        {"label": label, **{name: by_label[i] for name, by_label in counts.items()}}
        for i, label in enumerate(dataset.label_names)
    ]


def list_warnings(dataset: TextDataset) -> list[str]:
    """Return warnings of labels with few training examples, or without test examples."""
    warnings = []
    rows, n_labels = count_labels(dataset), len(dataset.label_names)
    for split, name, minimum in (("train", "training", FEW_EXAMPLES), ("test", "test", 1)):
        rare = [row["label"] for row in rows if row[split] < minimum]
        if rare:
            few = f"fewer than {minimum}" if minimum > 1 else "no"
            named = ", ".join(map(repr, rare[:N_NAMED])) + ", ..." * (len(rare) > N_NAMED)
            warnings.append(f"{len(rare)} of {n_labels} labels have {few} {name} examples: {named}")
    return warnings


def describe_dataset(config: DatasetConfig) -> dict[str, Any]:
    """Load a dataset, and return its source, sizes, labels with their counts, and first texts.

    Raises:
        TextclfError: The dataset does not exist or cannot be loaded.
    """
    dataset = load_dataset(config)
    samples = zip(dataset.train.texts[:N_SAMPLES], dataset.train.labels, strict=False)
    return {
        "name": config.name,
        "summary": describe("datasets", config.name, config.code),
        **describe_source(config),
        "n_examples": {name: len(split) for name, split in dataset.splits.items()},
        "digest": dataset.digest,
        "labels": count_labels(dataset),
        "samples": [
            {"label": dataset.label_names[label], "text": format_start(SAMPLE_CHARACTERS)(text)}
            for text, label in samples
        ],
    }
