"""A study: the trials of one hyperparameter search, in a folder that Optuna's tools can read."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self, get_args

from pydantic import PositiveInt, TypeAdapter

from textclf.comparison.comparison import Comparison
from textclf.config.resolve import get_value, resolve, set_values
from textclf.config.schema import UNDECISIVE_SECTIONS, ExperimentConfig
from textclf.config.search_space import SearchSpace, read_searches
from textclf.errors import RequestError, RunError, format_list, format_unknown
from textclf.experiment.reproduce import list_differences
from textclf.runs.directory import SMOKE_FOLDER, RunDirectory
from textclf.storage.files import reading, write_text
from textclf.tables import Column, format_html, format_number, format_table, terminal_width
from textclf.tuning import journal
from textclf.tuning.trial import Trial

Metric = Literal["accuracy", "macro_f1", "loss"]

STUDIES_FOLDER = "_studies"
"""Folder in the run root that contains the studies."""

JOURNAL = "study.journal"


@dataclass(frozen=True)
class StudySettings:
    """What decides the trials of a study.

    Attributes:
        config: Configuration of trial 0; its seed is also that of the search.
        space: What is tried.
        seeds: Seeds that each trial is trained with.
        metric: Metric on the validation split that decides which trial is the best.
        batch_size: Trials that are proposed together, and run at once.
        threads: TensorFlow's threads in each run.
    """

    config: ExperimentConfig
    space: SearchSpace
    seeds: tuple[int, ...]
    metric: Metric
    batch_size: PositiveInt = 1
    threads: PositiveInt = 1

    @property
    def direction(self) -> str:
        """Optuna's name of what is done with the metric."""
        return "minimize" if self.metric == "loss" else "maximize"

    @property
    def monitor(self) -> str:
        """The metric after each epoch that decides which trials are stopped."""
        return "val_loss" if self.metric == "loss" else "val_accuracy"

    def list_given(self) -> dict[str, Any]:
        """Return what the user gave, which is the same whenever the study is resumed."""
        return {
            "config": self.config.model_dump(mode="json", exclude={*UNDECISIVE_SECTIONS}),
            "search": {key: domain.to_tree() for key, domain in self.space.items()},
            "seeds": [*self.seeds],
            "metric": self.metric,
        }

    @property
    def default_name(self) -> str:
        """The dataset, the model, and hexadecimal digits of a hash of what the user gave."""
        identity = [part for part in self.config.identity if part is not None]
        given = {**self.list_given(), "config": identity}
        digits = hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()[:6]
        return f"{self.config.dataset.folder_name}-{self.config.model.short_name}-{digits}"

    def to_tree(self) -> dict[str, Any]:
        """Return the settings for the journal."""
        return {**self.list_given(), "batch_size": self.batch_size, "threads": self.threads}

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> Self:
        """Return the settings that `to_tree` returned, without executing Python files.

        Raises:
            RequestError: The configuration or the search space is invalid.
            KeyError: A setting is missing; ValueError or TypeError if one has another type.
        """
        searches = read_searches(tree["search"], JOURNAL)
        content = {
            **tree,
            "config": resolve(tree["config"], source=JOURNAL, code="skip"),
            "space": {search.key: search.domain for search in searches},
        }
        return TypeAdapter(cls).validate_python(content)


