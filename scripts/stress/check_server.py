"""Checks how `textclf serve` withstands bad requests, slow clients, signals and damaged runs.

Each check starts the server for a run, does harm to it, and prints one line with what happened. The
exit code is 1 if a check failed. A run is trained if none is given.

Example: python scripts/stress/check_server.py runs/bbc/cnn --requests 1000
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psutil

import textclf

COMMAND = Path(sys.executable).with_name("textclf")
TRAIN = "train --model mlp --dataset bbc --smoke --quiet --run-dir"
START_SECONDS = 120
ANSWER_SECONDS = 20
"""After which a request counts as lost."""

TEXT = "Shares fell as oil prices rose, said the minister."


class CheckError(Exception):
    """The server did not react as it should."""


def expect(condition: object, problem: str) -> None:
    """Raise CheckError with a problem unless a condition is true."""
    if not condition:
        raise CheckError(problem)


@dataclass
class Response:
    """A response: its status, its headers in lower case, and its body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def content(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Client:
    """One connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        """Send bytes; whether the server has closed the connection shows when it is read."""
        with contextlib.suppress(OSError):
            self.writer.write(data)
            await self.writer.drain()

    async def read(self) -> Response | None:
        """Return the next response; None if the server closes the connection without one."""
        try:
            head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), ANSWER_SECONDS)
            first, *lines = head.decode("latin-1").lower().strip().split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines)
            length = headers.get("content-length")
            body = await (
                self.reader.readexactly(int(length)) if length else self.reader.read(1_000_000)
            )
        except (OSError, asyncio.IncompleteReadError):
            return None
        return Response(int(first.split()[1]), headers, body)

    async def close(self) -> None:
        """Close the connection."""
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


def make_request(body: bytes, *headers: str, path: str = "/v1/models/m:predict") -> bytes:
    """Return a POST request."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def make_body(*texts: str) -> bytes:
    """Return the body of a request to classify texts."""
    return json.dumps({"instances": texts or [TEXT]}).encode()


@dataclass
class Server:
    """A process of `textclf serve`."""

    process: subprocess.Popen[str]
    port: int = 0
    first_line: str = ""

    @property
    def memory(self) -> int:
        """Its resident memory in megabytes."""
        return int(psutil.Process(self.process.pid).memory_info().rss / 1_000_000)

    async def connect(self) -> Client:
        """Return a new connection."""
        return Client(*await asyncio.open_connection("127.0.0.1", self.port, limit=10_000_000))

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[Client]:
        """Yield a new connection, and close it."""
        client = await self.connect()
        try:
            yield client
        finally:
            await client.close()

    async def ask(self, request: bytes) -> Response:
        """Return the response to one request."""
        async with self.connected() as client:
            await client.send(request)
            response = await client.read()
        if response is None:
            raise CheckError("the server closed the connection without a response")
        return response

    async def get(self, path: str) -> Response:
        """Return the response to a GET request."""
        return await self.ask(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())

    async def expect_service(self) -> float:
        """Check that a text is classified; return the seconds."""
        started = time.perf_counter()
        response = await self.ask(make_request(make_body()))
        expect(response.status == 200, f"a normal request got {response.status}")
        return time.perf_counter() - started

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(60)


@contextlib.contextmanager
def serving(
    *runs: object, port: int = 0, stderr: int | IO[Any] = subprocess.DEVNULL, **options: object
) -> Iterator[Server]:
    """Start a server, which is killed at the end if it still runs."""
    given = [f"--{key.replace('_', '-')}={value}" for key, value in options.items()]
    process = subprocess.Popen(
        [COMMAND, "serve", *map(str, runs), f"--port={port}", *given],
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )
    server = Server(process)
    try:
        assert process.stdout  # noqa: S101 - for mypy
        server.first_line = process.stdout.readline()
        if server.first_line:
            server.port = int(server.first_line.split("http://127.0.0.1:")[1].split()[0])
        yield server
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@dataclass
class Checks:
    """The checks, each a coroutine that returns what happened.

    Attributes:
        run: An intact run.
        folder: A temporary folder.
        n_requests: Number of malformed requests.
    """

    run: Path
    folder: Path
    n_requests: int
    rng: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311

    async def malformed_bodies(self) -> str:
        """Generated bodies get 200 or 4xx with one line of JSON, and never 500."""
        with serving(f"m={self.run}") as server:
            statuses: Counter[int] = Counter()
            for _ in range(self.n_requests):
                response = await server.ask(make_request(make_bad_body(self.rng)))
                statuses[response.status] += 1
                expect(response.status in {200, 400, 413}, f"status {response.status}")
                if response.status != 200:
                    expect("\n" not in response.content["error"], "several lines")
            await server.expect_service()
        return ", ".join(f"{n} x {status}" for status, n in sorted(statuses.items()))

    async def malformed_heads(self) -> str:
        """Generated heads get 4xx, or the connection is closed."""
        with serving(f"m={self.run}", receive_timeout=1) as server:
            statuses: Counter[str] = Counter()
            for _ in range(self.n_requests // 4):
                async with server.connected() as client:
                    await client.send(make_bad_head(self.rng))
                    client.writer.write_eof()
                    response = await client.read()
                status = response.status if response else 0
                expect(status < 500, f"status {status}")
                statuses[str(status or "closed")] += 1
            await server.expect_service()
        return ", ".join(f"{n} x {status}" for status, n in sorted(statuses.items()))

    async def oversized(self) -> str:
        """Too much is refused with 413, and does not fill the memory."""
        with serving(f"m={self.run}") as server:
            await server.expect_service()
            before = server.memory
            large = await server.ask(
                make_request(b"", "Content-Length: 1000000000").replace(
                    b"Content-Length: 0\r\n", b""
                )
            )
            expect(large.status == 413, f"a body of 1 GB got {large.status}")
            async with server.connected() as client:
                await client.send(
                    make_request(b"", "Transfer-Encoding: chunked").replace(
                        b"Content-Length: 0\r\n", b""
                    )
                )
                sending = asyncio.ensure_future(send_forever(client))
                endless = await client.read()
                sending.cancel()
            expect(endless and endless.status == 413, "an endless body did not get 413")
            many = await server.ask(make_request(make_body(*["text"] * 257)))
            expect(many.status == 413, f"257 texts got {many.status}")
            long = await server.ask(make_request(make_body("x" * 100_001)))
            expect(long.status == 413, f"a long text got {long.status}")
            longer = make_request(make_body("x" * 10_001), path="/v1/models/m:explain")
            expect((await server.ask(longer)).status == 413, "a long text was explained")
            async with server.connected() as client:
                await client.send(make_request(make_body(), "X: " + "x" * 1_000_000))
                head = await client.read()  # It may be lost, because the rest is not read.
            expect(head is None or head.status == 400, "a head of 1 MB was accepted")
            await server.expect_service()
            grown = server.memory - before
            expect(grown < 100, f"{grown} MB more memory")
        return f"413; a head of 1 MB is refused; {grown} MB more memory"

    async def slow_clients(self) -> str:
        """Clients that send a byte at a time are cut off, and do not delay others."""
        with serving(f"m={self.run}", receive_timeout=3) as server:
            usual = await measure(server)
            request = make_request(make_body())
            starts = (b"", request[:20], request[:-20])
            slow = [asyncio.ensure_future(trickle(server, starts[i % 3])) for i in range(60)]
            await asyncio.sleep(0.5)
            during = await measure(server)
            ends = Counter(await asyncio.gather(*slow))
            expect(set(ends) == {"closed", "408"}, f"slow clients ended with {dict(ends)}")
            expect(during < 10 * usual + 0.1, f"{during:.3f} s instead of {usual:.3f} s")
        return f"{dict(ends)}; others {1_000 * usual:.0f} ms before, {1_000 * during:.0f} ms during"

    async def idle_connections(self) -> str:
        """500 idle connections do not delay others, and are closed."""
        with serving(f"m={self.run}", receive_timeout=4) as server:
            usual = await measure(server)
            clients = [await server.connect() for _ in range(500)]
            during = await measure(server)
            ends = await asyncio.gather(*(client.read() for client in clients))
            for client in clients:
                await client.close()
            expect(not any(ends), "an idle connection got a response")
            expect(during < 10 * usual + 0.1, f"{during:.3f} s instead of {usual:.3f} s")
            await server.expect_service()
        return f"{1_000 * usual:.0f} ms without, {1_000 * during:.0f} ms with; all closed"

    async def sigterm(self) -> str:
        """SIGTERM under load ends with 0, after all accepted requests."""
        return await self._stop_under_load(signal.SIGTERM, 0)

    async def sigint(self) -> str:
        """Ctrl-C under load ends with 130, after all accepted requests."""
        return await self._stop_under_load(signal.SIGINT, 130)

    async def _stop_under_load(self, number: int, code: int) -> str:
        with serving(f"m={self.run}") as server:
            load = Load(server)
            clients = [asyncio.ensure_future(load.keep_asking()) for _ in range(32)]
            clients += [asyncio.ensure_future(load.ask_anew()) for _ in range(16)]
            await asyncio.sleep(2)
            n_before = load.n_answered
            server.process.send_signal(number)
            await asyncio.gather(*clients)
            found = await asyncio.to_thread(server.process.wait, 60)
        expect(found == code, f"exit code {found}")
        expect(n_before > 100, f"only {n_before} requests before the signal")
        expect(load.n_lost == 0, f"{load.n_lost} of {load.n_answered + load.n_lost} requests lost")
        after = load.n_answered - n_before
        return f"exit code {code}; {n_before} requests answered before, {after} after, 0 lost"

    async def sigkill(self) -> str:
        """After SIGKILL, a new server uses the same port at once."""
        with serving(f"m={self.run}") as server:
            load = Load(server)
            clients = [asyncio.ensure_future(load.keep_asking()) for _ in range(16)]
            await asyncio.sleep(1)
            server.process.kill()
            server.process.wait(10)
            await asyncio.gather(*clients)
        started = time.perf_counter()
        with serving(f"m={self.run}", port=server.port) as again:
            await again.expect_service()
            seconds = time.perf_counter() - started
        return f"{load.n_lost} requests in progress lost; serving again after {seconds:.1f} s"

    async def damaged_run(self) -> str:
        """A server whose only run is damaged ends with 1 and one line."""
        with serving(self._damage("damaged"), stderr=subprocess.PIPE) as server:
            code = server.process.wait(START_SECONDS)
            assert server.process.stderr  # noqa: S101 - for mypy
            lines = server.process.stderr.read().splitlines()
        expect(code == 1 and len(lines) == 1, f"exit code {code}, {len(lines)} lines: {lines[-1:]}")
        return f"exit code 1: {lines[0].replace(str(self.folder), '...')}"

    async def one_of_two(self) -> str:
        """A damaged run does not stop another one, and can be repaired while the server runs."""
        damaged = self._damage("second")
        with serving(f"m={self.run}", f"n={damaged}") as server:
            await server.expect_service()
            health, model = await server.get("/healthz"), await server.get("/v1/models/n")
            expect(health.status == 503, f"/healthz has status {health.status}")
            expect(model.content["ready"] is False, "a damaged model is ready")
            refused = await server.ask(make_request(make_body(), path="/v1/models/n:predict"))
            expect(refused.status == 503, f"a damaged model answers with {refused.status}")
            shutil.rmtree(damaged)
            shutil.copytree(self.run, damaged)
            server.process.send_signal(signal.SIGHUP)
            await wait_until(lambda: is_ready(server), "the repaired run is not ready")
        return "the other is served, /healthz 503; repaired and ready after SIGHUP"

    async def hangup(self) -> str:
        """SIGHUP under load loses nothing, and a damaged run does not replace a model."""
        path = self.folder / "replaced"
        shutil.copytree(self.run, path)
        with serving(f"m={path}") as server:
            load = Load(server)
            clients = [asyncio.ensure_future(load.keep_asking()) for _ in range(16)]
            await asyncio.sleep(1)
            server.process.send_signal(signal.SIGHUP)
            await wait_until(lambda: has_loads(server, "ok", 2), "the run was not loaded again")
            self._damage("replaced")
            server.process.send_signal(signal.SIGHUP)
            await wait_until(lambda: has_loads(server, "failed", 1), "the damage was not noticed")
            await server.expect_service()
            load.is_ended = True
            await asyncio.gather(*clients)
            expect(load.n_lost == 0, f"{load.n_lost} requests lost")
            expect(await is_ready(server), "the old model is not ready")
        return f"replaced, then kept despite damage; {load.n_answered} requests, 0 lost"

    async def full_log(self) -> str:
        """A log that cannot be written, or that nobody reads, costs no request."""
        for name in ("/dev/full", "closed pipe", "unread pipe"):
            reader, writer = os.pipe()
            if name == "closed pipe":
                os.close(reader)
            path = name if name == "/dev/full" else os.dup(writer)
            with open(path, "wb") as log, serving(f"m={self.run}", stderr=log) as server:  # noqa: PTH123
                load = Load(server)
                clients = [asyncio.ensure_future(load.keep_asking()) for _ in range(8)]
                await asyncio.sleep(3)
                load.is_ended = True
                await asyncio.gather(*clients)
                expect(load.n_lost == 0, f"{name}: {load.n_lost} requests lost")
                code = await asyncio.to_thread(server.stop)
                expect(code == 0, f"{name}: exit code {code}")
            os.close(writer)
            if name != "closed pipe":
                os.close(reader)
        return "/dev/full, a closed pipe and a pipe that nobody reads: 0 requests lost"

    async def busy_port(self) -> str:
        """A port that is in use is reported before a model is loaded."""
        with socket.create_server(("127.0.0.1", 0)) as other:
            port, started = other.getsockname()[1], time.perf_counter()
            with serving(f"m={self.run}", port=port, stderr=subprocess.PIPE) as server:
                code = server.process.wait(START_SECONDS)
                assert server.process.stderr  # noqa: S101 - for mypy
                lines = server.process.stderr.read().splitlines()
        expect(code == 1 and len(lines) == 1, f"exit code {code}, {len(lines)} lines")
        seconds = time.perf_counter() - started
        return f"exit code 1 after {seconds:.1f} s: {lines[0].replace(str(port), 'PORT')}"

    def _damage(self, name: str) -> Path:
        """Return a copy of the run whose model is damaged."""
        path = self.folder / name
        shutil.copytree(self.run, path, dirs_exist_ok=True)
        model = next(path.glob("model.[ks]*"))
        model.write_bytes(model.read_bytes()[:-1_000])
        return path


@dataclass
class Load:
    """Clients that ask one request after the other, and how many got a response.

    A request is lost if the connection was accepted, the request was sent, and no response came.
    """

    server: Server
    n_answered: int = 0
    n_lost: int = 0
    is_ended: bool = False

    async def keep_asking(self) -> None:
        """Send requests on one connection, and open another one when the server closes it."""
        with contextlib.suppress(OSError):  # The server does not listen any more.
            while not self.is_ended:
                async with self.server.connected() as client:
                    while not self.is_ended and await self._ask(client):
                        pass

    async def ask_anew(self) -> None:
        """Send each request on a new connection."""
        with contextlib.suppress(OSError):
            while not self.is_ended:
                async with self.server.connected() as client:
                    await self._ask(client)

    async def _ask(self, client: Client) -> bool:
        """Send a request; return whether the connection may be used again."""
        await client.send(make_request(make_body()))
        response = await client.read()
        if response is None:
            self.n_lost += 1
            return False
        expect(response.status == 200, f"status {response.status} under load")
        self.n_answered += 1
        return response.headers.get("connection") != "close"


def make_bad_body(rng: random.Random) -> bytes:
    """Return a body that is probably malformed."""
    body = bytearray(make_body(TEXT, "second"))
    kind = rng.randrange(6)
    if kind == 0:
        return rng.randbytes(rng.randrange(200))
    if kind == 1:
        return bytes(body[: rng.randrange(len(body))])
    if kind == 2:
        body[rng.randrange(len(body))] = rng.randrange(256)
        return bytes(body)
    if kind == 3:
        return b'{"instances": ' + make_json(rng, 3).encode("utf-8", "surrogatepass") + b"}"
    if kind == 4:
        opening = rng.choice([b"[", b'{"a":', b'{"instances":['])
        return opening * rng.choice([10, 1_000, 100_000])
    return make_json(rng, 4).encode("utf-8", "surrogatepass")


def make_json(rng: random.Random, depth: int) -> str:
    """Return a value that is JSON, or nearly."""
    if depth and rng.random() < 0.5:
        parts = [make_json(rng, depth - 1) for _ in range(rng.randrange(4))]
        if rng.random() < 0.5:
            return f"[{', '.join(parts)}]"
        return (
            "{" + ", ".join(f'"{rng.choice(["a", "instances"])}": {part}' for part in parts) + "}"
        )
    texts = ('"a"', '""', '" "', '"\\ud800"', '"\ud800"', '"\\u0000"', '"\n"', "'a'", '"\u202e"')
    others = ("null", "true", "1", "-0", "1e999", "NaN", "Infinity", "9" * 5_000, "01", "")
    return rng.choice([*texts, *others])


def make_bad_head(rng: random.Random) -> bytes:
    """Return the head of a request that is probably malformed."""
    body = make_body()
    head = make_request(body)
    kind = rng.randrange(6)
    if kind == 0:
        return rng.randbytes(rng.randrange(1, 300)) + b"\r\n\r\n"
    if kind == 1:
        changed = bytearray(head)
        changed[rng.randrange(len(head) - len(body))] = rng.randrange(256)
        return bytes(changed)
    lines = (
        "Content-Length: -1",
        "Content-Length: 5, 6",
        "Content-Length: 99999999999999999999",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: gzip, chunked",
        "Host: evil.example",
        "Content-Type: text/html",
        "Content-Encoding: br",
        "Expect: 100-continue",
        "Upgrade: websocket\r\nConnection: upgrade",
        "Name with space: x",
        "X: \x00",
    )
    if kind == 2:
        return make_request(body, rng.choice(lines))
    if kind == 3:
        return head.replace(b"HTTP/1.1", rng.choice([b"HTTP/9.9", b"HTTP/1.0", b"", b"FTP/1.1"]))
    if kind == 4:
        return head.replace(b"POST", rng.choice([b"GET", b"TRACE", b"CONNECT", b"\xff", b"P" * 99]))
    path = rng.choice(["/%00", "/" + "a" * 70_000, "/%ff:predict", "*", "http://x/y", "/..//../"])
    return make_request(body, path=path)


async def send_forever(client: Client) -> None:
    """Send parts of a chunked body until the connection is closed."""
    part = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    while True:
        await client.send(part)
        await asyncio.sleep(0)


async def trickle(server: Server, start: bytes) -> str:
    """Send a start and then a byte now and then; return how it ended."""
    async with server.connected() as client:
        await client.send(start)
        reading = asyncio.ensure_future(client.read())
        while not reading.done():
            await client.send(b"x")
            await asyncio.wait([reading], timeout=0.2)
        response = reading.result()
    return str(response.status) if response else "closed"


async def measure(server: Server) -> float:
    """Return the mean seconds of a request."""
    seconds = [await server.expect_service() for _ in range(30)]
    return sum(seconds) / len(seconds)


async def is_ready(server: Server) -> bool:
    """Return whether all models are ready."""
    return (await server.get("/healthz")).status == 200


async def has_loads(server: Server, result: str, n: int) -> bool:
    """Return whether models were loaded ``n`` times with a result."""
    line = f'textclf_model_loads_total{{model="m",result="{result}"}} {n}.0'
    return line in (await server.get("/metrics")).body.decode()


async def wait_until(condition: Callable[[], Awaitable[bool]], problem: str) -> None:
    """Wait until a condition is true; CheckError after a while."""
    for _ in range(300):
        if await condition():
            return
        await asyncio.sleep(0.2)
    raise CheckError(problem)


def main() -> None:
    """Print a line for each check, and exit with 1 if one failed."""
    names = [
        name
        for name, check in vars(Checks).items()
        if asyncio.iscoroutinefunction(check) and not name.startswith("_")
    ]
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("run", type=Path, nargs="?", help="Run directory.")
    parser.add_argument("--requests", type=int, default=1_000, help="Malformed requests.")
    parser.add_argument("--only", choices=names, help="Only one check.")
    options = parser.parse_args()
    has_failed = False
    with tempfile.TemporaryDirectory(prefix="textclf-") as folder:
        run = options.run
        if run is None:
            run = Path(folder) / "run"
            subprocess.run([COMMAND, *TRAIN.split(), run], check=True, stdout=subprocess.DEVNULL)
        run = textclf.load_run(run).path  # It may be a folder that contains one run.
        checks = Checks(run, Path(folder), options.requests)
        for name in [options.only] if options.only else names:
            try:
                result = asyncio.run(getattr(checks, name)())
            except CheckError as error:
                has_failed, result = True, f"FAILED: {error}"
            print(f"{name.replace('_', ' ')}: {result}", flush=True)
    sys.exit(has_failed)


if __name__ == "__main__":
    main()
