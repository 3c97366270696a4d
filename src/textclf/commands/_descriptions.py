"""Datasets, models and evaluations as documents and rows that commands print."""

import datetime
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from textclf.config.resolve import ExperimentConfig
from textclf.config.schema import DatasetOptions
from textclf.data.loading import describe_source, load_dataset, load_label_names
from textclf.errors import EmbeddingError
from textclf.evaluation.metrics import FEW_TEXTS, Evaluation
from textclf.models._build import build_network, find_fit
from textclf.registry import describe, list_names
from textclf.storage.limits import MEGABYTE
from textclf.tables import Column, number, show_p_value

N_SAMPLE_TEXTS = 3
SAMPLE_CHARACTERS = 200

SUMMARY_COLUMNS = (Column("name", "name"), Column("summary", "summary"))
SPLIT_COLUMNS = (
    Column("train", "train", number(), numeric=True),
    Column("validation", "validation", number(), numeric=True),
    Column("test", "test", number(), numeric=True),
)
LABEL_COLUMNS = (Column("label", "label"), *SPLIT_COLUMNS)
LAYER_COLUMNS = (
    Column("layer", "layer"),
    Column("type", "type"),
    Column("output_shape", "output shape", lambda shape: " x ".join(map(str, shape))),
    Column("parameters", "parameters", number(), numeric=True),
)
CLASS_COLUMNS = (
    Column("name", "label"),
    Column("support", "texts", number(), numeric=True),
    Column("precision", "precision", number(4), numeric=True),
    Column("recall", "recall", number(4), numeric=True),
    Column("f1", "F1", number(4), numeric=True),
    Column("note", ""),
)
METRIC_COLUMNS = (
    Column("metric", "metric"),
    Column("value", "value", number(4), numeric=True),
    Column("interval", "95 %", lambda pair: f"{pair[0]:.4f}-{pair[1]:.4f}", numeric=True),
)
CLEAN_COLUMNS = (
    Column("texts", "texts"),
    Column("n_examples", "number", number(), numeric=True),
    Column("accuracy", "accuracy", number(4), numeric=True),
    Column("interval", "95 %", lambda pair: f"{pair[0]:.4f}-{pair[1]:.4f}", numeric=True),
)
DIFFERENCE_COLUMNS = (
    Column("label", "label"),
    Column("both", "both right", number(), numeric=True),
    Column("only_a", "only A", number(), numeric=True),
    Column("only_b", "only B", number(), numeric=True),
    Column("neither", "neither", number(), numeric=True),
    Column("p_value", "p", show_p_value, numeric=True),
)
TEXT_COLUMNS = (
    Column("label", "label"),
    Column("confidence", "confidence", number(3), numeric=True),
    Column("wrong_label", "the other's answer"),
    Column("wrong_confidence", "confidence", number(3), numeric=True),
    Column("text", "text", lambda text: " ".join(text.split())[:SAMPLE_CHARACTERS]),
)
ENTRY_COLUMNS = (
    Column("entry", "entry"),
    Column("megabytes", "MB", number(1), numeric=True),
    Column("used", "last used"),
)
EMBEDDING_COLUMNS = (
    Column("handle", "handle"),
    Column("dim", "dimension", number(), numeric=True),
    Column("vocabulary_size", "words", number(), numeric=True),
    Column("weights", "weights", number(), numeric=True),
    Column("trainable", "trainable", lambda value: "yes" if value else "no"),
    Column("bytes", "MB", lambda value: f"{value / 1e6:,.1f}", numeric=True),
    Column("folder", "folder"),
)
REPRODUCTION_COLUMNS = (
    Column("metric", "metric"),
    Column("stored", "stored", number(6), numeric=True),
    Column("reproduced", "reproduced", number(6), numeric=True),
    Column("difference", "difference", lambda value: f"{value:+.6f}", numeric=True),
)


