"""Finds problems in a labeled dataset: duplicates, overlap between splits, label issues."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from textclf.auditing.label_issues import cross_validate, find_label_issues
from textclf.config.schema import ExperimentConfig
from textclf.data.dataset import IntArray, TextDataset
from textclf.data.overlap import Overlap
from textclf.data.summary import count_labels, list_notes
from textclf.runtime.progress import Phases, Reporter

if TYPE_CHECKING:
    from textclf.auditing.near_duplicates import ShingledTexts

SCHEMA_VERSION = 2
"""Raised when a field of the JSON document changes its name or meaning."""

SHORT_TEXT = 3
"""A text with fewer words is very short."""

FINDINGS = {
    "duplicate": "same text earlier in the split",
    "leaked": "same text in another split",
    "conflicting_labels": "same text with another label",
    "near_duplicate": "nearly the same text, in any split",
    "empty": "no words",
    "very_short": f"fewer than {SHORT_TEXT} words",
    "label_issue": "another label is more likely",
}
"""What each finding means."""

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
SEQUENCE_LENGTHS = (50, 100, 200, 400, 800)


@dataclass(frozen=True)
class Item:
    """An example with a problem.

    Attributes:
        finding: One of `FINDINGS`.
        split: Its split.
        index: Its position in the published split, or in the file that was split, from 0.
        label: Its label.
        text: Its whole text.
        other_split: Split of the similar text, if there is one.
        other_index: Position of the similar text.
        other_label: Label of the similar text; of a label issue, the more likely label.
        score: Similarity of near-duplicates; of label issues, the difference in probability.
    """

    finding: str
    split: str
    index: int
    label: str
    text: str
    other_split: str | None = None
    other_index: int | None = None
    other_label: str | None = None
    score: float | None = None


@dataclass(frozen=True)
class Audit:
    """The result of an audit; the fields are those of the JSON document.

    Attributes:
        dataset: Name of the dataset.
        digest: SHA-256 of its texts and labels.
        n_examples: Number of examples by split.
        findings: Number of examples by finding and split.
        labels: Number of examples of each label, by split.
        lengths: Quantiles of the number of words.
        truncation: What is cut off at several sequence lengths.
        items: Every example of every finding.
        notes: What was noticed while reading it, and labels with too few examples.
    """

    dataset: str
    digest: str
    n_examples: dict[str, int]
    findings: list[dict[str, Any]]
    labels: list[dict[str, Any]]
    lengths: list[dict[str, Any]]
    truncation: list[dict[str, Any]]
    items: list[Item]
    notes: list[str]

    def to_document(self) -> dict[str, Any]:
        """Return the JSON document."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}


def audit(dataset: TextDataset, config: ExperimentConfig, *, phases: Phases) -> Audit:
    """Look for all `FINDINGS` in all splits of a dataset.

    Args:
        dataset: Dataset to audit.
        config: Its ``text.sequence_length`` is added to the lengths of `Audit.truncation`.
        phases: Reports progress.
    """
    from textclf.auditing.near_duplicates import ShingledTexts

    examples = AllExamples(dataset)
    n_texts = len(examples.texts)
    with phases("duplicates", f"looking for duplicates among {n_texts:,} texts"):
        overlap = Overlap.of(dataset)
        shingled = ShingledTexts.of(examples.texts)
        items = [
            *find_duplicates(examples, overlap),
            *_find_near_duplicates(examples, overlap, shingled),
        ]
    items += _find_short(examples, shingled.lengths)
    with phases("label_issues", "looking for label issues"):
        items += _find_label_issues(examples, phases.reporter)
    return Audit(
        dataset=config.dataset.short_name,
        digest=dataset.digest,
        n_examples={name: len(split) for name, split in dataset.splits.items()},
        findings=[_count(finding, items) for finding in FINDINGS],
        labels=count_labels(dataset),
        lengths=_measure_lengths(shingled.lengths),
        truncation=_measure_truncation(shingled.lengths, config.text.sequence_length),
        items=items,
        notes=list_notes(dataset),
    )


