"""Train a run again, and fail unless it comes out the same."""

from pathlib import Path

import click

from textclf.commands._options import (
    PATH,
    device_option,
    format_option,
    join_command,
    print_table,
    quiet_option,
)


@click.command(name="reproduce")
@click.argument("run_path", metavar="RUN", type=PATH)
@click.option(
    "--tolerance",
    type=click.FloatRange(0),
    default=0.02,
    show_default=True,
    help="Allowed difference of a metric on another machine or other versions.",
)
@device_option
@quiet_option
@format_option
def command(run_path: Path, tolerance: float, device: str, quiet: bool, style: str) -> None:
    """Train RUN again from its directory, and fail unless it comes out the same.

    On the same machine with the same versions every metric has to be equal; otherwise it names what
    differs and allows the tolerance. Exits with 3 where a metric differs. RUN is not changed.

    \b
    Example: textclf reproduce runs/bbc/mlp
    """
    from textclf.commands._descriptions import REPRODUCTION_COLUMNS
    from textclf.experiment.reproduce import reproduce
    from textclf.experiment.run import Settings
    from textclf.runs.search import find_finished_run
    from textclf.runtime.progress import Reporter

    settings = Settings(Reporter(quiet=quiet), device, command=join_command())
    rows = reproduce(find_finished_run(run_path), settings, tolerance=tolerance)
    print_table(rows, REPRODUCTION_COLUMNS, style)
