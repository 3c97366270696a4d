"""How large files and texts may be, so that a small file of a stranger cannot fill the memory."""

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

from textclf.errors import LimitError, RequestError

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Limit:
    """A size that must not be exceeded.

    Attributes:
        variable: the environment variable that sets it.
        default: megabytes where that is not set.
    """

    variable: str
    default: float

    @property
    def n_bytes(self) -> int:
        """The limit in bytes.

        Raises:
            RequestError: the environment variable is no number above zero.
        """
        given = os.environ.get(self.variable, self.default)
        try:
            n_bytes = int(float(given) * MEGABYTE)
        except (ValueError, OverflowError):
            n_bytes = 0
        if n_bytes <= 0:
            raise RequestError(f"{self.variable}={given}: expected megabytes, such as 100")
        return n_bytes

    def check(self, n_bytes: int, what: str) -> None:
        """Refuse ``what`` with a LimitError where it is larger."""
        if n_bytes > self.n_bytes:
            raise LimitError(
                f"{what} is larger than the limit of {self.n_bytes / MEGABYTE:,g} MB;"
                f" if you trust it, raise {self.variable}"
            )

    def read(self, path: Path) -> bytes:
        """Return the content of a file, of which no more is read than is allowed."""
        with path.open("rb") as file:
            content = file.read(self.n_bytes + 1)
        self.check(len(content), str(path))
        return content


FILE = Limit("TEXTCLF_MAX_FILE_MB", 4_000)
"""Of a file of a run, unpacked; and of texts on standard input."""

CACHE = Limit("TEXTCLF_MAX_CACHE_MB", 2_000)
"""Of all that `caching` keeps."""

TEXT = Limit("TEXTCLF_MAX_TEXT_MB", 1)
"""Of a text to classify, and of a configuration."""


LIMITS = (FILE, CACHE, TEXT)


def measure_unpacked(path: Path) -> int:
    """Return the bytes of a file, or of all that a zip archive says that it holds.

    What an archive holds beyond what it says is never unpacked: Python's reader stops there.
    """
    if not zipfile.is_zipfile(path):
        return path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        return sum(member.file_size for member in archive.infolist())