class AllExamples:
    """The examples of all splits, one split after the other.

    Attributes:
        label_names: Name of each label.
        texts: Text of each example.
        labels: <int64>[n], label of each example.
        locations: Split of each example and its index there.
    """

    def __init__(self, dataset: TextDataset) -> None:
        self.label_names = dataset.label_names
        splits = dataset.splits.items()
        self.texts = [text for _, split in splits for text in split.texts]
        self.labels = np.concatenate([split.labels for _, split in splits])
        self.locations = [(name, int(index)) for name, split in splits for index in split.index]

    def make_item(
        self, finding: str, position: int, other: int | None = None, **fields: Any
    ) -> Item:
        """Return the item of the example at a position, and of the other one it is similar to."""
        split, index = self.locations[position]
        label = self.label_names[self.labels[position]]
        if other is not None:
            other_split, other_index = self.locations[other]
            fields |= {"other_split": other_split, "other_index": other_index}
            fields["other_label"] = self.label_names[self.labels[other]]
        return Item(finding, split, index, label, self.texts[position], **fields)


def find_duplicates(examples: AllExamples, overlap: Overlap) -> Iterator[Item]:
    """Yield duplicates, leaked texts and conflicting labels, each with the first counterpart."""
    keys = overlap.keys.tolist()
    labels = examples.labels.tolist()
    splits = [split for split, _ in examples.locations]
    first_by_split: dict[int, dict[str, int]] = {}
    first_by_label: dict[int, dict[int, int]] = {}
    for position, key in enumerate(keys):
        first = first_by_split.setdefault(key, {}).setdefault(splits[position], position)
        first_by_label.setdefault(key, {}).setdefault(labels[position], position)
        if first != position:
            yield examples.make_item("duplicate", position, first)
    for finding, mask, firsts, own in (
        ("leaked", overlap.leaked, first_by_split, splits),
        ("conflicting_labels", overlap.conflicting, first_by_label, labels),
    ):
        for position in np.flatnonzero(mask).tolist():
            others = firsts[keys[position]].items()
            other = next(other for group, other in others if group != own[position])
            yield examples.make_item(finding, position, other)


def _find_near_duplicates(
    examples: AllExamples, overlap: Overlap, shingled: "ShingledTexts"
) -> Iterator[Item]:
    from textclf.auditing.near_duplicates import find_near_duplicates

    for found in find_near_duplicates(shingled.shingles, overlap.keys):
        yield examples.make_item(
            "near_duplicate", found.position, found.other, score=found.similarity
        )


def _find_short(examples: AllExamples, lengths: IntArray) -> Iterator[Item]:
    for position in np.flatnonzero(lengths < SHORT_TEXT).tolist():
        yield examples.make_item("very_short" if lengths[position] else "empty", position)


def _find_label_issues(examples: AllExamples, reporter: Reporter) -> Iterator[Item]:
    n_labels = len(examples.label_names)
    probabilities = cross_validate(examples.texts, examples.labels, n_labels, reporter=reporter)
    issues = find_label_issues(examples.labels, probabilities)
    for position, label, margin in zip(
        issues.positions.tolist(), issues.likely_labels, issues.margins, strict=True
    ):
        yield examples.make_item(
            "label_issue",
            position,
            other_label=examples.label_names[label],
            score=float(margin),
        )


def _count(finding: str, items: Sequence[Item]) -> dict[str, Any]:
    splits = [item.split for item in items if item.finding == finding]
    counts = {split: splits.count(split) for split in ("train", "validation", "test")}
    return {"finding": finding, **counts, "meaning": FINDINGS[finding]}


def _measure_lengths(lengths: IntArray) -> list[dict[str, Any]]:
    values = np.quantile(lengths, QUANTILES, method="inverted_cdf")
    return [
        {"quantile": quantile, "words": int(value)}
        for quantile, value in zip(QUANTILES, values, strict=True)
    ]


def _measure_truncation(lengths: IntArray, configured: int) -> list[dict[str, Any]]:
    """Return what each sequence length cuts off; one id of a sequence marks its start."""
    rows = []
    for length in sorted({*SEQUENCE_LENGTHS, configured}):
        cut = np.maximum(lengths + 1 - length, 0)
        rows.append(
            {
                "sequence_length": length,
                "truncated_texts": float(np.mean(cut > 0)),
                "truncated_words": float(cut.sum() / max(1, lengths.sum())),
            }
        )
    return rows
