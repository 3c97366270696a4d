"""Evaluate a finished run's saved model again, from raw text."""

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
    show_default=True,
    help="Which texts.",
)
@device_option
@quiet_option
@format_option
def command(run_path: Path, split: str, device: str, quiet: bool, style: str) -> None:
    """Evaluate the saved model of a run again.

    It reads the raw texts of the dataset that the run was trained on. Prints the metrics; the
    accuracy without the texts that stand in another split too or under several labels, but for
    --split train; then each label. CSV holds the labels, JSON everything. Of the run only meta.json
    changes, which counts looks at the test set.

    \b
    Example: textclf evaluate runs/bbc/mlp --split validation
    """
    from textclf.commands._descriptions import (
        CLASS_COLUMNS,
        CLEAN_COLUMNS,
        METRIC_COLUMNS,
        list_classes,
        list_metrics,
    )
    from textclf.experiment.run import evaluate_run
    from textclf.runs.search import find_finished_run
    from textclf.runtime import backend
    from textclf.runtime.progress import Reporter

    reporter = Reporter(quiet=quiet)
    run = find_finished_run(run_path)
    reporter.say(f"starting TensorFlow for {run.path}")
    backend.start(device)
    evaluation, clean = evaluate_run(run, split=split, reporter=reporter)
    clean_rows = [asdict(row) for row in clean]
    if style == "json":
        document = {"split": split, **asdict(evaluation), "clean_accuracy": clean_rows}
        click.echo(json.dumps(document, indent=2))
        return
    if style != "csv":
        print_table(list_metrics(evaluation), METRIC_COLUMNS, style)
        click.echo()
        if clean_rows:
            print_table(clean_rows, CLEAN_COLUMNS, style)
            click.echo()
    print_table(list_classes(evaluation), CLASS_COLUMNS, style)
