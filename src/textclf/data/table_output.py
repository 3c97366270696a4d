"""Writes rows with all their columns to a file: CSV, JSON lines or Parquet."""

import contextlib
import csv
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from textclf.data.table import ABSENT, TableColumn
from textclf.errors import DataError, RequestError, format_install, format_reason
from textclf.storage.files import write_atomically

WriteRows = Callable[[Sequence[Sequence[Any]]], None]
"""Writes rows, which are lists of cells."""

DELIMITERS = {".csv": ",", ".tsv": "\t"}
SUFFIXES = (*DELIMITERS, ".jsonl", ".parquet")
"""Ends of the names of files that can be written."""


def check_output(path: Path, source: str | Path | None) -> None:
    """Refuse a file that cannot be written, before any work.

    Args:
        path: File to write.
        source: File that is read meanwhile.

    Raises:
        RequestError: The format is not known, its library is missing, the file is a folder or the
            source, or its folder does not exist.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise RequestError(
            f"cannot write {path}: expected a file that ends in {', '.join(SUFFIXES[:-1])} or"
            f" {SUFFIXES[-1]}"
        )
    if path.is_dir() or not path.parent.is_dir():
        problem = "it is a folder" if path.is_dir() else f"{path.parent} is not a folder"
        raise RequestError(f"cannot write {path}: {problem}; choose another file")
    if source is not None and path.exists() and Path(source).exists() and path.samefile(source):
        raise RequestError(f"cannot write {path}: it is the file that is read; choose another file")
    if suffix == ".parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError as error:
            raise RequestError(f"{path}: Parquet needs {format_install('parquet')}") from error


@contextlib.contextmanager
def open_output(path: Path, columns: Sequence[TableColumn]) -> Iterator[WriteRows]:
    """Yield a function that writes rows; the file appears when the block ends without an error.

    Args:
        path: File that `check_output` allows.
        columns: Its columns.

    Raises:
        RequestError: Two columns have one name, which the format does not allow.
        RunError: The file cannot be written.
        DataError: A value does not fit into its column.
    """
    suffix, names = path.suffix.lower(), [column.name for column in columns]
    repeated = [name for name in names if names.count(name) > 1]
    if repeated and suffix not in DELIMITERS:
        raise RequestError(
            f"cannot write {path}: two columns are named '{repeated[0]}'; choose a file that ends"
            " in .csv or .tsv"
        )
    with write_atomically(path) as temporary:
        if suffix == ".parquet":
            with _open_parquet(temporary, path, columns) as write:
                yield write
        else:
            # Strings of JSON may contain what UTF-8 cannot encode, such as "\ud800".
            with temporary.open(
                "w", encoding="utf-8", newline="", errors="backslashreplace"
            ) as file:
                is_json = suffix == ".jsonl"
                yield _write_json(file, columns) if is_json else _write_csv(file, columns, suffix)


class _Lines:
    """Ends lines in a line feed; csv would then leave a carriage return in a cell unquoted."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, line: str) -> None:
        self._file.write(line.removesuffix("\r\n") + "\n")


def _write_csv(file: IO[str], columns: Sequence[TableColumn], suffix: str) -> WriteRows:
    writer = csv.writer(_Lines(file), delimiter=DELIMITERS[suffix], lineterminator="\r\n")
    writer.writerow([column.name for column in columns])
    return lambda rows: writer.writerows([format_cell(cell) for cell in row] for row in rows)


def format_cell(cell: Any) -> str:
    """Return a cell of CSV: a string as it is, other values as in JSON, and none as empty."""
    if isinstance(cell, str):
        return cell
    if cell is None or cell is ABSENT:
        return ""
    if isinstance(cell, float):
        return repr(cell)
    is_json = isinstance(cell, int | list | tuple | dict)
    return _format_json(cell) if is_json else _format_other(cell)


def _write_json(file: IO[str], columns: Sequence[TableColumn]) -> WriteRows:
    names = [column.name for column in columns]

    def write(rows: Sequence[Sequence[Any]]) -> None:
        for row in rows:
            given = zip(names, row, strict=True)
            file.write(_format_json({n: cell for n, cell in given if cell is not ABSENT}) + "\n")

    return write


def _format_json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=_format_other)
    try:
        text.encode()
    except UnicodeEncodeError:  # As "\ud800" in the input.
        return json.dumps(value, default=_format_other)
    return text


def _format_other(value: Any) -> str:
    """Return a value that JSON does not have, such as a date."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


@contextlib.contextmanager
def _open_parquet(
    temporary: Path, path: Path, columns: Sequence[TableColumn]
) -> Iterator[WriteRows]:
    """Yield a function that writes rows; each call writes a row group."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = [column.field.type if column.field else _find_type(column) for column in columns]
    as_json = [
        column.field is None and column.kinds - {type(None)} != {str} and type_ == pa.string()
        for column, type_ in zip(columns, types, strict=True)
    ]

    def write(rows: Sequence[Sequence[Any]]) -> None:
        arrays = []
        for type_, is_json, values in zip(types, as_json, zip(*rows, strict=True), strict=True):
            cells = [None if value is ABSENT else value for value in values]
            if is_json:
                cells = [None if cell is None else format_cell(cell) for cell in cells]
            arrays.append(pa.array(cells, type_))
        writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))

    try:
        columns_and_types = zip(columns, types, strict=True)
        schema = pa.schema([c.field or pa.field(c.name, type_) for c, type_ in columns_and_types])
        with pq.ParquetWriter(temporary, schema) as writer:
            yield write
    except (pa.ArrowException, UnicodeError) as error:
        raise DataError(
            f"cannot write {path}: {format_reason(error)}; choose a file that ends in .jsonl"
        ) from error


def _find_type(column: TableColumn) -> Any:
    """Return the type in Parquet; values of several types become text."""
    import pyarrow as pa

    kinds = column.kinds - {type(None)}
    if kinds <= {int, float}:
        return pa.int64() if kinds == {int} else pa.float64() if kinds else pa.string()
    return pa.bool_() if kinds == {bool} else pa.string()
