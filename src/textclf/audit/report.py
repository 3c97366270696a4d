"""An audit as tables for people, with the texts of each finding."""

import json
from pathlib import Path

from textclf.audit.audit import FINDINGS, Audit, Item
from textclf.data.summary import LABEL_COLUMNS, SPLIT_COLUMNS
from textclf.errors import RequestError
from textclf.storage.files import write_text
from textclf.tables import Column, format_number, format_start, format_table

N_SHOWN = 3
"""Examples of each finding that a terminal shows."""
SHOWN_CHARACTERS = 100

FINDING_COLUMNS = (Column("finding", "finding"), *SPLIT_COLUMNS, Column("meaning", "meaning"))
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


def format_report(audit: Audit, style: str, *, n_shown: int | None = N_SHOWN) -> str:
    """Format an audit.

    Args:
        audit: Result of an audit.
        style: ``table`` or ``markdown``.
        n_shown: Examples of each finding to show; None for all.
    """
    mark = "## " if style == "markdown" else ""
    sizes = ", ".join(f"{name} {size:,}" for name, size in audit.n_examples.items())
    title = f"{audit.dataset}: {sum(audit.n_examples.values()):,} examples ({sizes})"
    parts = [
        f"# Audit of {title}" if mark else title,
        format_table(audit.findings, FINDING_COLUMNS, style),
    ]
    for finding, meaning in FINDINGS.items():
        items = [item for item in audit.items if item.finding == finding]
        if items:
            shown = items[:n_shown]
            count = f"{len(items):,}"
            if len(shown) < len(items):
                count = f"{len(shown)} of {count}"
            parts += [f"{mark}{finding} ({count}): {meaning}", _format_items(shown, style)]
    parts += [
        f"{mark}Labels",
        format_table(audit.labels, LABEL_COLUMNS, style),
        f"{mark}Words per text",
        format_table(audit.lengths, LENGTH_COLUMNS, style),
        f"{mark}Truncation by sequence length",
        format_table(audit.truncation, TRUNCATION_COLUMNS, style),
    ]
    return "\n\n".join(parts)


def _format_items(items: list[Item], style: str) -> str:
    return format_table([vars(item) for item in items], ITEM_COLUMNS, style)
