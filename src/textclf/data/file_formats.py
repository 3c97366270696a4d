"""Reads files of labeled texts row by row: CSV, JSON, Parquet, spreadsheets and fastText's lines.

Errors name the file and the line.
"""

import contextlib
import datetime
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any

from textclf.data.csv_files import N_SAMPLED, Dialect, open_csv, take_sample
from textclf.data.labels import ONE_LABEL
from textclf.data.row_reader import Row
from textclf.data.table import (
    Cells,
    Columns,
    NumberedRow,
    Table,
    clean_name,
    has_content,
    join_texts,
)
from textclf.data.tabular import FileConfig, find_columns
from textclf.errors import DataError, RequestError, format_install, format_list, format_reason
from textclf.storage.containers import ZIP, open_content
from textclf.storage.encodings import name_codec, open_text, read_lines
from textclf.storage.limits import FILE

FORMATS = {
    **dict.fromkeys((".csv", ".tsv", ".tab", ".txt"), ".csv"),  # .txt: "Unicode text" of Excel.
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), ".json"),
    ".parquet": ".parquet",
    **dict.fromkeys((".xlsx", ".xls", ".ods"), ".xlsx"),
}
"""Format of each suffix."""

BINARY = {b"PAR1": ".parquet", ZIP: ".xlsx", b"\xd0\xcf\x11\xe0": ".xlsx"}
"""First bytes of formats that are not text; the last are those of Excel before 2007."""

STARTS = {
    ".fasttext": re.compile(rb"__label__[^\s,;|]+[ \t]"),
    ".json": re.compile(rb'(\[\s*)?\{\s*"[^"]*"\s*:'),
}
"""How text of each of these formats begins."""

LABEL = "__label__"
"""What precedes a label in fastText's lines."""

EXPECTED = 'expected an object, such as {"text": "...", "label": "a"}'
"""What is wrong with JSON of another kind."""


def find_format(path: Path) -> str | None:
    """Return the format of a file: by its content if that is certain, otherwise by its name.

    Returns:
        ``.csv``, ``.json``, ``.parquet``, ``.xlsx`` or ``.fasttext``; None if it is not known.
    """
    with open_content(path) as (file, name):
        head = file.read(256)
    # Without what UTF-16 adds to ASCII: zeros and a byte-order mark.
    start = head.translate(None, b"\0").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    certain = [suffix for magic, suffix in BINARY.items() if head.startswith(magic)]
    certain += [suffix for suffix, pattern in STARTS.items() if pattern.match(start)]
    by_name = FORMATS.get(Path(name.lower()).suffix)
    return certain[0] if certain else ".csv" if by_name in BINARY.values() else by_name


@contextlib.contextmanager
def open_table(path: Path, config: FileConfig, *, needs_label: bool = True) -> Iterator[Table]:
    """Yield the table of a file whose format `find_format` knows.

    Args:
        path: The file.
        config: How it is read.
        needs_label: Whether text with delimiters is refused if it has only one column.

    Raises:
        RequestError: An option does not apply to the format.
        DataError: The file cannot be read.
    """
    suffix = find_format(path) or ".csv"
    if config.column_names and suffix not in {".csv", ".xlsx"}:
        raise RequestError(f"--column-names is for files without a header, and {path} names them")
    with open_content(path) as (file, _), contextlib.ExitStack() as stack:
        content: Any = file
        if suffix not in BINARY.values():
            content = stack.enter_context(open_text(file, config.encoding, path))
        if suffix == ".csv":
            yield open_csv(path, content, Dialect(config.quoting, config.column_names, needs_label))
        else:
            yield TABLES[suffix](path, content, config)


def read_rows(path: Path, config: FileConfig, notes: list[str]) -> Iterator[Row]:
    """Yield the rows of a file, and note how it is read.

    Raises:
        DataError: The file cannot be read, or a row is invalid.
        LimitError: A line is too long.
    """
    with open_table(path, config) as table:
        columns = find_columns(table, config, str(path))
        notes.append(_describe(table, columns))
        header = [columns.label.lower(), " ".join(columns.texts).lower()]
        for number, cells in table.read(columns):
            position = f"{table.unit} {number}"
            if missing := [name for name in columns.texts if name not in cells]:
                raise DataError(f"{path} {position}: it has no '{missing[0]}'")
            text = join_texts([cells[name] for name in columns.texts])
            label = cells.get(columns.label)
            is_label = clean_name(label).lower() == header[0]
            if is_label and clean_name(text).lower() == header[1]:
                raise DataError(
                    f"{path} {position}: it repeats the names of the columns; remove it"
                )
            yield text, label, position


