"""The section of a report about the dataset: where it comes from, and what is wrong with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from textclf.auditing.audit import FINDINGS, Audit, Item
from textclf.config.schema import DatasetConfig
from textclf.data.loading import describe_source
from textclf.reporting.context import ReportContext
from textclf.reporting.documents import Document
from textclf.reporting.excerpts import Excerpt

N_EXAMPLES = 5
"""Examples of each finding."""

TITLES = {
    "leaked": "Leaked texts",
    "duplicate": "Duplicates",
    "conflicting_labels": "Conflicting labels",
    "near_duplicate": "Near-duplicates",
    "empty": "Empty texts",
    "very_short": "Very short texts",
    "label_issue": "Label issues",
}
"""What each finding is called, the most serious ones first."""

CONSEQUENCES = {
    "leaked": "Accuracy on such test examples does not show how a model predicts new texts.",
    "duplicate": "They count several times, in training and in accuracy.",
    "conflicting_labels": "At least one of the labels is incorrect, or the text has several.",
    "near_duplicate": "If they are in two splits, the test is easier than new texts.",
    "empty": "A model can only guess their label.",
    "very_short": "Their label may not follow from the text.",
    "label_issue": "Some of these labels are probably incorrect, which limits the accuracy of any"
    " model; other examples are only hard to predict.",
}
"""What each finding means for the runs."""

SERIOUS = ("leaked", "conflicting_labels", "label_issue")
"""Findings in the test split of which the page warns at its beginning."""


@dataclass(frozen=True)
class Finding:
    """A problem of a dataset.

    Attributes:
        name: One of `FINDINGS`.
        title: What it is called.
        position: Its position in the lists of the documents.
        meaning: What it means.
        consequence: What it means for the runs.
        is_found: Whether there is an example with it.
        examples: Some examples, those of the test split first.
        excerpts: Their texts, or None if texts are left out.
    """

    name: str
    title: str
    position: int
    meaning: str
    consequence: str
    is_found: bool
    examples: list[Item]
    excerpts: list[Excerpt | None]


@dataclass(frozen=True)
class DatasetSection:
    """What the template ``dataset.html`` shows.

    Attributes:
        documents: ``audit``, what ``textclf audit --format json`` prints, without the examples;
            ``findings``, some of them, and the fraction of each finding.
        source: Where the dataset comes from, and its license.
        findings: Every finding, the most serious first.
        serious: Those of `SERIOUS` in the test split.
        max_count: Examples of the most frequent label in the training split.
    """

    documents: list[Document]
    source: dict[str, str]
    findings: list[Finding]
    serious: list[Finding]
    max_count: int

    @classmethod
    def of(
        cls,
        config: DatasetConfig,
        audited: Audit,
        context: ReportContext,
    ) -> "DatasetSection":
        """Describe a dataset.

        Args:
            config: Configuration of the dataset.
            audited: What was found in it.
            context: How the report is made.
        """
        content = audited.to_document()
        del content["items"]
        shown = {name: _select(audited.items, name) for name in FINDINGS}
        measured = [
            {
                "finding": row["finding"],
                "fraction": {
                    split: row[split] / max(1, n) for split, n in audited.n_examples.items()
                },
                "examples": _list_numbers(shown[row["finding"]]),
            }
            for row in audited.findings
        ]
        findings = _list_findings(audited, shown, texts=context.texts)
        return cls(
            [
                Document(
                    "audit", f"The audit, as textclf audit {audited.dataset} --format json", content
                ),
                Document(
                    "findings",
                    "Findings of the audit, as fractions of the splits, and examples",
                    {"findings": measured},
                ),
            ],
            _describe_source(config),
            findings,
            [
                finding
                for finding in findings
                if finding.name in SERIOUS and audited.findings[finding.position]["test"]
            ],
            max(row["train"] for row in audited.labels),
        )


def _describe_source(config: DatasetConfig) -> dict[str, str]:
    """Return where a dataset comes from, without the folders in which a file is."""
    about = describe_source(config)
    return {k: config.short_name if value == config.name else value for k, value in about.items()}


def _select(items: Sequence[Item], finding: str) -> list[Item]:
    """Return some examples of a finding, those of the test split first."""
    found = [item for item in items if item.finding == finding]
    return sorted(found, key=lambda item: item.split != "test")[:N_EXAMPLES]


def _list_numbers(items: Sequence[Item]) -> dict[str, list[Any]]:
    """Return the numbers of examples as lists."""
    return {
        key: [getattr(item, key) for item in items] for key in ("index", "other_index", "score")
    }


def _list_findings(audited: Audit, shown: dict[str, list[Item]], *, texts: bool) -> list[Finding]:
    positions = {row["finding"]: i for i, row in enumerate(audited.findings)}
    return [
        Finding(
            name,
            title,
            positions[name],
            FINDINGS[name],
            CONSEQUENCES[name],
            is_found=bool(shown[name]),
            examples=shown[name],
            excerpts=[Excerpt.of(item.text) if texts else None for item in shown[name]],
        )
        for name, title in TITLES.items()
    ]
