"""The machine and the software that a run was made with."""

import os
import subprocess
import sys

import pytest

import textclf
from textclf.runtime import machine


@pytest.fixture
def cgroup(tmp_path, monkeypatch):
    """An empty folder in place of the limits of a container."""
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    return tmp_path


def test_memory_limit_of_a_container_is_respected(cgroup):
    (cgroup / "memory.max").write_text("3000\n")
    (cgroup / "memory.current").write_text("1000\n")
    assert machine.measure_free_memory() == 2000
    (cgroup / "memory.current").write_text("4000\n")
    assert machine.measure_free_memory() == 0
    (cgroup / "memory.max").write_text("max\n")
    assert machine.measure_free_memory() > 10**8


def test_without_a_container_free_memory_is_that_of_the_machine(cgroup):
    assert machine.measure_free_memory() > 10**8


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="processes have no affinity to processors"
)
def test_only_processors_that_the_process_may_use_are_counted():
    code = """
import os
from textclf.runtime.machine import count_processors
print(count_processors() <= len(os.sched_getaffinity(0)))
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
print(count_processors())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "1"]


def test_environment_has_versions_and_the_machine():
    found = machine.describe_environment()
    assert set(found["versions"]) == {"python", "textclf", *machine.PACKAGES}
    assert found["versions"]["textclf"] == textclf.__version__
    assert all(found["versions"].values())
    assert found["processor"]
    assert found["n_processors"] == os.cpu_count()
    # The other fields depend on the run.
    assert set(machine.ENVIRONMENT_FIELDS) - set(found) == {"device", "n_devices", "n_threads"}


def test_commit_is_that_of_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert machine.describe_environment()["commit"] is None
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "first"], check=True)
    assert len(machine.describe_environment()["commit"]) == 40
    monkeypatch.setenv("PATH", "")  # Without Git.
    assert machine.describe_environment()["commit"] is None


def test_peak_memory_is_in_bytes():
    assert 10**7 < machine.measure_peak_memory() < 10**12
