"""Checks what MLflow receives of a comparison, and that a failing server costs no run.

Starts ``mlflow server`` with an SQLite store on this machine, and compares two networks with two
seeds on ``bbc``:

1. Every metric of every epoch, read with MLflow's own client, equals ``history.csv``, and every
   final metric equals ``evaluation.json``. The same command sends nothing again.
2. The server is killed (SIGKILL) while it receives the second run: all runs finish with exit code
   0 and one warning; the same command sends the rest when the server is back.
3. A server that accepts connections and never answers delays a comparison of finished runs by a
   bounded time, and does not delay training.

Example: python scripts/stress/check_mlflow.py
"""

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from textclf.exporting.tracking import DEFAULTS, EXPERIMENT, PATIENCE, TIMEOUT_VARIABLE
from textclf.runs.directory import RunDirectory
from textclf.training.history import EpochRow

COMMAND = Path(sys.executable).with_name("textclf")
OPTIONS = ["--dataset", "bbc", "--model", "cnn", "--model", "mlp", "--seeds", "2"]
OPTIONS += [
    "--set",
    "dataset.limit=64",
    "--set",
    "training.epochs=3",
    "--set",
    "text.num_words=500",
]
N_RUNS = 8
"""Two seeds of two networks and of two baseline models."""


def check(is_true: object, problem: object) -> None:
    """End with the problem if a condition is false."""
    if not is_true:
        raise SystemExit(f"FAILED: {problem}")


def find_port() -> int:
    """Return a port that no process listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Server:
    """``mlflow server`` with its store in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, find_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        command = [str(COMMAND.with_name("mlflow")), "server", "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--workers", "1"]
        command += ["--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db"]
        command += ["--artifacts-destination", str(self.folder / "artifacts")]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True, cwd=self.folder
            )
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.2)
        raise SystemExit("mlflow server does not start")

    def kill(self) -> None:
        """Kill the server and its workers."""
        if self.process:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


@contextlib.contextmanager
def silent_server() -> Iterator[str]:
    """Yield the address of a server that accepts connections, and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(100)  # The system accepts connections by itself.
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def start(root: Path, address: str | None) -> subprocess.Popen[str]:
    """Start the comparison, tracked if there is an address."""
    track = ["--track", "mlflow"] if address else []
    environment = {**os.environ, "MLFLOW_TRACKING_URI": address or ""}
    return subprocess.Popen(
        [str(COMMAND), "compare", *OPTIONS, "--run-root", str(root), *track],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def finish(process: subprocess.Popen[str], root: Path) -> list[str]:
    """Wait for a comparison, check that all runs are finished, and return its messages."""
    lines = process.communicate()[1].splitlines()
    check(process.returncode == 0, lines)
    runs = RunDirectory.list_below(root)
    check(len(runs) == N_RUNS, runs)
    check(all(run.is_finished for run in runs), "a run is not finished")
    return [line for line in lines if "MLflow" in line]


def compare(root: Path, address: str | None) -> tuple[list[str], float]:
    """Run the comparison; return its messages about MLflow, and its seconds."""
    began = time.monotonic()
    return finish(start(root, address), root), time.monotonic() - began


def list_runs(client: Any) -> list[Any]:
    """Return all runs of the experiment in MLflow."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    return list(client.search_runs([experiment.experiment_id])) if experiment else []


def check_content(client: Any, root: Path) -> int:
    """Compare MLflow's metrics with the files of the runs; return how many values are equal."""
    found = {
        (run.data.tags["textclf.fingerprint"], int(run.data.params["seed"])): run
        for run in list_runs(client)
    }
    check(len(found) == N_RUNS == len(list_runs(client)), "a run was sent twice, or not")
    n_equal, names = 0, [field.name for field in fields(EpochRow) if field.name != "epoch"]
    for directory in RunDirectory.list_below(root):
        result, rows = directory.read_result(), directory.read_history()
        run = found[result.fingerprint, result.seed]
        check(run.info.status == "FINISHED", run)
        for name in names if rows else ():
            history = client.get_metric_history(run.info.run_id, name)
            sent = [(metric.step, metric.value) for metric in history]
            check(sent == [(row.epoch, getattr(row, name)) for row in rows], (run, name))
            n_equal += len(sent)
        for name, value in result.evaluation.metrics.items():
            check(run.data.metrics[f"test_{name}"] == value, (run, name))
            n_equal += 1
        sent_files = {file.path for file in client.list_artifacts(run.info.run_id)}
        check(sent_files == {path.name for path in directory.list_results()}, sent_files)
    return n_equal


def check_kill(server: Server, client: Any, root: Path) -> str:
    """Kill the server while it receives the second run; return the warning."""
    process = start(root, server.address)
    deadline = time.monotonic() + 300
    while len(list_runs(client)) < 2:
        check(time.monotonic() < deadline, "two runs were not sent")
        time.sleep(0.01)
    server.kill()
    messages = finish(process, root)
    (warning,) = (line for line in messages if line.startswith("WARNING"))
    return warning


def main() -> None:
    """Run the checks, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    os.environ |= {name: os.environ.get(name, value) for name, value in DEFAULTS.items()}
    from mlflow import MlflowClient

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("first", "second"):
            (folder / part).mkdir()
        server = Server(folder / "first")
        other = Server(folder / "second")
        try:
            server.start()
            client = MlflowClient(server.address)
            messages, _ = compare(folder / "runs", server.address)
            print(*messages, sep="\n")
            print(f"1. {check_content(client, folder / 'runs'):,} values equal the files")
            messages, tracked = compare(folder / "runs", server.address)
            print(f"   the same command: {messages[-1]}")
            check_content(client, folder / "runs")
            server.kill()

            other.start()
            client = MlflowClient(other.address)
            print(f"2. {check_kill(other, client, folder / 'killed')}")
            other.start()
            messages, _ = compare(folder / "killed", other.address)
            n_equal = check_content(client, folder / "killed")
            print(f"   the server is back: {messages[-1]}; {n_equal:,} values equal the files")

            _, plain = compare(folder / "runs", None)
            with silent_server() as address:
                messages, silent = compare(folder / "runs", address)
                _, trained = compare(folder / "silent", address)
            bound = PATIENCE * int(os.environ[TIMEOUT_VARIABLE])
            print(f"3. {messages[-1]}")
            print(
                f"   finished runs: {plain:.1f} s without --track, {tracked:.1f} s with a server,"
                f" {silent:.1f} s with one that never answers; with training {trained:.1f} s"
            )
            check(silent - plain < bound, f"more than {bound} s")
        finally:
            server.kill()
            other.kill()


if __name__ == "__main__":
    main()
