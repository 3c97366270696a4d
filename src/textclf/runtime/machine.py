"""What a run was made with: versions, commit, machine, memory."""

import contextlib
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

CONTAINER = Path("/sys/fs/cgroup")
"""Where Linux says what a container may use (cgroup v2)."""

COMPARED = ("versions", "platform", "processor", "n_processors", "device", "devices", "threads")
"""Fields of ``meta.json`` that may change a result in its last digits."""

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


def count_processors() -> int:
    """Return how many processors this process may use, in a container too."""
    n_processors = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # Linux
        n_processors = len(os.sched_getaffinity(0))
    quota = _read_limit("cpu.max").split()  # Microseconds of each period, or "max".
    if len(quota) == len(("quota", "period")) and quota[0].isdigit():
        n_processors = min(n_processors, max(1, int(quota[0]) // int(quota[1])))
    return n_processors


def measure_free_memory() -> int:
    """Return how many bytes this process and its children may still take, in a container too."""
    free = psutil.virtual_memory().available
    limit, used = _read_limit("memory.max"), _read_limit("memory.current")
    if limit.isdigit() and used.isdigit():
        free = min(free, int(limit) - int(used))
    return max(0, free)


def _read_limit(name: str) -> str:
    """Return what a container is allowed; nothing where there is none."""
    try:
        return (CONTAINER / name).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def measure_peak_memory() -> int | None:
    """Return the most memory that this process has held, in bytes; None where unknown."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
