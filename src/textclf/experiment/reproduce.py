"""Trains a run again from its directory alone, and compares the results."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from textclf.config.schema import UNDECISIVE_SECTIONS
from textclf.data.loading import load_dataset
from textclf.errors import GateError
from textclf.experiment.device import start_device
from textclf.experiment.run import RunContext, run_experiment
from textclf.runs.directory import RunDirectory
from textclf.runs.result import Result
from textclf.runtime.machine import ENVIRONMENT_FIELDS, count_processors


def reproduce(
    run: RunDirectory, context: RunContext, *, tolerance: float, trust_code: bool = False
) -> list[dict[str, Any]]:
    """Train the configuration of a finished run again, in a temporary folder.

    Args:
        run: Finished run, which is not changed.
        context: How to execute it.
        tolerance: Allowed difference of a metric if the machine or the versions differ; otherwise
            metrics must be equal.
        trust_code: Whether to execute the Python files of the run, if it has some.

    Returns:
        A row for each metric: ``metric``, ``stored``, ``reproduced``, ``difference``.

    Raises:
        GateError: The configuration or the dataset has changed, or a metric differs.
        RequestError: The run has Python files that are not trusted.
    """
    stored, meta = run.read_result(), run.read_meta()
    # Its changes are listed below.
    config = run.read_config(verify=False, trust_code=trust_code)
    # A resumed run may have reserved other resources, or written another kind of model file.
    trees = [meta.get("config", {}), config.model_dump(mode="json")]
    decisive = [{key: tree[key] for key in tree.keys() - UNDECISIVE_SECTIONS} for tree in trees]
    changed = list_differences(*decisive)
    if changed or config.identity != stored.identity:
        raise GateError(f"{run.path}: the configuration has changed: {'; '.join(changed)}")
    if meta.get("n_threads") != count_processors():
        context = replace(context, threads=meta.get("n_threads"))
    start_device(
        context.device,
        is_network=run.has_network,
        reporter=context.reporter,
        threads=context.threads or config.resources.cpus,
    )
    run.check_dataset(load_dataset(config.dataset).digest)
    with tempfile.TemporaryDirectory(prefix="textclf-") as folder:
        again = RunDirectory(Path(folder) / "run")
        result = run_experiment(config, again, replace(context, force=False, is_temporary=True))
        meta_again = again.read_meta()
        predictions_again = again.read_predictions()
    differences = list_differences(
        *({field: m.get(field) for field in ENVIRONMENT_FIELDS} for m in (meta, meta_again))
    )
    rows = _compare(stored, result)
    same_predictions = (
        run.read_predictions().probabilities.tobytes() == predictions_again.probabilities.tobytes()
    )
    _judge(run, rows, differences, same_predictions=same_predictions, tolerance=tolerance)
    for difference in differences:
        context.reporter.info(f"made with {difference}; the tolerance is {tolerance:g}")
    return rows


def _judge(
    run: RunDirectory,
    rows: list[dict[str, Any]],
    differences: list[str],
    *,
    same_predictions: bool,
    tolerance: float,
) -> None:
    """Raise GateError if a run was not reproduced."""
    allowed = tolerance if differences else 0.0
    # Written so that NaN counts as a difference.
    broken = [row for row in rows if not abs(row["difference"]) <= allowed]
    if not differences and not broken and not same_predictions:
        raise GateError(f"{run.path} is not reproduced: predictions differ in their last digits")
    if broken:
        reason = f"; it was made with {'; '.join(differences)}" if differences else ""
        metrics = ", ".join(
            f"{row['metric']} {row['stored']:.6f} became {row['reproduced']:.6f}" for row in broken
        )
        raise GateError(f"{run.path} is not reproduced (tolerance {allowed:g}): {metrics}{reason}")


def list_differences(then: dict[str, Any], now: dict[str, Any], *, prefix: str = "") -> list[str]:
    """Return the differences of two trees, such as ``versions.keras 3.14.0, now 3.15.1``."""
    differences = []
    for key in sorted(then.keys() | now.keys()):
        before, after, name = then.get(key), now.get(key), f"{prefix}{key}"
        if isinstance(before, dict) and isinstance(after, dict):
            differences += list_differences(before, after, prefix=f"{name}.")
        elif before != after:
            differences.append(f"{name} {before}, now {after}")
    return differences


def _compare(stored: Result, again: Result) -> list[dict[str, Any]]:
    return [
        {
            "metric": name,
            "stored": value,
            "reproduced": again.evaluation.metrics[name],
            "difference": again.evaluation.metrics[name] - value,
        }
        for name, value in stored.evaluation.metrics.items()
    ]
