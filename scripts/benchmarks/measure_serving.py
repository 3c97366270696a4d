"""Measures requests per second of ``textclf serve``, a plain FastAPI server and MLflow's server.

All serve the same run on this machine, and every request has one text of the test split. The rounds
of the servers are interleaved. Needs the extras serve and mlflow.

Example: python scripts/benchmarks/measure_serving.py runs/bbc/cnn/1a2b3c/seed-1 --rounds 3
"""

import argparse
import asyncio
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

import textclf

HOST = "127.0.0.1"
BIN = Path(sys.executable).parent
PLAIN = Path(__file__).with_name("plain_server.py")
MAX_CHARACTERS = 5_000


class Server(NamedTuple):
    """A server that has started.

    Attributes:
        name: What it is.
        port: Its port.
        path: Path of the URL that predicts.
        key: Key of the texts in a request.
        process: Its process, which may have children.
    """

    name: str
    port: int
    path: str
    key: str
    process: subprocess.Popen[bytes]

    @property
    def memory_mb(self) -> float:
        """Resident memory of the process and its children."""
        parent = psutil.Process(self.process.pid)
        processes = [parent, *parent.children(recursive=True)]
        return sum(process.memory_info().rss for process in processes) / 1e6


class Round(NamedTuple):
    """What one server did in one round, with times in milliseconds."""

    per_second: float
    p50: float
    p99: float


def find_port() -> int:
    """Return a free port."""
    with socket.socket() as found:
        found.bind((HOST, 0))
        return int(found.getsockname()[1])


@contextlib.contextmanager
def start(
    name: str, command: list[object], port: int, path: str, key: str, log: Path
) -> Iterator[Server]:
    """Start a server, wait until it predicts, and stop it at the end."""
    # MLflow starts uvicorn by its name.
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [*map(str, command)], stdout=output, stderr=output, env=environment
        ) as process,
    ):
        server = Server(name, port, path, key, process)
        try:
            wait_until_ready(server, log)
            yield server
        finally:
            children = psutil.Process(process.pid).children(recursive=True)
            process.terminate()
            for child in children:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.terminate()


def wait_until_ready(server: Server, log: Path, *, seconds: float = 180) -> None:
    """Return when a server has classified a text."""
    deadline = time.monotonic() + seconds
    body = json.dumps({server.key: ["a text"]}).encode()
    url = f"http://{HOST}:{server.port}{server.path}"
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    while True:
        try:
            with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
                if response.status == 200:
                    return
        except OSError as error:
            if server.process.poll() is not None or time.monotonic() > deadline:
                end = log.read_text(errors="replace")[-2000:]
                raise SystemExit(f"{server.name} does not answer ({error}): {end}") from error
            time.sleep(0.2)


def make_requests(server: Server, texts: list[str]) -> list[bytes]:
    """Return a whole HTTP request for each text."""
    requests = []
    for text in texts:
        body = json.dumps({server.key: [text]}).encode()
        head = (
            f"POST {server.path} HTTP/1.1\r\nHost: {HOST}:{server.port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        requests.append(head.encode() + body)
    return requests


async def send_all(server: Server, requests: list[bytes], n_connections: int) -> Round:
    """Send requests over connections that are kept open, and return the times.

    Raises:
        SystemExit: An answer is not 200.
    """
    waiting, times = iter(requests), []

    async def send_some() -> None:
        reader, writer = await asyncio.open_connection(HOST, server.port)
        for request in waiting:
            started = time.perf_counter()
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
            times.append(time.perf_counter() - started)
            if not head.startswith(b"http/1.1 200"):
                raise SystemExit(f"{server.name}: {head.splitlines()[0].decode()}")
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(send_some() for _ in range(n_connections)))
    seconds = time.perf_counter() - started
    cuts = statistics.quantiles(times, n=100)
    return Round(len(times) / seconds, 1e3 * statistics.median(times), 1e3 * cuts[98])


def read_texts(run: textclf.Run) -> list[str]:
    """Return texts of the test split of a run's dataset."""
    dataset = textclf.load_dataset(run.config.dataset.name)
    return [text[:MAX_CHARACTERS] for text in dataset.test.texts[:1_000]]


def measure(server: Server, texts: list[str], n_connections: int, *, seconds: float) -> Round:
    """Measure a server for about a number of seconds."""
    few = make_requests(server, texts[: max(8, n_connections)])
    pace = asyncio.run(send_all(server, few, n_connections)).per_second
    n_requests = max(2 * n_connections, int(pace * seconds))
    many = make_requests(server, texts)
    repeated = (many * (n_requests // len(many) + 1))[:n_requests]
    return asyncio.run(send_all(server, repeated, n_connections))


def endure(server: Server, texts: list[str], *, n_requests: int) -> None:
    """Send many requests, and print the resident memory after every tenth of them."""
    requests = make_requests(server, texts)
    part = n_requests // 10
    repeated = (requests * (part // len(requests) + 1))[:part]
    for number in range(1, 11):
        measured = asyncio.run(send_all(server, repeated, 16))
        print(
            f"{server.name}: {number * part:,} requests without an error,"
            f" {server.memory_mb:,.0f} MB, {measured.per_second:,.0f} per second",
            flush=True,
        )


def main() -> None:
    """Start the servers, measure them in turn, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument("--connections", type=int, nargs="*", default=[1, 16, 64])
    parser.add_argument("--endure", type=int, help="only textclf serve, with so many requests")
    arguments = parser.parse_args()
    run = textclf.load_run(arguments.run)
    texts = read_texts(run)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        log, ports = Path(folder) / "log", [find_port() for _ in range(3)]
        own = [BIN / "textclf", "serve", f"model={run.path}", "--port", ports[0]]
        path = "/v1/models/model:predict"
        servers = [
            stack.enter_context(
                start("textclf serve", own, ports[0], path, "instances", log.with_suffix(".1"))
            )
        ]
        if arguments.endure:
            endure(servers[0], texts, n_requests=arguments.endure)
            return
        plain = [sys.executable, PLAIN, run.path, "--port", ports[1]]
        servers.append(
            stack.enter_context(
                start("FastAPI", plain, ports[1], "/predict", "instances", log.with_suffix(".2"))
            )
        )
        model = Path(folder) / "mlflow-model"
        subprocess.run([sys.executable, PLAIN, run.path, "--mlflow", model], check=True)
        theirs = [BIN / "mlflow", "models", "serve", "-m", model, "-p", ports[2]]
        theirs += ["--env-manager", "local"]
        servers.append(
            stack.enter_context(
                start("MLflow", theirs, ports[2], "/invocations", "inputs", log.with_suffix(".3"))
            )
        )
        print("| server | connections | requests/s | p50, ms | p99, ms |")
        print("| --- | ---: | ---: | ---: | ---: |")
        for n_connections in arguments.connections:
            found: dict[str, list[Round]] = {}
            for _ in range(arguments.rounds):
                for server in servers:
                    measured = measure(server, texts, n_connections, seconds=arguments.seconds)
                    found.setdefault(server.name, []).append(measured)
            for name, rounds in found.items():
                middle = [statistics.median(values) for values in zip(*rounds, strict=True)]
                print(
                    f"| {name} | {n_connections} | {middle[0]:,.1f} | {middle[1]:,.2f} |"
                    f" {middle[2]:,.2f} |",
                    flush=True,
                )
        for server in servers:
            print(f"{server.name}: {server.memory_mb:,.0f} MB resident")


if __name__ == "__main__":
    main()
