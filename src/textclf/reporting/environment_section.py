"""The section of a report about the software and the machine of the runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from textclf.comparison.comparison import Comparison
from textclf.reporting.documents import Document
from textclf.reporting.ranking import name_by_accuracy
from textclf.runtime.machine import ENVIRONMENT_FIELDS

OWN_FIELDS = ("commit", "command", "peak_memory_bytes", "seconds")
"""Fields of ``meta.json`` that every run has of its own."""


@dataclass(frozen=True)
class EnvironmentSection:
    """What the template ``environment.html`` shows.

    Attributes:
        documents: ``environment``: the distinct ``environments``, and ``runs``, each with the
            position of its environment.
        fields: Paths of the fields of an environment, such as ``versions.numpy``.
        differing: Those that differ between environments.
        phases: Names of the phases whose seconds are known, in their order.
        commands: The runs by their command and commit, None if they are not known.
    """

    documents: list[Document]
    fields: list[str]
    differing: list[str]
    phases: list[str]
    commands: dict[tuple[str | None, str | None], list[str]]

    @classmethod
    def of(cls, comparison: Comparison) -> "EnvironmentSection":
        """Describe the software and the machine of all runs."""
        environments: list[dict[str, Any]] = []
        runs = []
        for name, model in name_by_accuracy(comparison.models).items():
            for run, result in zip(model.runs, model.results, strict=True):
                meta = run.read_meta()
                environment = {field: meta.get(field) for field in ENVIRONMENT_FIELDS}
                if environment not in environments:
                    environments.append(environment)
                runs.append(
                    {
                        "run": str(run.path),
                        "model": name,
                        "seed": result.seed,
                        "environment": environments.index(environment),
                        **{field: meta.get(field) for field in OWN_FIELDS},
                    }
                )
        flat = [_flatten(environment) for environment in environments]
        fields = list(dict.fromkeys(field for values in flat for field in values))
        content = {"environments": environments, "runs": runs}
        return cls(
            [Document("environment", "Software and machines, from meta.json", content)],
            fields,
            [field for field in fields if len({str(values.get(field)) for values in flat}) > 1],
            _list_phases(runs),
            _group_by_command(runs),
        )


def _flatten(environment: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an environment by their path."""
    versions = environment["versions"] or {}
    others = {key: value for key, value in environment.items() if key != "versions"}
    return {**{f"versions.{package}": v for package, v in versions.items()}, **others}


def _group_by_command(
    runs: Sequence[Mapping[str, Any]],
) -> dict[tuple[str | None, str | None], list[str]]:
    """Return the model and the seed of the runs of each command and commit."""
    groups: dict[tuple[str | None, str | None], list[str]] = {}
    for run in runs:
        name = f"{run['model']} seed {run['seed']}"
        groups.setdefault((run["command"], run["commit"]), []).append(name)
    return groups


def _list_phases(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of all phases, in the order of the run that has most of them."""
    by_run = sorted((list(run["seconds"] or ()) for run in runs), key=len, reverse=True)
    return list(dict.fromkeys(phase for phases in by_run for phase in phases))
