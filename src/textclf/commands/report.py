"""Write one HTML page about a run or a comparison."""

from pathlib import Path

import click

from textclf.commands._options import (
    MODEL,
    PATH,
    device_option,
    quiet_option,
    run_root_option,
    trust_code_option,
)
from textclf.commands._output import print_next


@click.command(name="report")
@click.argument("paths", metavar="[RUN]...", nargs=-1, type=PATH)
@click.option(
    "--output",
    "-o",
    type=PATH,
    default=Path("report.html"),
    metavar="FILE",
    help="HTML file to write.",
)
@click.option(
    "--model",
    "models",
    type=MODEL,
    multiple=True,
    metavar="NAME|FILE",
    help="Model to include; repeatable.  [default: all]",
)
@click.option(
    "--no-texts",
    is_flag=True,
    help="Leave out all texts of the dataset, if they are confidential.",
)
@trust_code_option
@run_root_option
@device_option
@quiet_option
def command(
    paths: tuple[Path, ...],
    output: Path,
    models: tuple[str, ...],
    no_texts: bool,
    trust_code: bool,
    run_root: Path,
    device: str,
    quiet: bool,
) -> None:
    """Write one HTML page about a run, a comparison or a study.

    RUN is a run directory, a folder of runs, or the folder of one study; the default is the run
    root. All runs must have the same test set. The page needs no other files and no network.

    \b
    Example: textclf report runs/bbc -o report.html
    """
    from textclf import api

    written = api.report(
        paths,
        output,
        models=models,
        texts=not no_texts,
        run_root=run_root,
        device=device,
        trust_code=trust_code,
        quiet=quiet,
    )
    best = max(written.models, key=lambda model: model.accuracy)
    print_next("explain", best.runs[0].path, "a text to explain", quiet=quiet)
