"""A file or folder of your own: CSV, TSV, JSON lines, Parquet, or a folder of text files a label.

A file is split 60/20/20 inside each label with a fixed seed. A folder may hold ``train.csv`` beside
``test.csv``, and ``validation.csv`` too; or a folder of text files for each label; or such folders
in ``train`` and ``test``.
"""

import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from textclf.data.dataset import TextDataset
from textclf.data.file_formats import SUFFIXES, Row, check_row, find_format, read_rows
from textclf.data.tabular import (
    PARTS,
    Part,
    RowOptions,
    find_columns,
    load_rows,
)
from textclf.errors import DataError, RequestError
from textclf.storage.checksums import hash_file
from textclf.storage.limits import TEXT

KINDS = ", ".join(SUFFIXES)


class Options(RowOptions):
    """Where the texts are, and how they are read."""

    encoding: str = Field(default="utf-8", description="of text in files, such as latin-1")
    digest: str | None = Field(default=None, description="hash of the files; set by itself")

    @model_validator(mode="before")
    @classmethod
    def _note_digest(cls, values: Any) -> Any:
        """Make the content part of the configuration, and so of the fingerprint.

        The files may be gone where a finished run is looked at.
        """
        name = values.get("name")
        if not isinstance(name, str) or values.get("digest"):
            return values
        # Absolute, so that the run can be evaluated from any folder.
        path = _locate(name)
        return {**values, "name": str(path.absolute()), "digest": _hash_parts(path)}

    @property
    def short_name(self) -> str:
        """The last part of the path."""
        return Path(self.name).expanduser().resolve().name


def about(options: Options) -> dict[str, str]:
    """Return where the texts are; what else is known of them, their owner knows."""
    unknown = "not known to textclf"
    return {"download": "none", "source": options.name, "licence": unknown, "citation": unknown}


def label_names(options: Options) -> tuple[str, ...]:
    """Return the labels, for which the rows have to be read once."""
    return load(options).label_names


def load(options: Options) -> TextDataset:
    """Load the rows of a file or folder.

    Raises:
        DataError: it is not there, has changed, or cannot be read.
    """
    path = _locate(options.name)
    if options.digest != _hash_parts(path):
        raise DataError(
            f"{path} has changed since the configuration was made: put it back, or train on the"
            " new content, which is another run"
        )
    key = {
        "digest": options.digest,
        "columns": [options.text_column, options.label_column],
        "encoding": options.encoding,
    }
    readers: dict[Part, Callable[[], Iterable[Row]]] = {
        part: functools.partial(_read, place, options) for part, place in _find_parts(path).items()
    }
    return load_rows(str(path), key, readers, options)


def _hash_parts(path: Path) -> str:
    """Return one SHA-256 of all files that are read, with their names inside a folder."""
    digest = hashlib.sha256()
    try:
        for part, place in _find_parts(path).items():
            for file in _list_files(place) if place.is_dir() else [place]:
                name = "" if file == place else file.relative_to(place)
                form = find_format(file) or ".txt"
                digest.update(f"{part} {name} {form} {_hash_once(file)}\n".encode())
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    return digest.hexdigest()


def _hash_once(path: Path) -> str:
    """Hash a file, which many configurations of one command may name, once until it changes."""
    known = path.stat()
    return _hash_file(path, known.st_mtime_ns, known.st_size)


@functools.cache
def _hash_file(path: Path, changed: int, size: int) -> str:  # noqa: ARG001 - they make the key
    return hash_file(path)


def _locate(name: str) -> Path:
    try:
        path = Path(name).expanduser()
        path.stat()
    except (OSError, RuntimeError) as error:  # The latter, where there is no such user.
        reason = getattr(error, "strerror", None) or error
        where = "" if name.startswith("/") else f" in {Path.cwd()}"
        raise RequestError(
            f"{name[:200]}{where}: {reason}; a run needs its file, or a link to it, there"
        ) from error
    return path


def _list_files(folder: Path) -> list[Path]:
    """Return the text files below the folders of labels, but for hidden ones, in a fixed order."""
    found = ((path, path.relative_to(folder).parts) for path in folder.glob("*/*.txt"))
    return sorted(path for path, parts in found if not any(part[0] == "." for part in parts))


def _find_parts(path: Path) -> dict[Part, Path]:
    """Return the file or folder of each split that a path has; ``all`` where it has none."""
    if path.is_file():
        if find_format(path) is None:
            raise DataError(f"{path}: expected a folder, or a file that ends in {KINDS}, also .gz")
        return {"all": path}
    if not path.is_dir():
        raise DataError(f"{path} is neither a file nor a folder")
    tables = [file for file in sorted(path.iterdir()) if file.is_file() and find_format(file)]
    folders = [f for f in sorted(path.iterdir()) if f.is_dir() and not f.name.startswith(".")]
    for places in (tables, folders):
        if parts := _name_parts(places):
            return parts
    if tables:
        raise DataError(f"{path}: name one of its files, or call them train and test: {tables[0]}")
    if _list_files(path):
        return {"all": path}
    raise DataError(f"{path}: it holds no {KINDS}, and no folder of .txt files for a label")


def _name_parts(places: list[Path]) -> dict[Part, Path]:
    """Return the files or folders that are called like a split; none where none is."""
    parts: dict[Part, Path] = {}
    for place in places:
        part = PARTS.get(place.name.lower().split(".")[0])
        if part in parts:
            raise DataError(f"{parts[part]} and {place.name} are both for {part}")
        if part:
            parts[part] = place
        if part and place.is_dir() and not _list_files(place):
            raise DataError(f"{place}: it holds no folder of .txt files for a label")
    if parts and "train" not in parts:
        first = next(iter(parts.values()))
        raise DataError(f"{first} has no file or folder called train beside it")
    return parts


def _read(place: Path, options: Options) -> Iterable[Row]:
    if place.is_dir():
        return _read_folder(place, options.encoding)
    return read_rows(
        place,
        lambda names: find_columns(names, options, str(place)),
        encoding=options.encoding,
    )


def _read_folder(folder: Path, encoding: str) -> Iterator[Row]:
    """Read each text file, whose label is the folder it is in."""
    for path in _list_files(folder):
        try:
            text = TEXT.read(path).decode(encoding)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path} is not {encoding}: {error.reason}; --set dataset.encoding=latin-1 if it"
                " is that"
            ) from error
        except LookupError as error:
            raise RequestError(f"dataset.encoding: {error}; such as utf-8 or latin-1") from error
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror}") from error
        label = path.relative_to(folder).parts[0]
        yield check_row(text.removeprefix("\ufeff"), label, str(path))
