"""An audit as tables for people, with the texts of each finding."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from textclf.auditing.audit import FINDINGS, Audit, Item
from textclf.data.summary import LABEL_COLUMNS, SPLIT_COLUMNS
from textclf.errors import RequestError
from textclf.storage.files import write_text
from textclf.tables import Column, format_number, format_start, format_table, wrap_text

N_SHOWN = 3
"""Examples of each finding that a terminal shows."""
SHOWN_CHARACTERS = 100

FINDING_COLUMNS = (
    Column("finding", "finding"),
    *SPLIT_COLUMNS,
    Column("meaning", "meaning", shrinks_to=24),
)
LENGTH_COLUMNS = (
    Column("quantile", "quantile", lambda value: f"{value:.0%}", numeric=True),
    Column("words", "words", format_number(), numeric=True),
)
TRUNCATION_COLUMNS = (
    Column("sequence_length", "sequence length", format_number(), numeric=True),
    Column("truncated_texts", "truncated texts", lambda value: f"{value:.1%}", numeric=True),
    Column("truncated_words", "truncated words", lambda value: f"{value:.1%}", numeric=True),
)
ITEM_COLUMNS = (
    Column("split", "split"),
    Column("index", "index", numeric=True),
    Column("label", "label"),
    Column("other_split", "other split"),
    Column("other_index", "other index", numeric=True),
    Column("other_label", "other label"),
    Column("score", "score", format_number(3), numeric=True),
    Column("text", "text", format_start(SHOWN_CHARACTERS)),
)
CONDENSED_COLUMNS = (
    Column("example", "example"),
    Column("label", "label", shrinks_to=16),
    Column("text", "text", format_start(SHOWN_CHARACTERS), shrinks_to=16),
    Column("other_label", "other label", shrinks_to=16),
    Column("other_example", "other example"),
    Column("score", "score", format_number(3), numeric=True),
)
"""Columns of the rows that `_condense` returns, the most telling first."""


def check_output(path: Path) -> None:
    """Raise RequestError if a report cannot be written to ``path`` at the end of an audit."""
    if path.suffix not in {".json", ".md"}:
        raise RequestError(f"--output {path}: expected a name that ends in .json or .md")
    if not path.parent.is_dir():
        raise RequestError(f"--output {path}: the folder {path.parent} does not exist")


def write_report(audit: Audit, path: Path) -> None:
    """Write all findings, as JSON or Markdown according to the name of the file."""
    if path.suffix == ".json":
        write_text(path, json.dumps(audit.to_document(), indent=2) + "\n")
    else:
        write_text(path, format_report(audit, "markdown", n_shown=None) + "\n")


def format_report(
    audit: Audit, style: str, *, n_shown: int | None = N_SHOWN, width: int | None = None
) -> str:
    """Format an audit.

    Args:
        audit: Result of an audit.
        style: ``table`` or ``markdown``.
        n_shown: Examples of each finding to show; None for all.
        width: Width of the terminal, into which tables must fit; None if there is none.
    """
    mark = "## " if style == "markdown" else ""
    sizes = ", ".join(f"{name} {size:,}" for name, size in audit.n_examples.items())
    title = f"{audit.dataset}: {sum(audit.n_examples.values()):,} examples ({sizes})"

    def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> str:
        return format_table(rows, columns, style, width=width)

    parts = [
        wrap_text(f"# Audit of {title}" if mark else title, width),
        *["\n".join(wrap_text(f"note: {note}", width) for note in audit.notes)] * bool(audit.notes),
        table(audit.findings, FINDING_COLUMNS),
    ]
    for finding, meaning in FINDINGS.items():
        items = [item for item in audit.items if item.finding == finding]
        if items:
            shown = items[:n_shown]
            count = f"{len(items):,}"
            if len(shown) < len(items):
                count = f"{len(shown)} of {count}"
            parts.append(wrap_text(f"{mark}{finding} ({count}): {meaning}", width))
            parts.append(
                table([vars(item) for item in shown], ITEM_COLUMNS)
                if style == "markdown"
                else table([_condense(item) for item in shown], CONDENSED_COLUMNS)
            )
    for title, rows, columns in (
        ("Labels", audit.labels, LABEL_COLUMNS),
        ("Words per text", audit.lengths, LENGTH_COLUMNS),
        ("Truncation by sequence length", audit.truncation, TRUNCATION_COLUMNS),
    ):
        parts += [f"{mark}{title}", table(rows, columns)]
    return "\n\n".join(parts)


def _condense(item: Item) -> dict[str, Any]:
    """Return an item with fewer columns, and without the other label if it is the same."""
    other_example = None
    if item.other_split is not None:
        other_example = f"{item.other_split} {item.other_index}"
    return {
        **vars(item),
        "example": f"{item.split} {item.index}",
        "other_example": other_example,
        "other_label": item.other_label if item.other_label != item.label else None,
    }
