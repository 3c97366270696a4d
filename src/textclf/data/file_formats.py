"""Reads files of labeled texts row by row: CSV, TSV, JSON lines and Parquet, also gzipped.

Errors name the file and the line.
"""

import codecs
import contextlib
import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from math import isfinite
from pathlib import Path
from typing import IO, Any

from textclf.errors import DataError, RequestError, format_reason
from textclf.storage.limits import TEXT

Row = tuple[str, str]
"""A text and the name of its label."""

FindColumns = Callable[[Sequence[str]], tuple[str, str]]
"""The names of all columns to those of text and label; raises DataError."""

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")


def find_format(path: Path) -> str | None:
    """Return which of `SUFFIXES` a file has, before any ``.gz``; None if it has none."""
    name = path.name.lower().removesuffix(".gz")
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), None)


def read_rows(path: Path, find_columns: FindColumns, *, encoding: str) -> Iterator[Row]:
    """Yield the rows of a file, whose format is known from its name.

    Args:
        path: Ends in one of `SUFFIXES`, optionally followed by ``.gz``.
        find_columns: Chooses the two columns that are read.
        encoding: Encoding of the text; a UTF-8 byte-order mark is skipped.

    Raises:
        DataError: The file cannot be read, or a row is invalid.
        LimitError: A text is too long.
    """
    suffix = find_format(path)
    reader = _read_json_lines if suffix == ".jsonl" else _read_csv
    try:
        if suffix == ".parquet":
            yield from _read_parquet(path, find_columns)
            return
        with _open(path) as binary, io.TextIOWrapper(binary, _codec(encoding), newline="") as file:
            yield from reader(path, file, find_columns)
    except UnicodeDecodeError as error:
        line = _find_undecodable(path, encoding)
        with _open(path) as binary:
            is_utf_16 = binary.read(2) in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}
        likely = "utf-16" if is_utf_16 else "latin-1"
        remedy = f"try --set dataset.encoding={likely}"
        if codecs.lookup(encoding) == codecs.lookup(likely):
            remedy = "restore the file"
        raise DataError(f"{path}{line} is not {encoding}: {error.reason}; {remedy}") from error
    except LookupError as error:
        raise RequestError(
            f"dataset.encoding: {error}; use a name such as utf-8 or latin-1"
        ) from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot read {path}: {format_reason(error)}") from error


def check_row(text: Any, label: Any, position: str) -> Row:
    """Return a valid row, in which the label is a string.

    Args:
        text: Text, which must be a string.
        label: Name or number of the label.
        position: Where the row is, for messages.

    Raises:
        DataError: The label is empty or not a string or number, or the text is not a string.
        LimitError: The text is too long.
    """
    if not isinstance(text, str):
        raise DataError(f"{position}: the text is {repr(text)[:40]}, not a string")
    if label is None or (isinstance(label, str) and not label.strip()):
        raise DataError(f"{position}: the label is empty")
    if not isinstance(label, (str, int)) and not (isinstance(label, float) and isfinite(label)):
        raise DataError(f"{position}: the label is {repr(label)[:40]}, not a string or number")
    name = label.strip() if isinstance(label, str) else json.dumps(label)
    try:
        name.encode()
        n_bytes = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError as error:
        raise DataError(f"{position}: a lone surrogate is not valid text") from error
    TEXT.check(n_bytes, f"{position}: the text")
    return text, name


def _codec(encoding: str) -> str:
    return "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding


@contextlib.contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    if path.name.lower().endswith(".gz"):
        with gzip.open(path) as unpacked:
            yield unpacked  # type: ignore[misc]
    else:
        with path.open("rb") as file:
            yield file


