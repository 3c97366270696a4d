"""Trains a run again from its directory alone, and says whether it comes out the same."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from textclf.environment import describe_environment
from textclf.errors import GateError
from textclf.experiment import Settings, run_experiment
from textclf.results import Result
from textclf.runs import RunDirectory

COMPARED = ("versions", "platform", "processor", "n_processors", "device")
"""Fields of ``meta.json`` that may change a result in its last digits."""


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
    config = run.read_config()
    if (config.fingerprint, config.seed) != (stored.fingerprint, stored.seed):
        raise GateError(
            f"{run.path}: config.yaml was changed after the run: its fingerprint is"
            f" {config.fingerprint}, seed {config.seed}; evaluation.json says"
            f" {stored.fingerprint}, seed {stored.seed}"
        )
    with tempfile.TemporaryDirectory(prefix="textclf-") as folder:
        again = RunDirectory(Path(folder) / "run")
        result = run_experiment(config, again, replace(settings, force=False))
        meta_again = again.read_meta()
    if meta["dataset_digest"] != meta_again["dataset_digest"]:
        raise GateError(f"{run.path}: the dataset has changed since the run")
    differences = list_differences(meta, {**describe_environment(), "device": meta_again["device"]})
    rows = _compare(stored, result)
    allowed = tolerance if differences else 0.0
    broken = [row["metric"] for row in rows if abs(row["difference"]) > allowed]
    if broken:
        why = f"; it was made with {'; '.join(differences)}" if differences else ""
        figures = ", ".join(
            f"{row['metric']} {row['stored']:.6f} became {row['reproduced']:.6f}"
            for row in rows
            if row["metric"] in broken
        )
        raise GateError(f"{run.path} is not reproduced (tolerance {allowed:g}): {figures}{why}")
    for difference in differences:
        settings.reporter.say(f"made with {difference}; the tolerance is {tolerance:g}")
    return rows


def list_differences(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Name what of the environment has changed, such as ``keras 3.14.0, now 3.15.1``."""
    differences = []
    for field in COMPARED:
        before, after = then.get(field), now.get(field)
        if isinstance(before, dict) and isinstance(after, dict):
            differences += [
                f"{name} {before.get(name)}, now {after.get(name)}"
                for name in sorted(before.keys() | after.keys())
                if before.get(name) != after.get(name)
            ]
        elif before != after:
            differences.append(f"{field} {before}, now {after}")
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
