"""Evaluate the saved model of a run on a split of its dataset or on another file."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textclf.commands._options import (
    PATH,
    device_option,
    format_option,
    labeled_file_options,
    make_overrides,
    quiet_option,
    trust_code_option,
)
from textclf.commands._output import print_next, print_table, print_text

if TYPE_CHECKING:
    from textclf.experiment.evaluate import SplitEvaluation


@click.command(name="evaluate")
@click.argument("run_path", metavar="RUN", type=PATH)
@click.argument("file", metavar="[FILE]", type=PATH, required=False)
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test"]),
    help="Split of the run's dataset to evaluate.  [default: test]",
)
@labeled_file_options
@click.option(
    "--errors",
    "n_errors",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="Print the N incorrect predictions with the highest probability, with their texts.",
)
@click.option(
    "--output",
    "-o",
    type=PATH,
    metavar="DIR",
    help="Write confusion.png, calibration.png and, with --errors, errors.csv to DIR.",
)
@trust_code_option
@device_option
@quiet_option
@format_option
def command(
    run_path: Path,
    file: Path | None,
    split: str | None,
    n_errors: int,
    output: Path | None,
    trust_code: bool,
    device: str,
    quiet: bool,
    style: str,
    **named: Any,
) -> None:
    """Evaluate the saved model of a run on a split or on a file.

    FILE is any labeled file that `textclf train` reads, or a folder of text files for each label.
    Examples with labels that the model does not know are left out and counted. The options for
    columns, and --set, say how FILE is read.

    Prints the metrics, the scores of each label and, for validation and test, the accuracy without
    leaked texts and without texts with conflicting labels. For several values of --threshold of
    `textclf predict`, it prints the fraction of examples that keep a prediction (coverage), and the
    accuracy of these. CSV contains the labels, or with
    --errors the incorrect predictions; JSON contains everything. The run does not change, except
    that meta.json counts evaluations of its test split.

    \b
    Example: textclf evaluate runs/bbc/mlp reviews.csv --errors 20
    """
    from textclf import api

    evaluation = api.evaluate(
        run_path,
        file,
        split=split,
        overrides=make_overrides(**named),
        n_errors=n_errors,
        output=output,
        device=device,
        trust_code=trust_code,
        quiet=quiet,
    )
    if style == "json":
        click.echo(json.dumps(asdict(evaluation), indent=2))
    else:
        _print_tables(evaluation, style, n_errors=n_errors)
    print_next("compare", run_path, style=style, quiet=quiet)


def _print_tables(evaluation: "SplitEvaluation", style: str, *, n_errors: int) -> None:
    """Print all tables of an evaluation; CSV has one only."""
    from textclf.evaluation.summary import (
        CLASS_COLUMNS,
        ERROR_COLUMNS,
        METRIC_COLUMNS,
        SUBSET_COLUMNS,
        THRESHOLD_COLUMNS,
        list_classes,
        list_metrics,
    )

    errors = [asdict(error) for error in evaluation.errors]
    if style == "csv" and n_errors:
        print_table(errors, ERROR_COLUMNS, style)
        return
    if style == "csv":
        print_table(list_classes(evaluation), CLASS_COLUMNS, style)
        return
    print_table(list_metrics(evaluation), METRIC_COLUMNS, style)
    click.echo()
    if evaluation.subset_accuracy:
        print_table([asdict(row) for row in evaluation.subset_accuracy], SUBSET_COLUMNS, style)
        click.echo()
    print_table([asdict(row) for row in evaluation.thresholds], THRESHOLD_COLUMNS, style)
    click.echo()
    print_table(list_classes(evaluation), CLASS_COLUMNS, style)
    if n_errors:
        click.echo()
        print_text(_describe_errors(evaluation))
    if errors:
        click.echo()
        # The position in a file says more than the number of the row.
        shown = ERROR_COLUMNS[1:] if evaluation.file else ERROR_COLUMNS
        print_table(errors, shown, style)


def _describe_errors(evaluation: "SplitEvaluation") -> str:
    """Return the heading of the incorrect predictions."""
    confusion = evaluation.confusion_matrix
    n_incorrect = evaluation.n_examples - sum(row[i] for i, row in enumerate(confusion))
    if not n_incorrect:
        return "no incorrect predictions"
    shown = len(evaluation.errors)
    return f"incorrect predictions ({shown:,} of {n_incorrect:,}, the most confident first):"
