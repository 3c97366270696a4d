"""Finished runs to one table: a row for each configuration, over its seeds."""

import statistics
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textclf.errors import RunError
from textclf.progress import Reporter
from textclf.registry import check_name
from textclf.results import Result
from textclf.search import find_runs
from textclf.tables import Column, number

if TYPE_CHECKING:
    from textclf.experiment import Failure

COLUMNS = (
    Column("dataset", "dataset"),
    Column("model", "model"),
    Column("error", ""),
    Column("n_seeds", "seeds", numeric=True),
    Column("accuracy", "accuracy", number(4), numeric=True),
    Column("accuracy_sd", "± sd", number(4), numeric=True),
    Column("accuracy_interval", "95 %", lambda pair: f"{pair[0]:.3f}-{pair[1]:.3f}", numeric=True),
    Column("macro_f1", "macro F1", number(4), numeric=True),
    Column("loss", "loss", number(3), numeric=True),
    Column("train_seconds", "train s", number(1), numeric=True),
    Column("parameters", "parameters", number(), numeric=True),
    Column("majority_accuracy", "majority", number(4), numeric=True),
    Column("n_examples", "test texts", number(), numeric=True),
    Column("fingerprint", "configuration", numeric=True),
)


def read_results(
    paths: Sequence[Path], reporter: Reporter, *, models: Sequence[str] = ()
) -> list[Result]:
    """Read the results of finished runs.

    Args:
        paths: run directories, which must be finished, or folders, whose unfinished runs are left
            out with a note.
        reporter: is told what is left out.
        models: only these; all where empty.

    Raises:
        RequestError: a model does not exist.
        RunError: nothing was found, or a run that was named is not finished.
    """
    for model in models:
        check_name("models", model)
    runs = find_runs(paths)
    unfinished = [run for run in runs if not run.is_finished and run.path not in paths]
    if unfinished:
        reporter.say(f"left out {len(unfinished)} unfinished, such as {unfinished[0].path}")
    results: dict[tuple[str, int], Result] = {}
    for run in runs:
        if run in unfinished:
            continue
        try:
            result = run.read_result()
        except RunError as error:
            if run.path in paths:
                raise
            reporter.say(f"left out: {error}")
            continue
        if models and result.model not in models:
            continue
        # The same run twice would count as two seeds without any deviation.
        if results.setdefault((result.fingerprint, result.seed), result) is not result:
            reporter.say(f"left out {run.path}: its configuration and seed are there already")
    if not results:
        raise RunError(f"no finished run {'of these models ' if models else ''}among {len(runs)}")
    return list(results.values())


def add_failures(
    rows: Sequence[dict[str, Any]], failures: "Sequence[Failure]"
) -> list[dict[str, Any]]:
    """Add a row that says why for each configuration that could not be run."""
    failed = [
        {
            "dataset": failure.config.dataset.name,
            "model": failure.config.model.name,
            "fingerprint": failure.config.fingerprint,
            "seeds": [failure.config.seed],
            "error": f"failed: {failure.reason}",
        }
        for failure in failures
    ]
    return [*rows, *failed]


def tabulate(results: Iterable[Result]) -> list[dict[str, Any]]:
    """Summarise each configuration over its seeds, the most accurate of a dataset first.

    Returns:
        Rows with the keys of `COLUMNS`, and ``seeds``. ``accuracy_sd`` is None for one seed;
        ``accuracy_interval`` is the mean over seeds of the ends of each run's interval.
    """

    def key(result: Result) -> tuple[str, str, str]:
        return result.dataset, result.model, result.fingerprint

    groups = [list(group) for _, group in groupby(sorted(results, key=key), key)]
    rows = [_summarise(group) for group in groups]
    return sorted(rows, key=lambda row: (row["dataset"], -row["accuracy"]))


def _summarise(results: Sequence[Result]) -> dict[str, Any]:
    first = results[0]
    accuracies = [result.evaluation.metrics["accuracy"] for result in results]
    intervals = [result.evaluation.intervals["accuracy"] for result in results]

    def mean_metric(name: str) -> float:
        return statistics.fmean(result.evaluation.metrics[name] for result in results)

    return {
        "dataset": first.dataset,
        "model": first.model,
        "fingerprint": first.fingerprint,
        "n_seeds": len(results),
        "seeds": sorted(result.seed for result in results),
        "accuracy": statistics.fmean(accuracies),
        "accuracy_sd": statistics.stdev(accuracies) if len(results) > 1 else None,
        "accuracy_interval": [statistics.fmean(ends) for ends in zip(*intervals, strict=True)],
        "macro_f1": mean_metric("macro_f1"),
        "loss": mean_metric("loss"),
        "majority_accuracy": first.evaluation.majority_accuracy,
        "n_examples": first.evaluation.n_examples,
        "parameters": first.parameters,
        "train_seconds": statistics.fmean(result.train_seconds for result in results),
    }
