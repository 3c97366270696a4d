"""Show which texts one run got right and another got wrong."""

import json
from pathlib import Path

import click

from textclf.commands._options import PATH, format_option, print_table


@click.command(name="diff")
@click.argument("path_a", metavar="RUN_A", type=PATH)
@click.argument("path_b", metavar="RUN_B", type=PATH)
@click.option(
    "--top", type=click.IntRange(0), default=5, show_default=True, help="Texts of each kind."
)
@format_option
def command(path_a: Path, path_b: Path, top: int, style: str) -> None:
    """Show what RUN_B got right that RUN_A got wrong, and the reverse.

    Prints how many test texts both, one or neither of them got right, with McNemar's exact test;
    the same for each label; and the texts, the most confident answers first. CSV holds the labels,
    JSON everything.

    \b
    Example: textclf diff runs/bbc/mlp runs/bbc/cnn --top 3
    """
    from textclf.commands._descriptions import DIFFERENCE_COLUMNS, TEXT_COLUMNS
    from textclf.comparison.diff import describe_difference
    from textclf.runs.search import find_finished_run

    document = describe_difference(find_finished_run(path_a), find_finished_run(path_b), top=top)
    if style == "json":
        click.echo(json.dumps(document, indent=2))
        return
    differing = [row for row in document["labels"] if row["only_a"] or row["only_b"]]
    if style == "csv":
        print_table(document["labels"], DIFFERENCE_COLUMNS, style)
        return
    total = {"label": "all labels", **document["mcnemar"]}
    print_table([total, *differing], DIFFERENCE_COLUMNS, style)
    for side, path in (("only_a", path_a), ("only_b", path_b)):
        click.echo(f"\nonly {path} is right:\n")
        if document[side]:
            print_table(document[side], TEXT_COLUMNS, style)
        else:
            click.echo("none" if top else "not shown (--top 0)")
