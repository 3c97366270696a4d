"""What is wrong with a labelled set of texts, with the texts."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from textclf.audit.label_issues import cross_validate, find_suspects
from textclf.config.resolve import ExperimentConfig
from textclf.data.dataset import IntArray, TextDataset
from textclf.data.overlap import Places
from textclf.runtime.progress import Phases

if TYPE_CHECKING:
    from textclf.audit.near_duplicates import Words

SCHEMA_VERSION = 1
SHORT_TEXT = 3
"""A text with fewer words is very short."""

FINDINGS = {
    "repeated": "the same text earlier in the split",
    "leaked": "the same text in another split too",
    "contradictory": "the same text under another label too, in any split",
    "near_copy": "nearly the text of training, or of an earlier one",
    "empty": "no words",
    "very_short": f"fewer than {SHORT_TEXT} words",
    "label_suspect": "another label fits better (confident learning)",
}
"""What is looked for, and what it means."""

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
SEQUENCE_LENGTHS = (50, 100, 200, 400, 800)


@dataclass(frozen=True)
class Item:
    """A text that something is wrong with.

    Attributes:
        finding: one of `FINDINGS`.
        split: which split it is in.
        index: its place there, from 0.
        label: its label.
        text: the whole text.
        other_split: where the text is that it is like, if there is one.
        other_index: its place there.
        other_label: the label of that; of a suspect, the label that fits better.
        score: similarity of near copies; of suspects, by how much the other label is likelier.
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
    """What was found; the fields are those of the JSON document.

    Attributes:
        dataset: its name.
        digest: SHA-256 over its texts and labels.
        texts: how many there are, by split.
        findings: how many texts, by finding and split.
        labels: how many texts have each label, by split.
        lengths: quantiles of the number of words.
        cut_off: what a sequence length leaves of the texts.
        items: each text of each finding.
    """

    dataset: str
    digest: str
    texts: dict[str, int]
    findings: list[dict[str, Any]]
    labels: list[dict[str, Any]]
    lengths: list[dict[str, Any]]
    cut_off: list[dict[str, Any]]
    items: list[Item]

    def to_document(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}


def audit(dataset: TextDataset, config: ExperimentConfig, *, phases: Phases) -> Audit:
    """Look for all `FINDINGS` in all splits of a dataset.

    Args:
        dataset: what to look at.
        config: its ``text.sequence_length`` is among the lengths that are tried.
        phases: is told what goes on.
    """
    from textclf.audit.near_duplicates import Words

    whole = Whole(dataset)
    with phases("copies", f"looking for copies among {len(whole.texts):,} texts"):
        places = Places.of(dataset)
        words = Words.of(whole.texts)
        items = [*find_copies(whole, places), *_find_near(whole, places, words)]
    items += _find_short(whole, words.lengths)
    with phases("suspects", "looking for wrong labels"):
        items += _find_suspects(whole)
    sizes = {name: len(split) for name, split in dataset.splits.items()}
    return Audit(
        config.dataset.short_name,
        dataset.digest,
        sizes,
        [_count(finding, items) for finding in FINDINGS],
        dataset.count_labels(),
        _measure_lengths(words.lengths),
        _measure_cuts(words.lengths, config.text.sequence_length),
        items,
    )


class Whole:
    """All splits of a dataset, one after the other."""

    def __init__(self, dataset: TextDataset) -> None:
        self.label_names = dataset.label_names
        splits = dataset.splits.items()
        self.texts = [text for _, split in splits for text in split.texts]
        self.labels = np.concatenate([split.labels for _, split in splits])
        self.places = [(name, int(index)) for name, split in splits for index in split.index]

    def make_item(self, finding: str, place: int, other: int | None = None, **more: Any) -> Item:
        """Return what is said of the text at a place, and of the other one that it is like."""
        split, index = self.places[place]
        label = self.label_names[self.labels[place]]
        if other is not None:
            more |= dict(zip(("other_split", "other_index"), self.places[other], strict=True))
            more["other_label"] = self.label_names[self.labels[other]]
        return Item(finding, split, index, label, self.texts[place], **more)


def find_copies(whole: Whole, places: Places) -> Iterator[Item]:
    """Yield texts that stand in several places, each with the first other place of its kind."""
    keys = np.concatenate(list(places.keys.values())).tolist()
    labels = whole.labels.tolist()
    by_split: dict[int, dict[str, int]] = {}
    by_label: dict[int, dict[int, int]] = {}
    for place, key in enumerate(keys):
        split = whole.places[place][0]
        first = by_split.setdefault(key, {}).setdefault(split, place)
        by_label.setdefault(key, {}).setdefault(labels[place], place)
        if first != place:
            yield whole.make_item("repeated", place, first)
    splits = [split for split, _ in whole.places]
    leaked = {split: places.find_leaked(split) for split in places.keys}
    for finding, masks, found, own in (
        ("leaked", leaked, by_split, splits),
        ("contradictory", places.find_contradictory(), by_label, labels),
    ):
        for place in np.flatnonzero(np.concatenate(list(masks.values()))).tolist():
            others = found[keys[place]].items()
            yield whole.make_item(
                finding, place, next(other for where, other in others if where != own[place])
            )


def _find_near(whole: Whole, places: Places, words: "Words") -> Iterator[Item]:
    from textclf.audit.near_duplicates import find_near_copies

    keys = np.concatenate(list(places.keys.values()))
    for copy in find_near_copies(words.shingles, keys):
        yield whole.make_item("near_copy", copy.place, copy.other, score=copy.similarity)


def _find_short(whole: Whole, lengths: IntArray) -> Iterator[Item]:
    for place in np.flatnonzero(lengths < SHORT_TEXT):
        yield whole.make_item("very_short" if lengths[place] else "empty", int(place))


def _find_suspects(whole: Whole) -> Iterator[Item]:
    probabilities = cross_validate(whole.texts, whole.labels, len(whole.label_names))
    found = find_suspects(whole.labels, probabilities)
    for place, guess, margin in zip(found.places, found.guesses, found.margins, strict=True):
        yield whole.make_item(
            "label_suspect",
            int(place),
            other_label=whole.label_names[guess],
            score=float(margin),
        )


def _count(finding: str, items: Sequence[Item]) -> dict[str, Any]:
    found = [item.split for item in items if item.finding == finding]
    counts = {split: found.count(split) for split in ("train", "validation", "test")}
    return {"finding": finding, **counts, "meaning": FINDINGS[finding]}


def _measure_lengths(lengths: IntArray) -> list[dict[str, Any]]:
    values = np.quantile(lengths, QUANTILES, method="inverted_cdf")
    return [
        {"quantile": quantile, "words": int(value)}
        for quantile, value in zip(QUANTILES, values, strict=True)
    ]


def _measure_cuts(lengths: IntArray, configured: int) -> list[dict[str, Any]]:
    """Return what is lost where texts are cut to a length, of which one id marks the start."""
    rows = []
    for length in sorted({*SEQUENCE_LENGTHS, configured}):
        lost = np.maximum(lengths + 1 - length, 0)
        rows.append(
            {
                "sequence_length": length,
                "texts_cut": float(np.mean(lost > 0)),
                "words_lost": float(lost.sum() / max(1, lengths.sum())),
            }
        )
    return rows
