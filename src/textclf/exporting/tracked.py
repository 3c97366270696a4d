"""Describes finished runs and studies for a tracking server."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

from textclf.config.loading import format_value
from textclf.config.schema import ExperimentConfig
from textclf.errors import RunError
from textclf.runs.directory import RunDirectory
from textclf.runs.result import Result
from textclf.storage.checksums import hash_bytes, hash_file
from textclf.training.history import EpochRow


class Metric(NamedTuple):
    """A value of a metric after a step, at a time in milliseconds since 1970."""

    key: str
    value: float
    timestamp: int
    step: int = 0


@dataclass(frozen=True)
class TrackedContent:
    """The content of a run or a study, as a tracking server takes it.

    Attributes:
        key: Identifies the run, so that it is not sent twice.
        version: Differs if the run has changed and must be sent again.
        name: Name for people.
        status: MLflow's name of how it ended.
        tags: Facts by name.
        params: Values by their keys in a configuration.
        metrics: All values of all metrics.
        files: Files, and the folder of each among the artifacts; empty for the top folder.
        begin: When it began, in milliseconds since 1970.
        end: When it ended, in milliseconds since 1970.
    """

    key: str
    version: str
    name: str
    status: str
    tags: dict[str, str]
    params: dict[str, str]
    metrics: list[Metric]
    files: list[tuple[Path, str]]
    begin: int
    end: int


@dataclass(frozen=True)
class TrackedStudy:
    """A study, whose trials are sent as runs below it.

    Attributes:
        path: Its folder.
        config: Configuration of trial 0.
        first_trial: Fingerprint and duration of trial 0, which identify a study.
        params: Other settings.
        metrics: Metrics after its last trial.
    """

    path: Path
    config: ExperimentConfig
    first_trial: str
    params: dict[str, Any]
    metrics: dict[str, float] = field(default_factory=dict, compare=False)

    @property
    def is_finished(self) -> bool:
        """Whether it can be sent."""
        return True

    @property
    def key(self) -> str:
        """Identifies the study, so that it is not sent twice."""
        return f"study {hash_bytes(f'{self.path.name} {self.first_trial}'.encode())[:12]}"

    def read(self) -> TrackedContent:
        """Return the content of the study."""
        paths = sorted(path for path in self.path.iterdir() if not path.name.startswith("."))
        end = max(_get_time(path) for path in paths)
        return TrackedContent(
            key=self.key,
            version=json.dumps(self.metrics),
            name=self.path.name,
            status="FINISHED",
            tags={"textclf.study": self.path.name, **_describe(self.config)},
            params=_list_params(self.config)
            | {key: format_value(value) for key, value in self.params.items()},
            metrics=[Metric(name, value, end) for name, value in self.metrics.items()],
            files=[(path, "") for path in paths if path.is_file()],
            begin=end,
            end=end,
        )


@dataclass(frozen=True)
class TrackedRun:
    """A run, or a trial of a study.

    Attributes:
        path: Run directory.
        study: Study of the trial; None for other runs.
        trial: Number of the trial, which has ended; None for other runs.
    """

    path: Path
    study: TrackedStudy | None = None
    trial: int | None = None

    @property
    def is_finished(self) -> bool:
        """Whether it can be sent."""
        return self.trial is not None or RunDirectory(self.path).is_finished

    def read(self) -> TrackedContent:
        """Return the content of the run.

        Raises:
            RunError: The run is damaged, or nothing was trained.
        """
        run = RunDirectory(self.path)
        config, rows, results = run.read_config(), run.read_history(), _read_results(run)
        meta, files = run.read_meta(), run.list_results()
        if not rows and not results:
            raise RunError(f"{run.path} contains no result")
        phases: dict[str, float] = (meta.get("seconds") or {}) if run.is_finished else {}
        end = max(map(_get_time, files))
        if run.is_finished:  # Its meta.json may change later.
            end = int(run.finish_time.timestamp() * 1000)
        seconds = sum(phases.values()) or sum(row.seconds for row in rows)
        return TrackedContent(
            key=f"{'/'.join(map(str, config.identity))} {run.training_digest[:12]}",
            version=hash_file(files[0])[:12],
            name=_name(config, self.trial),
            status="FINISHED" if results else "KILLED",
            tags=_describe(config) | self._describe_origin(meta),
            params=_list_params(config),
            metrics=[*_list_epochs(rows, end - _count_later(phases)), *_list_final(results, end)],
            files=[(path, _find_folder(path, run)) for path in files],
            begin=end - int(seconds * 1000),
            end=end,
        )

    def _describe_origin(self, meta: Mapping[str, Any]) -> dict[str, str]:
        """Return the tags about the software, the device and the study."""
        tags = {f"version.{name}": version for name, version in meta["versions"].items()}
        tags |= {"textclf.device": str(meta["device"]), "mlflow.source.name": "textclf"}
        if commit := meta.get("commit"):
            tags["mlflow.source.git.commit"] = commit
        if self.study:
            tags |= {"textclf.study": self.study.path.name, "textclf.trial": str(self.trial)}
        return tags


def _list_params(config: ExperimentConfig) -> dict[str, str]:
    """Return all values that decide the result, by the keys of ``--set``."""
    return {**config.format_settings(), "seed": format_value(config.seed)}


def _describe(config: ExperimentConfig) -> dict[str, str]:
    """Return the tags by which runs are searched."""
    return {
        "textclf.dataset": config.dataset.short_name,
        "textclf.model": config.model.short_name,
        "textclf.fingerprint": config.fingerprint,
    }


def _name(config: ExperimentConfig, trial: int | None) -> str:
    """Return the name of a run for people."""
    name = f"{config.dataset.short_name}-{config.model.short_name}-seed-{config.seed}"
    if trial is not None:
        return f"trial-{trial}-seed-{config.seed}"
    return f"{name}-fold-{config.dataset.fold}" if config.dataset.fold else name


def _read_results(run: RunDirectory) -> list[Result]:
    """Return the results on the validation and the test split, if they exist."""
    results = [run.read_validation()] if run.is_validated else []
    return [*results, run.read_result()] if run.is_finished else results


def _list_epochs(rows: list[EpochRow], end: int) -> list[Metric]:
    """Return the metrics of each epoch; the last one ended at ``end``."""
    metrics = []
    names = [field.name for field in fields(EpochRow) if field.name != "epoch"]
    for row in reversed(rows):
        metrics += [Metric(name, getattr(row, name), end, row.epoch) for name in names]
        end -= int(row.seconds * 1000)
    return metrics[::-1]


def _list_final(results: list[Result], time: int) -> list[Metric]:
    """Return the metrics of the trained model."""
    values: dict[str, float] = {}
    for result in results:
        evaluation = result.evaluation
        values |= {f"{result.split}_{name}": v for name, v in evaluation.metrics.items()}
        for name, (low, high) in evaluation.intervals.items():
            values |= {f"{result.split}_{name}_low": low, f"{result.split}_{name}_high": high}
        values |= {"n_parameters": result.n_parameters, "train_seconds": result.train_seconds}
    return [Metric(name, value, time) for name, value in values.items()]


def _count_later(phases: Mapping[str, float]) -> int:
    """Return the milliseconds of a run after its training."""
    names = [*phases]
    later = names[names.index("train") + 1 :] if "train" in names else []
    return int(sum(phases[name] for name in later) * 1000)


def _find_folder(path: Path, run: RunDirectory) -> str:
    """Return the folder of a file in the run directory; empty for the run directory itself."""
    folder = path.parent.relative_to(run.path).as_posix()
    return "" if folder == "." else folder


def _get_time(path: Path) -> int:
    """Return when a file was written, in milliseconds since 1970."""
    return int(path.stat().st_mtime * 1000)
