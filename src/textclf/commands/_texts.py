"""Texts as arguments of a command: texts, the path of a file, or - for standard input."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from textclf.errors import RequestError, format_nearest_path, format_unknown
from textclf.tables import format_start

SHOWN_CHARACTERS = 60


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


def find_input(texts: Sequence[str]) -> Any:
    """Return what the arguments name: the path of a file, standard input, or texts.

    Raises:
        RequestError: A file does not exist, a file or folder is among several texts, or a text is
            not UTF-8.
    """
    if len(texts) == 1:
        refuse_missing(Path(texts[0]))
    if tuple(texts) == ("-",):
        return sys.stdin.buffer
    paths = [text for text in texts if is_path(text)]
    if paths and len(texts) == 1:
        return Path(texts[0])
    if paths:
        raise RequestError(
            f"{paths[0]} is a file or folder: give one file, or texts, or - to read one text per"
            " line of standard input"
        )
    return decode_arguments(texts)


def refuse_missing(path: Path) -> None:
    """Raise RequestError if a text is probably the name of a file that does not exist."""
    from textclf.data.file_formats import FORMATS

    if path.suffix.lower() in FORMATS and " " not in path.name and not is_path(str(path)):
        remedy = format_nearest_path(path) or "check the path"
        raise RequestError(f"{path} does not exist; {remedy}")


def is_path(text: str) -> bool:
    """Return whether a text is the path of a file or folder; a folder's name alone is a text."""
    path = Path(text)
    try:
        return path.is_file() or ((path.name != text or bool(path.suffix)) and path.exists())
    except (OSError, ValueError):  # It is too long, or not a path.
        return False


def decode_arguments(texts: Sequence[str]) -> list[str]:
    """Decode arguments as UTF-8, even if the locale has another encoding, such as C.

    Raises:
        RequestError: One is not UTF-8.
    """
    decoded = []
    for number, text in enumerate(texts, start=1):
        try:
            decoded.append(os.fsencode(text).decode("utf-8"))
        except UnicodeError as error:
            start = format_start(SHOWN_CHARACTERS)(text)
            raise RequestError(f"text {number} of {len(texts)} is not UTF-8: {start!r}") from error
    return decoded
