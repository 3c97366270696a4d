"""Build a text embedding from word vectors, or describe an embedding or an encoder's preset."""

from pathlib import Path
from typing import Any

import click

from textclf.commands._options import PATH, format_option
from textclf.commands._output import print_next, print_table, print_text
from textclf.tables import Column, format_flag, format_number

COLUMNS = (
    Column("handle", "handle"),
    Column("dim", "dimension", format_number(), numeric=True),
    Column("vocabulary_size", "words", format_number(), numeric=True),
    Column("n_parameters", "parameters", format_number(), numeric=True),
    Column("trainable", "trainable", format_flag),
    Column("bytes", "MB", lambda value: f"{value / 1e6:,.1f}", numeric=True),
    Column("folder", "folder"),
)


@click.group(name="hub")
def command() -> None:
    """Build or describe text embeddings, and presets of encoders.

    The model `hub` uses embeddings, and the model `encoder` presets.

    \b
    Example: textclf hub info glove
    """


@command.command(name="build")
@click.argument("out", type=PATH)
@click.option(
    "--vectors",
    required=True,
    metavar="FILE",
    help="Word vectors in the text format of word2vec, GloVe or fastText, also .gz; or glove, the"
    " vectors of the extra glove.",
)
@click.option(
    "--max-tokens",
    type=click.IntRange(1, 10_000_000),
    default=20_000,
    help="Maximum vocabulary size; the first words of the file are kept.",
)
@format_option
def build(out: Path, vectors: str, max_tokens: int, style: str) -> None:
    """Build a text embedding from word vectors.

    Writes a TF2 SavedModel to the folder OUT, for --set model.handle=OUT or any program that loads
    SavedModels.

    \b
    Example: textclf hub build --vectors glove.6B.50d.txt embedding
    """
    from textclf.runtime import backend

    backend.start("cpu")

    from textclf.hub import handles
    from textclf.hub.text_embedding import describe_embedding

    handles.build(vectors, out, max_tokens=max_tokens)
    _print_embedding(describe_embedding(str(out), out), style)


@command.command(name="info")
@click.argument("handle")
@format_option
def info(handle: str, style: str) -> None:
    """Describe a text embedding or a preset, downloading it if needed.

    HANDLE is a value of model.handle: glove, a short name, a folder, a URL, or a path on tfhub.dev
    or kaggle.com; or one of model.preset: hf://USER/MODEL, a preset of KerasHub, or a folder.

    \b
    Example: textclf hub info glove
    """
    from textclf.runtime import backend

    backend.start("cpu")

    from textclf.encoders.presets import is_preset

    if is_preset(handle):
        from textclf.encoders.loading import describe_preset

        _print_embedding(describe_preset(handle), style, model="encoder", key="model.preset")
        return

    from textclf.hub import handles
    from textclf.hub.text_embedding import describe_embedding

    _print_embedding(describe_embedding(handle, handles.resolve(handle)), style)


def _print_embedding(
    embedding: dict[str, Any], style: str, *, model: str = "hub", key: str = "model.handle"
) -> None:
    """Print what a model uses; its folder is too long for a column of a terminal."""
    if style == "table":
        for column in COLUMNS:
            print_text(f"{column.title}: {column.cell(embedding)}")
    else:
        print_table([embedding], COLUMNS, style)
    setting = f"{key}={embedding['handle']}"
    print_next("train", "--model", model, "--dataset", "bbc", "--set", setting, style=style)
