"""A comparison as text: one table for each test set, with a title, and notes below."""

import html
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

from textclf.errors import RequestError, format_count, format_unknown
from textclf.tables import (
    Column,
    format_flag,
    format_html,
    format_interval,
    format_number,
    format_p_value,
    format_table,
    wrap_text,
)

Row = dict[str, Any]

MARKDOWN_COLUMNS = (
    Column("dataset", "dataset"),
    Column("model", "model", shrinks_to=16),
    Column("fingerprint", "fingerprint"),
    Column("refit", "refit", format_flag),
    Column("n_seeds", "seeds", numeric=True),
    Column("accuracy", "accuracy", format_number(4), numeric=True),
    Column("accuracy_sd", "sd", format_number(4), numeric=True),
    Column("accuracy_interval", "accuracy 95% CI", format_interval(3), numeric=True),
    Column("verdict", "verdict"),
    Column("difference", "difference", lambda value: f"{value:+.4f}", numeric=True),
    Column("p_value", "p", format_p_value, numeric=True),
    Column("n_trials", "trials", format_number(), numeric=True),
    Column("macro_f1", "macro F1", format_number(4), numeric=True),
    Column("macro_f1_interval", "macro F1 95% CI", format_interval(3), numeric=True),
    Column("loss", "loss", format_number(3), numeric=True),
    Column("train_seconds", "train s", format_number(1), numeric=True),
    Column("n_parameters", "parameters", format_number(), numeric=True),
    Column("n_examples", "test examples", format_number(), numeric=True),
    Column("folds", "folds", numeric=True),
    Column("n_train_examples", "training examples", format_number(), numeric=True),
)


def _format_signed_interval(ends: Sequence[float]) -> str:
    return f"{ends[0]:+.4f} to {ends[1]:+.4f}"


COLUMNS = (
    *MARKDOWN_COLUMNS,
    Column("difference_interval", "difference 95% CI", _format_signed_interval, numeric=True),
    Column("beats_linear_baseline", "beats linear baseline", format_flag),
    Column("beats_chance_baseline", "beats chance baseline", format_flag),
    Column("majority_accuracy", "majority accuracy", format_number(4), numeric=True),
    Column("seeds", "seed values", lambda seeds: ", ".join(map(str, seeds))),
    Column("fold", "fold", numeric=True),
    Column("train_fraction", "train fraction", numeric=True),
    Column("train_per_label", "train per label", format_number(), numeric=True),
    Column("split_digest", "split digest"),
    Column("error", "error"),
)
"""All columns, in the order of the keys of CSV and JSON."""

BY_KEY = {column.key: column for column in COLUMNS}

CONDENSED_COLUMNS = (
    BY_KEY["model"],
    BY_KEY["fingerprint"],
    BY_KEY["refit"],
    BY_KEY["n_seeds"],
    Column("accuracy", "accuracy"),
    Column("accuracy_interval", "95% CI", format_interval(3), numeric=True),
    BY_KEY["verdict"],
    BY_KEY["macro_f1"],
    BY_KEY["train_seconds"],
    BY_KEY["loss"],
    BY_KEY["n_parameters"],
    BY_KEY["difference"],
    BY_KEY["macro_f1_interval"],
)
"""Columns of the rows that `_condense` returns, the most telling first."""


def parse_columns(names: str) -> tuple[str, ...]:
    """Return the keys in a list such as ``model,accuracy``; RequestError if one is unknown."""
    keys = tuple(dict.fromkeys(name.strip() for name in names.split(",")))
    for key in keys:
        if key not in BY_KEY:
            raise RequestError(f"--columns: {format_unknown('column', key, BY_KEY)}")
    return keys


def complete_row(values: Mapping[str, Any]) -> Row:
    """Return a row with all keys in their order; missing values are None.

    Args:
        values: Values by key; a row with an ``error`` has the verdict ``failed``.
    """
    verdict = "failed" if values.get("error") else None
    return {**dict.fromkeys(BY_KEY), "verdict": verdict, **values}


def format_comparison(
    rows: Sequence[Mapping[str, Any]],
    notes: Sequence[str],
    style: str,
    *,
    chosen: Sequence[str] = (),
    width: int | None = None,
) -> str:
    """Format the rows of a comparison, and its notes except for CSV and JSON.

    Args:
        rows: Rows of `tabulate`, and of failed runs.
        notes: Sentences to print below the tables.
        style: ``table``, ``markdown``, ``html``, ``csv`` or ``json``.
        chosen: Keys of the columns; by default all in CSV and JSON, and those that fit in a table.
        width: Width of the terminal, into which tables must fit; None if there is none.
    """
    completed = [complete_row(row) for row in rows]
    columns = [BY_KEY[key] for key in chosen]
    if style in {"csv", "json"}:
        selected = [{key: row[key] for key in chosen or BY_KEY} for row in completed]
        return format_table(selected, (), style)
    groups = _group_comparable(completed)
    match style:
        case "markdown":
            parts = [_format_markdown(groups, columns), _list_notes(notes, None)]
        case "html":
            items = "".join(f"<li>{html.escape(note)}</li>" for note in notes)
            parts = [*_format_html(groups, columns), f"<ul>{items}</ul>" if notes else ""]
        case _:
            parts = [*_format_tables(groups, columns, width), _list_notes(notes, width)]
    return "\n\n".join(filter(None, parts))