def _describe(table: Table, columns: Columns) -> str:
    """Return which columns are read, and how."""
    texts = " and ".join(map(repr, columns.texts))
    others = [name for name in table.names if name not in (*columns.texts, columns.label)]
    shown = [repr(name) if name else "a column without a name" for name in others]
    left_out = f"; not read: {format_list(shown, 5)}" if others else ""
    return f"text from {texts}, label from {columns.label!r}{left_out}; {table.details}"


def _open_json(path: Path, text: TextIOWrapper, config: FileConfig) -> Table:  # noqa: ARG001
    """Open an array of objects, or a file with an object in each line."""
    start = text.read(1)
    while start.isspace():
        start = text.read(1)
    text.seek(0)
    is_array = start == "["
    lines = read_lines(path, text) if not is_array else iter(())
    sample = list(itertools.islice(take_sample(lines), N_SAMPLED))
    n_sampled = N_SAMPLED if is_array else sum(map(bool, map(str.strip, sample)))
    lines = itertools.chain(sample, lines)
    rows = _read_array(path, text) if is_array else _read_json_lines(path, lines)
    first = list(itertools.islice(rows, n_sampled))
    if not first:
        raise DataError(f"{path}: it is empty")
    kind = "array" if is_array else "lines"
    return Table(
        list(dict.fromkeys(name for _, cells in first for name in cells)),
        lambda columns: itertools.chain(first, rows),  # noqa: ARG005 - of a table
        unit="example" if is_array else "line",
        details=f"JSON {kind}; encoding {name_codec(text.encoding)}",
        read_cells=lambda label: (  # noqa: ARG005 - of a table
            cells for _, cells in itertools.chain(first, rows)
        ),
    )


def _read_json_lines(path: Path, lines: Iterable[str]) -> Iterator[NumberedRow]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield number, _parse_json(line, f"{path} line {number}", dict)


def _read_array(path: Path, text: TextIOWrapper) -> Iterator[NumberedRow]:
    content = text.read(FILE.n_bytes + 1)
    FILE.check(len(content), str(path))
    for number, item in enumerate(_parse_json(content, str(path), list), start=1):
        if not isinstance(item, dict):
            raise DataError(f"{path} example {number}: {EXPECTED}")
        yield number, item


def _parse_json(content: str, position: str, kind: type) -> Any:
    try:
        parsed = json.loads(content)
    except json.JSONDecodeError as error:
        expected = "an object in each line, or an array of objects"
        raise DataError(
            f"{position}, column {error.colno}: not JSON: {error.msg}; expected {expected}"
        ) from error
    except (ValueError, RecursionError) as error:  # Huge numbers and deep nesting.
        raise DataError(f"{position}: not JSON: {error}") from error
    if not isinstance(parsed, kind):
        raise DataError(f"{position}: {EXPECTED}")
    return parsed


def _open_fasttext(path: Path, text: TextIOWrapper, config: FileConfig) -> Table:  # noqa: ARG001
    """Open lines with a label, as in ``__label__sea the harbour``."""

    def split() -> Iterator[tuple[int, str, list[str]]]:
        for number, line in enumerate(read_lines(path, text), start=1):
            if words := line.split():
                labels = [word for word in words if word.startswith(LABEL)]
                yield number, " ".join(word for word in words if word not in labels), labels

    def read(columns: Columns) -> Iterator[NumberedRow]:  # noqa: ARG001 - of a table
        for number, others, labels in split():
            if " ".join([others, *labels]).count(LABEL) > 1:
                shown = " ".join(labels)[:100]
                raise DataError(f"{path} line {number}: several labels, {shown}; {ONE_LABEL}")
            label = labels[0].removeprefix(LABEL) if labels else None
            yield number, {"text": others, "label": label}

    def read_cells(label: str | None) -> Iterator[Cells]:  # noqa: ARG001 - of a table
        for _, others, labels in split():
            yield [others, " ".join(word.removeprefix(LABEL) for word in labels)]

    names, details = ["text", "label"], f"fastText's format; encoding {name_codec(text.encoding)}"
    return Table(names, read, details=details, header=names, read_cells=read_cells)


