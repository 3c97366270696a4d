"""Fixtures that the tests of the commands share."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def run_copy(smoke_run, tmp_path) -> Path:
    """A copy of the small finished run, which a test may change."""
    return shutil.copytree(smoke_run, tmp_path / "copy")
