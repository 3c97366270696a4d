"""Check the files of run directories."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textclf.commands._options import PATH, format_option, print_table, run_root_option
from textclf.tables import Column

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textclf.runs.directory import RunDirectory

COLUMNS = (Column("run", "run"), Column("state", "state"), Column("problem", "problem"))


@click.group(name="runs")
def command() -> None:
    """Check the files of run directories.

    \b
    Example: textclf runs check
    """


@command.command(name="check")
@click.argument("paths", metavar="[RUN]...", nargs=-1, type=PATH)
@run_root_option
@format_option
def check(paths: tuple[Path, ...], run_root: Path, style: str) -> None:
    """Verify that the files of finished runs have not changed.

    RUN is a run directory or a folder of runs; the default is the run root. Compares each file with
    its checksum in meta.json, without changing anything. Exits with 3 if a run is damaged.

    \b
    Example: textclf runs check runs/bbc
    """
    from textclf.errors import GateError
    from textclf.runs.search import find_runs

    rows = check_runs(find_runs(paths or (run_root,)))
    print_table(rows, COLUMNS, style)
    damaged = {row["run"] for row in rows if row["state"] == "damaged"}
    if damaged:
        raise GateError(
            f"{len(damaged)} of {len({row['run'] for row in rows})} runs are damaged; train them"
            " again with their options and --force, or restore their files"
        )


def check_runs(runs: "Iterable[RunDirectory]") -> list[dict[str, Any]]:
    """Check each run.

    Returns:
        Rows with the keys of `COLUMNS`; ``state`` is ``ok``, ``unfinished``, ``damaged`` or ``other
        version``, and a damaged run has a row for each problem.
    """
    from textclf.errors import VersionError

    rows: list[dict[str, Any]] = []
    for run in runs:
        problems: list[str | None] = []
        state = "ok" if run.is_finished else "unfinished"
        try:
            problems += run.find_damage() if run.is_finished else []
            state = "damaged" if problems else state
        except VersionError as error:
            state, problems = "other version", [str(error)]
        rows += [
            {"run": str(run.path), "state": state, "problem": problem}
            for problem in problems or [None]
        ]
    return rows
