"""Build text embeddings from word vectors, and describe any."""

from pathlib import Path

import click

from textclf.commands._options import PATH, format_option, print_table


@click.group(name="hub")
def command() -> None:
    """Build and describe text embeddings for the model hub.

    \b
    Example: textclf hub info glove
    """


@command.command(name="build")
@click.argument("out", type=PATH)
@click.option(
    "--vectors",
    required=True,
    metavar="FILE",
    help="Text file of word2vec or GloVe, also .gz; or glove, the vectors of the extra.",
)
@click.option(
    "--max-tokens",
    type=click.IntRange(1, 10_000_000),
    default=20_000,
    show_default=True,
    help="Words to keep, the first ones of the file.",
)
@format_option
def build(out: Path, vectors: str, max_tokens: int, style: str) -> None:
    """Make a text embedding from word vectors.

    OUT becomes a TF2 SavedModel for --set model.handle=OUT or any other program.

    \b
    Example: textclf hub build --vectors glove.6B.50d.txt --max-tokens 20000 embedding
    """
    from textclf.runtime import backend

    backend.start("cpu")

    from textclf.commands._descriptions import EMBEDDING_COLUMNS, describe_embedding
    from textclf.hub import handles as hub

    hub.build(vectors, out, max_tokens=max_tokens)
    print_table(describe_embedding(str(out), out), EMBEDDING_COLUMNS, style)


@command.command(name="info")
@click.argument("handle")
@format_option
def info(handle: str, style: str) -> None:
    """Describe a text embedding, after fetching it where it is not there.

    HANDLE is what model.handle takes: glove, a short name, a folder, an address or a path on
    tfhub.dev or kaggle.com.

    \b
    Example: textclf hub info glove
    """
    from textclf.runtime import backend

    backend.start("cpu")

    from textclf.commands._descriptions import EMBEDDING_COLUMNS, describe_embedding
    from textclf.hub import handles as hub

    print_table(describe_embedding(handle, hub.resolve(handle)), EMBEDDING_COLUMNS, style)
