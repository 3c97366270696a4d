"""Look after run directories."""

from pathlib import Path

import click

from textclf.commands._options import PATH, format_option, print_table, run_root_option


@click.group(name="runs")
def command() -> None:
    """Look after run directories.

    \b
    Example: textclf runs check
    """


@command.command(name="check")
@click.argument("paths", metavar="[RUN]...", nargs=-1, type=PATH)
@run_root_option
@format_option
def check(paths: tuple[Path, ...], run_root: Path, style: str) -> None:
    """Verify that finished runs are what they were when they were written.

    RUN is a run directory or a folder of runs; by default, the run root. Compares each file with
    its digest in meta.json, changes nothing, and exits with 3 where a run is damaged.

    \b
    Example: textclf runs check runs/bbc
    """
    from textclf.commands._checks import COLUMNS, check_runs
    from textclf.errors import GateError
    from textclf.runs.search import find_runs

    rows = check_runs(find_runs(paths or (run_root,)))
    print_table(rows, COLUMNS, style)
    damaged = sorted({row["run"] for row in rows if row["state"] == "damaged"})
    if damaged:
        raise GateError(
            f"{len(damaged)} of {len({row['run'] for row in rows})} runs are damaged; train them"
            " again, with their options and --force, or bring their files back"
        )
