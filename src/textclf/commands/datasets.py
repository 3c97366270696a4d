"""List the datasets, or describe one."""

import json
from collections.abc import Iterable
from typing import Any

import click

from textclf.commands._options import (
    DATASET,
    dataset_options,
    format_option,
    list_options,
    make_overrides,
)
from textclf.commands._output import (
    SUMMARY_COLUMNS,
    list_summaries,
    print_next,
    print_table,
    print_text,
)
from textclf.errors import format_count
from textclf.tables import escape_control

MAX_LABELS = 20
"""Labels that a table lists, unless all are asked for."""


@click.command(name="datasets")
@click.argument("name", type=DATASET, metavar="[NAME|PATH]", required=False)
@dataset_options
@click.option("--all", "show_all", is_flag=True, help="List all labels also in a table.")
@format_option
def command(name: str | None, show_all: bool, style: str, **named: Any) -> None:
    """List the datasets, or describe one.

    With NAME or PATH, load the dataset and show its source, splits, labels and first texts. A table
    lists the 20 most frequent labels, the other formats all.

    \b
    Example: textclf datasets bbc
    """
    if name is None:
        if show_all or any(named.values()):
            raise click.UsageError("options need NAME, the dataset to load")
        print_table(list_summaries("datasets"), SUMMARY_COLUMNS, style)
        print_next("datasets", "bbc", style=style)
        return

    from textclf.api import make_dataset_config
    from textclf.data.summary import LABEL_COLUMNS, describe_dataset

    document = describe_dataset(make_dataset_config(name, make_overrides(**named)).dataset)
    if style == "json":
        click.echo(json.dumps(document, indent=2))
        return
    if style == "table":
        for key in ("summary", "download", "source", "license", "citation"):
            print_text(f"{key}: {document[key]}")
        sizes = ", ".join(f"{split} {size:,}" for split, size in document["n_examples"].items())
        print_text(f"examples: {sizes}")
        for note in document["notes"]:
            print_text(f"note: {note}")
        click.echo()
        for sample in document["samples"]:
            print_text(f"{sample['label']}: {sample['text']}")
            click.echo()
    else:
        for note in document["notes"]:
            click.echo(escape_control(f"note: {note}"), err=True)
    labels = document["labels"]
    n_hidden = len(labels) - MAX_LABELS
    if style == "table" and n_hidden > 0 and not show_all:
        print_table(list_frequent(labels, document["n_examples"]), LABEL_COLUMNS, style)
        hidden = format_count(n_hidden, "more label")
        print_text(f"and {hidden} with as many or fewer examples (--all shows them)")
    else:
        print_table(labels, LABEL_COLUMNS, style)
    print_next("audit", name, *list_options(**named), style=style)


def list_frequent(rows: Iterable[dict[str, Any]], splits: Iterable[str]) -> list[dict[str, Any]]:
    """Return the rows of the labels with the most examples in all splits, the largest first."""
    return sorted(rows, key=lambda row: -sum(row[split] for split in splits))[:MAX_LABELS]
