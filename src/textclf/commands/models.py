"""List the models, or build one and list its layers."""

import json
from typing import Any

import click

from textclf.commands._options import config_options, format_option, make_config, print_table


@click.command(name="models")
@click.argument("name", required=False)
@click.option(
    "--dataset", metavar="NAME", help="Build for its labels.  [default: that of FILE, or reuters]"
)
@config_options
@format_option
def command(name: str | None, style: str, dataset: str | None, **config_values: Any) -> None:
    """List the models, or describe one.

    With NAME, build it and list its layers and parameters.

    \b
    Example: textclf models cnn --dataset imdb --set model.filters=64
    """
    from textclf.commands._descriptions import (
        LAYER_COLUMNS,
        SUMMARY_COLUMNS,
        describe_model,
        list_summaries,
    )

    if name is None:
        if dataset or any(config_values.values()):
            raise click.UsageError("options need NAME, the model to build")
        print_table(list_summaries("models"), SUMMARY_COLUMNS, style)
        return
    if not config_values["config_path"]:
        dataset = dataset or "reuters"
    config = make_config(**config_values, model=name, dataset=dataset)

    from textclf.runtime import backend

    backend.start("cpu")
    document = describe_model(config)
    if style == "json":
        click.echo(json.dumps(document, indent=2))
        return
    if document["layers"]:
        print_table(document["layers"], LAYER_COLUMNS, style)
    if style == "table":
        settings = ", ".join(f"{key} {value}" for key, value in document["settings"].items())
        click.echo(f"settings: {settings or 'none'}")
        if document["layers"]:
            click.echo(f"parameters: {document['parameters']:,}")
    if document["note"]:
        click.echo(f"not built: {document['note']}", err=True)
