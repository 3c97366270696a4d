"""Writes .ci/constraints.txt: the newest versions of all dependencies, installed together.

Run it on the oldest Python, run the tests, and commit the file if they pass. The workflow
``newest.yml`` tries the newest versions, and CI also the lowest (``lowest_versions.py``).

Example: python scripts/write_constraints.py
"""

import platform
import subprocess
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent
CONSTRAINTS = ROOT / ".ci" / "constraints.txt"
HEADER = """\
# Versions that are tested together on Python {python}, written by scripts/write_constraints.py.
# Use: pip install -e '.[dev]' -c .ci/constraints.txt
"""


def freeze_newest() -> list[str]:
    """Install the newest versions into a new virtual environment; return them as requirements."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        pip = [str(Path(folder) / "bin" / "pip"), "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--quiet", "-e", f"{ROOT}[dev]"], check=True)
        freeze = [*pip, "freeze", "--all", "--exclude-editable", "--exclude", "pip"]
        frozen = subprocess.run(freeze, check=True, capture_output=True, text=True)
    return [line for line in frozen.stdout.splitlines() if not line.startswith("#")]


if __name__ == "__main__":
    header = HEADER.format(python=".".join(platform.python_version_tuple()[:2]))
    CONSTRAINTS.write_text(header + "\n".join(freeze_newest()) + "\n", encoding="utf-8")
