"""Find duplicates, leaked texts and label issues in a dataset."""

import json
from pathlib import Path
from typing import Any

import click

from textclf.commands._options import (
    DATASET,
    PATH,
    dataset_options,
    format_option,
    make_dataset_config,
    print_table,
    quiet_option,
)
from textclf.tables import terminal_width


@click.command(name="audit")
@click.argument("name", type=DATASET, metavar="NAME|PATH")
@dataset_options
@click.option(
    "--output",
    "-o",
    type=PATH,
    metavar="FILE",
    help="Write all findings with their texts to FILE (.json or .md).",
)
@quiet_option
@format_option
def command(name: str, output: Path | None, quiet: bool, style: str, **config_values: Any) -> None:
    """Find duplicates, leaked texts and label issues in a dataset.

    Prints the number of examples with each finding, and a few of them. CSV contains one row per
    example with a finding, JSON everything.

    \b
    Example: textclf audit bbc --output audit.md
    """
    from textclf.audit.audit import audit
    from textclf.audit.report import ITEM_COLUMNS, check_output, format_report, write_report
    from textclf.data.loading import load_dataset
    from textclf.runtime import backend
    from textclf.runtime.progress import Phases, Reporter

    if output:
        check_output(output)
    config = make_dataset_config(name, **config_values)
    phases = Phases(Reporter(quiet=quiet))
    with phases("start", f"loading {name}"):
        backend.import_tensorflow()
        dataset = load_dataset(config.dataset)
    found = audit(dataset, config, phases=phases)
    if output:
        write_report(found, output)
    if style == "json":
        click.echo(json.dumps(found.to_document(), indent=2))
    elif style == "csv":
        print_table([vars(item) for item in found.items], ITEM_COLUMNS, style)
    else:
        click.echo(format_report(found, style, width=terminal_width()))
    if output:
        phases.reporter.info(f"see {output}")
