"""Connects to a Ray cluster, and checks the resources of its machines."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from textclf.config.schema import ExperimentConfig, ResourcesConfig
from textclf.errors import RequestError, TextclfError, format_install, format_reason
from textclf.experiment.run import RunContext
from textclf.runtime.machine import count_processors
from textclf.runtime.telemetry import switch_off_telemetry

CONNECT_SECONDS = 12
"""How long to wait for a cluster to answer."""

TIMEOUTS = {
    "RAY_CLIENT_INITIAL_CONNECTION_TIMEOUT_S": "3",
    "RAY_CLIENT_MAX_CONNECTION_TIMEOUT_S": "3",
}
"""Ray's environment variables for short timeouts, unless the user has set them."""


@contextlib.contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Connect to a cluster, or start one on this machine."""
    for name, value in TIMEOUTS.items():
        os.environ.setdefault(name, value)
    switch_off_telemetry()
    try:
        import ray
    except ImportError as error:
        raise RequestError(
            f"--executor ray needs Ray: {format_install('ray')} ({error})"
        ) from error
    if address:
        _check_reachable(address)
    own: dict[str, Any] = (
        {} if address else {"num_cpus": count_processors(), "include_dashboard": False}
    )
    with (
        open(os.devnull, "w", encoding="utf-8") as nowhere,  # noqa: PTH123 - no path on Windows
        contextlib.redirect_stdout(nowhere),  # Ray prints errors of its machines there.
        warnings.catch_warnings(action="ignore"),
    ):
        with _sigterm_handler_kept():
            ray.init(address or "local", log_to_driver=False, logging_level="ERROR", **own)
        try:
            yield
        except BrokenPipeError:  # Standard output of this command, not Ray.
            raise
        except (ray.exceptions.RayError, ConnectionError) as error:
            raise TextclfError(
                f"the Ray cluster is lost: {format_reason(error)}; run the same command again to"
                " continue with the missing runs"
            ) from error
        finally:
            ray.shutdown()


@contextlib.contextmanager
def _sigterm_handler_kept() -> Iterator[None]:
    """Restore the handler of SIGTERM, which Ray replaces by one that exits at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler, came = signal.getsignal(signal.SIGTERM), False
    try:
        yield
    except SystemExit:
        came = True
    finally:
        signal.signal(signal.SIGTERM, handler)
    if came:
        signal.raise_signal(signal.SIGTERM)


def _check_reachable(address: str) -> None:
    """Raise RequestError if no cluster answers; in a process, because Ray has no timeout here."""
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
        f"no Ray cluster at {address}: {reason}; give ray://HOST:10001, or auto on a machine of"
        " the cluster, or no address for this machine alone; if the cluster needs a token, set"
        " RAY_AUTH_MODE=token"
    )


def find_largest(configs: Sequence[ExperimentConfig]) -> ResourcesConfig:
    """Return the most that a run of these configurations reserves of each resource."""
    wanted = [config.resources for config in configs]
    return ResourcesConfig(
        cpus=max(each.cpus or 1 for each in wanted),
        gpus=max(each.gpus for each in wanted),
        memory=max(each.memory for each in wanted),
    )


def check_resources(wanted: ResourcesConfig, context: RunContext, address: str | None) -> None:
    """Report the cluster's resources, and check that a machine has those of a run.

    Raises:
        RequestError: No machine has them, and none can join a Ray without a cluster address.
    """
    import ray

    if context.device == "gpu" and not wanted.gpus:
        raise RequestError("--device gpu with --executor ray needs --set resources.gpus=1 or more")
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    asked = to_ray_resources(wanted)
    request = f"CPUs {asked['CPU']:g}, GPUs {asked['GPU']:g}, memory {wanted.memory:g} GB"
    total = {name: sum(machine.get(name, 0) for machine in machines) for name in asked}
    context.reporter.info(
        f"Ray at {address or 'this machine'}: machines {len(machines)}, CPUs {total['CPU']:g}, GPUs"
        f" {total['GPU']:g}; each run needs up to: {request}"
    )
    if any(all(m.get(name, 0) >= n for name, n in asked.items()) for m in machines):
        return
    problem = f"no machine has what a run needs (section resources): {request}"
    if address is None:
        raise RequestError(
            f"{problem}; lower resources.cpus, resources.gpus or resources.memory with --set"
        )
    context.reporter.warning(f"{problem}; waiting for one to join; press Ctrl-C to stop")


def count_runs_at_once(wanted: ResourcesConfig) -> int:
    """Return how many runs the machines of the cluster have resources for."""
    import ray

    asked = {name: n for name, n in to_ray_resources(wanted).items() if n}
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return sum(int(min(m.get(name, 0) // n for name, n in asked.items())) for m in machines)


def to_ray_resources(wanted: ResourcesConfig) -> dict[str, float]:
    """Return the resources of a run under Ray's names."""
    return {"CPU": wanted.cpus or 1, "GPU": wanted.gpus, "memory": wanted.n_bytes}