@dataclass(frozen=True, repr=False)
class Study:
    """The trials of one search.

    Attributes:
        path: Folder of the study.
        settings: What decides its trials.
        trials: Finished trials in the order of their numbers; trial 0 has the defaults.
        comparison: The best trial and the defaults on the test split; None if it was not made.
    """

    path: Path
    settings: StudySettings
    trials: list[Trial]
    comparison: Comparison | None = None

    def __repr__(self) -> str:
        return self.format("table", width=terminal_width())

    def _repr_html_(self) -> str:
        return format_html([self._make_row(trial) for trial in self.trials], self._list_columns())

    @property
    def title(self) -> str:
        """The model and the dataset, for plots."""
        config = self.settings.config
        return f"{config.model.short_name} on {config.dataset.short_name}"

    @property
    def defaults(self) -> Trial:
        """Trial 0, which has the configuration that was given."""
        return self.trials[0]

    @property
    def best(self) -> Trial:
        """The complete trial with the best metric; of several, the first."""
        sign = 1 if self.settings.direction == "minimize" else -1
        complete = [trial for trial in self.trials if trial.value is not None]
        return min(complete, key=lambda trial: (sign * float(trial.value or 0), trial.number))

    def make_config(self, trial: Trial) -> ExperimentConfig:
        """Return the configuration of a trial, with the first of its seeds."""
        config = make_trial_config(self.settings, trial.number, trial.params)
        return config.model_copy(update={"seed": self.settings.seeds[0]})

    def find_run(self, trial: Trial, seed: int, root: Path) -> RunDirectory:
        """Return the run directory of a trial; its values are not resolved, which may need code."""
        config = self.settings.config
        run = RunDirectory.of(config.model_copy(update={"seed": seed}), root)
        parts = [
            trial.fingerprint if part == config.fingerprint else part
            for part in run.path.relative_to(root).parts
        ]
        return RunDirectory(root.joinpath(*parts))

    def format(self, style: str, *, width: int | None = None) -> str:
        """Format the trials as a table, Markdown, CSV or JSON."""
        rows = [self._make_row(trial) for trial in self.trials]
        if style in {"csv", "json"}:
            return format_table(rows, (), style)
        return format_table(rows, self._list_columns(), style, width=width)

    def _make_row(self, trial: Trial) -> dict[str, Any]:
        """Return a trial as a row of ``trials.csv``."""
        return {
            "number": trial.number,
            "state": trial.state,
            "value": trial.value,
            **trial.params,
            **{f"seed {seed}": trial.values.get(seed) for seed in self.settings.seeds},
            "n_epochs": trial.n_epochs,
            "seconds": round(trial.seconds, 3),
            "fingerprint": trial.fingerprint,
            "error": trial.error,
        }

    def _list_columns(self) -> list[Column]:
        return [
            Column("number", "trial", numeric=True),
            Column("state", "state"),
            Column("value", f"validation {self.settings.metric}", format_number(4), numeric=True),
            *(Column(key, title) for key, title in list_titles(self.settings.space).items()),
            Column("n_epochs", "epochs", format_number(), numeric=True),
            Column("seconds", "train s", format_number(1), numeric=True),
        ]

    @classmethod
    def create(cls, path: Path, settings: StudySettings) -> Self:
        """Write the journal of a new study; the caller must hold the lock of the folder."""
        journal.create_journal(path / JOURNAL, settings.to_tree(), direction=settings.direction)
        return cls(path, settings, [])

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a study.

        Raises:
            RequestError: Optuna is not installed.
            RunError: The study does not exist or is damaged.
        """
        tree, frozen = journal.read_journal(path / JOURNAL)
        with reading(path / JOURNAL, journal.REMEDY):
            try:
                settings = StudySettings.from_tree(tree)
            except RequestError as error:
                raise RunError(f"{path}: {error}; {journal.REMEDY}") from error
            trials = [journal.thaw(trial, settings.space) for trial in frozen]
            if trials and trials[0].state != "complete":
                raise ValueError("trial 0 is not complete")
        return cls(path, settings, trials)

    def add(self, trials: Sequence[Trial]) -> "Study":
        """Append finished trials to the journal, and return the study with them."""
        journal.append_trials(self.path / JOURNAL, trials, self.settings.space)
        return replace(self, trials=[*self.trials, *trials])

    def write_files(self) -> None:
        """Write ``trials.csv``, and ``best.yaml`` for ``textclf train --config``."""
        write_text(self.path / "trials.csv", self.format("csv") + "\n")
        write_text(self.path / "best.yaml", self.make_config(self.best).to_yaml())

    def check(self, settings: StudySettings) -> None:
        """Raise RequestError if a study is to resume with other settings."""
        before, now = (_list_comparable(each) for each in (self.settings, settings))
        if changed := list_differences(before, now):
            raise RequestError(
                f"the study {self.path.name} has other settings: {format_list(changed, 3)}; give"
                " another --name, or leave it out"
            )


def list_titles(space: SearchSpace) -> dict[str, str]:
    """Return the title of each key in a table: its last part, or all of it if others have it."""
    names = {key: key.rpartition(".")[2] for key in space}
    return {key: key if [*names.values()].count(name) > 1 else name for key, name in names.items()}


def _list_comparable(settings: StudySettings) -> dict[str, Any]:
    """Return what the user gave; a file that is known by its content may be moved."""
    given = settings.list_given()
    config = given.pop("config")
    for section in (config["dataset"], config["model"]):
        if section.get("code") or section.get("digest"):
            section["name"] = Path(section["name"]).name
    return {**config, **given}


def make_trial_config(
    settings: StudySettings, number: int, params: Mapping[str, Any]
) -> ExperimentConfig:
    """Return the configuration of a trial; RequestError if the values do not fit together."""
    if number == 0:
        return settings.config
    return set_values(settings.config, params, f"trial {number}")


def get_defaults(settings: StudySettings) -> dict[str, Any]:
    """Return the values that trial 0 has for the keys of the search space."""
    return {key: get_value(settings.config, key) for key in settings.space}


def find_study(study: str | Path, run_root: Path) -> Path:
    """Return the folder of a study that is given by its folder or by its name.

    Raises:
        RunError: It does not exist.
    """
    roots = (run_root, run_root / SMOKE_FOLDER)
    places = [Path(study), *(root / STUDIES_FOLDER / study for root in roots)]
    for place in places:
        if (place / JOURNAL).is_file():
            return place
    names = [
        path.parent.name for root in roots for path in root.glob(f"{STUDIES_FOLDER}/*/{JOURNAL}")
    ]
    if not names:
        raise RunError(f"no study in {run_root}; begin one: textclf tune --model cnn --dataset bbc")
    raise RunError(format_unknown("study", str(study), names))


def check_metric(metric: str) -> Metric:
    """Return a metric; RequestError if it is unknown."""
    for known in get_args(Metric):
        if metric == known:
            return known  # type: ignore[no-any-return]
    raise RequestError(format_unknown("metric", metric, get_args(Metric)))
