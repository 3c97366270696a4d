"""Opens files by their content: as they are, compressed, or the one file of a zip archive."""

import bz2
import contextlib
import gzip
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from textclf.errors import DataError, format_reason
from textclf.storage.limits import FILE, measure_unpacked

COMPRESSED: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
ZIP = b"PK\x03\x04"
SPREADSHEET_MEMBERS = {"[Content_Types].xml", "mimetype"}
"""Members that make a zip archive a spreadsheet of Excel or LibreOffice."""


@contextlib.contextmanager
def open_content(path: Path) -> Iterator[tuple[IO[bytes], str]]:
    """Yield the unpacked content of a file, and its name without the suffix of the compression.

    Raises:
        DataError: The file, or what is in it, cannot be read, or it has several members.
    """
    with contextlib.ExitStack() as stack:
        try:
            file: Any = stack.enter_context(path.open("rb"))
            head, name = file.read(8), re.sub(r"\.(gz|bz2|xz|zip)$", "", path.name.lower())
            file.seek(0)
            for magic, unpack in COMPRESSED.items():
                if head.startswith(magic):
                    file = stack.enter_context(unpack(file))
            if head.startswith(ZIP):
                FILE.check(measure_unpacked(path), str(path))
                archive = stack.enter_context(zipfile.ZipFile(file))
                if SPREADSHEET_MEMBERS.isdisjoint(archive.namelist()):
                    file = stack.enter_context(_open_member(path, archive))
                    name = file.name
                else:
                    file.seek(0)
            yield file, name
        except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
            raise DataError(f"cannot read {path}: {format_reason(error)}") from error


def _open_member(path: Path, archive: zipfile.ZipFile) -> IO[bytes]:
    """Open the one file of a zip archive; hidden files, which macOS adds, do not count."""
    files = [name for name in archive.namelist() if not re.search(r"(^|/)(\.[^/]*)?$", name)]
    if len(files) != 1:
        shown = ", ".join(files[:3]) + ", ..." * (len(files) > 3)
        raise DataError(
            f"{path} contains {len(files)} files ({shown}); unpack it, and give one of them or the"
            " folder"
        )
    try:
        return archive.open(files[0])
    except RuntimeError as error:  # It is encrypted, or compressed in an unusual way.
        raise DataError(f"cannot unpack {path}: {format_reason(error)}") from error
