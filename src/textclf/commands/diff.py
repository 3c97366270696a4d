"""Show the examples that only one of two runs predicts correctly."""

import json
from pathlib import Path

import click

from textclf.commands._options import PATH, format_option, trust_code_option
from textclf.commands._output import print_next, print_table, print_text
from textclf.tables import Column, format_number, format_p_value, format_start

LABEL_COLUMNS = (
    Column("label", "label", shrinks_to=16),
    Column("both", "both correct", format_number(), numeric=True),
    Column("only_a", "only A", format_number(), numeric=True),
    Column("only_b", "only B", format_number(), numeric=True),
    Column("neither", "neither", format_number(), numeric=True),
    Column("p_value", "p", format_p_value, numeric=True),
)
EXAMPLE_COLUMNS = (
    Column("label", "label", shrinks_to=16),
    Column("incorrect_label", "incorrect label", shrinks_to=16),
    Column("text", "text", format_start(200), shrinks_to=30),
    Column("confidence", "confidence", format_number(3), numeric=True),
    Column("incorrect_confidence", "its confidence", format_number(3), numeric=True),
)


@click.command(name="diff")
@click.argument("path_a", metavar="RUN_A", type=PATH)
@click.argument("path_b", metavar="RUN_B", type=PATH)
@click.option(
    "--top",
    type=click.IntRange(0),
    default=5,
    help="Number of examples to show for each run.",
)
@trust_code_option
@format_option
def command(path_a: Path, path_b: Path, top: int, trust_code: bool, style: str) -> None:
    """Show the examples that only one of two runs predicts correctly.

    Prints how many test examples both, one or neither run predicts correctly, in total and for each
    label, with McNemar's exact test. Then prints the examples that only one run predicts correctly,
    the most confident predictions first. CSV contains the labels, JSON everything.

    \b
    Example: textclf diff runs/bbc/mlp runs/bbc/cnn --top 3
    """
    from textclf.comparison.diff import describe_difference
    from textclf.runs.search import find_finished_run

    run_a, run_b = find_finished_run(path_a), find_finished_run(path_b)
    document = describe_difference(run_a, run_b, top=top, trust_code=trust_code)
    if style == "json":
        click.echo(json.dumps(document, indent=2))
        return
    if style == "csv":
        print_table(document["labels"], LABEL_COLUMNS, style)
        return
    differing = [row for row in document["labels"] if row["only_a"] or row["only_b"]]
    total = {"label": "all labels", **document["mcnemar"]}
    print_table([total, *differing], LABEL_COLUMNS, style)
    for side, path in (("only_a", path_a), ("only_b", path_b)):
        click.echo()
        print_text(f"correct in {path} only:")
        click.echo()
        if document[side]:
            print_table(document[side], EXAMPLE_COLUMNS, style)
        else:
            click.echo("none" if top else "not shown (--top 0)")
    print_next("evaluate", path_a, style=style)
