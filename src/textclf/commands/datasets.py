"""List the datasets, or describe one."""

import json
from typing import Any

import click

from textclf.commands._options import (
    DATASET,
    SUMMARY_COLUMNS,
    dataset_options,
    format_option,
    list_options,
    list_summaries,
    make_overrides,
    print_next,
    print_table,
    print_text,
)


@click.command(name="datasets")
@click.argument("name", type=DATASET, metavar="[NAME|PATH]", required=False)
@dataset_options
@format_option
def command(name: str | None, style: str, **named: Any) -> None:
    """List the datasets, or describe one.

    With NAME or PATH, load the dataset and show its source, splits, labels and first texts.

    \b
    Example: textclf datasets bbc
    """
    if name is None:
        if any(named.values()):
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
        click.echo()
        for sample in document["samples"]:
            print_text(f"{sample['label']}: {sample['text']}")
            click.echo()
    print_table(document["labels"], LABEL_COLUMNS, style)
    print_next("audit", name, *list_options(**named), style=style)
