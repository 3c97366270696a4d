"""Classify texts with the saved model of a run."""

import codecs
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import click

from textclf.commands._options import PATH, device_option, format_option, trust_code_option
from textclf.commands._output import print_next, print_table
from textclf.errors import RequestError, format_unknown
from textclf.storage import limits
from textclf.tables import Column, format_number, format_start

SHOWN_CHARACTERS = 60

COLUMNS = (
    Column("text", "text", format_start(SHOWN_CHARACTERS), shrinks_to=16),
    Column("rank", "rank", numeric=True),
    Column("label", "label", shrinks_to=16),
    Column("probability", "probability", format_number(4), numeric=True),
)


class TextCommand(click.Command):
    """A command that takes texts, of which one may begin with a hyphen like an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; the error for an unknown option says how to give such a text."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            options = [name for parameter in self.get_params(ctx) for name in parameter.opts]
            long = [name for name in options if name.startswith("--")]
            problem = format_unknown("option", error.option_name, long)
            problem += "; put -- before a text that begins with -"
            raise click.UsageError(problem, ctx) from error


@click.command(name="predict", cls=TextCommand)
@click.argument("run_path", metavar="RUN", type=PATH)
@click.argument("texts", metavar="TEXT...", nargs=-1, required=True)
@click.option("--top", type=click.IntRange(1), default=1, help="Number of labels per text.")
@trust_code_option
@device_option
@format_option
def command(
    run_path: Path, texts: tuple[str, ...], top: int, trust_code: bool, device: str, style: str
) -> None:
    """Classify texts with the saved model of a run.

    Prints the most probable labels of each TEXT. If the only TEXT is -, reads standard input, one
    text per line. Put -- before a TEXT that begins with -.

    \b
    Example: textclf predict runs/bbc/mlp "Shares fell as oil prices rose" --top 2
    """
    from textclf import api
    from textclf.runtime import backend

    if files := [text for text in texts if is_path(text)]:
        raise RequestError(
            f"{files[0]} is a file or folder: give texts, or - to read one text per line of"
            " standard input"
        )
    lines = read_lines(sys.stdin.buffer) if texts == ("-",) else decode_arguments(texts)
    run = api.load_run(run_path, trust_code=trust_code)
    check_texts(lines)
    if run.directory.has_network:  # scikit-learn's models need no TensorFlow, which starts slowly.
        backend.start(device)
    print_table(predict_rows(run.model, lines, top=top), COLUMNS, style)
    print_next("evaluate", run_path, style=style)


def is_path(text: str) -> bool:
    """Return whether a text is a path of a file or folder; a single word may be both."""
    path = Path(text)
    try:
        return (path.name != text or bool(path.suffix)) and path.exists()
    except (OSError, ValueError):  # It is too long, or not a path.
        return False


def read_lines(stream: BinaryIO) -> list[str]:
    """Read UTF-8 texts, one per line.

    Raises:
        RequestError: A line is not UTF-8.
        LimitError: The input is too large.
    """
    lines = []
    content = stream.read(limits.FILE.n_bytes + 1)
    limits.FILE.check(len(content), "standard input")
    content = content.removeprefix(codecs.BOM_UTF8)
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            lines.append(line.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise RequestError(f"line {number} of standard input is not UTF-8: {error}") from error
    return lines


def decode_arguments(texts: Sequence[str]) -> list[str]:
    """Decode arguments as UTF-8, even if the locale has another encoding, such as C."""
    return [os.fsencode(text).decode("utf-8", "surrogateescape") for text in texts]


def check_texts(texts: Sequence[str]) -> None:
    """Refuse texts that cannot be classified.

    Raises:
        RequestError: No text is given, or one is empty or not valid Unicode.
        LimitError: A text is too long.
    """
    if not texts:
        raise RequestError("no text given: standard input is empty")
    for number, text in enumerate(texts, start=1):
        if not text.strip():
            raise RequestError(f"text {number} of {len(texts)} is empty: every text needs a word")
        size = len(text.encode("utf-8", "surrogatepass"))
        limits.TEXT.check(size, f"text {number} of {len(texts)}")
        if any("\ud800" <= character <= "\udfff" for character in text):
            start = format_start(SHOWN_CHARACTERS)(text)
            raise RequestError(f"text {number} of {len(texts)} is not UTF-8: {start!r}")


def predict_rows(classifier: Any, texts: Sequence[str], *, top: int) -> list[dict[str, Any]]:
    """Classify texts.

    Args:
        classifier: `TextClassifier` or `SklearnClassifier`.
        texts: Raw texts.
        top: Labels per text, the most probable first.

    Returns:
        Rows with the keys of `COLUMNS`.
    """
    return [
        {
            "text": text,
            "rank": rank,
            "label": classifier.label_names[label],
            "probability": float(probabilities[label]),
        }
        for text, probabilities in zip(texts, classifier.predict_texts(texts), strict=True)
        for rank, label in enumerate((-probabilities).argsort(kind="stable")[:top], start=1)
    ]
