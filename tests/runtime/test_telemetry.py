"""No command sends anything about its use, not even through the libraries that it starts."""

import os
import subprocess
import sys

import pytest

from textclf.runtime.telemetry import VARIABLES, switch_off_telemetry

EXPECTED = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_UPDATE_DOWNLOAD_COUNTS": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
}

# Python imports it at its start, in every process: it records where a connection would go.
RECORDER = """
import os, socket, sys

LOCAL = {"", "0.0.0.0", "127.0.0.1", "::", "::1", "localhost", socket.gethostname()}

def record(event, arguments):
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host or ""
    if host not in LOCAL and not host.startswith("127."):
        with open(os.environ["RECORDED_HOSTS"], "a") as file:
            file.write(f"{host}\\n")
        raise OSError(f"no connection to {host} in a test")

sys.addaudithook(record)
"""

CI_VARIABLES = {"CI", "GITHUB_ACTIONS", "GITLAB_CI", "JENKINS_URL", "PYTEST_CURRENT_TEST"}
"""With one of these, MLflow sends nothing by itself."""


@pytest.fixture
def unset(monkeypatch):
    """Nobody has set a variable, and none is set after the test."""
    for name in EXPECTED:
        monkeypatch.setenv(name, "")  # So that it is restored.
        monkeypatch.delenv(name)


@pytest.fixture
def find_hosts(tmp_path, unset, monkeypatch):
    """Return a function that runs Python code, and returns the hosts that it tried to reach."""
    (tmp_path / "sitecustomize.py").write_text(RECORDER)
    recorded = tmp_path / "hosts"
    monkeypatch.setenv("RECORDED_HOSTS", str(recorded))
    given = os.environ.get("PYTHONPATH")
    path = os.pathsep.join(filter(None, [str(tmp_path), given]))

    def run(code, *arguments):
        recorded.write_text("")
        # pytest sets its variable again for each phase of a test.
        environment = {k: value for k, value in os.environ.items() if k not in CI_VARIABLES}
        environment["PYTHONPATH"] = path
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return set(recorded.read_text().split())

    return run


def test_what_the_user_has_not_set_is_switched_off(unset, monkeypatch):
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "false")
    switch_off_telemetry()
    expected = {**EXPECTED, "MLFLOW_DISABLE_TELEMETRY": "false"}
    assert {name: os.environ[name] for name in EXPECTED} == expected
    assert set(VARIABLES) == set(EXPECTED)


def test_connections_are_recorded(find_hosts):
    code = """
import socket
for address in [("127.0.0.1", 9), ("example.org", 80), ("203.0.113.1", 80)]:
    try:
        socket.create_connection(address, timeout=0.1)
    except OSError:
        pass
"""
    assert find_hosts(code) == {"example.org", "203.0.113.1"}


SEND = """
import sys
from textclf.exporting.tracking import tracking
from pathlib import Path
from textclf.exporting.tracked import TrackedRun
from textclf.runtime.progress import Reporter

with tracking("mlflow", Reporter()) as tracker:
    tracker.add(TrackedRun(Path(sys.argv[1])))
"""


@pytest.mark.slow
def test_a_run_that_is_sent_to_mlflow_is_sent_nowhere_else(
    find_hosts, smoke_run, tmp_path, monkeypatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/one.db")
    assert find_hosts(SEND, smoke_run) == set()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/two.db")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "false")
    assert find_hosts(SEND, smoke_run) == {"config.mlflow-telemetry.io"}


@pytest.mark.slow
def test_libraries_are_told_before_they_are_imported(find_hosts):
    code = """
from textclf.encoders.presets import import_keras_hub
from textclf.runtime import backend

backend.start("cpu")
import huggingface_hub.constants  # Keras has imported it.
assert huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY
import_keras_hub()
from textclf import load_dataset
from textclf.errors import DataError
try:
    load_dataset("hf:./no-such-folder")
except DataError:
    pass
import datasets.config
assert not datasets.config.HF_UPDATE_DOWNLOAD_COUNTS
"""
    assert find_hosts(code) == set()


def test_ray_finds_its_statistics_disabled(unset):
    usage_lib = pytest.importorskip("ray._common.usage.usage_lib")
    assert usage_lib.usage_stats_enabled()
    switch_off_telemetry()
    assert not usage_lib.usage_stats_enabled()
