"""What commands print: tables, notes, texts, and the command that is useful next."""

import contextlib
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from textclf.commands._options import NO_TEXTS, REPORT_PATH
from textclf.registry import list_names
from textclf.tables import (
    Column,
    escape_control,
    format_table,
    terminal_width,
    wrap_text,
)

if TYPE_CHECKING:
    from textclf.comparison.comparison import Comparison
    from textclf.runtime.progress import Reporter
    from textclf.tuning.study import Study


def print_comparison(
    rows: Sequence[Any],
    notes: Sequence[str],
    style: str,
    reporter: "Reporter",
    *,
    chosen: Sequence[str],
) -> None:
    """Print the rows of a comparison, and its notes below them or on standard error.

    Args:
        rows: Rows of `tabulate`, and of failed runs.
        notes: Sentences that explain the rows.
        style: One of `FORMATS`.
        reporter: Prints the notes if the format has no place for them.
        chosen: Keys of the columns; if empty, the default ones.
    """
    from textclf.comparison.report import format_comparison

    click.echo(format_comparison(rows, notes, style, chosen=chosen, width=terminal_width()))
    if style in {"csv", "json"}:
        for note in notes:
            reporter.info(note)


def write_report(comparison: "Comparison", *, study: "Study | None" = None) -> None:
    """Write the HTML page of a comparison if --report asks for it and a run has finished."""
    from textclf import api

    context = click.get_current_context()
    path, options = context.meta[REPORT_PATH], context.params
    if path and comparison.models:
        api.report(
            study or comparison,
            path,
            texts=not context.meta[NO_TEXTS],
            device=options["device"],
            quiet=options["quiet"],
        )


@contextlib.contextmanager
def continuing_without_reader() -> Iterator[None]:
    """Ignore a closed output pipe, so that the exit code still reports the result."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_table(rows: Sequence[Any], columns: Sequence[Column], style: str) -> None:
    """Print rows to standard output."""
    click.echo(format_table(rows, columns, style, width=terminal_width()))


def print_next(
    *arguments: object, program: str = "textclf", style: str = "table", quiet: bool = False
) -> None:
    """Print the command that is useful next, below a table for people."""
    if style == "table" and not quiet:
        command = shlex.join([program, *map(str, arguments)])
        click.echo(f"next: {escape_control(command)}", err=True)


def print_text(text: str) -> None:
    """Print a line to standard output, wrapped between words in a terminal."""
    click.echo(wrap_text(text, terminal_width(), indent="  "))


def list_summaries(kind: str) -> list[dict[str, str]]:
    """Return the name and the summary of all ``datasets`` or ``models``."""
    from textclf.registry import describe

    rows = [{"name": name, "summary": describe(kind, name)} for name in list_names(kind)]
    for name in list_names("sources") if kind == "datasets" else ():
        shown = {"path": "PATH", "hf": "hf:PATH"}.get(name, f"{name}:NAME")
        rows.append({"name": shown, "summary": describe("sources", name)})
    return rows


SUMMARY_COLUMNS = (Column("name", "name"), Column("summary", "summary", shrinks_to=30))
