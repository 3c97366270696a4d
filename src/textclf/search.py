"""Finds run directories below folders that a user names."""

from collections.abc import Iterable
from pathlib import Path

from textclf.errors import RunError
from textclf.runs import RunDirectory


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
