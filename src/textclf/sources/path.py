"""CSV, TSV, JSON lines or Parquet, or a folder of texts for each label.

A file is split 60/20/20 within each label with a fixed seed. A folder may contain ``train.csv``,
``test.csv`` and ``validation.csv``; or a folder of text files for each label; or such folders in
``train`` and ``test``.
"""

import functools
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from textclf.data.dataset import TextDataset
from textclf.data.file_formats import SUFFIXES, Row, check_row, find_format, read_rows
from textclf.data.rows import PARTS, Part, ReadRows, load_rows
from textclf.data.tabular import TableConfig, find_columns
from textclf.errors import DataError, RequestError, format_reason
from textclf.storage.checksums import hash_file
from textclf.storage.limits import TEXT

FORMATS = ", ".join(SUFFIXES)


class Config(TableConfig):
    """Where the files are and how they are read."""

    encoding: str = Field(default="utf-8", description="encoding of text files, such as latin-1")
    digest: str | None = Field(default=None, description="checksum of the files; set automatically")

    @model_validator(mode="before")
    @classmethod
    def _set_digest(cls, values: Any) -> Any:
        """Make the content of the files part of the configuration, and so of the fingerprint.

        A digest that is given is kept, because the files of a finished run may be gone.
        """
        name = values.get("name")
        if not isinstance(name, str) or values.get("digest"):
            return values
        # An absolute path, so that the run can be evaluated from any folder.
        path = _locate(name)
        return {**values, "name": str(path.absolute()), "digest": _hash_parts(path)}

    @property
    def short_name(self) -> str:
        """The name with that of the folder above, because many files are called ``data.csv``."""
        path = Path(self.name).expanduser().resolve()
        return f"{path.parent.name}/{path.name}".removeprefix("/")

    @property
    def folder_name(self) -> str:
        """The name without its suffix, and the content, so that the file may be moved."""
        path = Path(self.name).expanduser().resolve()
        stem = path.stem if find_format(path) else path.name  # A folder has no suffix.
        return f"{stem[:50]}-{str(self.digest)[:8]}"  # File systems allow 255 bytes.


def about(config: Config) -> dict[str, str]:
    """Return where the texts are; license and citation are not known."""
    unknown = "not known to textclf"
    return {"download": "none", "source": config.name, "license": unknown, "citation": unknown}


def label_names(config: Config) -> tuple[str, ...]:
    """Return the label names, for which the rows are read once."""
    return load(config).label_names


def load(config: Config) -> TextDataset:
    """Load the rows of a file or folder.

    Raises:
        DataError: It does not exist, has changed, or cannot be read.
    """
    path = _locate(config.name)
    if config.digest != _hash_parts(path):
        raise DataError(
            f"{path} has changed since the configuration was made: restore it, or train a new run"
            " on the new content"
        )
    key = {
        "digest": config.digest,
        "columns": [config.text_column, config.label_column],
        "encoding": config.encoding,
    }
    readers: dict[Part, ReadRows] = {
        part: functools.partial(_read, part_path, config)
        for part, part_path in _find_parts(path).items()
    }
    return load_rows(str(path), key, readers, config)


def _hash_parts(path: Path) -> str:
    """Return one SHA-256 of all files that are read, and of their names within a folder."""
    digest = hashlib.sha256()
    try:
        for part, part_path in _find_parts(path).items():
            for file in _list_files(part_path) if part_path.is_dir() else [part_path]:
                name = "" if file == part_path else file.relative_to(part_path)
                suffix = find_format(file) or ".txt"
                digest.update(f"{part} {name} {suffix} {_hash_once(file)}\n".encode())
    except OSError as error:
        raise DataError(f"cannot read {path}: {format_reason(error)}") from error
    return digest.hexdigest()


def _hash_once(path: Path) -> str:
    """Hash a file once until it changes; many configurations of one command may name it."""
    known = path.stat()
    return _hash_file(path, known.st_mtime_ns, known.st_size)


@functools.cache
def _hash_file(path: Path, changed: int, size: int) -> str:  # noqa: ARG001 - part of the cache key
    return hash_file(path)


def _locate(name: str) -> Path:
    try:
        path = Path(name).expanduser()
        path.stat()
    except (OSError, RuntimeError) as error:  # RuntimeError: ~ of a user that does not exist.
        folder = "" if name.startswith("/") else f" in {Path.cwd()}"
        raise RequestError(
            f"{name[:200]}{folder}: {format_reason(error)}; check the path; a finished run needs"
            " its file, or a link to it, there"
        ) from error
    return path


def _list_files(folder: Path) -> list[Path]:
    """Return the text files in the label folders in a fixed order, without hidden files."""
    found = ((path, path.relative_to(folder).parts) for path in folder.glob("*/*.txt"))
    return sorted(path for path, parts in found if not any(part[0] == "." for part in parts))


def _find_parts(path: Path) -> dict[Part, Path]:
    """Return the file or folder of each split; ``all`` without splits."""
    if path.is_file():
        if find_format(path) is None:
            raise DataError(f"{path}: expected a folder, or a file that ends in {FORMATS} or .gz")
        return {"all": path}
    if not path.is_dir():
        raise DataError(f"{path} is neither a file nor a folder")
    tables = [file for file in sorted(path.iterdir()) if file.is_file() and find_format(file)]
    folders = [f for f in sorted(path.iterdir()) if f.is_dir() and not f.name.startswith(".")]
    for candidates in (tables, folders):
        if parts := _match_parts(candidates):
            return parts
    if tables:
        raise DataError(
            f"{path}: give one of its files, such as {tables[0]}, or name them train and test"
        )
    if _list_files(path):
        return {"all": path}
    raise DataError(
        f"{path} contains neither a {FORMATS} file nor a folder of .txt files for each label"
    )


def _match_parts(candidates: list[Path]) -> dict[Part, Path]:
    """Return the files or folders that are named like a split; empty if there are none."""
    parts: dict[Part, Path] = {}
    for candidate in candidates:
        part = PARTS.get(candidate.name.lower().split(".")[0])
        if part in parts:
            folder, name = candidate.parent, parts[part].name
            raise DataError(f"{folder}: {name} and {candidate.name} both name the {part} split")
        if part:
            parts[part] = candidate
        if part and candidate.is_dir() and not _list_files(candidate):
            raise DataError(f"{candidate}: it contains no folder of .txt files for a label")
    if parts and "train" not in parts:
        first = next(iter(parts.values()))
        raise DataError(f"no file or folder named train is beside {first}")
    return parts


def _read(path: Path, config: Config) -> Iterable[Row]:
    if path.is_dir():
        return _read_folder(path, config.encoding)
    return read_rows(
        path,
        lambda names: find_columns(names, config, str(path)),
        encoding=config.encoding,
    )


def _read_folder(folder: Path, encoding: str) -> Iterator[Row]:
    """Yield each text file with the name of its folder as the label."""
    for path in _list_files(folder):
        try:
            text = TEXT.read(path).decode(encoding)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path} is not {encoding}: {error.reason}; try --set dataset.encoding=latin-1"
            ) from error
        except LookupError as error:
            raise RequestError(
                f"dataset.encoding: {error}; use a name such as utf-8 or latin-1"
            ) from error
        except OSError as error:
            raise DataError(f"cannot read {path}: {format_reason(error)}") from error
        label = path.relative_to(folder).parts[0]
        yield check_row(text.removeprefix("\ufeff"), label, str(path))
