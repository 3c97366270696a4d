"""A virtual environment for a check, and what is run in it."""

import os
import subprocess
import sys
import time
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent

CONSTRAINTS = ROOT / ".ci" / "constraints.txt"

LEFT_OUT = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "TEXTCLF_CACHE_DIR", "TEXTCLF_RUN_ROOT")
"""Environment variables that would let a command see more than its own environment."""


class CheckError(Exception):
    """Something does not work as it should."""


class Environment:
    """A new virtual environment, whose commands run in a folder outside of the checkout.

    Args:
        path: Folder of the environment, which is created.
        work: Working folder of the commands; it is also their cache.
        constraints: Versions of the packages; None for the newest.
        python: Interpreter of the environment; None for the one that runs.
    """

    def __init__(
        self,
        path: Path,
        work: Path,
        *,
        constraints: Path | None = CONSTRAINTS,
        python: str | None = None,
    ) -> None:
        if python:
            subprocess.run([python, "-m", "venv", str(path)], check=True)
        else:
            venv.create(path, with_pip=True)
        self.path, self.work, self.constraints = path, work, constraints
        self.programs = path / ("Scripts" if sys.platform == "win32" else "bin")
        work.mkdir(exist_ok=True)
        self.variables = {key: value for key, value in os.environ.items() if key not in LEFT_OUT}
        self.variables |= {"TEXTCLF_CACHE_DIR": str(work / "cache"), "TF_CPP_MIN_LOG_LEVEL": "3"}

    def install(self, *requirements: str) -> float:
        """Install requirements with pip; return the seconds that it took."""
        limits = ["-c", str(self.constraints)] if self.constraints else []
        start = time.monotonic()
        self.run("pip", "install", "--quiet", *requirements, *limits)
        seconds = time.monotonic() - start
        self.run("pip", "check")
        return seconds

    def try_run(
        self, program: str, *arguments: str, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment; return its exit code and its output.

        Args:
            program: Name of the program.
            arguments: Its arguments.
            variables: Environment variables to set.
        """
        return subprocess.run(
            [str(self.programs / program), *arguments],
            cwd=self.work,
            env={**self.variables, **variables},
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )

    def run(self, program: str, *arguments: str, **variables: str) -> str:
        """Run a program of the environment, and return its standard output.

        Raises:
            CheckError: It fails; the message contains the end of its output.
        """
        done = self.try_run(program, *arguments, **variables)
        if done.returncode:
            raise CheckError(describe_failure([program, *arguments], done))
        return done.stdout

    @property
    def megabytes(self) -> int:
        """Size of its files."""
        files = (path.lstat().st_size for path in self.path.rglob("*") if not path.is_dir())
        return sum(files) // 1_000_000


def describe_failure(
    command: Sequence[str], done: subprocess.CompletedProcess[str], n_lines: int = 15
) -> str:
    """Return a command with its exit code and the last lines of its output."""
    lines = (done.stdout + done.stderr).strip().splitlines()[-n_lines:]
    return "\n".join([f"{' '.join(command)}: exit code {done.returncode}", *lines])


def expect(condition: object, problem: str) -> None:
    """Raise CheckError with a problem unless a condition is true."""
    if not condition:
        raise CheckError(problem)


def build(folder: Path) -> Path:
    """Build the sdist, and the wheel from the sdist; return the wheel.

    Raises:
        CheckError: The build fails or warns.
    """
    command = [sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    expect(not done.returncode, describe_failure(["build"], done))
    lines = (done.stdout + done.stderr).splitlines()
    warnings = [line for line in lines if "warning" in line.lower()]
    expect(not warnings, "\n".join(["the build warns:", *warnings]))
    (wheel,) = folder.glob("*.whl")
    return wheel
