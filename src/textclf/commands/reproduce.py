"""Train a run again, and fail unless the result is the same."""

from pathlib import Path

import click

from textclf.commands._options import (
    PATH,
    device_option,
    format_command,
    format_option,
    quiet_option,
    trust_code_option,
)
from textclf.commands._output import print_next, print_table
from textclf.tables import Column, format_number

COLUMNS = (
    Column("metric", "metric"),
    Column("stored", "stored", format_number(6), numeric=True),
    Column("reproduced", "reproduced", format_number(6), numeric=True),
    Column("difference", "difference", lambda value: f"{value:+.6f}", numeric=True),
)


@click.command(name="reproduce")
@click.argument("run_path", metavar="RUN", type=PATH)
@click.option(
    "--tolerance",
    type=click.FloatRange(0),
    default=0.02,
    help="Allowed difference of each metric if the machine or the versions differ.",
)
@trust_code_option
@device_option
@quiet_option
@format_option
def command(
    run_path: Path, tolerance: float, trust_code: bool, device: str, quiet: bool, style: str
) -> None:
    """Train a run again, and fail unless the result is the same.

    On the same machine with the same versions, the result must be identical. Otherwise, prints what
    differs and allows each metric to differ by the tolerance. Exits with 3 if the run is not
    reproduced. RUN is not changed.

    \b
    Example: textclf reproduce runs/bbc/mlp
    """
    from textclf.experiment.reproduce import reproduce
    from textclf.experiment.run import RunContext
    from textclf.runs.search import find_finished_run
    from textclf.runtime.progress import Reporter

    context = RunContext(Reporter(quiet=quiet), device, command=format_command())
    run = find_finished_run(run_path)
    rows = reproduce(run, context, tolerance=tolerance, trust_code=trust_code)
    print_table(rows, COLUMNS, style)
    print_next("runs", "check", run.path, style=style, quiet=quiet)
