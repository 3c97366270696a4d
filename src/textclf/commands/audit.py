"""Look for what is wrong with a dataset: copies, leaks, contradictions, wrong labels."""

import json
from pathlib import Path
from typing import Any

import click

from textclf.commands._options import (
    PATH,
    dataset_options,
    format_option,
    make_dataset_config,
    quiet_option,
)


@click.command(name="audit")
@click.argument("name", metavar="DATASET")
@dataset_options
@click.option(
    "--report",
    type=PATH,
    metavar="FILE",
    help="Write all that was found, with the texts, to a file that ends in .json or .md.",
)
@quiet_option
@format_option
def command(name: str, report: Path | None, quiet: bool, style: str, **config_values: Any) -> None:
    """Look for what is wrong with a dataset: copies, leaks, contradictions, wrong labels.

    Prints how many texts there are of each finding, with some of them. CSV holds a row for each
    text, JSON everything.

    \b
    Example: textclf audit bbc --report audit.md
    """
    from textclf.audit.audit import audit
    from textclf.audit.report import ITEM_COLUMNS, check_report, format_report, write_report
    from textclf.data.loading import load_dataset
    from textclf.runtime import backend
    from textclf.runtime.progress import Phases, Reporter
    from textclf.tables import format_table

    if report:
        check_report(report)
    config = make_dataset_config(name, **config_values)
    phases = Phases(Reporter(quiet=quiet))
    with phases("start", f"loading {name}"):
        backend.import_tensorflow()
        dataset = load_dataset(config.dataset)
    found = audit(dataset, config, phases=phases)
    if report:
        write_report(found, report)
    if style == "json":
        click.echo(json.dumps(found.to_document(), indent=2))
    elif style == "csv":
        click.echo(format_table([vars(item) for item in found.items], ITEM_COLUMNS, style))
    else:
        click.echo(format_report(found, style))
    if report:
        phases.reporter.say(f"see {report}")
