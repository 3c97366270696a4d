import numpy as np
import pytest
from support import make_overlapping_dataset

from textclf.config.resolve import resolve
from textclf.data.dataset import Split, TextDataset
from textclf.data.summary import N_NAMED, count_labels, describe_dataset, list_notes


def test_labels_are_counted_in_each_split():
    assert count_labels(make_overlapping_dataset()) == [
        {"label": "fruit", "train": 3, "validation": 1, "test": 3},
        {"label": "tool", "train": 2, "validation": 1, "test": 1},
    ]


def test_labels_without_examples_are_counted_as_zero():
    split = Split.from_lists(["apple"], [0])
    rows = count_labels(TextDataset("made", ("fruit", "tool"), split, split, split))
    assert rows[1] == {"label": "tool", "train": 0, "validation": 0, "test": 0}


def make(n_train, n_validation, n_test, notes=()):
    """Return a dataset with the given numbers of examples of each label in each split."""
    splits = [
        Split.from_lists([f"text {i}" for i in range(sum(counts))], np.repeat([0, 1], counts))
        for counts in (n_train, n_validation, n_test)
    ]
    return TextDataset("made", ("fruit", "tool"), *splits, notes=notes)


@pytest.mark.parametrize(
    ("counts", "notes"),
    [
        (((10, 10), (1, 1), (1, 1)), []),
        (
            ((10, 9), (1, 1), (1, 1)),
            ["labels with fewer than 10 training examples: 'tool' (1 of 2 labels)"],
        ),
        (
            ((10, 0), (1, 1), (1, 1)),
            [
                "labels without training examples, which are never predicted: 'tool' (1 of 2"
                " labels)",
                "the train split has only one label, 'fruit'",
            ],
        ),
        (
            ((10, 10), (1, 1), (0, 5)),
            [
                "labels without test examples: 'fruit' (1 of 2 labels)",
                "the test split has only one label, 'tool'",
            ],
        ),
        (((10, 10), (4, 0), (1, 1)), ["the validation split has only one label, 'fruit'"]),
        (
            ((1, 2), (1, 1), (1, 1)),
            ["labels with fewer than 10 training examples: 'fruit', 'tool' (2 of 2 labels)"],
        ),
    ],
)
def test_labels_that_cannot_be_learned_or_evaluated_are_noted(counts, notes):
    assert list_notes(make(*counts)) == notes
    assert list_notes(make(*counts, notes=("read",))) == ["read", *notes]


@pytest.mark.parametrize("n_labels", [N_NAMED, N_NAMED + 1])
def test_note_names_the_first_labels_only(n_labels):
    names = tuple(f"label {i}" for i in range(n_labels))
    split = Split.from_lists(["apple"] * n_labels, range(n_labels))
    [note] = list_notes(TextDataset("made", names, split, split, split))
    assert "'label 0', 'label 1', 'label 2', 'label 3', 'label 4'" in note
    assert "label 5" not in note
    end = f", ... ({n_labels} of {n_labels} labels)"
    assert note.endswith(end if n_labels > N_NAMED else end.replace(", ...", ""))


def test_description_has_source_sizes_labels_and_first_texts():
    config = resolve({"dataset": {"name": "bbc", "limit": 64}, "model": {"name": "mlp"}})
    document = describe_dataset(config.dataset)
    assert document["name"] == "bbc"
    assert document["summary"]
    assert set(document) >= {"download", "source", "license", "citation", "digest"}
    assert document["n_examples"] == {"train": 64, "validation": 64, "test": 64}
    assert [row["label"] for row in document["labels"]] == [
        "business",
        "entertainment",
        "politics",
        "sports",
        "tech",
    ]
    assert sum(row["train"] for row in document["labels"]) == 64
    assert len(document["samples"]) == 3
    for sample in document["samples"]:
        assert sample["label"] == "business"
        assert 0 < len(sample["text"]) <= 200
