"""Evaluate the saved model of a run again, from raw text."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from textclf.commands._options import (
    PATH,
    device_option,
    format_option,
    print_table,
    quiet_option,
)


@click.command(name="evaluate")
@click.argument("run_path", metavar="RUN", type=PATH)
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test"]),
    default="test",
    help="Split to evaluate.",
)
@device_option
@quiet_option
@format_option
def command(run_path: Path, split: str, device: str, quiet: bool, style: str) -> None:
    """Evaluate the saved model of a run again, from raw text.

    Prints the metrics, the scores of each label and, for validation and test, the accuracy without
    leaked texts and without texts with conflicting labels. CSV contains the labels, JSON
    everything. The run does not change, except that meta.json counts test evaluations.

    \b
    Example: textclf evaluate runs/bbc/mlp --split validation
    """
    from textclf.evaluation.summary import (
        CLASS_COLUMNS,
        METRIC_COLUMNS,
        SUBSET_COLUMNS,
        list_classes,
        list_metrics,
    )
    from textclf.experiment.evaluate import evaluate_run
    from textclf.runs.search import find_finished_run
    from textclf.runtime import backend
    from textclf.runtime.progress import Reporter

    reporter = Reporter(quiet=quiet)
    run = find_finished_run(run_path)
    reporter.info(f"starting TensorFlow for {run.path}")
    backend.start(device)
    evaluation, clean = evaluate_run(run, split=split, reporter=reporter)
    clean_rows = [asdict(row) for row in clean]
    if style == "json":
        document = {"split": split, **asdict(evaluation), "subset_accuracy": clean_rows}
        click.echo(json.dumps(document, indent=2))
        return
    if style != "csv":
        print_table(list_metrics(evaluation), METRIC_COLUMNS, style)
        click.echo()
        if clean_rows:
            print_table(clean_rows, SUBSET_COLUMNS, style)
            click.echo()
    print_table(list_classes(evaluation), CLASS_COLUMNS, style)
