"""An audit as a report for people: tables, and texts of each finding."""

import json
from pathlib import Path

from textclf.audit.audit import FINDINGS, Audit, Item
from textclf.commands._descriptions import LABEL_COLUMNS, SPLIT_COLUMNS
from textclf.errors import RequestError
from textclf.storage.files import write_text
from textclf.tables import Column, format_table, number, shorten

N_EXAMPLES = 3
"""Texts of each finding that are shown on a terminal."""
SHOWN_CHARACTERS = 100

FINDING_COLUMNS = (Column("finding", "finding"), *SPLIT_COLUMNS, Column("meaning", "meaning"))
LENGTH_COLUMNS = (
    Column("quantile", "quantile", lambda value: f"{value:.0%}", numeric=True),
    Column("words", "words", number(), numeric=True),
)
CUT_COLUMNS = (
    Column("sequence_length", "sequence length", number(), numeric=True),
    Column("texts_cut", "texts cut", lambda value: f"{value:.1%}", numeric=True),
    Column("words_lost", "words lost", lambda value: f"{value:.1%}", numeric=True),
)


ITEM_COLUMNS = (
    Column("split", "split"),
    Column("index", "index", numeric=True),
    Column("label", "label"),
    Column("other_split", "other split"),
    Column("other_index", "other index", numeric=True),
    Column("other_label", "other label"),
    Column("score", "score", number(3), numeric=True),
    Column("text", "text", shorten(SHOWN_CHARACTERS)),
)


def check_report(path: Path) -> None:
    """Refuse a report that could not be written when all is done.

    Raises:
        RequestError: its name tells no format, or its folder is not there.
    """
    if path.suffix not in {".json", ".md"}:
        raise RequestError(f"--report {path}: expected a name that ends in .json or .md")
    if not path.parent.is_dir():
        raise RequestError(f"--report {path}: there is no folder {path.parent}")


def write_report(audit: Audit, path: Path) -> None:
    """Write all that was found, as JSON or Markdown by the name of the file."""
    if path.suffix == ".json":
        write_text(path, json.dumps(audit.to_document(), indent=2) + "\n")
    else:
        write_text(path, format_report(audit, "markdown", n_examples=None) + "\n")


def format_report(audit: Audit, style: str, *, n_examples: int | None = N_EXAMPLES) -> str:
    """Format an audit.

    Args:
        audit: what was found.
        style: ``table`` or ``markdown``.
        n_examples: texts of each finding; all where None.
    """
    mark = "## " if style == "markdown" else ""
    sizes = ", ".join(f"{name} {size:,}" for name, size in audit.texts.items())
    title = f"{audit.dataset}: {sum(audit.texts.values()):,} texts ({sizes})"
    parts = [
        f"# Audit of {title}" if mark else title,
        format_table(audit.findings, FINDING_COLUMNS, style),
    ]
    for finding, meaning in FINDINGS.items():
        items = [item for item in audit.items if item.finding == finding]
        if items:
            parts.append(_format_items(finding, meaning, items, style, n_examples))
    parts += [
        f"{mark}labels",
        format_table(audit.labels, LABEL_COLUMNS, style),
        f"{mark}words of a text",
        format_table(audit.lengths, LENGTH_COLUMNS, style),
        f"{mark}what a sequence length leaves out",
        format_table(audit.cut_off, CUT_COLUMNS, style),
    ]
    return "\n\n".join(parts)


def _format_items(
    finding: str, meaning: str, items: list[Item], style: str, n_examples: int | None
) -> str:
    shown = items[:n_examples]
    which = f"{len(shown)} of {len(items):,}" if len(shown) < len(items) else f"{len(items):,}"
    title = f"{finding} ({which}): {meaning}"
    rows = [vars(item) for item in shown]
    return f"{'## ' if style == 'markdown' else ''}{title}\n\n" + format_table(
        rows, ITEM_COLUMNS, style
    )
