"""Checks what is uploaded to the package index: the files, and the package in a new environment.

Builds the sdist and, from it, the wheel. Installs the wheel with the extra ``bbc``, trains and
compares models, and checks a user's code with mypy, all outside of the checkout. With --outdir, the
built files stay. The exit code is 1 if a check failed.

Example: python scripts/check_package.py
"""

import argparse
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from pathlib import Path

from _environment import ROOT, CheckError, Environment, build, describe_failure, expect

NOT_IN_SDIST = (".dockerignore", ".github", ".gitignore", ".pre-commit-config.yaml")
"""Parts of the repository that are not needed to build, test or read the package."""

IN_WHEEL = (
    "textclf/py.typed",
    "textclf/reporting/templates/report.html",
    "textclf/serving/static/page.html",
)

TYPED = """\
import textclf

run: textclf.Run = textclf.train("cnn", "bbc", smoke=True, seed=1)
accuracy: float = run.evaluation.metrics["accuracy"]
"""

MISTYPED = """\
import textclf

run: textclf.Run = textclf.train("cnn", "bbc", seed="one")
"""


def check_tools(files: list[Path]) -> None:
    """Check the metadata, the long description and the content of the wheel with other tools."""
    wheel = [str(path) for path in files if path.suffix == ".whl"]
    for command in (
        ["twine", "check", "--strict", *map(str, files)],
        ["check_wheel_contents", *wheel],
    ):
        done = subprocess.run(
            [sys.executable, "-m", *command], capture_output=True, text=True, check=False
        )
        expect(not done.returncode, describe_failure(command, done))


def check_sdist(sdist: Path) -> int:
    """Check that the sdist has the files of the repository; return their number."""
    with tarfile.open(sdist) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    listed = subprocess.run(
        ["git", "ls-files"],  # noqa: S607 - the user's Git
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    wanted = {name for name in listed if name.split("/")[0] not in NOT_IN_SDIST}
    expect(not wanted - packed, f"not in the sdist: {sorted(wanted - packed)}")
    extra = packed - set(listed) - {"PKG-INFO", ".gitignore"}
    expect(not extra, f"in the sdist but not in the repository: {sorted(extra)}")
    return len(packed)


def check_wheel(wheel: Path) -> int:
    """Check that the wheel has the data files and the license; return the number of files."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    missing = [name for name in IN_WHEEL if name not in names]
    expect(not missing, f"not in the wheel: {missing}")
    expect(any(name.endswith("licenses/LICENSE") for name in names), "no license in the wheel")
    return len(names)


def check_commands(environment: Environment) -> str:
    """Train and compare models on bbc; return the table."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    printed = environment.run("textclf", "--version").strip()
    expect(printed.split()[-1] == project["version"], f"--version prints {printed}")
    environment.run("textclf", "train", "--model", "cnn", "--dataset", "bbc", "--smoke")
    return environment.run("textclf", "compare", "--dataset", "bbc", "--smoke")


def check_types(environment: Environment) -> str:
    """Check a user's code with mypy, and execute it; return the error that mypy finds."""
    environment.install("mypy")
    for name, code in (("typed.py", TYPED), ("mistyped.py", MISTYPED)):
        (environment.work / name).write_text(code, encoding="utf-8")
    environment.run("mypy", "--strict", "typed.py")
    environment.run("python", "typed.py")
    done = environment.try_run("mypy", "--strict", "mistyped.py")
    error = done.stdout.partition("\n")[0]
    expect("[arg-type]" in error and '"seed"' in error, describe_failure(["mypy"], done))
    return error


def check(folder: Path, outdir: Path, python: str | None) -> None:
    """Build into a folder, and run the checks."""
    wheel = build(outdir)
    (sdist,) = outdir.glob("*.tar.gz")
    check_tools([wheel, sdist])
    print(f"{wheel.name}: {wheel.stat().st_size:,} bytes, {check_wheel(wheel)} files")
    print(f"{sdist.name}: {sdist.stat().st_size:,} bytes, {check_sdist(sdist)} files")
    environment = Environment(folder / "environment", folder / "work", python=python)
    seconds = environment.install(f"{wheel}[bbc]")
    print(f"pip install 'WHEEL[bbc]': {seconds:.0f} s, {environment.megabytes:,} MB")
    print(check_commands(environment))
    print(f"mypy --strict accepts the public API, and reports: {check_types(environment)}")


def main() -> None:
    """Run the checks, and print what was measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--outdir", type=Path, help="Where to leave the wheel and the sdist.")
    parser.add_argument("--python", help="Interpreter to install the wheel for.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            check(folder, arguments.outdir or folder / "dist", arguments.python)
        except CheckError as error:
            sys.exit(str(error))


if __name__ == "__main__":
    main()
