"""List, check or remove run directories."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textclf.commands._options import PATH, format_option, run_filter_options, run_root_option
from textclf.commands._output import continuing_without_reader, print_next, print_table
from textclf.tables import Column, escape_control, format_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from textclf.runs.directory import RunDirectory

LIST_COLUMNS = (
    Column("run", "run", shrinks_to=30),
    Column("state", "state"),
    Column("accuracy", "accuracy", format_number(4), numeric=True),
    Column("finished", "finished", lambda time: time[:16].replace("T", " ")),
)
CHECK_COLUMNS = (
    Column("run", "run", shrinks_to=30),
    Column("state", "state"),
    Column("problem", "problem", shrinks_to=30),
)


@click.group(name="runs")
def command() -> None:
    """List, check or remove run directories.

    \b
    Example: textclf runs list
    """


@command.command(name="list")
@click.argument("paths", metavar="[RUN]...", nargs=-1, type=PATH)
@run_filter_options
@run_root_option
@format_option
def show(paths: tuple[Path, ...], run_root: Path, style: str, **filters: Any) -> None:
    """List runs with their state and accuracy.

    RUN is a run directory or a folder of runs; the default is the run root. A run is finished,
    validated (a trial of `textclf tune`, which has not seen the test split), unfinished, in use (a
    process is training it), damaged (its result cannot be read) or of another version of textclf.
    `textclf runs check` finds damage in the other files.

    \b
    Example: textclf runs list --dataset bbc
    """
    from textclf.runs.search import find_described

    rows = [row for _, row in find_described(paths or (run_root,), **filters)]
    if not rows:
        click.echo("no runs match", err=True)
    if rows or style != "table":
        print_table(rows, LIST_COLUMNS, style)
        print_next("runs", "check", *paths or [run_root], style=style)


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
    from textclf.errors import GateError, format_count
    from textclf.runs.search import find_runs

    rows = check_runs(find_runs(paths or (run_root,)))
    with continuing_without_reader():
        print_table(rows, CHECK_COLUMNS, style)
    damaged = {row["run"] for row in rows if row["state"] == "damaged"}
    if damaged:
        runs = format_count(len({row["run"] for row in rows}), "run")
        raise GateError(
            f"damaged: {len(damaged)} of {runs}; train again with the same options and --force, or"
            " restore the files"
        )
    print_next("runs", "list", style=style)


def check_runs(runs: "Iterable[RunDirectory]") -> list[dict[str, Any]]:
    """Check each run.

    Returns:
        Rows with the keys of `CHECK_COLUMNS`; ``state`` is ``ok``, ``validated``, ``unfinished``,
        ``damaged`` or ``other version``, and a damaged run has a row for each problem.
    """
    from textclf.errors import VersionError

    rows: list[dict[str, Any]] = []
    for run in runs:
        problems: list[str | None] = []
        state = "validated" if run.is_validated else "unfinished"
        state = "ok" if run.is_finished else state
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


@command.command(name="remove")
@click.argument("paths", metavar="[RUN]...", nargs=-1, type=PATH)
@run_filter_options
@click.option("--yes", "-y", is_flag=True, help="Remove without asking.")
@run_root_option
def remove(paths: tuple[Path, ...], yes: bool, run_root: Path, **filters: Any) -> None:
    """Remove run directories.

    RUN is a run directory or a folder of runs; the default is the run root, for which an option
    must say which of its runs. Prints the runs, and asks before it removes them. Files that textclf
    did not write stay, and so does a run that a process is using.

    \b
    Example: textclf runs remove runs/bbc --model mlp --unfinished
    """
    from textclf.errors import RequestError, RunError, format_count
    from textclf.runs.search import find_described

    if not (paths or any(filters.values())):
        raise click.UsageError("give RUN, --model, --dataset or --unfinished to say what to remove")
    for path in paths:
        if path.is_symlink():
            raise RequestError(f"{path} is a symbolic link; give the folder that it leads to")
    runs = [run for run, _ in find_described(paths or (run_root,), **filters)]
    if not runs:
        click.echo("no runs match", err=True)
    elif yes or confirm(runs):
        n_removed = remove_runs(runs, (run_root, *paths))
        click.echo(f"{format_count(n_removed, 'run')} removed")
        if n_removed < len(runs):
            raise RunError(f"not removed: {len(runs) - n_removed} of {len(runs)}")
        print_next("runs", "list")


def confirm(runs: "Sequence[RunDirectory]") -> bool:
    """Print runs, and ask whether they may be removed.

    Raises:
        RequestError: Standard input is not a terminal, so that nobody can be asked.
    """
    from textclf.errors import RequestError, format_count
    from textclf.storage.limits import MEGABYTE

    megabytes = sum(run.n_bytes for run in runs) / MEGABYTE
    what = f"{format_count(len(runs), 'run')} ({megabytes:,.1f} MB)"
    if not (sys.stdin and sys.stdin.isatty()):
        raise RequestError(f"cannot ask without a terminal: give --yes to remove {what}")
    for run in runs:
        click.echo(escape_control(str(run.path)), err=True)
    return click.confirm(f"remove {what}?", err=True)


def remove_runs(runs: "Sequence[RunDirectory]", roots: "Sequence[Path]") -> int:
    """Remove runs, and the folders below one of the roots that are then empty.

    Returns:
        How many were removed; a message says why each of the others was not.
    """
    from textclf.errors import RunError
    from textclf.storage.files import remove_empty_folders

    n_removed, tops = 0, {root.resolve() for root in roots}
    for run in runs:
        try:
            others = run.remove()
        except RunError as error:
            click.echo(escape_control(f"not removed: {error}"), err=True)
            continue
        n_removed += 1
        for path in others:
            click.echo(escape_control(f"kept, because textclf did not write it: {path}"), err=True)
        above = run.path.resolve().parents
        remove_empty_folders(folder for folder in above if not tops.isdisjoint(folder.parents))
    return n_removed
