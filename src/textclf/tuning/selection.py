"""Compares the best trial of a study with the defaults: the only use of the test split."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from textclf.comparison.comparison import Comparison
from textclf.config.resolve import set_values
from textclf.config.search_space import Range
from textclf.errors import RequestError, RunError, format_list
from textclf.executors._base import ExecutorConfig, run_all
from textclf.experiment.run import RunContext
from textclf.runs.directory import RunDirectory
from textclf.runs.result import Failure, Result
from textclf.runtime.progress import Reporter
from textclf.tuning.study import Study


def compare_selected(
    study: Study, root: Path, context: RunContext, executor: ExecutorConfig
) -> Comparison:
    """Evaluate the best trial and the defaults on the test split, and compare them.

    Args:
        study: A study with one or more trials.
        root: Root of the run directories.
        context: How each run is executed; runs that are validated only predict the test split.
        executor: Where runs are executed.
    """
    chosen = {trial.fingerprint: study.make_config(trial) for trial in (study.defaults, study.best)}
    configs = [
        config.model_copy(update={"seed": seed})
        for config in chosen.values()
        for seed in study.settings.seeds
    ]
    finished, failures = run_all(configs, root, context, executor)
    return _compare_runs(study, root, finished, failures, context.reporter)


def read_compared(path: Path, reporter: Reporter) -> Study:
    """Read a study with the comparison that `tune` has made.

    Args:
        path: Folder of the study.
        reporter: Prints which runs are left out.

    Raises:
        RequestError: Optuna is not installed.
        RunError: The study or a run is damaged, or `tune` was interrupted before the comparison.
    """
    study = Study.read(path)
    root = Path(os.path.abspath(path)).parent.parent  # noqa: PTH100 - does not follow links
    if not path.is_absolute():
        root = Path(os.path.relpath(root))  # As `tune` was given it.
    chosen = [study.defaults, study.best] if study.trials else []
    trials = {trial.fingerprint: trial for trial in chosen}
    seeds = study.settings.seeds
    runs = [study.find_run(trial, seed, root) for trial in trials.values() for seed in seeds]
    if not (runs and all(run.is_finished for run in runs)):
        raise RunError(
            f"{path} has not been compared on the test split: run its `textclf tune` again, which"
            " finishes the study"
        )
    finished = [(run, run.read_result()) for run in runs]
    return replace(study, comparison=_compare_runs(study, root, finished, [], reporter))


def _compare_runs(
    study: Study,
    root: Path,
    finished: Sequence[tuple[RunDirectory, Result]],
    failures: list[Failure],
    reporter: Reporter,
) -> Comparison:
    """Compare the runs of the best trial with those of the defaults."""
    defaults = study.settings.config.fingerprint
    # If the runs of the defaults failed, there is nothing to compare with.
    reference = defaults if any(r.fingerprint == defaults for _, r in finished) else None
    compared = Comparison.of(finished, failures, reporter, reference=reference)
    rows = [
        {**row, "n_trials": len(study.trials) if row["fingerprint"] != defaults else None}
        for row in compared.rows
    ]
    notes = [*compared.notes, *_list_notes(study, root, rows)]
    return replace(compared, rows=rows, notes=notes)


def _list_notes(study: Study, root: Path, rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return what was selected, if tuning helped, and for what the test split was used."""
    best, defaults, metric = study.best, study.defaults, study.settings.metric
    n_trials = len(study.trials)
    if n_trials == 1:
        return ["only the defaults were tried: use more --trials"]
    if best.fingerprint == defaults.fingerprint:
        return [
            f"tuning did not help: none of {n_trials} trials has a better validation {metric} than"
            f" the defaults ({best.value:.4f})"
        ]
    notes = [
        f"trial {best.number} ({best.fingerprint}) has the best validation {metric} of"
        f" {n_trials} trials ({best.value:.4f}; the defaults, trial 0, {defaults.value:.4f})",
        *_note_ends(study),
    ]
    by_fingerprint = {row["fingerprint"]: row for row in rows if not row["error"]}
    tuned, given = (by_fingerprint.get(trial.fingerprint) for trial in (best, defaults))
    if tuned and given:
        notes += [*_judge(study, tuned, given), _note_test_use(study, root)]
    return notes


def _note_ends(study: Study) -> list[str]:
    """Note which values of the best trial are at an end of their range that could be wider."""
    params = study.best.params
    ends = [f"{key} {params[key]}" for key in params if _could_be_beyond(study, key, params[key])]
    if not ends:
        return []
    listed = format_list(ends, len(ends))
    return [f"at the end of its range: {listed}; a wider --search may find a better value"]


def _could_be_beyond(study: Study, key: str, value: Any) -> bool:
    """Return whether a value is the end of its range, and the model allows one beyond it."""
    domain = study.settings.space[key]
    if not isinstance(domain, Range) or value not in domain.corners:
        return False
    step = domain.step or (1 if domain.is_integer else value / 2 if domain.log else 0.01)
    beyond = value - step if value == domain.low else value + step
    try:
        set_values(study.settings.config, {key: beyond}, key)
    except RequestError:
        return False
    return True


def _judge(study: Study, tuned: dict[str, Any], defaults: dict[str, Any]) -> list[str]:
    """Return whether tuning helped on the test split, and what the p-value is about."""
    metric, notes = study.settings.metric, []
    found, expected = tuned[metric], defaults[metric]
    if not (found < expected if study.settings.direction == "minimize" else found > expected):
        notes.append(
            f"tuning did not help: the best trial is not better on the test split ({metric}"
            f" {found:.4f}; the defaults {expected:.4f})"
        )
    if metric != "accuracy":
        notes.append(f"the p-value is about accuracy, although {metric} selected the best trial")
    if len(study.settings.seeds) == 1 and tuned["verdict"] in {"better", "worse"}:
        notes.append(
            "with one seed, the p-value is about these two trained models, not about their"
            " configurations: use --seeds to compare those"
        )
    return notes


def _note_test_use(study: Study, root: Path) -> str:
    """Return for which trials the test split was used: two, unless it was used before."""
    seed = study.settings.seeds[0]
    numbers: dict[str, int] = {}
    for trial in study.trials:
        if trial.value is not None and study.find_run(trial, seed, root).is_finished:
            numbers.setdefault(trial.fingerprint, trial.number)
    *others, last = sorted(numbers.values())
    used = f"{', '.join(map(str, others))} and {last}"
    if len(numbers) <= 2:
        return f"the test split was used for trials {used} only"
    return (
        f"WARNING: the test split was used for trials {used}: the study was continued after a"
        " comparison, or other commands evaluated them; the p-value does not account for that"
    )
