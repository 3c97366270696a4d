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
    list_options,
    make_overrides,
    quiet_option,
)
from textclf.commands._output import print_next, print_table
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
def command(name: str, output: Path | None, quiet: bool, style: str, **named: Any) -> None:
    """Find duplicates, leaked texts and label issues in a dataset.

    Prints the number of examples with each finding, and a few of them. CSV contains one row per
    example with a finding, JSON everything.

    \b
    Example: textclf audit bbc --output audit.md
    """
    from textclf import api
    from textclf.auditing.report import ITEM_COLUMNS, check_output, format_report, write_report
    from textclf.runtime.progress import Reporter

    if output:
        check_output(output)
    found = api.audit(name, overrides=make_overrides(**named), quiet=quiet)
    if output:
        write_report(found, output)
    if style == "json":
        click.echo(json.dumps(found.to_document(), indent=2))
    elif style == "csv":
        print_table([vars(item) for item in found.items], ITEM_COLUMNS, style)
    else:
        click.echo(format_report(found, style, width=terminal_width()))
    if output:
        Reporter(quiet=quiet).info(f"see {output}")
        leaked = any(item.finding == "leaked" for item in found.items)
        options = [*list_options(**named), *["--drop-leaked"] * leaked]
        print_next("compare", "--dataset", name, *options, style=style, quiet=quiet)
    else:
        options = [*list_options(**named), "--output", "audit.md"]
        print_next("audit", name, *options, style=style, quiet=quiet)
