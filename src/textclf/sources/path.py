"""A CSV, JSON, Parquet or Excel file, or a folder of texts per label.

A file is split 60/20/20 within each label with a fixed seed. A folder may contain ``train.csv``,
``test.csv`` and ``validation.csv``; or a folder of text files for each label; or such folders in
``train`` and ``test``.
"""

import functools
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from textclf.config.schema import DatasetConfig, SplitConfig
from textclf.data.dataset import TextDataset
from textclf.data.file_formats import FORMATS, find_format, open_table, read_rows
from textclf.data.matched_rows import MatchedRows, match_rows
from textclf.data.row_reader import Row, RowSource
from textclf.data.rows import load_rows
from textclf.data.tabular import FileConfig, TableConfig, find_columns, has_columns
from textclf.errors import DataError, RequestError, format_nearest_path, format_reason
from textclf.sources._folders import find_parts, find_unlabeled, list_files, list_unread
from textclf.storage.checksums import hash_file_once
from textclf.storage.encodings import open_text
from textclf.storage.limits import TEXT

if TYPE_CHECKING:
    from textclf.data.splitting import Part

SUFFIX = re.compile(rf"({'|'.join(map(re.escape, FORMATS))})?(\.(gz|bz2|xz|zip))?$", re.IGNORECASE)


class Config(FileConfig):
    """Where the files are and how they are read."""

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
        return {**values, "name": os.path.abspath(path), "digest": _hash_parts(path)}  # noqa: PTH100

    @property
    def short_name(self) -> str:
        """The name with that of the folder above, because many files are called ``data.csv``."""
        path = Path(self.name)
        return f"{path.parent.name}/{path.name}".removeprefix("/")

    @property
    def folder_name(self) -> str:
        """The name without its suffix, and the content, so that the file may be moved."""
        name = Path(self.name).name
        return f"{SUFFIX.sub('', name)[:50]}-{str(self.digest)[:8]}"  # At most 255 bytes.


def about(config: Config) -> dict[str, str]:
    """Return where the texts are; license and citation are not known."""
    unknown = "not known to textclf"
    return {"download": "none", "source": config.name, "license": unknown, "citation": unknown}


def load(config: Config) -> TextDataset:
    """Load the rows of a file or folder.

    Raises:
        DataError: It does not exist, has changed, or cannot be read.
    """
    path = _locate(config.name, hint="; a finished run needs its file, or a link to it, there")
    if config.digest != _hash_parts(path):
        raise DataError(
            f"{path} has changed since the configuration was made: restore it, or train a new run"
            " on the new content"
        )
    reading = FileConfig.model_fields.keys() - SplitConfig.model_fields.keys()
    key = {"digest": config.digest, **config.model_dump(mode="json", include=reading)}
    parts = find_parts(path)
    first = parts.get("train") or parts["all"]
    notes: list[str] = []
    if unlabeled := find_unlabeled(parts) if first.is_dir() else None:
        notes.append(f"train: the folder {unlabeled} has no label, and is left out")
    notes += list_unread(path, parts)
    sources: dict[Part, RowSource] = {}
    for part, part_path in parts.items():
        noticed: list[str] = []
        read = functools.partial(_read_table, part_path, first, config, noticed)
        if part_path.is_dir():
            read = functools.partial(_read_folder, part_path, config.encoding, unlabeled)
        sources[part] = RowSource(str(part_path), read, noticed)
    return load_rows(str(path), key, sources, config, notes=notes)


def load_matched(
    config: Config, label_names: Sequence[str], *, trained: DatasetConfig
) -> MatchedRows:
    """Load the examples of one file, or of one folder of texts per label, for a trained model.

    Args:
        config: Which file, and how it is read.
        label_names: Label names of the model; examples with other labels are left out.
        trained: What the model was trained on; its columns are read, if the file has them and
            ``config`` names no others.

    Raises:
        RequestError: The folder contains several splits.
        DataError: The file cannot be read, or the model knows none of its labels.
    """
    path = _locate(config.name)
    parts = find_parts(path)
    if "all" not in parts:
        given = " or ".join(str(part) for part in parts.values())
        raise RequestError(f"{path} contains several splits: give one of them, {given}")
    drop, notes = config.missing_labels == "drop", list_unread(path, parts)
    read: Callable[[], Iterable[Row]]
    if path.is_dir():
        read = functools.partial(_read_folder, path, config.encoding, None)
    else:
        adopted = _adopt_columns(path, config, trained)
        read = functools.partial(read_rows, path, adopted, notes)
    return match_rows(RowSource(str(path), read, notes), label_names, drop=drop)


def _adopt_columns(path: Path, config: Config, trained: DatasetConfig) -> Config:
    """Return how a file is read, with the columns that a model was trained on if it has them."""
    if not isinstance(trained, TableConfig):
        return config
    adopted: dict[str, Any] = {}
    with open_table(path, config) as table:
        if not config.text_column and has_columns(table, trained.text_column):
            adopted["text_column"] = trained.text_column
        if not config.label_column and has_columns(table, [trained.label_column or ""]):
            adopted["label_column"] = trained.label_column
    return config.model_copy(update=adopted)


def _read_table(path: Path, first: Path, config: Config, notes: list[str]) -> Iterator[Row]:
    """Yield the rows of a table; the columns of the training split apply to all splits."""
    if path != first:
        with open_table(first, config) as table:
            columns = find_columns(table, config, str(first))
        with open_table(path, config) as table:
            if columns.label not in table.names:
                raise DataError(
                    f"{path} has no column '{columns.label}', which {first} has; if these texts"
                    f" have no labels to evaluate with, give {first} instead, and classify them"
                    " with `textclf predict`"
                )
        asked = {"text_column": columns.texts, "label_column": columns.label}
        config = config.model_copy(update=asked)
    yield from read_rows(path, config, notes)


def _hash_parts(path: Path) -> str:
    """Return one SHA-256 of all files that are read, and of their names within a folder."""
    digest = hashlib.sha256()
    try:
        for part, part_path in find_parts(path).items():
            for file in list_files(part_path) if part_path.is_dir() else [part_path]:
                name = "" if file == part_path else file.relative_to(part_path)
                suffix = ".txt" if file is not part_path else find_format(file)
                digest.update(f"{part} {name} {suffix} {hash_file_once(file)}\n".encode())
    except OSError as error:
        raise DataError(f"cannot read {path}: {format_reason(error)}") from error
    return digest.hexdigest()


def _locate(name: str, *, hint: str = "") -> Path:
    """Return the path of a name; RequestError, which ends with the hint, if it does not exist."""
    path = Path(os.path.expanduser(name))  # noqa: PTH111 - keeps ~ if no such user exists
    try:
        path.stat()
    except OSError as error:
        folder = "" if name.startswith("/") else f" in {Path.cwd()}"
        remedy = format_nearest_path(Path(name)) or "check the path"
        problem = f"{name[:200]}{folder}: {format_reason(error)}; {remedy}{hint}"
        raise RequestError(problem) from error
    return path


def _read_folder(folder: Path, encoding: str, left_out: str | None) -> Iterator[Row]:
    """Yield each text file with the name of its folder as the label."""
    for path in list_files(folder):
        label = path.relative_to(folder).parts[0]
        if label == left_out:
            continue
        try:
            TEXT.check(path.stat().st_size, str(path))
            with path.open("rb") as file, open_text(file, encoding, path) as text:
                content = text.read()
        except OSError as error:
            raise DataError(f"cannot read {path}: {format_reason(error)}") from error
        yield content, label, str(path.relative_to(folder))
