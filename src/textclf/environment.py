"""What a run was made with: versions, commit, machine, memory."""

import contextlib
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = (
    "textclf",
    "tensorflow",
    "keras",
    "tensorflow-datasets",
    "numpy",
    "scikit-learn",
    "scipy",
    "skops",
)


def describe_environment() -> dict[str, Any]:
    """Return versions, commit, and platform, for ``meta.json``."""
    return {
        "versions": {"python": platform.python_version()}
        | {package: version(package) for package in PACKAGES},
        "commit": _read_commit(),
        "platform": platform.platform(),
        "processor": _read_processor(),
        "n_processors": os.cpu_count(),
    }


def _read_processor() -> str:
    """Return the processor's name, since kernels differ between processors."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _read_commit() -> str | None:
    """Return the commit of the working directory, which holds a user's configurations."""
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607 - the user's git, wherever it is
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()


def measure_peak_memory() -> int | None:
    """Return the most memory that this process has held, in bytes; None where unknown."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