def _open_parquet(path: Path, file: IO[bytes], config: FileConfig) -> Table:  # noqa: ARG001
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise RequestError(f"{path}: Parquet needs {format_install('parquet')}") from error

    @contextlib.contextmanager
    def explaining() -> Iterator[None]:
        try:
            yield
        # The others are raised for times that Python cannot represent.
        except (pa.ArrowException, ValueError, OverflowError) as error:
            raise DataError(f"cannot read {path}: {format_reason(error)}") from error

    with explaining():
        table = pq.ParquetFile(file, buffer_size=1_000_000)

    def read(columns: Columns) -> Iterator[NumberedRow]:
        names = _find_label_names(table.schema_arrow.metadata or {}, columns.label)
        batches = table.iter_batches(1_000, columns=[*columns.texts, columns.label])
        with explaining():
            rows = (row for batch in batches for row in batch.to_pylist())
            for number, row in enumerate(rows, start=1):
                label = row[columns.label]
                if names and isinstance(label, int):  # A negative one stands for none.
                    row[columns.label] = names[label] if 0 <= label < len(names) else None
                yield number, row

    def read_cells(label: str | None) -> Iterator[Cells]:  # noqa: ARG001 - of a table
        with explaining():
            for batch in table.iter_batches(1_000):
                yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    names = table.schema_arrow.names
    return Table(
        names,
        read,
        unit="row",
        details="Parquet",
        header=names,
        read_cells=read_cells,
        n_rows=table.metadata.num_rows,
        schema=table.schema_arrow,
    )


def _find_label_names(metadata: Mapping[bytes, bytes], label: str) -> Sequence[str] | None:
    """Return the label names that Hugging Face's library stores in the file; None if missing."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        names: Sequence[str] | None = features[label].get("names")
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return names


def _open_spreadsheet(path: Path, file: IO[bytes], config: FileConfig) -> Table:
    """Open the first sheet that is not empty."""
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError as error:
        raise RequestError(f"{path}: spreadsheets need {format_install('excel')}") from error
    try:
        workbook = CalamineWorkbook.from_filelike(file)
        for sheet in workbook.sheet_names:
            listed = workbook.get_sheet_by_name(sheet).to_python(skip_empty_area=False)
            if any(map(has_content, listed)):
                break
        else:
            raise DataError(f"{path}: it is empty")
    except (CalamineError, OSError) as error:
        raise DataError(f"cannot read {path}: {format_reason(error)}") from error
    rows = [(i, row) for i, row in enumerate(listed, start=1) if has_content(row)]
    header = [str(name) for name in config.column_names or rows.pop(0)[1]]
    names = [clean_name(name) for name in header]
    others = [repr(name) for name in workbook.sheet_names if name != sheet]
    not_read = f" (not read: {format_list(others, 5)})" if others else ""
    return Table(
        names,
        lambda columns: (  # noqa: ARG005 - of a table
            (i, dict(zip(names, map(_read_cell, row), strict=False))) for i, row in rows
        ),
        unit="row",
        sample=[row for _, row in rows[:N_SAMPLED]],
        has_header=not config.column_names,
        details=f"sheet {sheet!r}{not_read}",
        header=header,
        read_cells=lambda label: (  # noqa: ARG005 - of a table
            [_read_plain(row[i]) if i < len(row) else None for i in range(len(header))]
            for _, row in rows
        ),
        read_text=lambda cell: None if cell is None else _read_cell(cell),
        n_rows=len(rows),
    )


def _read_plain(cell: Any) -> Any:
    """Return a cell with the type that it shows: spreadsheets keep whole numbers as floats."""
    if isinstance(cell, float) and cell.is_integer():
        return int(cell)
    return None if cell == "" else cell


def _read_cell(cell: Any) -> Any:
    """Return a cell as CSV would contain it: spreadsheets keep whole numbers as floats."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return cell if isinstance(cell, bool | datetime.date) else str(cell)


TABLES: dict[str, Callable[[Path, Any, FileConfig], Table]] = {
    ".json": _open_json,
    ".parquet": _open_parquet,
    ".fasttext": _open_fasttext,
    ".xlsx": _open_spreadsheet,
}
"""Opens the table of each format except text with delimiters."""