def describe_entry(folder: Path, n_bytes: int, used: float) -> dict[str, Any]:
    """Return a row about an entry of the cache; ``used`` is in seconds since 1970."""
    moment = datetime.datetime.fromtimestamp(used).astimezone()
    return {
        "entry": folder.name,
        "megabytes": n_bytes / MEGABYTE,
        "used": moment.isoformat(" ", "minutes"),
    }


def list_summaries(kind: str) -> list[dict[str, str]]:
    """Return the name and the one-line summary of all ``datasets`` or ``models``.

    Of datasets, the collections too, as one writes the name of a dataset in them.
    """
    rows = [{"name": name, "summary": describe(kind, name)} for name in list_names(kind)]
    for name in list_names("sources") if kind == "datasets" else ():
        shown = "PATH" if name == "path" else f"{name}:NAME"
        rows.append({"name": shown, "summary": describe("sources", name)})
    return rows


def describe_dataset(options: DatasetOptions) -> dict[str, Any]:
    """Load a dataset and return its source, sizes, labels with their counts, and sample texts.

    Raises:
        TextclfError: there is no such dataset, or it cannot be loaded.
    """
    dataset = load_dataset(options)
    return {
        "name": options.name,
        "summary": describe("datasets", options.name),
        **describe_source(options),
        "texts": {split_name: len(split) for split_name, split in dataset.splits.items()},
        "digest": dataset.digest,
        "labels": dataset.count_labels(),
        "samples": [
            {"label": dataset.label_names[label], "text": text[:SAMPLE_CHARACTERS]}
            for text, label in zip(
                dataset.train.texts[:N_SAMPLE_TEXTS], dataset.train.labels, strict=False
            )
        ],
    }


def describe_model(config: ExperimentConfig) -> dict[str, Any]:
    """Return the settings of a model; build it and add its layers, where it is a network."""
    document = {
        "model": config.model.name,
        "dataset": config.dataset.name,
        "summary": describe("models", config.model.name),
        "settings": config.model.model_dump(mode="json", exclude={"name"}, exclude_none=True),
    }
    unbuilt = {**document, "parameters": None, "layers": [], "note": None}
    if find_fit(config.model.name):
        return unbuilt
    try:
        network = build_network(config, n_labels=len(load_label_names(config.dataset)))
    except EmbeddingError as error:  # Its settings, which mend that, are shown all the same.
        return {**unbuilt, "note": str(error)}
    return {
        **unbuilt,
        "parameters": network.count_params(),
        "layers": [
            {
                "layer": layer.name,
                "type": type(layer).__name__,
                "output_shape": list(layer.output.shape[1:]),
                "parameters": layer.count_params(),
            }
            for layer in network.layers
        ],
    }


def describe_embedding(handle: str, folder: Path) -> list[dict[str, Any]]:
    """Return a row about the text embedding in a folder, which a handle stands for.

    The size of the vocabulary is None where the embedding has no ``assets/tokens.txt``, the file in
    which hub's text embeddings keep their words.

    Raises:
        EmbeddingError: it is no text embedding.
    """
    from textclf.hub.layer import TextEmbedding
    from textclf.hub.word_vectors import TOKENS_FILE

    embedding = TextEmbedding(folder)
    weights = embedding.describe_weights()
    tokens_path = folder / "assets" / TOKENS_FILE
    tokens = tokens_path.read_bytes().splitlines() if tokens_path.is_file() else None
    return [
        {
            "handle": handle,
            "dim": embedding.dim,
            "vocabulary_size": None if tokens is None else len(tokens),
            "weights": sum(math.prod(weight["shape"]) for weight in weights),
            "trainable": any(weight["trainable"] for weight in weights),
            "bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
            "folder": str(folder),
        }
    ]


def list_metrics(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return a row for each metric, with its interval where it has one."""
    return [
        {"metric": name, "value": value, "interval": evaluation.intervals.get(name)}
        for name, value in evaluation.metrics.items()
    ]


def list_classes(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return a row for each label, with a note where it has too few texts to say much."""
    return [
        {**asdict(scores), "note": "few texts" if scores.support < FEW_TEXTS else None}
        for scores in evaluation.per_class
    ]
