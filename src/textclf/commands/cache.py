"""See and clear what is kept to start faster."""

import click

from textclf.commands._options import format_option, print_table


@click.group(name="cache")
def command() -> None:
    """See and clear what is kept to start faster.

    Labels and token ids of datasets, which are made again where they are missing. The folder is
    that of TEXTCLF_CACHE_DIR; what was not used for longest goes above TEXTCLF_MAX_CACHE_MB.

    \b
    Example: textclf cache list
    """


@command.command(name="list")
@format_option
def show(style: str) -> None:
    """List what is kept, the last used first.

    \b
    Example: textclf cache list --format json
    """
    from textclf.commands._descriptions import ENTRY_COLUMNS, describe_entry
    from textclf.storage.cache import entries_folder, list_entries

    rows = [describe_entry(*entry) for entry in list_entries()]
    if not rows:
        click.echo(f"nothing is kept in {entries_folder()}", err=True)
    print_table(rows, ENTRY_COLUMNS, style)


@command.command(name="clear")
def clear() -> None:
    """Remove all that is kept.

    \b
    Example: textclf cache clear
    """
    from textclf.storage.cache import clear_entries, entries_folder

    click.echo(f"{clear_entries() / 1e6:,.1f} MB removed from {entries_folder()}")
