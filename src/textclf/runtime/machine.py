"""The machine and the software that a run was made with: versions, commit, processors, memory."""

import contextlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from textclf import __version__

CGROUP = Path("/sys/fs/cgroup")
"""Where Linux keeps the limits of a container (cgroup v2)."""

ENVIRONMENT_FIELDS = (
    *("versions", "platform", "processor", "n_processors", "device", "n_devices", "n_threads"),
)
"""Fields of ``meta.json`` that may change the last digits of a result."""

PACKAGES = (
    "tensorflow",
    "keras",
    "tensorflow-datasets",
    "numpy",
    "scikit-learn",
    "scipy",
    "skops",
)


def describe_environment(packages: Iterable[str] = ()) -> dict[str, Any]:
    """Return versions, commit and platform, for ``meta.json``.

    Args:
        packages: Installed packages that the model needs, besides `PACKAGES`.
    """
    return {
        "versions": {"python": platform.python_version(), "textclf": __version__}
        | {package: version(package) for package in (*PACKAGES, *packages)},
        "commit": _read_commit(),
        "platform": platform.platform(),
        "processor": _read_processor(),
        "n_processors": os.cpu_count(),
    }


def _read_processor() -> str:
    """Return the processor's name; TensorFlow's kernels differ between processors."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _read_commit() -> str | None:
    """Return the Git commit of the working directory, where a user's configurations are."""
    try:
        git = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607 - the git on the user's path
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return git.stdout.strip()


def count_processors() -> int:
    """Return how many processors this process may use, also in a container."""
    import joblib

    return int(joblib.cpu_count())


def measure_free_memory() -> int:
    """Return how many bytes this process and its children may still allocate."""
    free = psutil.virtual_memory().available
    limit, used = _read_cgroup("memory.max"), _read_cgroup("memory.current")
    if limit.isdigit() and used.isdigit():
        free = min(free, int(limit) - int(used))
    return max(0, free)


def _read_cgroup(name: str) -> str:
    """Return a value of the container's control group; empty outside a container."""
    try:
        return (CGROUP / name).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def measure_peak_memory() -> int | None:
    """Return this process's peak memory in bytes; None on Windows."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
