"""List or clear the cache of datasets, token ids and features."""

import datetime

import click

from textclf.commands._options import format_option
from textclf.commands._output import print_next, print_table
from textclf.tables import Column, format_number

COLUMNS = (
    Column("entry", "entry", shrinks_to=16),
    Column("megabytes", "MB", format_number(1), numeric=True),
    Column("last_used", "last used"),
)


@click.group(name="cache")
def command() -> None:
    """List or clear the cache of datasets, token ids and features.

    The cache is in TEXTCLF_CACHE_DIR, by default ~/.cache/textclf on Linux. If it grows beyond
    TEXTCLF_MAX_CACHE_MB, the least recently used entries are removed. Removed entries are created
    again when needed.

    \b
    Example: textclf cache list
    """


@command.command(name="list")
@format_option
def show(style: str) -> None:
    """List cache entries, the most recently used first.

    \b
    Example: textclf cache list --format json
    """
    from textclf.storage.cache import entries_folder, list_entries
    from textclf.storage.limits import MEGABYTE

    rows = [
        {
            "entry": folder.name,
            "megabytes": n_bytes / MEGABYTE,
            "last_used": datetime.datetime.fromtimestamp(used)
            .astimezone()
            .isoformat(" ", "minutes"),
        }
        for folder, n_bytes, used in list_entries()
    ]
    if not rows:
        click.echo(f"the cache is empty: {entries_folder()}", err=True)
    print_table(rows, COLUMNS, style)
    print_next("cache", "clear", style=style)


@command.command(name="clear")
def clear() -> None:
    """Remove all cache entries.

    \b
    Example: textclf cache clear
    """
    from textclf.storage.cache import clear_entries, entries_folder
    from textclf.storage.limits import MEGABYTE

    click.echo(f"{clear_entries() / MEGABYTE:,.1f} MB removed from {entries_folder()}")
    print_next("cache", "list")
