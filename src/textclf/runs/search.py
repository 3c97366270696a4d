"""Finds run directories below folders that a user names."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from textclf.errors import LimitError, RunError
from textclf.registry import check_name
from textclf.runs.directory import RunDirectory
from textclf.runs.result import Result
from textclf.runtime.progress import Reporter


def find_runs(paths: Iterable[Path]) -> list[RunDirectory]:
    """Return each run that is named, or that lies below a folder that is named, in their order.

    Raises:
        RunError: a path does not exist, or has no run in it.
    """
    runs: dict[Path, RunDirectory] = {}
    for path in paths:
        if not path.is_dir():
            raise RunError(f"{path} is no folder; give a run directory or a folder of runs")
        found = RunDirectory.list_below(path)
        if not found:
            raise RunError(
                f"no run below {path}; make one with: textclf train --model mlp --dataset bbc"
            )
        runs |= {run.path.resolve(): run for run in found}
    return list(runs.values())


def read_finished(
    paths: Sequence[Path], reporter: Reporter, *, models: Sequence[str] = ()
) -> list[tuple[RunDirectory, Result]]:
    """Read the results of finished runs.

    Args:
        paths: run directories, which must be finished, or folders, whose unfinished and damaged
            runs are left out with a note.
        reporter: is told what is left out.
        models: only these; all where empty.

    Raises:
        RequestError: a model does not exist.
        RunError: nothing was found, or a run that was named is not finished.
    """
    for model in models:
        check_name("models", model)
    runs = find_runs(paths)
    finished: dict[tuple[str, int], tuple[RunDirectory, Result]] = {}
    for run in runs:
        try:
            result = run.read_result()
        except (LimitError, RunError) as error:
            if run.path in paths:
                raise
            reporter.say(f"left out: {error}")
            continue
        if models and result.model not in models:
            continue
        # The same run twice would count as two seeds without any deviation.
        if finished.setdefault((result.fingerprint, result.seed), (run, result))[0] is not run:
            reporter.say(f"left out {run.path}: its configuration and seed are there already")
    if not finished:
        raise RunError(f"no finished run {'of these models ' if models else ''}among {len(runs)}")
    return list(finished.values())


def find_finished_run(path: Path) -> RunDirectory:
    """Return the finished run that ``path`` is, or the only run below it.

    Raises:
        RunError: there is none, it is not finished, or there are several.
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
