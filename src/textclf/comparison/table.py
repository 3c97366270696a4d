"""Finished runs to one table: a row for each configuration, compared text by text with the best."""

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from textclf.comparison.model_results import Difference, Entry, compare_all, group_by_test_set
from textclf.comparison.significance import estimate, seeds_needed
from textclf.errors import RunError
from textclf.evaluation.metrics import FEW_TEXTS
from textclf.models._build import CHANCE_FLOOR, FLOORS, LINEAR_FLOOR
from textclf.tables import Column, number, show_p_value

ALPHA = 0.05

COLUMNS = (
    Column("dataset", "dataset"),
    Column("model", "model"),
    Column("error", "", lambda _: "failed"),
    Column("n_seeds", "seeds", numeric=True),
    Column("accuracy", "accuracy", number(4), numeric=True),
    Column("accuracy_sd", "± sd", number(4), numeric=True),
    Column("accuracy_interval", "95 %", lambda pair: f"{pair[0]:.3f}-{pair[1]:.3f}", numeric=True),
    Column("verdict", "", numeric=True),
    Column("difference", "difference", lambda value: f"{value:+.4f}", numeric=True),
    Column("p_value", "p", show_p_value, numeric=True),
    Column("macro_f1", "macro F1", number(4), numeric=True),
    Column("macro_f1_interval", "95 %", lambda pair: f"{pair[0]:.3f}-{pair[1]:.3f}", numeric=True),
    Column("loss", "loss", number(3), numeric=True),
    Column("train_seconds", "train s", number(1), numeric=True),
    Column("parameters", "parameters", number(), numeric=True),
    Column("n_examples", "test texts", number(), numeric=True),
    Column("fingerprint", "fingerprint", numeric=True),
)


def tabulate(
    entries: Sequence[Entry], *, reference: str | None = None
) -> tuple[list[dict[str, Any]], list[str]]:
    """Summarise and compare; see ``docs/statistics.md`` for the methods.

    Args:
        entries: of any datasets; only those on the same test texts are compared.
        reference: model to compare with; the most accurate one of each test set where None.

    Returns:
        Rows, the most accurate of a test set first, and notes in words. ``docs/results.md`` says
        what the keys mean.

    Raises:
        RunError: the reference is not among the entries.
    """
    if reference and all(entry.first.model != reference for entry in entries):
        raise RunError(f"no finished run of the reference '{reference}' is among those compared")
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    for group in group_by_test_set(entries):
        ordered = sorted(group, key=lambda entry: -entry.accuracy)
        chosen = next((e for e in ordered if e.first.model == reference), ordered[0])
        compared = compare_all(ordered, chosen, chosen=chosen is ordered[0])
        found = {id(entry): (difference, p) for entry, difference, p in compared}
        beaten = {floor: _find_beaten(ordered, floor) for floor in (LINEAR_FLOOR, CHANCE_FLOOR)}
        for entry in ordered:
            row = _summarise(entry)
            if len(ordered) > 1:
                row |= _judge(found.get(id(entry)), best=chosen is ordered[0])
                row |= {
                    "beats_linear_floor": beaten[LINEAR_FLOOR].get(id(entry)),
                    "beats_chance_floor": beaten[CHANCE_FLOOR].get(id(entry)),
                }
            rows.append(row)
        notes += _mention_other_texts(group[0], entries)
        notes += (
            _explain(chosen, compared)
            + _explain_floors(ordered, beaten)
            + _mention_majority(ordered)
            + _warn_of_small_labels(chosen)
        )
    return rows, list(dict.fromkeys(notes))


