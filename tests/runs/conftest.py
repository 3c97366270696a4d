"""A run that a test may change."""

import shutil

import pytest

from textclf.runs.directory import RunDirectory


@pytest.fixture
def run(smoke_run, tmp_path):
    """A copy of a finished run, which a test may change."""
    return RunDirectory(shutil.copytree(smoke_run, tmp_path / "copy"))
