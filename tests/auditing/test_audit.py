"""The audit of a dataset; on real datasets, its counts are verified by an independent method."""

from collections import Counter, defaultdict
from dataclasses import fields

import numpy as np
import pytest
from support import OVERLAPPING, ROOT, make_overlapping_dataset

from textclf.auditing.audit import (
    FINDINGS,
    AllExamples,
    Audit,
    Item,
    audit,
    find_duplicates,
)
from textclf.config.resolve import resolve
from textclf.data.dataset import Split, TextDataset
from textclf.data.loading import load_dataset
from textclf.data.overlap import Overlap
from textclf.runtime.progress import Phases, Reporter

pytestmark = pytest.mark.usefixtures("tensorflow")

SPLITS = ("train", "validation", "test")


def audit_dataset(dataset):
    config = resolve({"dataset": {"name": "bbc"}, "model": {"name": "mlp"}})
    return audit(dataset, config, phases=Phases(Reporter(quiet=True)))


@pytest.fixture
def found():
    return audit_dataset(make_overlapping_dataset())


def test_every_finding_is_counted_in_each_split(found):
    counts = {row["finding"]: [row[split] for split in SPLITS] for row in found.findings}
    assert list(counts) == list(FINDINGS)
    del counts["label_issue"]
    assert counts == {
        "duplicate": [1, 0, 0],
        "leaked": [4, 2, 3],
        "conflicting_labels": [1, 0, 1],
        "near_duplicate": [0, 0, 0],
        "empty": [1, 0, 0],
        "very_short": [3, 1, 1],
    }
    assert found.n_examples == {"train": 5, "validation": 2, "test": 4}


def test_items_name_an_example_and_its_counterpart(found):
    for item in found.items:
        assert (item.finding != "leaked") or item.other_split != item.split
        assert (item.finding != "conflicting_labels") or item.other_label != item.label
    [item] = [
        item
        for item in found.items
        if item.finding == "conflicting_labels" and item.split == "test"
    ]
    assert (item.index, item.label, item.text) == (1, "fruit", "fig fig fig")
    assert (item.other_split, item.other_index, item.other_label) == ("train", 3, "tool")


def test_labels_and_text_lengths_are_summarized(found):
    assert found.labels == [
        {"label": "fruit", "train": 3, "validation": 1, "test": 3},
        {"label": "tool", "train": 2, "validation": 1, "test": 1},
    ]
    lengths = sorted(len(text.split()) for rows in OVERLAPPING.values() for text, _ in rows)
    assert found.lengths[0]["words"] == lengths[0]
    assert found.lengths[-1]["words"] == lengths[-1]
    truncation = {row["sequence_length"]: row for row in found.truncation}
    assert set(truncation) == {50, 100, 200, 400, 800}  # Includes 200, the length of bbc.
    assert truncation[50]["truncated_texts"] == 0


def test_truncation_is_what_the_encoder_cuts_off():
    from textclf.text.encoder import TextEncoder

    n_words = [1, 48, 49, 50, 51, 300]
    texts = [" ".join(f"w{i}" for i in range(n)) for n in n_words]
    dataset = TextDataset(
        "made",
        ("a", "b"),
        Split.from_lists(texts, [i % 2 for i in range(len(texts))]),
        Split.from_lists(["plum plum plum"], [0]),
        Split.from_lists(["axe axe axe"], [1]),
    )
    found = audit_dataset(dataset)
    encoder = TextEncoder(num_words=5, sequence_length=50, truncating="post")
    kept = (np.asarray(encoder(np.array(texts, object))) == 2).sum(axis=1)
    lost = np.array(n_words) - kept
    row = next(row for row in found.truncation if row["sequence_length"] == 50)
    assert row["truncated_texts"] == (lost > 0).sum() / 8
    assert row["truncated_words"] == pytest.approx(lost.sum() / (sum(n_words) + 6))


def test_every_field_is_documented():
    page = (ROOT / "docs" / "how-to" / "data.md").read_text()
    names = [field.name for kind in (Audit, Item) for field in fields(kind)]
    for name in [*names, *FINDINGS]:
        assert f"`{name}`" in page, name


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["reuters", "imdb"])
def test_findings_of_real_data_agree_with_a_plain_count(name):
    """A dictionary from each text to its examples is slow, but uses no function of the audit."""
    dataset = load_dataset(resolve({"dataset": {"name": name}, "model": {"name": "mlp"}}).dataset)
    examples_by_text = defaultdict(list)
    for split_name, split in dataset.splits.items():
        for text, label in zip(split.texts, split.labels.tolist(), strict=True):
            examples_by_text[tuple(text.casefold().split())].append((split_name, label))
    expected = Counter()
    for examples in examples_by_text.values():
        splits = Counter(split_name for split_name, _ in examples)
        for split_name, n_texts in splits.items():
            expected["duplicate", split_name] += n_texts - 1
            expected["leaked", split_name] += n_texts * (len(splits) > 1)
            has_conflict = len({label for _, label in examples}) > 1
            expected["conflicting_labels", split_name] += n_texts * has_conflict
    items = list(find_duplicates(AllExamples(dataset), Overlap.of(dataset)))
    assert Counter((item.finding, item.split) for item in items) == +expected
    for item in items[:: len(items) // 50]:
        other = dataset.splits[item.other_split].texts[item.other_index]
        assert other.casefold().split() == item.text.casefold().split()
        is_conflict = item.finding == "conflicting_labels"
        assert not is_conflict or item.other_label != item.label
        assert is_conflict or (item.finding == "leaked") == (item.other_split != item.split)
