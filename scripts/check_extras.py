"""Checks that each extra of a wheel, installed alone, adds what it promises.

For each extra: a new virtual environment, `pip install WHEEL[EXTRA]`, `pip check`, and the commands
that need it. First, in an environment without extras, the same commands must be refused with one
line that names the extra. All extras take half an hour or more; the exit code is 1 if one fails.

Example: python scripts/check_extras.py --wheel dist/textclf_keras-0.1.0-py3-none-any.whl onnx
"""

import argparse
import json
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from _environment import CONSTRAINTS, ROOT, CheckError, Environment, expect

TRAIN = ("train", "--smoke", "--quiet", "--dataset", "films.csv", "--model")
TRAIN_ON = ("train", "--smoke", "--quiet", "--model", "mlp", "--dataset")
STOP_SECONDS = 120

PARQUET = """\
import pyarrow, pyarrow.csv, pyarrow.parquet
pyarrow.parquet.write_table(pyarrow.csv.read_csv("films.csv"), "films.parquet")
"""

# Functions of the tests, which need only what the extra installs.
SPREADSHEET = """\
import csv, pathlib, support
with open("films.csv", encoding="utf-8", newline="") as file:
    support.write_xlsx(pathlib.Path("films.xlsx"), {"films": list(csv.reader(file))})
"""
PRESET = "import pathlib, support; support.write_preset(pathlib.Path('preset'), n_positions=128)"

MLFLOW = """\
import mlflow
(run,) = mlflow.search_runs(experiment_names=["textclf"], output_format="list")
print(run.info.status, run.data.metrics["test_accuracy"])
"""


