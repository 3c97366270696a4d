"""Rows and notes that describe a dataset: its source, sizes, labels and first texts."""

from typing import Any

import numpy as np

from textclf.config.schema import DatasetConfig
from textclf.data.dataset import TextDataset
from textclf.data.loading import describe_source, load_dataset
from textclf.errors import format_list
from textclf.registry import describe
from textclf.tables import Column, format_number, format_start

FEW_EXAMPLES = 10
"""Labels with fewer training examples are named in a note."""

N_NAMED = 5
"""Labels that a note names."""

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


def list_notes(dataset: TextDataset) -> list[str]:
    """Return what was noticed while reading a dataset, and which labels have few examples."""
    rows, n_labels = count_labels(dataset), f"{len(dataset.label_names):,} labels"
    few = {row["label"]: row["train"] for row in rows if row["train"] < FEW_EXAMPLES}
    found = {
        "labels without training examples, which are never predicted": [
            label for label, n in few.items() if not n
        ],
        f"labels with fewer than {FEW_EXAMPLES} training examples": [
            label for label, n in few.items() if n
        ],
        "labels without test examples": [
            row["label"] for row in rows if row["train"] and not row["test"]
        ],
    }
    notes = list(dataset.notes)
    for problem, labels in found.items():
        if labels:
            shown = format_list([*map(repr, labels)], N_NAMED)
            notes.append(f"{problem}: {shown} ({len(labels):,} of {n_labels})")
    for name, split in dataset.splits.items():
        if len(np.unique(split.labels)) == 1:
            label = dataset.label_names[split.labels[0]]
            notes.append(f"the {name} split has only one label, {label!r}")
    return notes


def describe_dataset(config: DatasetConfig) -> dict[str, Any]:
    """Load a dataset, and return its source, sizes, notes, labels and first texts.

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
        "notes": list_notes(dataset),
        "labels": count_labels(dataset),
        "samples": [
            {"label": dataset.label_names[label], "text": format_start(SAMPLE_CHARACTERS)(text)}
            for text, label in samples
        ],
    }
