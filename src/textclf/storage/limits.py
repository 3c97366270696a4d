"""Limits on the size of files and texts, so that a small untrusted file cannot fill the memory."""

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

from textclf.errors import LimitError, RequestError

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Limit:
    """A maximum size that an environment variable can change.

    Attributes:
        variable: Environment variable that sets the limit, in megabytes.
        default: Megabytes if the variable is not set.
    """

    variable: str
    default: float

    @property
    def n_bytes(self) -> int:
        """The limit in bytes.

        Raises:
            RequestError: The environment variable is not a positive number.
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
        """Raise LimitError if ``what``, of ``n_bytes`` bytes, is larger than the limit."""
        if n_bytes > self.n_bytes:
            raise LimitError(
                f"{what} is larger than the limit of {self.n_bytes / MEGABYTE:,g} MB;"
                f" if you trust it, raise {self.variable}"
            )

    def read(self, path: Path) -> bytes:
        """Return the content of a file, reading no more than the limit allows."""
        with path.open("rb") as file:
            content = file.read(self.n_bytes + 1)
        self.check(len(content), str(path))
        return content


FILE = Limit("TEXTCLF_MAX_FILE_MB", 4_000)
"""Limit of an unpacked file of a run."""

CACHE = Limit("TEXTCLF_MAX_CACHE_MB", 2_000)
"""Limit of the whole cache of datasets, token ids and features."""

TEXT = Limit("TEXTCLF_MAX_TEXT_MB", 1)
"""Limit of one text to classify, and of a configuration file."""

ROW_FACTOR = 50
"""How many times the limit of a text is that of a row of a file: a text that is too long is read,
so that its row keeps its position, and yet a small compressed file cannot fill the memory."""

LIMITS = (FILE, CACHE, TEXT)
"""All limits."""


def longest_row() -> int:
    """Return how many characters a row of a file may have."""
    return ROW_FACTOR * TEXT.n_bytes


def measure_unpacked(path: Path) -> int:
    """Return the bytes of a file, or of all members that a zip archive declares.

    Python's zip reader never unpacks more of a member than its declared size.
    """
    if not zipfile.is_zipfile(path):
        return path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        return sum(member.file_size for member in archive.infolist())
