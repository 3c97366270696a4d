"""Files of labelled texts, row by row: CSV, TSV, JSON lines and Parquet, each also gzipped.

What is wrong with a file is said with its name and line.
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

from textclf.errors import DataError, RequestError
from textclf.storage.limits import TEXT

Row = tuple[str, str]
"""A text and the name of its label."""

FindColumns = Callable[[Sequence[str]], tuple[str, str]]
"""The names of columns to those of text and label; raises DataError."""

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")


def find_format(path: Path) -> str | None:
    """Return which of `SUFFIXES` a file has, before ``.gz``; None where it has none."""
    name = path.name.lower().removesuffix(".gz")
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), None)


def read_rows(path: Path, find_columns: FindColumns, *, encoding: str) -> Iterator[Row]:
    """Read a file, whose format its name tells.

    Args:
        path: ends in one of `SUFFIXES`, or in that and ``.gz``.
        find_columns: chooses the columns; rows hold no others.
        encoding: of the text; a byte-order mark of UTF-8 is left out.

    Raises:
        DataError: it cannot be read, or a row is wrong; with the line.
        LimitError: a text is too long.
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
        place = _find_undecodable(path, encoding)
        with _open(path) as binary:
            is_utf_16 = binary.read(2) in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}
        raise DataError(
            f"{path}{place} is not {encoding}: {error.reason}; --set dataset.encoding names the"
            f" right one, such as {'utf-16' if is_utf_16 else 'latin-1'}"
        ) from error
    except LookupError as error:
        raise RequestError(f"dataset.encoding: {error}; such as utf-8 or latin-1") from error
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"cannot read {path}: {reason}") from error


def check_row(text: Any, label: Any, place: str) -> Row:
    """Return a row that can be used.

    Raises:
        DataError: there is no label, or the text is none.
        LimitError: the text is too long.
    """
    if not isinstance(text, str):
        raise DataError(f"{place}: the text is {repr(text)[:40]}, and not a string")
    if label is None or (isinstance(label, str) and not label.strip()):
        raise DataError(f"{place}: the label is empty")
    if not isinstance(label, (str, int)) and not (isinstance(label, float) and isfinite(label)):
        raise DataError(f"{place}: the label is {repr(label)[:40]}, and no string or number")
    name = label.strip() if isinstance(label, str) else json.dumps(label)
    try:
        name.encode()
        n_bytes = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError as error:
        raise DataError(f"{place}: half of a surrogate pair is no text") from error
    if n_bytes > _KILOBYTE:
        TEXT.check(n_bytes, f"{place}: the text")
    return text, name


_KILOBYTE = 1_000
"""Bytes of a text below which no limit is looked at: none is lower."""


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
    """Return the first line that cannot be decoded, as a place for messages."""
    if "\n".encode(encoding) != b"\n":
        return ""  # Of an encoding with several bytes for a line's end, such as UTF-16.
    with _open(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError:
                return f" line {number}"
    return ""


def _read_csv(path: Path, file: io.TextIOWrapper, find_columns: FindColumns) -> Iterator[Row]:
    """Read quoted fields as RFC 4180 has them; fields are apart by ``,``, ``;`` or tabs."""
    first = file.readline(TEXT.n_bytes)
    file.seek(0)
    delimiter = "\t" if find_format(path) == ".tsv" else ","
    if delimiter == "," and "," not in first and ";" in first:
        delimiter = ";"
    before = csv.field_size_limit(TEXT.n_bytes)  # Also of a text whose quotes never end.
    reader = csv.reader(_read_lines(path, file), delimiter=delimiter, strict=True)
    start = 1
    try:
        header = next(reader, [])
        if not header:
            raise DataError(f"{path} line 1: the names of the columns are expected")
        names = find_columns(header)
        text, label = (header.index(name) for name in names)
        start = reader.line_num + 1
        for row in reader:
            place = f"{path} line {start}"
            start = reader.line_num + 1
            if len(row) == len(header):
                yield check_row(row[text], row[label], place)
            elif row:
                raise DataError(
                    f"{place}: {len(row)} columns, and {len(header)} in the first line; a text with"
                    " a delimiter in it has to be quoted"
                )
    except csv.Error as error:
        if "field limit" in str(error):
            TEXT.check(TEXT.n_bytes + 1, f"{path} line {start}: a field, whose quotes may not end,")
        raise DataError(
            f"{path} line {start}: {error}; quotes stand around a whole field, and are doubled"
            " inside it"
        ) from error
    finally:
        csv.field_size_limit(before)


def _read_json_lines(
    path: Path, file: io.TextIOWrapper, find_columns: FindColumns
) -> Iterator[Row]:
    text = label = ""
    for number, line in enumerate(_read_lines(path, file), start=1):
        place = f"{path} line {number}"
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{place}, column {error.colno}: no JSON: {error.msg}") from error
        except (ValueError, RecursionError) as error:  # Numbers and depths beyond Python's.
            raise DataError(f"{place}: no JSON: {error}") from error
        if not isinstance(row, dict):
            raise DataError(f'{place}: expected an object, such as {{"text": "...", "label": "a"}}')
        if not text:
            text, label = find_columns(list(row))
        for name in (text, label):
            if name not in row:
                raise DataError(f"{place}: it has no '{name}'")
        yield check_row(row[text], row[label], place)


def _read_lines(path: Path, file: io.TextIOWrapper) -> Iterator[str]:
    """Yield lines; one that would fill the memory is refused."""
    longest = 2 * TEXT.n_bytes  # Escapes, and other columns.
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
            raise DataError(f"cannot read {path}: {str(error).splitlines()[0]}") from error


def _find_label_names(metadata: dict[bytes, bytes], label: str) -> Sequence[str] | None:
    """Return the names of numbered labels, which Hugging Face's library keeps in the file."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        names: Sequence[str] | None = features[label].get("names")
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return names
