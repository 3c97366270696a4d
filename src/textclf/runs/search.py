"""Finds run directories below the folders that a user names."""

import contextlib
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from textclf.config.resolve import resolve
from textclf.errors import (
    LimitError,
    RunError,
    TextclfError,
    VersionError,
    format_count,
    format_nearest_path,
)
from textclf.registry import check_name, is_code, list_names, shorten_name
from textclf.runs.directory import SMOKE_FOLDER, RunDirectory
from textclf.runs.result import Result
from textclf.runtime.progress import Reporter


def find_runs(paths: Iterable[Path]) -> list[RunDirectory]:
    """Return the runs at or below each path, without repetition; see `RunDirectory.list_below`.

    Raises:
        RunError: A path does not exist or contains no run.
    """
    runs: dict[Path, RunDirectory] = {}
    for path in paths:
        if not path.is_dir():
            raise RunError(_explain_path(path))
        found = RunDirectory.list_below(path)
        if not found:
            remedy = "train one: textclf train --model mlp --dataset bbc"
            if (path / SMOKE_FOLDER).is_dir():
                remedy = f"name {path / SMOKE_FOLDER} for the runs of --smoke, or {remedy}"
            raise RunError(f"no run below {path}; {remedy}")
        runs |= {run.path.resolve(): run for run in found}
    return list(runs.values())


def _explain_path(path: Path) -> str:
    """Return the message for a path that is not a folder of runs."""
    remedy = "give a run directory or a folder of runs"
    if path.exists() and RunDirectory(path.parent).is_begun:
        return f"{path} is a file of a run; give the run directory, {path.parent}"
    if path.exists() or str(path) in list_names("datasets"):
        remedy += f", or train with --dataset {shlex.quote(str(path))}"
    if path.exists():
        return f"{path} is a file; {remedy}"
    nearest = format_nearest_path(path)
    return f"{path} does not exist" + (f": {nearest} Or {remedy}" if nearest else f"; {remedy}")


def read_finished(
    paths: Sequence[Path], reporter: Reporter, *, models: Sequence[str] = ()
) -> list[tuple[RunDirectory, Result]]:
    """Read the results of finished runs.

    Args:
        paths: Run directories, which must be finished, or folders, of which unfinished and damaged
            runs are left out with a message.
        reporter: Prints which runs are left out.
        models: Only runs of these models; all if empty.

    Raises:
        RequestError: A model does not exist.
        RunError: No run is found, or a run that is named is not finished.
    """
    runs = find_runs(paths)
    names = [shorten_name(model) for model in models]
    found: set[str] = set()
    finished: dict[tuple[str, int | None, int], tuple[RunDirectory, Result]] = {}
    for run in _leave_out_unfinished(runs, paths, reporter):
        try:
            result = run.read_result()
        except (LimitError, RunError) as error:
            if run.path in paths:
                raise
            reporter.info(f"left out: {error}")
            continue
        found.add(result.model)
        if models and result.model not in names:
            continue
        # The same run twice would count as two seeds without any variance.
        if finished.setdefault(result.identity, (run, result))[0] is not run:
            reporter.info(f"left out: {run.path} repeats the configuration and seed of another run")
    for model in models:
        if shorten_name(model) not in found and not is_code("models", model):
            check_name("models", model)
    if not finished:
        of_models = "of these models " if models else ""
        raise RunError(f"no finished run {of_models}among {format_count(len(runs), 'run')}")
    return list(finished.values())


def _leave_out_unfinished(
    runs: Sequence[RunDirectory], named: Sequence[Path], reporter: Reporter
) -> list[RunDirectory]:
    """Return runs without those that are neither finished nor named, if there are several."""
    others = [run for run in runs if not run.is_finished and run.path not in named]
    if len(others) < 2:
        return [*runs]
    # One line for all of them, because a study leaves many.
    n_validated = sum(run.is_validated for run in others)
    validated = f" ({n_validated:,} of them validated)" if n_validated else ""
    reporter.info(
        f"left out: {len(others):,} runs that are not finished{validated}, such as {others[0].path}"
    )
    return [run for run in runs if run not in others]


