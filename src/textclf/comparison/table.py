"""Finished runs as a table: one row per configuration, compared with the best or a reference."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from textclf.comparison.model_results import (
    Difference,
    ModelResults,
    compare_all,
    group_by_test_set,
)
from textclf.comparison.significance import estimate, seeds_needed
from textclf.errors import RunError
from textclf.evaluation.summary import FEW_EXAMPLES
from textclf.models._build import BASELINES, CHANCE_BASELINE, LINEAR_BASELINE
from textclf.tables import Column, format_interval, format_number, format_p_value

ALPHA = 0.05
"""Significance level."""

COLUMNS = (
    Column("dataset", "dataset"),
    Column("model", "model"),
    Column("error", "", lambda _: "failed"),
    Column("n_seeds", "seeds", numeric=True),
    Column("accuracy", "accuracy", format_number(4), numeric=True),
    Column("accuracy_sd", "sd", format_number(4), numeric=True),
    Column("accuracy_interval", "95% CI", format_interval(3), numeric=True),
    Column("verdict", "verdict", numeric=True),
    Column("difference", "difference", lambda value: f"{value:+.4f}", numeric=True),
    Column("p_value", "p", format_p_value, numeric=True),
    Column("macro_f1", "macro F1", format_number(4), numeric=True),
    Column("macro_f1_interval", "95% CI", format_interval(3), numeric=True),
    Column("loss", "loss", format_number(3), numeric=True),
    Column("train_seconds", "train s", format_number(1), numeric=True),
    Column("n_parameters", "parameters", format_number(), numeric=True),
    Column("n_examples", "test examples", format_number(), numeric=True),
    Column("fingerprint", "fingerprint", numeric=True),
)

Row = dict[str, Any]


def tabulate(
    models: Sequence[ModelResults], *, reference: str | None = None
) -> tuple[list[Row], list[str]]:
    """Summarize and compare models; ``docs/statistics.md`` has the methods.

    Args:
        models: Models on any datasets; those on the same test set are compared.
        reference: Model to compare with; by default the most accurate one of each test set.

    Returns:
        Rows, the most accurate of a test set first, and notes. ``docs/results.md`` documents the
        keys.

    Raises:
        RunError: The reference has no run.
    """
    if reference and all(model.first.model != reference for model in models):
        raise RunError(f"the reference '{reference}' has no finished run to compare with")
    rows: list[Row] = []
    notes: list[str] = []
    for group in group_by_test_set(models):
        group_rows, group_notes = _tabulate_group(group, reference)
        rows += group_rows
        notes += [*_note_test_sets(group[0], models), *group_notes]
    return rows, list(dict.fromkeys(notes))


def _tabulate_group(
    group: Sequence[ModelResults], reference: str | None
) -> tuple[list[Row], list[str]]:
    """Return rows and notes of models on the same test set."""
    ordered = sorted(group, key=lambda model: -model.accuracy)
    chosen = next((m for m in ordered if m.first.model == reference), ordered[0])
    is_best = chosen is ordered[0]
    differences = compare_all(ordered, chosen, all_pairs=is_best)
    names = _name_models(ordered)
    beats = {name: _beats(ordered, name) for name in (LINEAR_BASELINE, CHANCE_BASELINE)}
    rows = []
    for model in ordered:
        key = model.first.fingerprint
        judged = _judge(differences.get(key), is_best=is_best) if len(ordered) > 1 else {}
        rows.append(
            {
                **_summarize(model),
                **judged,
                "beats_linear_baseline": beats[LINEAR_BASELINE].get(key),
                "beats_chance_baseline": beats[CHANCE_BASELINE].get(key),
            }
        )
    notes = [
        *_note_insignificant(chosen, differences, names),
        *_note_baselines(chosen.first.dataset, beats, names),
        *_note_majority(ordered),
        *_note_small_labels(chosen),
    ]
    return rows, notes


def _name_models(ordered: Sequence[ModelResults]) -> dict[str, str]:
    """Return the name of each model by fingerprint, which is added to ambiguous names."""
    names = [model.first.model for model in ordered]
    return {
        first.fingerprint: first.model + f" {first.fingerprint}" * (names.count(first.model) > 1)
        for first in (model.first for model in ordered)
    }


def _summarize(model: ModelResults) -> Row:
    results, first = model.results, model.first
    several = len(results) > 1
    accuracies = [result.evaluation.metrics["accuracy"] for result in results]
    macro_f1_ends = zip(*(r.evaluation.intervals["macro_f1"] for r in results), strict=True)
    over_seeds = estimate(model.correct.astype(float))
    # Without any variance the interval would be a point, although examples are a sample.
    own = first.evaluation.intervals["accuracy"]
    interval = over_seeds.interval if several and over_seeds.variance else own
    return {
        "dataset": first.dataset,
        "model": first.model,
        "fingerprint": first.fingerprint,
        "n_seeds": len(results),
        "seeds": [result.seed for result in results],
        "accuracy": statistics.fmean(accuracies),
        "accuracy_sd": statistics.stdev(accuracies) if several else None,
        "accuracy_interval": [max(0.0, interval[0]), min(1.0, interval[1])],
        "macro_f1": model.mean_metric("macro_f1"),
        "macro_f1_interval": [statistics.fmean(ends) for ends in macro_f1_ends],
        "loss": model.mean_metric("loss"),
        "majority_accuracy": first.evaluation.majority_accuracy,
        "n_examples": first.evaluation.n_examples,
        "n_parameters": first.n_parameters,
        "train_seconds": statistics.fmean(result.train_seconds for result in results),
    }


def _judge(difference: Difference | None, *, is_best: bool) -> Row:
    """Return the cells that compare a model with the reference, which itself has only a verdict."""
    if difference is None:
        return {"verdict": "best" if is_best else "reference"}
    better = "better" if difference.estimate.mean > 0 else "worse"
    return {
        "verdict": better if difference.p_value < ALPHA else "not significant",
        "difference": difference.estimate.mean,
        "difference_interval": list(difference.estimate.interval),
        "p_value": difference.p_value,
    }


def _beats(ordered: Sequence[ModelResults], baseline: str) -> dict[str, bool]:
    """Return whether each network is significantly better than the best run of a baseline model.

    The keys are fingerprints; it is empty if the baseline model has no run.
    """
    best = next((model for model in ordered if model.first.model == baseline), None)
    if best is None:
        return {}
    networks = [model for model in ordered if model.first.model not in BASELINES]
    return {
        key: difference.p_value < ALPHA and difference.estimate.mean > 0
        for key, difference in compare_all(networks, best).items()
    }


def _note_test_sets(model: ModelResults, models: Sequence[ModelResults]) -> list[str]:
    """Note that a dataset appears with several test sets."""
    dataset = model.first.dataset
    sizes = {
        other.first.split_digest: other.first.evaluation.n_examples
        for other in models
        if other.first.dataset == dataset
    }
    if len(sizes) == 1:
        return []
    counts = ", ".join(f"{size:,}" for size in sorted(sizes.values()))
    return [
        f"{dataset} has {len(sizes)} test sets here ({counts} examples), each compared separately"
    ]


def _note_insignificant(
    reference: ModelResults, differences: Mapping[str, Difference], names: Mapping[str, str]
) -> list[str]:
    """Note which models do not differ significantly from the reference, and what would show it."""
    notes = []
    for key, difference in differences.items():
        if difference.p_value < ALPHA:
            continue
        alpha = ALPHA / len(differences)
        needed = seeds_needed(difference.estimate, n_seeds=difference.n_seeds, alpha=alpha)
        if difference.estimate.mean == 0:
            advice = "their measured accuracies are the same"
        elif difference.n_seeds == 1:
            advice = "train more seeds to measure the variance over seeds"
        elif math.isinf(needed):
            advice = "more seeds alone would not show one; more test examples might"
        else:
            advice = f"about {max(needed, difference.n_seeds + 1):.0f} seeds would show one"
        notes.append(
            f"no significant difference between {names[key]} and"
            f" {names[reference.first.fingerprint]} on {reference.first.dataset}"
            f" (p = {difference.p_value:.2f}): {advice}"
        )
    return notes


def _note_baselines(
    dataset: str, beats: Mapping[str, Mapping[str, bool]], names: Mapping[str, str]
) -> list[str]:
    """Note which networks are not significantly better than the linear baseline, or than chance."""
    claims = {
        LINEAR_BASELINE: "{} does not beat the baseline model " + LINEAR_BASELINE,
        CHANCE_BASELINE: "WARNING: {} is not significantly better than chance (majority)",
    }
    return [
        f"{claim.format(names[key])} on {dataset}"
        for baseline, claim in claims.items()
        for key, is_better in beats[baseline].items()
        if not is_better
    ]


def _note_majority(ordered: Sequence[ModelResults]) -> list[str]:
    """Note the accuracy of always predicting the same label, unless a row has it."""
    if any(model.first.model == CHANCE_BASELINE for model in ordered):
        return []
    first = ordered[0].first
    accuracy = first.evaluation.majority_accuracy
    return [f"always predicting the most frequent label of {first.dataset} gives {accuracy:.4f}"]


def _note_small_labels(model: ModelResults) -> list[str]:
    scores = model.first.evaluation.per_class
    few = sum(score.support < FEW_EXAMPLES for score in scores)
    if not few:
        return []
    return [
        f"{few} of {len(scores)} labels of {model.first.dataset} have fewer than {FEW_EXAMPLES}"
        " test examples, which makes macro F1 noisy"
    ]
