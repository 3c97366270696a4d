"""List the models, or describe one."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textclf.commands._options import DATASET, MODEL, config_options, format_option, make_overrides
from textclf.commands._output import (
    SUMMARY_COLUMNS,
    list_summaries,
    print_next,
    print_table,
    print_text,
)
from textclf.tables import Column, format_number

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from textclf.config.schema import ExperimentConfig


def _format_shape(shape: "Sequence[int | None]") -> str:
    return " x ".join("any" if size is None else str(size) for size in shape)


MODEL_COLUMNS = (SUMMARY_COLUMNS[0], Column("kind", "kind"), *SUMMARY_COLUMNS[1:])

LAYER_COLUMNS = (
    Column("layer", "layer", shrinks_to=16),
    Column("type", "type"),
    Column("output_shape", "output shape", _format_shape),
    Column("n_parameters", "parameters", format_number(), numeric=True),
)


@click.command(name="models")
@click.argument("name", type=MODEL, metavar="[NAME|FILE]", required=False)
@click.option(
    "--dataset",
    type=DATASET,
    metavar="NAME|PATH",
    help="Dataset to build the model for.  [default: that of FILE, or reuters]",
)
@config_options
@format_option
def command(
    name: str | None,
    style: str,
    dataset: str | None,
    config_path: Path | None,
    trust_code: bool,
    **named: Any,
) -> None:
    """List the models, or describe one.

    With NAME, build the model and list its layers, parameters and search space.

    \b
    Example: textclf models cnn --dataset imdb --set model.filters=64
    """
    if name is None:
        if dataset or config_path or any(named.values()):
            raise click.UsageError("options need NAME, the model to build")
        print_table(list_models(), MODEL_COLUMNS, style)
        print_next("models", "cnn", style=style)
        return
    if not config_path:
        dataset = dataset or "reuters"

    from textclf.config.resolve import load_config

    overrides = make_overrides(**named, model=name, dataset=dataset)
    config = load_config(config_path, overrides, trust_code=trust_code)

    document = describe_model(config)
    if style == "json":
        click.echo(json.dumps(document, indent=2))
        return
    if style == "table":
        print_text(f"summary: {document['summary']}")
        print_text(f"kind: {document['kind']}")
    if document["layers"]:
        print_table(document["layers"], LAYER_COLUMNS, style)
    if style == "table":
        shown = ", ".join(f"{k} {v}" for k, v in document["hyperparameters"].items())
        print_text(f"hyperparameters: {shown or 'none'}")
        if document["layers"]:
            print_text(f"parameters: {document['n_parameters']:,}")
        _print_search_space(config)
    if document["note"]:
        click.echo(f"not built: {document['note']}", err=True)
        return
    print_next("train", "--model", name, "--dataset", config.dataset.name, style=style)


def _print_search_space(config: "ExperimentConfig") -> None:
    from textclf.config.tuned_keys import find_model_space

    for key, domain in find_model_space(config).items():
        print_text(f"search {key}: {domain}")


def list_models() -> list[dict[str, str | None]]:
    """Return name, kind and summary of all models; None is the kind of those of packages."""
    from textclf.registry import find_distribution, load_module

    rows: list[dict[str, str | None]] = []
    for row in list_summaries("models"):
        name = row["name"]
        # A package is not imported for a list.
        is_package = find_distribution("models", name) is not None
        kind = None if is_package else find_kind(load_module("models", name))
        rows.append({"name": name, "kind": kind, "summary": row["summary"]})
    return rows


def find_kind(module: "ModuleType") -> str:
    """Return ``baseline`` for the module of a scikit-learn model, and otherwise ``network``."""
    return "baseline" if hasattr(module, "fit") else "network"


def describe_model(config: "ExperimentConfig") -> dict[str, Any]:
    """Return the hyperparameters and the search space of a model, and the layers of a network."""
    from textclf.config.tuned_keys import find_model_space
    from textclf.data.loading import load_dataset, load_label_names
    from textclf.errors import EmbeddingError
    from textclf.models._build import build_model, takes_train
    from textclf.registry import describe, load_module
    from textclf.runtime import backend

    kind = find_kind(load_module("models", config.model.name, config.model.code))
    document: dict[str, Any] = {
        "model": config.model.name,
        "kind": kind,
        "dataset": config.dataset.name,
        "summary": describe("models", config.model.name, config.model.code),
        "hyperparameters": config.model.model_dump(
            mode="json", exclude={"name", "code"}, exclude_none=True
        ),
        "search": {key: domain.to_tree() for key, domain in find_model_space(config).items()},
        "n_parameters": None,
        "layers": [],
        "note": None,
    }
    if kind == "baseline":
        return document
    backend.start("cpu")
    import keras

    try:
        n_labels = len(load_label_names(config.dataset))
        train = load_dataset(config.dataset).train if takes_train(config.model) else None
        model = build_model(config, n_labels=n_labels, train=train)
    except EmbeddingError as error:  # The hyperparameters, which can correct it, are still shown.
        return {**document, "note": str(error)}
    layers = list(model.network.layers)
    if model.encoder:
        texts = keras.Input((), dtype="string", name="texts")
        layers = [*keras.Model(texts, model.encoder(texts)).layers, *layers]
    return {
        **document,
        "n_parameters": sum(layer.count_params() for layer in layers),
        "layers": [
            {
                "layer": layer.name,
                "type": type(layer).__name__,
                "output_shape": _get_output_shape(layer),
                "n_parameters": layer.count_params(),
            }
            for layer in layers
        ],
    }


def _get_output_shape(layer: Any) -> list[int | None]:
    """Return the shape of each text's output, the first of several; None is any size."""
    first = layer.output[0] if isinstance(layer.output, list) else layer.output
    return list(first.shape[1:])
