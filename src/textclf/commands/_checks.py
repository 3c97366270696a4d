"""Run directories to rows that say whether their files are what was written."""

from collections.abc import Iterable
from typing import Any

from textclf.runs.directory import RunDirectory
from textclf.tables import Column

COLUMNS = (Column("run", "run"), Column("state", "state"), Column("problem", "problem"))


def check_runs(runs: Iterable[RunDirectory]) -> list[dict[str, Any]]:
    """Check each run.

    Returns:
        Rows with the keys of `COLUMNS`; ``state`` is ``ok``, ``unfinished`` or ``damaged``, and a
        damaged run has a row for each problem.
    """
    rows: list[dict[str, Any]] = []
    for run in runs:
        if not run.is_finished:
            rows.append({"run": str(run.path), "state": "unfinished", "problem": None})
        elif problems := run.find_damage():
            rows += [
                {"run": str(run.path), "state": "damaged", "problem": problem}
                for problem in problems
            ]
        else:
            rows.append({"run": str(run.path), "state": "ok", "problem": None})
    return rows
