"""How large files and texts may be, so that a small file of a stranger cannot fill the memory."""

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

from textclf.errors import RequestError, TextclfError

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

    def check(self, n_bytes: int, what: str, failure: type[TextclfError]) -> None:
        """Raise ``failure`` where ``what`` is larger.

        Raises:
            RequestError: the environment variable is no number above zero.
        """
        given = os.environ.get(self.variable, self.default)
        try:
            limit = float(given)
        except ValueError:
            limit = 0.0
        if not limit > 0:
            raise RequestError(f"{self.variable}={given}: expected megabytes, such as 100")
        if n_bytes > limit * MEGABYTE:
            raise failure(
                f"{what} has {n_bytes / MEGABYTE:,.1f} MB, more than the limit of {limit:,g} MB;"
                f" if you trust it: {self.variable}={-(-n_bytes // MEGABYTE)}"
            )


FILE = Limit("TEXTCLF_MAX_FILE_MB", 4_000)
"""Of a file of a run, unpacked."""

TEXT = Limit("TEXTCLF_MAX_TEXT_MB", 1)
"""Of a text to classify, and of a configuration."""


def measure_unpacked(path: Path) -> int:
    """Return the bytes of a file, or of all that a zip archive says that it holds.

    What an archive holds beyond what it says is never unpacked: Python's reader stops there.
    """
    if not zipfile.is_zipfile(path):
        return path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        return sum(member.file_size for member in archive.infolist())