def add_failures(
    rows: Sequence[dict[str, Any]], notes: Sequence[str], failures: Iterable[Any]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Add a row and a note that says why for each `Failure` of an experiment."""
    failed = [
        {
            "dataset": failure.config.dataset.short_name,
            "model": failure.config.model.name,
            "fingerprint": failure.config.fingerprint,
            "seeds": [failure.config.seed],
            "error": f"failed: {failure.error}",
        }
        for failure in failures
    ]
    reasons = [f"{row['model']} seed {row['seeds'][0]} {row['error']}" for row in failed]
    return [*rows, *failed], [*notes, *reasons]


def _summarise(entry: Entry) -> dict[str, Any]:
    results, first = entry.results, entry.first
    several = len(results) > 1
    accuracies = [result.evaluation.metrics["accuracy"] for result in results]
    macro_f1_ends = zip(*(r.evaluation.intervals["macro_f1"] for r in results), strict=True)
    over_seeds = estimate(entry.correct.astype(float))
    # Without any variance the interval over seeds would be a point: texts still are a sample.
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
        "macro_f1": entry.mean_metric("macro_f1"),
        "macro_f1_interval": [statistics.fmean(ends) for ends in macro_f1_ends],
        "loss": entry.mean_metric("loss"),
        "majority_accuracy": first.evaluation.majority_accuracy,
        "n_examples": first.evaluation.n_examples,
        "parameters": first.parameters,
        "train_seconds": statistics.fmean(result.train_seconds for result in results),
    }


def _judge(found: tuple[Difference, float] | None, *, best: bool) -> dict[str, Any]:
    """Return the cells that compare a row with the reference, which has nothing to compare."""
    if found is None:
        return {"verdict": "best" if best else "reference"}
    difference, p_value = found
    better = "better" if difference.estimate.mean > 0 else "worse"
    return {
        "verdict": better if p_value < ALPHA else "not distinguishable",
        "difference": difference.estimate.mean,
        "difference_interval": list(difference.estimate.interval),
        "p_value": p_value,
    }


def _mention_other_texts(entry: Entry, entries: Sequence[Entry]) -> list[str]:
    """Say so where a dataset stands in the table with different test texts."""
    dataset = entry.first.dataset
    sizes = {
        other.first.split_digest: other.first.evaluation.n_examples
        for other in entries
        if other.first.dataset == dataset
    }
    if len(sizes) == 1:
        return []
    counts = ", ".join(f"{size:,}" for size in sorted(sizes.values()))
    return [f"{dataset} has {len(sizes)} test sets here ({counts} texts), each compared by itself"]


def _explain(reference: Entry, compared: Sequence[tuple[Entry, Difference, float]]) -> list[str]:
    """Say which models cannot be told from the reference, and what would tell them apart."""
    notes = []
    for entry, difference, p_value in compared:
        if p_value < ALPHA:
            continue
        pair = f"{entry.first.model} and {reference.first.model} on {entry.first.dataset}"
        alpha = ALPHA / len(compared)
        needed = seeds_needed(difference.estimate, n_seeds=difference.n_seeds, alpha=alpha)
        if difference.estimate.mean == 0:
            advice = "they are equally accurate"
        elif difference.n_seeds == 1:
            advice = "train more seeds to see how much the seed does"
        elif math.isinf(needed):
            advice = "no number of seeds would tell, more test texts might"
        else:
            advice = f"about {max(needed, difference.n_seeds + 1):.0f} seeds would tell"
        notes.append(f"{pair} cannot be told apart (p = {p_value:.2f}): {advice}")
    return notes


def _find_beaten(ordered: Sequence[Entry], floor: str) -> dict[int, bool]:
    """Say of each network, by its identity, whether it is better than the best floor of a name."""
    best = next((entry for entry in ordered if entry.first.model == floor), None)
    if best is None:
        return {}
    networks = [entry for entry in ordered if entry.first.model not in FLOORS]
    return {
        id(entry): p_value < ALPHA and difference.estimate.mean > 0
        for entry, difference, p_value in compare_all(networks, best)
    }


def _explain_floors(ordered: Sequence[Entry], beaten: dict[str, dict[int, bool]]) -> list[str]:
    """Say which networks a linear model keeps up with, and which know no more than chance."""
    notes = []
    for floor, claim in ((LINEAR_FLOOR, "does not beat"), (CHANCE_FLOOR, "is not above")):
        warning = "WARNING: " if floor == CHANCE_FLOOR else ""
        notes += [
            f"{warning}{entry.first.model} {claim} {floor} on {entry.first.dataset}"
            for entry in ordered
            if beaten[floor].get(id(entry)) is False
        ]
    return notes


def _mention_majority(ordered: Sequence[Entry]) -> list[str]:
    """Say what always giving the same answer reaches, where no row of the table does."""
    if any(entry.first.model == CHANCE_FLOOR for entry in ordered):
        return []
    first = ordered[0].first
    share = first.evaluation.majority_accuracy
    return [f"always answering the most frequent label of {first.dataset} gives {share:.4f}"]


def _warn_of_small_labels(entry: Entry) -> list[str]:
    scores = entry.first.evaluation.per_class
    few = sum(score.support < FEW_TEXTS for score in scores)
    warning = f"{few} of {len(scores)} labels of {entry.first.dataset} have fewer than {FEW_TEXTS}"
    return [f"{warning} test texts: macro F1 rests on them"] if few else []
