"""Finished runs as rows: one per configuration, compared with the best or with a reference."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence

from textclf.comparison.model_results import (
    Difference,
    ModelResults,
    compare_all,
    group_by_test_set,
    group_comparable,
    name_models,
)
from textclf.comparison.report import Row, complete_row
from textclf.comparison.significance import ALPHA, seeds_needed
from textclf.errors import RunError, TextclfError
from textclf.evaluation.summary import FEW_EXAMPLES
from textclf.models._build import CHANCE_BASELINE, LINEAR_BASELINE, is_baseline
from textclf.tables import format_p_value


def tabulate(
    models: Sequence[ModelResults], *, reference: str | None = None
) -> tuple[list[Row], list[str]]:
    """Summarize and compare models; ``docs/explanation/statistics.md`` has the methods.

    Args:
        models: Models on any datasets; those on the same test set are compared.
        reference: Model or fingerprint to compare with; by default the most accurate model of each
            test set.

    Returns:
        Rows, the most accurate of a test set first, and notes. ``docs/reference/results.md``
        documents the keys.

    Raises:
        RunError: The reference has no run.
    """
    if reference and not any(_is_named(model, reference) for model in models):
        raise RunError(
            f"no finished run of the reference model '{reference}'; train it, or choose another"
        )
    rows: list[Row] = []
    notes: list[str] = []
    test_sets = group_by_test_set(models)
    datasets = [group[0].first.dataset for group in test_sets]
    for of_test_set in test_sets:
        name = of_test_set[0].first.dataset
        if datasets.count(name) > 1:
            notes += _note_test_sets(name, test_sets)
            name += f" ({of_test_set[0].n_examples:,} test examples)"
        groups = group_comparable(of_test_set)
        for group in groups:
            part = f" with {format_train_part(group[0])}" if len(groups) > 1 else ""
            group_rows, settings, judgments = _tabulate_group(group, reference, name, part)
            rows += group_rows
            # Notes on every size would hide the sentences about the learning curve.
            notes += [*settings, *judgments] if group is groups[-1] else settings
    return rows, list(dict.fromkeys(notes))


def _is_named(model: ModelResults, reference: str | None) -> bool:
    return reference in {model.first.model, model.first.fingerprint}


def format_train_part(model: ModelResults) -> str:
    """Return how many training examples a model was fitted on."""
    if model.n_train_examples is not None:
        return f"{model.n_train_examples:,} training examples"
    fraction, per_label = (model.train_part[key] for key in ("train_fraction", "train_per_label"))
    if fraction:
        return f"{fraction:g} of the training examples"
    return f"{per_label:,} training examples per label" if per_label else "all training examples"


def _tabulate_group(
    group: Sequence[ModelResults], reference: str | None, test_set: str, part: str
) -> tuple[list[Row], list[str], list[str]]:
    """Return rows of models that are compared with each other, and two kinds of notes.

    Args:
        group: Models on the same test set, fitted on the same part of the training examples.
        reference: Model to compare with; None for the best.
        test_set: Name of the test set, for notes.
        part: Which part of the training examples was used, for notes; empty if all models used it.

    Returns:
        Rows; notes on the settings of the models; notes on their results.
    """
    ordered = sorted(group, key=lambda model: -model.accuracy)
    chosen = next((m for m in ordered if _is_named(m, reference)), ordered[0])
    is_best = chosen is ordered[0]
    differences = compare_all(ordered, chosen, all_pairs=is_best)
    names = name_models(ordered)
    beats = {name: _beats(ordered, name) for name in (LINEAR_BASELINE, CHANCE_BASELINE)}
    rows = []
    for model in ordered:
        key = model.first.fingerprint
        judged = _judge(differences.get(key), is_best=is_best) if len(ordered) > 1 else {}
        values = {
            **_summarize(model),
            **judged,
            "beats_linear_baseline": beats[LINEAR_BASELINE].get(key),
            "beats_chance_baseline": beats[CHANCE_BASELINE].get(key),
        }
        rows.append(complete_row(values))
    best = names[chosen.first.fingerprint]
    notes = [
        *_note_insignificant(f"{best} on {test_set}{part}", differences, names),
        *_note_baselines(test_set + part, beats, names),
        *_note_majority(ordered, test_set),
        *_note_small_labels(chosen, test_set),
    ]
    return rows, _note_settings(ordered, names), notes


def _summarize(model: ModelResults) -> Row:
    results, first = model.results, model.first
    accuracies = [result.evaluation.metrics["accuracy"] for result in results]
    if model.fold_sizes:
        accuracies = model.fold_accuracies.tolist()
    several = len(accuracies) > 1
    ends = zip(*(r.evaluation.intervals["macro_f1"] for r in results), strict=True)
    interval = model.interval
    return {
        "dataset": first.dataset,
        "model": first.model,
        "fingerprint": first.fingerprint,
        "refit": first.is_refitted,
        "n_seeds": len(model.correct),
        "seeds": [result.seed for result in results[: len(model.correct)]],
        "accuracy": model.accuracy if model.fold_sizes else statistics.fmean(accuracies),
        "accuracy_sd": statistics.stdev(accuracies) if several else None,
        "accuracy_interval": [max(0.0, interval[0]), min(1.0, interval[1])],
        "macro_f1": model.mean_metric("macro_f1"),
        "macro_f1_interval": None if model.fold_sizes else list(map(statistics.fmean, ends)),
        "loss": model.mean_metric("loss"),
        "majority_accuracy": _mean_majority(model),
        "n_examples": model.n_examples,
        "split_digest": model.test_set,
        "n_parameters": first.n_parameters,
        "train_seconds": statistics.fmean(result.train_seconds for result in results),
        "folds": first.folds,
        "fold": None if model.fold_sizes else first.fold,
        "n_train_examples": model.n_train_examples,
        **model.train_part,
    }


def _mean_majority(model: ModelResults) -> float:
    return statistics.fmean(result.evaluation.majority_accuracy for result in model.results)


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
    networks = [model for model in ordered if not is_baseline(model.first.model)]
    return {
        key: difference.p_value < ALPHA and difference.estimate.mean > 0
        for key, difference in compare_all(networks, best).items()
    }


def _note_test_sets(dataset: str, groups: Sequence[Sequence[ModelResults]]) -> list[str]:
    """Note that a dataset appears with several test sets."""
    sizes = sorted(group[0].n_examples for group in groups if group[0].first.dataset == dataset)
    counts = ", ".join(f"{n:,}" for n in sizes)
    return [
        f"{dataset} has {len(sizes)} test sets here ({counts} examples), each compared separately"
    ]


def _note_settings(ordered: Sequence[ModelResults], names: Mapping[str, str]) -> list[str]:
    """Note in which settings the configurations of one model differ."""
    alike: dict[str, dict[str, dict[str, str]]] = {}
    for model in ordered:
        name = names[model.first.fingerprint]
        if name != model.first.model and (settings := _read_settings(model)):
            alike.setdefault(model.first.model, {})[name] = settings
    notes = []
    for by_name in alike.values():
        keys = dict.fromkeys(key for settings in by_name.values() for key in settings)
        differing = [key for key in keys if len({s.get(key) for s in by_name.values()}) > 1]
        for name, settings in by_name.items():
            shown = ", ".join(f"{key}={settings[key]}" for key in differing if key in settings)
            notes += [f"{name}: {shown}"] if shown else []
    return notes


def _read_settings(model: ModelResults) -> dict[str, str]:
    """Return the settings that decide the result by their key; none if they cannot be read."""
    try:
        return model.runs[0].read_config().format_settings()
    except TextclfError:
        return {}  # They only explain the fingerprint.


def _note_insignificant(
    reference: str, differences: Mapping[str, Difference], names: Mapping[str, str]
) -> list[str]:
    """Note which models do not differ significantly from the reference, and what would show it."""
    found = {names[key]: d for key, d in differences.items() if d.p_value >= ALPHA}
    if not found:
        return []
    p_values = [format_p_value(difference.p_value) for difference in found.values()]
    limits = " to ".join(dict.fromkeys([min(p_values), max(p_values)]))
    advice = _advise(found, alpha=ALPHA / len(differences))
    return [f"no significant difference from {reference}: {_join(found)} (p = {limits}); {advice}"]


def _advise(insignificant: Mapping[str, Difference], *, alpha: float) -> str:
    """Return what would show a difference of models that do not differ significantly."""
    different = {name: d for name, d in insignificant.items() if d.estimate.mean != 0}
    if not different:
        return "the measured accuracies are the same"
    if any(difference.has_folds for difference in different.values()):
        return "more examples might show one"
    if any(difference.n_seeds == 1 for difference in different.values()):
        return "train more seeds to measure the variance over seeds"
    needed = {
        name: max(d.n_seeds + 1, seeds_needed(d.estimate, n_seeds=d.n_seeds, alpha=alpha))
        for name, d in different.items()
    }
    easiest = min(needed, key=needed.__getitem__)
    if math.isinf(needed[easiest]):
        return "more seeds alone would not show one; more test examples might"
    of_model = f" for {easiest}" if len(insignificant) > 1 else ""
    return f"about {needed[easiest]:.0f} seeds would show one{of_model}"


def _note_baselines(
    test_set: str, beats: Mapping[str, Mapping[str, bool]], names: Mapping[str, str]
) -> list[str]:
    """Note which networks are not significantly better than the linear baseline, or than chance."""
    claims = {
        LINEAR_BASELINE: f"not significantly better than the baseline model {LINEAR_BASELINE}",
        CHANCE_BASELINE: f"WARNING: not significantly better than chance ({CHANCE_BASELINE})",
    }
    notes = []
    for baseline, claim in claims.items():
        named = [names[key] for key, is_better in beats[baseline].items() if not is_better]
        notes += [f"{claim} on {test_set}: {_join(named)}"] if named else []
    return notes


def _note_majority(ordered: Sequence[ModelResults], test_set: str) -> list[str]:
    """Note the accuracy of always predicting the same label, unless a row has it."""
    if any(model.first.model == CHANCE_BASELINE for model in ordered):
        return []
    accuracy = _mean_majority(ordered[0])
    return [f"always predicting the most frequent label of {test_set} gives {accuracy:.4f}"]


def _note_small_labels(model: ModelResults, test_set: str) -> list[str]:
    scores = model.first.evaluation.per_class
    few = sum(score.support < FEW_EXAMPLES for score in scores)
    if not few:
        return []
    where = "test examples in a fold" if model.fold_sizes else "test examples"
    return [
        f"{few} of {len(scores)} labels of {test_set} have fewer than {FEW_EXAMPLES} {where},"
        " which makes macro F1 noisy"
    ]


def _join(names: Iterable[str]) -> str:
    """Return names as ``a, b and c``."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