def write_films(folder: Path) -> None:
    """Write a CSV file, and the same examples as a folder of JSON lines."""
    rows = [(f"{word} film {i}", word) for i in range(40) for word in ("good", "bad")]
    lines = ["text,label", *(",".join(row) for row in rows)]
    (folder / "films.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "films").mkdir()
    records = [json.dumps({"text": text, "label": label}) for text, label in rows]
    (folder / "films" / "train.jsonl").write_text("\n".join(records) + "\n", encoding="utf-8")


def run_test_code(environment: Environment, code: str) -> None:
    """Execute Python code that may import the tests' `support`."""
    environment.run("python", "-c", code, PYTHONPATH=str(ROOT / "tests"))


def train(environment: Environment) -> str:
    """Train a network on films.csv; return its run directory."""
    environment.run("textclf", *TRAIN, "mlp", "--run-dir", "a-run")
    return "a-run"


def use_bbc(environment: Environment) -> None:
    """Train on the articles that the extra installs."""
    environment.run("textclf", *TRAIN_ON, "bbc")


def use_encoder(environment: Environment) -> None:
    """Train on the features of a small preset, as Hugging Face stores it."""
    run_test_code(environment, PRESET)
    environment.run("textclf", *TRAIN, "encoder", "--set", "model.preset=./preset")


def use_excel(environment: Environment) -> None:
    """Train on a spreadsheet."""
    run_test_code(environment, SPREADSHEET)
    environment.run("textclf", *TRAIN_ON, "films.xlsx")


def use_glove(environment: Environment) -> None:
    """Train with the word vectors that the extra installs."""
    environment.run("textclf", *TRAIN, "hub", "--set", "model.handle=glove")


def use_hf(environment: Environment) -> None:
    """Train on a local folder, read by the library of Hugging Face."""
    environment.run("textclf", *TRAIN_ON, "hf:films")


def use_exported(environment: Environment, file_format: str) -> None:
    """Export a model, and use it."""
    run, folder = train(environment), f"as-{file_format}"
    environment.run("textclf", "export", run, folder, "--format", file_format)
    printed = environment.run("python", f"{folder}/example.py", "a good film")
    expect("good" in printed, f"{folder}/example.py prints {printed}")


def use_mlflow(environment: Environment) -> None:
    """Send a run to MLflow, and read it there."""
    environment.run("textclf", *TRAIN, "mlp", "--track", "mlflow")
    printed = environment.run("python", "-c", MLFLOW)
    expect(printed.startswith("FINISHED"), f"MLflow has {printed}")


def use_parquet(environment: Environment) -> None:
    """Train on a Parquet file."""
    environment.run("python", "-c", PARQUET)
    environment.run("textclf", *TRAIN_ON, "films.parquet")


def use_ray(environment: Environment) -> None:
    """Train two runs on a local Ray."""
    compare = ("compare", "--smoke", "--dataset", "films.csv", "--model", "mlp", "--seeds", "2")
    environment.run("textclf", *compare, "--executor", "ray")


def use_serve(environment: Environment) -> None:
    """Start the server, classify a text, and stop it."""
    run = train(environment)
    with subprocess.Popen(
        [str(environment.programs / "textclf"), "serve", f"m={run}", "--port", "0"],
        cwd=environment.work,
        env=environment.variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        try:
            line = server.stdout.readline() if server.stdout else ""
            url = next((word for word in line.split() if word.startswith("http://")), None)
            expect(url, f"the server prints {line!r}")
            body = json.dumps({"instances": ["a good film"]}).encode()
            with urllib.request.urlopen(f"{url}/v1/models/m:predict", body, 30) as response:  # noqa: S310
                predictions = json.load(response)["predictions"]
            expect(len(predictions) == 1, f"the server returns {predictions}")
        finally:
            server.terminate()
        expect(server.wait(STOP_SECONDS) == 0, f"exit code {server.returncode} after SIGTERM")


def use_tensorboard(environment: Environment) -> None:
    """Write event files."""
    environment.run("textclf", *TRAIN, "mlp", "--tensorboard", "--run-dir", "with-events")
    events = (environment.work / "with-events").rglob("events.out.tfevents.*")
    expect(any(events), "no event files")


def use_tune(environment: Environment) -> None:
    """Search with two trials."""
    tune = ("tune", "--smoke", "--model", "mlp", "--dataset", "films.csv", "--trials", "2")
    environment.run("textclf", *tune)


CHECKS: dict[str, Callable[[Environment], None]] = {
    "bbc": use_bbc,
    "encoder": use_encoder,
    "excel": use_excel,
    "glove": use_glove,
    "hf": use_hf,
    "litert": lambda environment: use_exported(environment, "litert"),
    "mlflow": use_mlflow,
    "onnx": lambda environment: use_exported(environment, "onnx"),
    "parquet": use_parquet,
    "ray": use_ray,
    "serve": use_serve,
    "tensorboard": use_tensorboard,
    "tune": use_tune,
}
"""What is done with each extra."""

REFUSED = {
    "bbc": (*TRAIN_ON, "bbc"),
    "encoder": (*TRAIN, "encoder"),
    "excel": (*TRAIN_ON, "films.xlsx"),
    "glove": (*TRAIN, "hub", "--set", "model.handle=glove"),
    "hf": (*TRAIN_ON, "hf:films"),
    "litert": ("export", "RUN", "out", "--format", "litert"),
    "mlflow": (*TRAIN, "mlp", "--track", "mlflow"),
    "onnx": ("export", "RUN", "out", "--format", "onnx"),
    "ray": ("compare", "--smoke", "--dataset", "films.csv", "--model", "mlp", "--executor", "ray"),
    "serve": ("serve", "RUN"),
    "tensorboard": (*TRAIN, "mlp", "--tensorboard", "--run-dir", "with-events"),
    "tune": ("tune", "--smoke", "--model", "mlp", "--dataset", "films.csv"),
}
"""What is refused without each extra, except `parquet`: tensorflow-datasets needs PyArrow too."""


@dataclass(frozen=True)
class Row:
    """What was measured for an extra."""

    extra: str
    seconds: float
    megabytes: int
    result: str


def check_refusals(environment: Environment, extras: list[str]) -> None:
    """Check that commands without their extra are refused with one line that names it."""
    run = train(environment)
    run_test_code(environment, SPREADSHEET)
    for extra in extras:
        command = [run if word == "RUN" else word for word in REFUSED.get(extra, ())]
        if not command:
            continue
        done = environment.try_run("textclf", *command)
        lines = [line for line in done.stderr.splitlines() if line.startswith("textclf: ")]
        named = len(lines) == 1 and f"'textclf-keras[{extra}]'" in lines[0]
        expect(done.returncode in {1, 2} and named, f"without {extra}: {done.stderr}")


def check_extra(
    wheel: Path, extra: str, constraints: Path | None, use: Callable[[Environment], None]
) -> Row:
    """Install an extra, or the plain wheel, into a new environment, and use it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = Environment(folder / "environment", folder / "work", constraints=constraints)
        write_films(environment.work)
        requirement = f"{wheel}[{extra}]" if extra else str(wheel)
        seconds, megabytes, result = 0.0, 0, "works"
        try:
            seconds = environment.install(requirement)
            megabytes = environment.megabytes
            use(environment)
        except CheckError as error:
            print(f"{extra}: {error}", file=sys.stderr)
            result = "FAILS"
    return Row(extra or "(none)", seconds, megabytes, result)


def format_table(rows: list[Row]) -> str:
    """Return a Markdown table, with how much larger each environment is than the first."""
    lines = ["| extra | pip, s | MB | more MB | result |", "| --- | ---: | ---: | ---: | --- |"]
    for row in rows:
        more = row.megabytes - rows[0].megabytes
        lines.append(
            f"| {row.extra} | {row.seconds:.0f} | {row.megabytes:,} | {more:,} | {row.result} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run the checks, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("extras", nargs="*", metavar="EXTRA", help="Extras to check; default: all.")
    parser.add_argument("--wheel", type=Path, required=True)
    parser.add_argument(
        "--newest",
        action="store_true",
        help="Install the newest versions, not .ci/constraints.txt.",
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.extras) - set(CHECKS):
        parser.error(f"unknown extras {sorted(unknown)}; choose from {', '.join(CHECKS)}")
    extras = arguments.extras or [*CHECKS]
    wheel, constraints = arguments.wheel.resolve(), None if arguments.newest else CONSTRAINTS
    rows = [check_extra(wheel, "", constraints, lambda plain: check_refusals(plain, extras))]
    for extra in extras:
        rows.append(check_extra(wheel, extra, constraints, CHECKS[extra]))
        print(rows[-1], file=sys.stderr, flush=True)
    print(format_table(rows))
    sys.exit(any(row.result == "FAILS" for row in rows))


if __name__ == "__main__":
    main()