def leave_out_folds(
    found: Sequence[tuple[RunDirectory, Result]], named: Sequence[Path], reporter: Reporter
) -> list[tuple[RunDirectory, Result]]:
    """Return finished runs without those of folds that are not named, if others remain."""
    kept = [(run, result) for run, result in found if result.fold is None or run.path in named]
    if not kept or len(kept) == len(found):
        return [*found]
    example = next(run.path for run, result in found if (run, result) not in kept)
    count = format_count(len(found) - len(kept), "run")
    reporter.info(f"left out: {count} of a cross-validation, such as {example}")
    return kept


def find_finished_run(path: Path) -> RunDirectory:
    """Return the finished run at ``path``, or the only run below it.

    Raises:
        RunError: No run is found, it is not finished, or there are several.
    """
    run = RunDirectory(path)
    if not run.is_begun:
        runs = find_runs([path])
        if len(runs) > 1:
            raise RunError(
                f"{len(runs)} runs below {path}; name one of them, such as {runs[0].path}"
            )
        run = runs[0]
    run.read_result()
    return run


def find_described(
    paths: Iterable[Path], *, model: str | None, dataset: str | None, unfinished: bool
) -> list[tuple[RunDirectory, dict[str, Any]]]:
    """Return the runs at or below each path that match all filters, with their descriptions.

    Args:
        paths: Run directories, or folders of runs.
        model: Only runs of this model; None for all.
        dataset: Only runs on this dataset, or on a file of this name; None for all.
        unfinished: Whether to return only runs that are neither finished nor validated.

    Raises:
        RunError: A path does not exist or contains no run.
    """
    models = {shorten_name(model), Path(model).name} if model else set()
    datasets = _list_dataset_names(dataset) if dataset else set()
    return [
        (run, row)
        for run, row in ((run, describe_run(run)) for run in find_runs(paths))
        if (not model or row["model"] in models)
        and (not dataset or _has_dataset(run, row["dataset"], datasets))
        and not (unfinished and (run.is_finished or run.is_validated))
    ]


def _list_dataset_names(name: str) -> set[str]:
    """Return how a run may call the dataset that the user names, perhaps by its path."""
    names = {name, shorten_name(name), "/".join(Path(name).absolute().parts[-2:])}
    with contextlib.suppress(TextclfError):  # A file that does not exist any more.
        tree = {"dataset": {"name": name}, "model": {"name": "majority"}}
        dataset = resolve(tree, code="skip").dataset
        names |= {dataset.short_name, dataset.folder_name}
    return names


def _has_dataset(run: RunDirectory, dataset: str | None, names: set[str]) -> bool:
    """Return whether one of the names is that of a run's dataset, its file or its folder."""
    if dataset is None or not names.isdisjoint({dataset, Path(dataset).name}):
        return dataset is not None
    with contextlib.suppress(TextclfError):
        return run.read_config(verify=False).dataset.folder_name in names
    return False


def describe_run(run: RunDirectory) -> dict[str, Any]:
    """Describe a run without verifying all of its files.

    Returns:
        ``run``, its path; ``state``: finished, validated (a trial of ``textclf tune``, which has
        not seen the test split), unfinished, in use, damaged or other version;
        ``dataset``, ``model``, ``fold``, ``seed``, ``accuracy``, and ``finished``, the time in ISO
        format. What is not known is None.
    """
    row: dict[str, Any] = {"run": str(run.path), "state": "finished"}
    row |= dict.fromkeys(("dataset", "model", "fold", "seed", "accuracy", "finished"))
    try:
        if run.is_finished:
            result = run.read_result()
            row["finished"] = run.finish_time.isoformat(timespec="seconds")
            row["accuracy"] = result.evaluation.metrics["accuracy"]
            keys = ("dataset", "model", "fold", "seed")
            return row | {key: getattr(result, key) for key in keys}
        if run.is_in_use:
            row["state"] = "in use"
        else:
            row["state"] = "validated" if run.is_validated else "unfinished"
    except VersionError:
        row["state"] = "other version"
    except (LimitError, RunError):
        row["state"] = "damaged"
    with contextlib.suppress(TextclfError):
        config = run.read_config(verify=False)
        names = {"dataset": config.dataset.short_name, "model": config.model.short_name}
        return row | names | {"fold": config.dataset.fold, "seed": config.seed}
    return row
