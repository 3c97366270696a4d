"""The connection to a Ray cluster, and what its machines have."""

import contextlib
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any

from textclf.config.schema import Resources
from textclf.errors import RequestError, TextclfError
from textclf.experiment.run import Settings
from textclf.runtime.machine import count_processors

CONNECT_SECONDS = 12
"""How long a cluster may take to answer."""

QUIET = {
    "RAY_CLIENT_INITIAL_CONNECTION_TIMEOUT_S": "3",
    "RAY_CLIENT_MAX_CONNECTION_TIMEOUT_S": "3",
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""Environment variables of Ray: what goes wrong is said here, soon, and to nobody else."""


@contextlib.contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Connect to a cluster, or start one on this machine."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise RequestError(
            f"--executor ray needs Ray: pip install 'textclf[ray]' ({error})"
        ) from error
    if address:
        _check_reachable(address)
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
        except BrokenPipeError:  # Of the terminal.
            raise
        except (ray.exceptions.RayError, ConnectionError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise TextclfError(
                f"the Ray cluster is lost: {reason}; the same command goes on with what is missing"
            ) from error
        finally:
            ray.shutdown()


def _check_reachable(address: str) -> None:
    """Refuse an address where no cluster answers; in a process that can be ended, as Ray waits."""
    program = f"""
import ray, sys
try:
    ray.init({address!r}, log_to_driver=False)
except BaseException as error:
    sys.exit(f"{{type(error).__name__}}: {{' '.join(str(error).split())}}")
"""
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
        f"no Ray cluster at {address}: {reason}; give ray://HOST:10001, or auto on a machine of it,"
        " or none for this machine alone; if it wants a token, set RAY_AUTH_MODE=token"
    )


def check_room(wanted: Resources, settings: Settings, address: str | None) -> None:
    """Say what there is, and whether any machine is large enough for a run.

    Raises:
        RequestError: none is, and none will join, as there is no address.
    """
    import ray

    if settings.device == "gpu" and not wanted.gpus:
        raise RequestError("--device gpu with --executor ray needs --set resources.gpus=1, or more")
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    asked = count_resources(wanted)
    words = f"{asked['CPU']:g} CPUs, {asked['GPU']:g} GPUs and {wanted.memory:g} GB"
    total = {name: sum(machine.get(name, 0) for machine in machines) for name in asked}
    settings.reporter.say(
        f"Ray at {address or 'this machine'}: {len(machines)} machine(s) with {total['CPU']:g} CPUs"
        f" and {total['GPU']:g} GPUs; runs ask for up to {words}"
    )
    if any(all(m.get(name, 0) >= n for name, n in asked.items()) for m in machines):
        return
    problem = f"no machine has {words}, which a run asks for (resources)"
    if address is None:
        raise RequestError(f"{problem}; lower --set resources.cpus, gpus or memory")
    settings.reporter.warn(f"{problem}; waiting for one that has: Ctrl-C ends it")


def count_resources(wanted: Resources) -> dict[str, float]:
    """Return what a run asks for, in Ray's terms."""
    return {"CPU": wanted.cpus or 1, "GPU": wanted.gpus, "memory": wanted.n_bytes}
