"""Trains a run again from its directory alone, and says whether it comes out the same."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from textclf.data.loading import load_dataset
from textclf.errors import GateError
from textclf.experiment.run import Settings, run_experiment
from textclf.runs.directory import RunDirectory
from textclf.runs.result import Result
from textclf.runtime import backend
from textclf.runtime.machine import COMPARED, count_processors


def reproduce(run: RunDirectory, settings: Settings, *, tolerance: float) -> list[dict[str, Any]]:
    """Train the configuration of a finished run again, in a temporary folder.

    Args:
        run: a finished run; it is not changed.
        settings: how.
        tolerance: how far metrics may lie apart where the machine or the versions differ; on the
            same ones they have to be equal.

    Returns:
        A row for each metric: ``metric``, ``stored``, ``reproduced``, ``difference``.

    Raises:
        GateError: the configuration or the dataset has changed since, or a metric differs.
    """
    stored, meta = run.read_result(), run.read_meta()
    config = run.read_config(verify=False)  # A change is named below.
    trees = (meta.get("config", {}), config.model_dump(mode="json"))
    # What a run asked for may have changed when it went on.
    decisive = [{key: tree[key] for key in tree if key != "resources"} for tree in trees]
    changed = list_differences(*decisive)
    if changed or (config.fingerprint, config.seed) != (stored.fingerprint, stored.seed):
        raise GateError(f"{run.path}: the configuration has changed since: {'; '.join(changed)}")
    if meta.get("threads") != count_processors():
        settings = replace(settings, threads=meta.get("threads"))
    backend.start(settings.device, threads=settings.threads or config.resources.cpus)
    run.check_dataset(load_dataset(config.dataset).digest)
    with tempfile.TemporaryDirectory(prefix="textclf-") as folder:
        again = RunDirectory(Path(folder) / "run")
        result = run_experiment(config, again, replace(settings, force=False))
        meta_again = again.read_meta()
        predictions_again = again.read_predictions()
    differences = list_differences(
        *({field: found.get(field) for field in COMPARED} for found in (meta, meta_again))
    )
    rows = _compare(stored, result)
    same = (
        run.read_predictions().probabilities.tobytes() == predictions_again.probabilities.tobytes()
    )
    _judge(run, rows, differences, same=same, tolerance=tolerance)
    for difference in differences:
        settings.reporter.say(f"made with {difference}; the tolerance is {tolerance:g}")
    return rows


def _judge(
    run: RunDirectory,
    rows: list[dict[str, Any]],
    differences: list[str],
    *,
    same: bool,
    tolerance: float,
) -> None:
    """Raise GateError where a run did not come out as it has to."""
    allowed = tolerance if differences else 0.0
    # Written so that a metric that is no number is broken too.
    broken = [row for row in rows if not abs(row["difference"]) <= allowed]
    if not differences and not broken and not same:
        raise GateError(f"{run.path} is not reproduced: predictions differ in their last digits")
    if broken:
        why = f"; it was made with {'; '.join(differences)}" if differences else ""
        figures = ", ".join(
            f"{row['metric']} {row['stored']:.6f} became {row['reproduced']:.6f}" for row in broken
        )
        raise GateError(f"{run.path} is not reproduced (tolerance {allowed:g}): {figures}{why}")


def list_differences(then: dict[str, Any], now: dict[str, Any], *, prefix: str = "") -> list[str]:
    """Name what has changed in a tree of values, such as ``versions.keras 3.14.0, now 3.15.1``."""
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
