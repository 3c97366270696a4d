"""List the datasets, or describe one."""

import json
from typing import Any

import click

from textclf.commands._options import (
    dataset_options,
    format_option,
    make_dataset_config,
    print_table,
)
from textclf.tables import printable


@click.command(name="datasets")
@click.argument("name", metavar="[NAME|PATH]", required=False)
@dataset_options
@format_option
def command(name: str | None, style: str, **config_values: Any) -> None:
    """List the datasets, or describe one.

    With NAME or a file, load it and show its source, splits, labels and first texts.

    \b
    Example: textclf datasets bbc
    """
    from textclf.commands._descriptions import (
        LABEL_COLUMNS,
        SUMMARY_COLUMNS,
        describe_dataset,
        list_summaries,
    )

    if name is None:
        if any(config_values.values()):
            raise click.UsageError("options need NAME, the dataset to load")
        print_table(list_summaries("datasets"), SUMMARY_COLUMNS, style)
        return
    document = describe_dataset(make_dataset_config(name, **config_values).dataset)
    labels = document["labels"]
    if style == "json":
        click.echo(json.dumps(document, indent=2))
        return
    if style == "table":
        texts = ", ".join(f"{split} {count:,}" for split, count in document["texts"].items())
        for key in ("summary", "download", "source", "licence", "citation"):
            click.echo(f"{key}: {document[key]}")
        click.echo(f"texts: {texts}\n")
        for sample in document["samples"]:
            line = f"{sample['label']}: {' '.join(sample['text'].split())} ..."
            click.echo(f"{printable(line)}\n")
    print_table(labels, LABEL_COLUMNS, style)