def _find_undecodable(path: Path, encoding: str) -> str:
    """Return the first line that cannot be decoded, such as `` line 3``, for messages."""
    if "\n".encode(encoding) != b"\n":
        return ""  # Lines cannot be counted if a line break has several bytes, as in UTF-16.
    with _open(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError:
                return f" line {number}"
    return ""


def _read_csv(path: Path, file: io.TextIOWrapper, find_columns: FindColumns) -> Iterator[Row]:
    """Yield rows of RFC 4180 with ``,``, ``;`` or tab as the delimiter."""
    first = file.readline(TEXT.n_bytes)
    file.seek(0)
    delimiter = "\t" if find_format(path) == ".tsv" else ","
    if delimiter == "," and "," not in first and ";" in first:
        delimiter = ";"
    before = csv.field_size_limit(TEXT.n_bytes)  # Also stops at a quote that is never closed.
    reader = csv.reader(_read_lines(path, file), delimiter=delimiter, strict=True)
    start = 1
    try:
        header = next(reader, [])
        if not header:
            raise DataError(f"{path} line 1: expected the names of the columns")
        names = find_columns(header)
        text, label = (header.index(name) for name in names)
        start = reader.line_num + 1
        for row in reader:
            position = f"{path} line {start}"
            start = reader.line_num + 1
            if len(row) == len(header):
                yield check_row(row[text], row[label], position)
            elif row:
                raise DataError(
                    f"{position}: expected {len(header)} columns as in the first line, got"
                    f" {len(row)}; quote texts that contain the delimiter"
                )
    except csv.Error as error:
        if "field limit" in str(error):
            TEXT.check(
                TEXT.n_bytes + 1,
                f"{path} line {start}: a field, perhaps with a missing closing quote,",
            )
        raise DataError(
            f"{path} line {start}: {error}; quotes must enclose a whole field, and be doubled"
            " within it"
        ) from error
    finally:
        csv.field_size_limit(before)


def _read_json_lines(
    path: Path, file: io.TextIOWrapper, find_columns: FindColumns
) -> Iterator[Row]:
    text = label = ""
    for number, line in enumerate(_read_lines(path, file), start=1):
        position = f"{path} line {number}"
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{position}, column {error.colno}: not JSON: {error.msg}") from error
        except (ValueError, RecursionError) as error:  # Huge numbers and deep nesting.
            raise DataError(f"{position}: not JSON: {error}") from error
        if not isinstance(row, dict):
            raise DataError(
                f'{position}: expected an object, such as {{"text": "...", "label": "a"}}'
            )
        if not text:
            text, label = find_columns(list(row))
        for name in (text, label):
            if name not in row:
                raise DataError(f"{position}: it has no '{name}'")
        yield check_row(row[text], row[label], position)


def _read_lines(path: Path, file: io.TextIOWrapper) -> Iterator[str]:
    """Yield lines, and raise LimitError for one that would fill the memory."""
    longest = 2 * TEXT.n_bytes  # Room for escapes and other columns.
    number = 0
    while line := file.readline(longest):
        number += 1
        if len(line) == longest:
            TEXT.check(longest, f"{path} line {number}")
        yield line


def _read_parquet(path: Path, find_columns: FindColumns) -> Iterator[Row]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise RequestError(f"{path}: Parquet needs pip install 'textclf[parquet]'") from error
    with _open(path) as binary:
        try:
            file = pq.ParquetFile(binary, buffer_size=1_000_000)
            names = file.schema_arrow.names
            text, label = find_columns(names)
            label_names = _find_label_names(file.schema_arrow.metadata or {}, label)
            number = 0
            for batch in file.iter_batches(1_000, columns=[text, label]):
                columns = (batch.column(name).to_pylist() for name in (text, label))
                for value, given in zip(*columns, strict=True):
                    number += 1
                    name = given
                    if label_names and isinstance(given, int) and 0 <= given < len(label_names):
                        name = label_names[given]
                    yield check_row(value, name, f"{path} row {number}")
        except pa.ArrowException as error:
            raise DataError(f"cannot read {path}: {format_reason(error)}") from error


def _find_label_names(metadata: dict[bytes, bytes], label: str) -> Sequence[str] | None:
    """Return the label names that Hugging Face's library stores in the file; None if missing."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        names: Sequence[str] | None = features[label].get("names")
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return names
