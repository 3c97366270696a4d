"""Prints the lowest declared version of every dependency, as a constraints file for pip.

Example: python scripts/lowest_versions.py > lowest.txt && pip install -e '.[dev]' -c lowest.txt
"""

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parent.parent / "pyproject.toml"


def list_lowest() -> list[str]:
    """Return ``name==version`` for each dependency with a lower bound, including extras."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    bounds = (
        re.match(r"([\w-]+)(?:\[.*\])?>=([\w.]+)", line) for group in groups for line in group
    )
    return sorted({f"{bound[1]}=={bound[2]}" for bound in bounds if bound})


if __name__ == "__main__":
    print("\n".join(list_lowest()))
