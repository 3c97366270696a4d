"""Finds the splits, labels and files in a folder of tables or of texts."""

from pathlib import Path

from textclf.data.file_formats import FORMATS, find_format
from textclf.data.labels import UNLABELED
from textclf.data.splitting import PARTS, Part
from textclf.errors import DataError, format_list

SUFFIXES = ", ".join(FORMATS)


def find_parts(path: Path) -> dict[Part, Path]:
    """Return the file or folder of each split; ``all`` without splits."""
    if path.is_file():
        if find_format(path) is None:
            raise DataError(
                f"{path}: expected a folder, or a file that ends in {SUFFIXES}, also compressed;"
                " unpack archives of several files"
            )
        return {"all": path}
    if not path.is_dir():
        raise DataError(f"{path} is neither a file nor a folder")
    entries = [entry for entry in sorted(path.iterdir()) if not entry.name.startswith(".")]
    tables = [file for file in entries if file.is_file() and _is_table(file)]
    folders = [entry for entry in entries if entry.is_dir()]
    for candidates in (tables, folders):
        if parts := _match_parts(candidates):
            return parts
    if list_files(path):
        return {"all": path}
    if tables:
        raise DataError(
            f"{path}: give one of its files, such as {tables[0]}, or name them train and test"
        )
    raise DataError(
        f"{path} contains neither a table ({SUFFIXES}) nor a folder of .txt files for each label"
    )


def _is_table(path: Path) -> bool:
    """Return whether a file in a folder is data; other files may be beside them."""
    is_part = path.name.lower().split(".")[0] in PARTS
    is_likely = any(suffix.lower() in {*FORMATS} - {".txt"} for suffix in path.suffixes)
    return (is_part or is_likely) and find_format(path) is not None


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
        if part and candidate.is_dir() and not list_files(candidate):
            raise DataError(f"{candidate}: it contains no folder of .txt files for a label")
    if parts and "train" not in parts:
        first = next(iter(parts.values()))
        raise DataError(
            f"no file or folder named train is beside {first}; add it, or give {first} itself"
        )
    return parts


def list_files(folder: Path) -> list[Path]:
    """Return the text files in the label folders in a fixed order, without hidden files."""
    files = folder.glob("[!.]*/[!.]*")
    return sorted(path for path in files if path.suffix.lower() == ".txt" and path.is_file())


def list_unread(path: Path, parts: dict[Part, Path]) -> list[str]:
    """Return a sentence for each kind of file that is not read."""
    notes = []
    if beside := _list_beside(path, parts):
        notes.append(f"not read: {format_list(beside, 5)}")
    if others := [file for part in parts.values() for file in _list_other_files(part)]:
        shown = f"{len(others):,} of the files in label folders, such as {others[0]}"
        notes.append(f"not read: {shown}; only .txt files directly in these folders are")
    return notes


def _list_beside(path: Path, parts: dict[Part, Path]) -> list[str]:
    """Return the names of tables and folders of texts beside those of the splits."""
    if path.is_file() or path in parts.values():
        return []
    others = sorted({*path.glob("[!.]*")} - {*parts.values()})
    return [
        other.name
        for other in others
        if (_is_table(other) if other.is_file() else next(other.glob("**/*.txt"), None))
    ]


def _list_other_files(folder: Path) -> list[Path]:
    """Return the files in label folders that are not read, relative to the folder."""
    read = {*list_files(folder)} if folder.is_dir() else set()
    files = (path for path in folder.glob("[!.]*/**/[!.]*") if path.is_file())
    return sorted(path.relative_to(folder) for path in files if path not in read)


def find_unlabeled(parts: dict[Part, Path]) -> str | None:
    """Return the folder of the training split that is not a label, as in the archive of IMDB."""
    names = {part: {file.parent.name for file in list_files(parts[part])} for part in parts}
    extra = names.pop("train", set()).difference(*names.values()) if len(names) > 1 else ()
    return next((name for name in extra if name.lower() in UNLABELED), None)