def _group_comparable(rows: Sequence[Row]) -> list[list[Row]]:
    """Group rows by test set and training size.

    The test set of a failed run is not known, but its dataset and its training size are.
    """
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        known = [row[key] for key in ("dataset", "train_fraction", "train_per_label")]
        key = (row["split_digest"], *known)
        if row["error"]:
            key = next((other for other in groups if [*other[1:]] == known), key)
        groups.setdefault(key, []).append(row)
    return list(groups.values())


def _find_parts(rows: Iterable[Row]) -> set[str]:
    """Return the keys by which parts of the training examples were selected."""
    keys = ("train_fraction", "train_per_label")
    return {key for row in rows for key in keys if row[key]}


def _look_alike(group: Sequence[Row]) -> bool:
    """Return whether several configurations of one model are on the same test set."""
    configurations = {(row["model"], row["fingerprint"]) for row in group}
    return len(configurations) > len({row["model"] for row in group})


def _format_markdown(groups: Sequence[Sequence[Row]], columns: Sequence[Column]) -> str:
    """Format all rows as one table, which can be sorted and copied."""
    rows = [row for group in groups for row in group]
    if columns:
        return format_table(rows, columns, "markdown", keep_empty=True)
    if not any(map(_look_alike, groups)):
        rows = [{**row, "fingerprint": None} for row in rows]
    rows = [
        {
            **row,
            "refit": row["refit"] or None,  # Only those are marked.
            "folds": None if row["fold"] else row["folds"],
        }
        for row in rows
    ]
    if not _find_parts(rows):
        rows = [{**row, "n_train_examples": None} for row in rows]
    return format_table(rows, MARKDOWN_COLUMNS, "markdown")


def _format_html(groups: Sequence[Sequence[Row]], columns: Sequence[Column]) -> list[str]:
    """Return a paragraph and a table for each test set."""
    parts = _find_parts(row for group in groups for row in group)
    return [
        f"<p>{html.escape(_format_title(group, parts))}</p>\n"
        + format_html(group if columns else _condense(group), columns or CONDENSED_COLUMNS)
        for group in groups
    ]


def _format_tables(
    groups: Sequence[Sequence[Row]], columns: Sequence[Column], width: int | None
) -> list[str]:
    """Return a title and a table for each test set; chosen columns are shown even if too wide."""
    parts = _find_parts(row for group in groups for row in group)
    return [
        wrap_text(_format_title(group, parts), width)
        + "\n"
        + (
            format_table(group, columns, "table", keep_empty=True)
            if columns
            else format_table(
                _condense(group), CONDENSED_COLUMNS, "table", width=width, hint="--columns"
            )
        )
        for group in groups
    ]


def _format_title(group: Sequence[Row], parts: Set[str]) -> str:
    """Return what all rows share, such as ``reuters: 2,246 test examples, 3 seeds``.

    Args:
        group: Rows that are compared with each other.
        parts: Keys by which parts of the training examples were selected in any group; the title
            then contains the number of training examples, and with several keys the part.
    """
    shared = []
    finished = [row for row in group if not row["error"]]
    names = ", ".join(dict.fromkeys(row["dataset"] for row in group))
    if finished:
        first = finished[0]
        shared.append(_format_test_set(first))
        if parts and first["n_train_examples"] is not None:
            part = _format_part(first) if len(parts) > 1 else ""
            shared.append(f"{first['n_train_examples']:,} training examples{part}")
        if first["fold"] is not None:
            names += f", fold {first['fold']} of {first['folds']}"
    if _share_seeds(group):
        n_seeds = finished[0]["n_seeds"]
        shared.append(f"{n_seeds} seed" + "s" * (n_seeds > 1))
    return ": ".join(filter(None, [names, ", ".join(shared)]))


def _format_part(row: Row) -> str:
    """Return which part of the training examples was used, in parentheses; empty for all."""
    if row["train_fraction"]:
        return f" (fraction {row['train_fraction']:g})"
    return f" ({row['train_per_label']:,} per label)" if row["train_per_label"] else ""


def _format_test_set(row: Row) -> str:
    """Return the number of test examples, and of the folds that they are in."""
    if row["folds"] is None or row["fold"] is not None:
        return f"{row['n_examples']:,} test examples"
    return f"{row['n_examples']:,} examples in {row['folds']} folds"


def _share_seeds(group: Sequence[Row]) -> bool:
    """Return whether all configurations that did not fail have the same number of seeds."""
    return len({row["n_seeds"] for row in group if not row["error"]}) == 1


def _condense(group: Sequence[Row]) -> list[Row]:
    """Return rows with fewer columns: means with their deviation, verdicts with their p-value."""
    is_study = any(row["n_trials"] is not None for row in group)  # Its verdicts tell rows apart.
    hidden = {} if _look_alike(group) and not is_study else {"fingerprint": None}
    if _share_seeds(group):
        hidden["n_seeds"] = None
    rows = []
    for row in group:
        accuracy, verdict = None, row["verdict"]
        if row["accuracy"] is not None:
            accuracy = f"{row['accuracy']:.4f}"
        if row["accuracy_sd"] is not None:
            accuracy = f"{accuracy} ± {row['accuracy_sd']:.4f}"
        if row["p_value"] is not None:
            verdict = f"{verdict}, p {format_p_value(row['p_value'])}"
        if row["n_trials"] is not None:
            verdict = f"{verdict} ({format_count(row['n_trials'], 'trial')})"
        shown = {"accuracy": accuracy, "verdict": verdict, "refit": row["refit"] or None}
        rows.append({**row, **hidden, **shown})
    return rows


def _list_notes(notes: Sequence[str], width: int | None) -> str:
    return "\n".join(wrap_text(f"- {note}", width, indent="  ") for note in notes)
