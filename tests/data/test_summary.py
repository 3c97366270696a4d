import pytest
from support import make_overlapping_dataset

from textclf.config.resolve import resolve
from textclf.data.dataset import Split, TextDataset
from textclf.data.summary import N_NAMED, count_labels, describe_dataset, list_warnings
from textclf.testing import make_split


def test_labels_are_counted_in_each_split():
    assert count_labels(make_overlapping_dataset()) == [
        {"label": "fruit", "train": 3, "validation": 1, "test": 3},
        {"label": "tool", "train": 2, "validation": 1, "test": 1},
    ]


def test_labels_without_examples_are_counted_as_zero():
    split = Split.from_lists(["apple"], [0])
    rows = count_labels(TextDataset("made", ("fruit", "tool"), split, split, split))
    assert rows[1] == {"label": "tool", "train": 0, "validation": 0, "test": 0}


@pytest.mark.parametrize(("n_train", "n_test", "n_warnings"), [(20, 2, 0), (19, 2, 1), (19, 1, 2)])
def test_labels_with_few_training_examples_or_no_test_example_are_warned_of(
    n_train, n_test, n_warnings
):
    names = ("fruit", "tool")
    splits = (make_split(n, names) for n in (n_train, 2, n_test))
    warnings = list_warnings(TextDataset("made", names, *splits))
    assert (
        warnings
        == [
            "1 of 2 labels have fewer than 10 training examples: 'tool'",
            "1 of 2 labels have no test examples: 'tool'",
        ][:n_warnings]
    )


@pytest.mark.parametrize("n_labels", [N_NAMED, N_NAMED + 1])
def test_warning_names_the_first_labels_only(n_labels):
    names = tuple(f"label {i}" for i in range(n_labels))
    split = Split.from_lists(["apple"] * n_labels, range(n_labels))
    [warning] = list_warnings(TextDataset("made", names, split, split, split))
    assert "'label 0', 'label 1', 'label 2', 'label 3', 'label 4'" in warning
    assert "label 5" not in warning
    assert warning.endswith(", ...") == (n_labels > N_NAMED)


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
