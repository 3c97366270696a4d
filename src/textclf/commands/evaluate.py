"""Evaluate the saved model of a run again, from raw text."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from textclf.commands._options import (
    PATH,
    device_option,
    format_option,
    quiet_option,
    trust_code_option,
)
from textclf.commands._output import print_next, print_table


@click.command(name="evaluate")
@click.argument("run_path", metavar="RUN", type=PATH)
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test"]),
    default="test",
    help="Split to evaluate.",
)
@trust_code_option
@device_option
@quiet_option
@format_option
def command(
    run_path: Path, split: str, trust_code: bool, device: str, quiet: bool, style: str
) -> None:
    """Evaluate the saved model of a run again, from raw text.

    Prints the metrics, the scores of each label and, for validation and test, the accuracy without
    leaked texts and without texts with conflicting labels. CSV contains the labels, JSON
    everything. The run does not change, except that meta.json counts test evaluations.

    \b
    Example: textclf evaluate runs/bbc/mlp --split validation
    """
    from textclf import api
    from textclf.evaluation.summary import (
        CLASS_COLUMNS,
        METRIC_COLUMNS,
        SUBSET_COLUMNS,
        list_classes,
        list_metrics,
    )

    evaluation = api.evaluate(
        run_path, split=split, device=device, trust_code=trust_code, quiet=quiet
    )
    document = asdict(evaluation)
    if style == "json":
        click.echo(json.dumps(document, indent=2))
        return
    if style != "csv":
        print_table(list_metrics(evaluation), METRIC_COLUMNS, style)
        click.echo()
        if document["subset_accuracy"]:
            print_table(document["subset_accuracy"], SUBSET_COLUMNS, style)
            click.echo()
    print_table(list_classes(evaluation), CLASS_COLUMNS, style)
    print_next("compare", run_path, style=style, quiet=quiet)
