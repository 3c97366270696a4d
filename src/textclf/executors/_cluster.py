"""The connection to a Ray cluster, and what its machines have."""

import contextlib
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from textclf.config import Resources
from textclf.environment import count_processors
from textclf.errors import RequestError
from textclf.experiment import Settings

CONNECT_SECONDS = 12
"""How long a cluster may take to answer."""

QUIET = {
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_CLIENT_INITIAL_CONNECTION_TIMEOUT_S": "3",
    "RAY_CLIENT_MAX_CONNECTION_TIMEOUT_S": "3",
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""Environment variables of Ray: what goes wrong is said here, soon, and to nobody else."""


@contextlib.contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Connect to a cluster, or start one on this machine."""
    if find_spec("ray") is None:
        raise RequestError("--executor ray needs Ray: pip install 'textclf[ray]'")
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    if address:
        _check_reachable(address)
    import ray

    own: dict[str, Any] = (
        {} if address else {"num_cpus": count_processors(), "include_dashboard": False}
    )
    with (
        open(os.devnull, "w") as nowhere,  # noqa: PTH123 - it is no path on Windows
        contextlib.redirect_stdout(nowhere),  # Ray prints there what goes wrong on its machines.
        warnings.catch_warnings(action="ignore"),
    ):
        ray.init(address or "local", log_to_driver=False, logging_level="ERROR", **own)
        try:
            yield
        finally:
            ray.shutdown()


def _check_reachable(address: str) -> None:
    """Refuse an address where no cluster answers; in a process that can be ended, as Ray waits."""
    program = f"import ray; ray.init({address!r}, log_to_driver=False)"
    try:
        answer = subprocess.run(  # noqa: S603 - this Python
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            timeout=CONNECT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        reason = f"no answer in {CONNECT_SECONDS} s"
    else:
        if answer.returncode == 0:
            return
        reason = (answer.stderr.strip().splitlines() or ["no reason given"])[-1][:300]
    raise RequestError(
        f"no Ray cluster at {address}: {reason}; give ray://HOST:10001, or auto on a machine of"
        " the cluster (ray status), or no address for a Ray on this machine alone"
    )


def check_room(wanted: Resources, settings: Settings, *, is_fixed: bool) -> None:
    """Say what there is, and whether any machine is large enough for a run."""
    import ray

    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    asked = count_resources(wanted)
    words = f"{asked['CPU']:g} CPUs, {asked['GPU']:g} GPUs and {wanted.memory:g} GB"
    total = {name: sum(machine.get(name, 0) for machine in machines) for name in asked}
    settings.reporter.say(
        f"Ray has {len(machines)} machine(s) with {total['CPU']:g} CPUs and {total['GPU']:g} GPUs;"
        f" each run asks for {words}"
    )
    if any(all(m.get(name, 0) >= n for name, n in asked.items()) for m in machines):
        return
    problem = f"no machine has {words}, which a run asks for (resources)"
    if is_fixed:
        raise RequestError(f"{problem}; lower --set resources.cpus, gpus or memory")
    settings.reporter.warn(f"{problem}; waiting for one that has: Ctrl-C ends it")


def count_resources(wanted: Resources) -> dict[str, float]:
    """Return what a run asks for, in Ray's terms."""
    return {"CPU": wanted.cpus or 1, "GPU": wanted.gpus, "memory": wanted.n_bytes}
