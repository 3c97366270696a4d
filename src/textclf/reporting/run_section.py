"""The section of a report about one run: its metrics, its mistakes, and when to trust it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from textclf.auditing.audit import Audit, Item
from textclf.data.dataset import TextDataset
from textclf.evaluation.errors import list_errors
from textclf.evaluation.segments import WeakSegment, find_weak_segments, measure_texts
from textclf.evaluation.thresholds import measure_thresholds
from textclf.experiment.evaluate import format_title, measure_subsets
from textclf.explanation.explain import Explanation, explain_texts
from textclf.reporting.calibration import plot_calibration
from textclf.reporting.context import ReportContext
from textclf.reporting.documents import Document
from textclf.reporting.examples import (
    Cell,
    CellExamples,
    choose_examples,
    describe_examples,
    list_probabilities,
)
from textclf.reporting.excerpts import Excerpt
from textclf.reporting.mistakes import (
    N_LABELS_OF_MATRIX,
    WeakLabel,
    grade_cells,
    list_confusions,
    list_weakest,
    plot_matrix,
)
from textclf.reporting.predictions import LabeledPredictions
from textclf.reporting.svg import format_svg
from textclf.reporting.thresholds import START, count_kept
from textclf.runs.run import Run
from textclf.text.tokens import normalize_text, split_text

N_ERRORS = 20
"""Most confident errors that are shown."""

N_EXPLAINED = 100
N_EXPLAINED_TOKENS = 25_000
"""Texts that are explained, the most confident errors first, and tokens of all of them. Occlusion
predicts once for each token."""

N_OF_CELL = 5
"""Examples of a cell that are explained before those of the next."""

N_ISSUES = 20
"""Label issues that are shown."""

N_SEGMENT_EXAMPLES = 3
"""Incorrect predictions of each weak segment that are shown."""


@dataclass(frozen=True)
class SegmentError:
    """An incorrect prediction in a weak segment; ``excerpt`` is None without texts."""

    label: str
    prediction: str
    excerpt: Excerpt | None


@dataclass(frozen=True)
class RunSection:
    """What the template ``run.html`` shows.

    Attributes:
        title: Which run it is.
        path: Its run directory.
        preset: Preset of its pretrained encoder; None without one.
        documents: ``evaluation``, the content of ``evaluation.json``; ``evaluate``, what
            ``textclf evaluate --format json`` prints; ``run``, what this section computes.
        label_names: Name of each label.
        confusions: Rows of `list_confusions`.
        heats: CSS class of each cell of the confusion matrix; None if there are too many labels.
        matrix: The confusion matrix as a plot, if there are.
        cells: Examples of the cells.
        errors: Texts of the most confident errors, or None if texts are left out.
        calibration: Accuracy against confidence, as a plot.
        weakest: Labels with the lowest F1.
        segments: The most confident errors of each weak segment.
        issues: Texts of label issues; empty without texts.
        likely_labels: The more likely label of each possible label issue, by its index.
        n_explained: Number of texts whose words are highlighted.
        start: Step where the slider of the threshold is at first.
    """

    title: str
    path: str
    preset: str | None
    documents: list[Document]
    label_names: tuple[str, ...]
    confusions: list[dict[str, Any]]
    heats: list[list[str]] | None
    matrix: Markup | None
    cells: list[CellExamples]
    errors: list[Excerpt | None]
    calibration: Markup
    weakest: list[WeakLabel]
    segments: list[list[SegmentError]]
    issues: list[Excerpt]
    likely_labels: dict[int, str]
    n_explained: int
    start: int = START

    @classmethod
    def of(
        cls, run: Run, dataset: TextDataset, audited: Audit, context: ReportContext
    ) -> "RunSection":
        """Describe a run.

        Args:
            run: Finished run.
            dataset: Its dataset.
            audited: What was found in the dataset.
            context: How the report is made.
        """
        predictions, evaluation = LabeledPredictions.of(run, dataset), run.evaluation
        has_matrix = len(run.label_names) <= N_LABELS_OF_MATRIX
        confusions = list_confusions(evaluation)
        listed = {(row["label"], row["prediction"]) for row in confusions}
        chosen = choose_examples(predictions, None if has_matrix else listed)
        confident = predictions.errors[:N_ERRORS].tolist()
        explanations = _explain(run, predictions, confident, chosen, context)

        def cut(position: int) -> Excerpt | None:
            """Return the start of a text; None if texts are left out."""
            if not context.texts:
                return None
            return Excerpt.of(predictions.examples.texts[position], explanations.get(position))

        segments = _find_segments(predictions, dataset, context)
        issues = _select_issues(audited)
        own = {
            "confusions": _name_labels(confusions, run.label_names),
            "n_shown": sum(map(len, chosen.values())),
            "cells": list_probabilities(predictions, chosen),
            "thresholds": count_kept(predictions),
            "segments": [_describe_segment(segment) for segment in segments],
            "label_issues": _describe_issues(issues[:N_ISSUES], predictions),
        }
        matrix = evaluation.confusion_matrix
        title = format_title(run.config)
        return cls(
            title=title,
            path=str(run.path),
            preset=getattr(run.config.model, "preset", None),
            documents=[*_quote_commands(run, predictions, dataset), _make_document(run, own)],
            label_names=run.label_names,
            confusions=confusions,
            heats=grade_cells(matrix) if has_matrix else None,
            matrix=None if has_matrix else _draw_matrix(matrix, title),
            cells=describe_examples(predictions, chosen, cut),
            errors=[*map(cut, confident)],
            calibration=_draw_calibration(run, predictions, title),
            weakest=list_weakest(evaluation),
            segments=[_list_errors(predictions, segment, cut) for segment in segments],
            issues=[Excerpt.of(item.text) for item in issues[:N_ISSUES] if context.texts],
            likely_labels={item.index: str(item.other_label) for item in issues},
            n_explained=len(explanations),
        )


def _quote_commands(
    run: Run, predictions: LabeledPredictions, dataset: TextDataset
) -> list[Document]:
    """Return ``evaluation.json``, and what ``textclf evaluate`` prints beyond it."""
    examples, probabilities = predictions.examples, predictions.probabilities
    errors = [
        asdict(error)
        for error in list_errors(examples, probabilities, predictions.label_names, N_ERRORS)
    ]
    for error in errors:
        del error["text"], error["position"]
    printed: dict[str, Sequence[Any]] = {
        "subset_accuracy": measure_subsets(run.config, dataset, "test", predictions.correct),
        "thresholds": measure_thresholds(examples.labels, probabilities),
    }
    command = f"textclf evaluate {run.path} --errors {N_ERRORS} --format json"
    return [
        Document("evaluation", f"evaluation.json of {run.path}", run.result.to_json()),
        Document(
            "evaluate",
            f"Subsets, thresholds and errors, as {command}, without the texts",
            {key: [*map(asdict, rows)] for key, rows in printed.items()} | {"errors": errors},
        ),
    ]


def _make_document(run: Run, content: dict[str, Any]) -> Document:
    return Document("run", f"Computed for this page from the predictions of {run.path}", content)


def _explain(
    run: Run,
    predictions: LabeledPredictions,
    confident: Sequence[int],
    chosen: Mapping[Cell, Sequence[int]],
    context: ReportContext,
) -> dict[int, Explanation]:
    """Explain the most confident errors, then those of the most frequent mistakes.

    Returns:
        The explanations by position; empty if texts are left out.
    """
    if not context.texts:
        return {}
    ranked = sorted(
        (cell[0] == cell[1], rank // N_OF_CELL, -len(positions), cell, rank, position)
        for cell, positions in chosen.items()
        for rank, position in enumerate(positions)
    )
    ordered = list(dict.fromkeys([*confident, *(position for *_, position in ranked)]))
    texts = [predictions.examples.texts[position] for position in ordered[:N_EXPLAINED]]
    n_tokens = np.cumsum([len(split_text(normalize_text(text))) for text in texts])
    n = int((n_tokens <= N_EXPLAINED_TOKENS).sum())
    positions = ordered[:n]
    context.reporter.info(f"explaining {n} predictions")
    explanations = explain_texts(run.model, texts[:n], reporter=context.reporter)
    return dict(zip(positions, explanations, strict=True))


def _find_segments(
    predictions: LabeledPredictions, dataset: TextDataset, context: ReportContext
) -> list[WeakSegment]:
    """Look for weak segments of the test split."""
    context.reporter.info("looking for weak segments")
    properties = measure_texts(predictions.examples.texts, dataset.train.texts)
    return find_weak_segments(properties, predictions.correct)


def _describe_segment(segment: WeakSegment) -> dict[str, Any]:
    content = asdict(segment)
    del content["positions"]
    return content


def _list_errors(
    predictions: LabeledPredictions,
    segment: WeakSegment,
    cut: Callable[[int], Excerpt | None],
) -> list[SegmentError]:
    """Return the most confident errors of a segment."""
    errors = predictions.errors[np.isin(predictions.errors, segment.positions)]
    positions = errors[:N_SEGMENT_EXAMPLES].tolist()
    names, labels = predictions.label_names, predictions.examples.labels
    return [
        SegmentError(names[labels[i]], names[predictions.predicted[i]], cut(i)) for i in positions
    ]


def _select_issues(audited: Audit) -> list[Item]:
    """Return the label issues of the test split, the most likely first."""
    return [
        item for item in audited.items if item.finding == "label_issue" and item.split == "test"
    ]


def _describe_issues(
    items: Sequence[Item], predictions: LabeledPredictions
) -> list[dict[str, Any]]:
    """Return a row for each label issue, with the prediction for its text."""
    positions = {index: i for i, index in enumerate(predictions.examples.index.tolist())}
    return [
        {
            "index": item.index,
            "label": item.label,
            "other_label": item.other_label,
            "prediction": predictions.label_names[predictions.predicted[positions[item.index]]],
        }
        for item in items
    ]


def _name_labels(
    confusions: Sequence[dict[str, Any]], label_names: Sequence[str]
) -> list[dict[str, Any]]:
    """Return confusions with the names of their labels."""
    return [
        {**row, **{key: label_names[row[key]] for key in ("label", "prediction")}}
        for row in confusions
    ]


def _draw_calibration(run: Run, predictions: LabeledPredictions, title: str) -> Markup:
    calibration = run.result.calibration
    when = "before and after calibration" if calibration else "of the model"
    description = f"Accuracy against confidence, {when}: {title}"
    return format_svg(plot_calibration(predictions, calibration), description)


def _draw_matrix(matrix: Sequence[Sequence[int]], title: str) -> Markup:
    return format_svg(plot_matrix(matrix), f"Confusion matrix of all labels: {title}")
