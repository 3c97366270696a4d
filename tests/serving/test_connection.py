"""Connections of a real server in this process: slow and idle clients, and the end."""

import asyncio
import gc
import json
import socket
import sys

import pytest

from textclf.serving import app, connection
from textclf.serving.options import ServerOptions

if sys.platform == "win32":
    pytest.skip("textclf serve needs Linux or macOS", allow_module_level=True)

from textclf.serving import server as module

TIMES = ServerOptions(receive_seconds=0.1, shutdown_seconds=5)
BODY = b'{"instances": ["a text"]}'
HEAD = (
    b"POST /v1/models/cnn:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
    + str(len(BODY)).encode()
    + b"\r\n\r\n"
)


@pytest.fixture
def run(serve, monkeypatch):
    """Return a function that runs ``use(open, running)`` against a server at a port.

    ``open()`` connects, and ``running`` is the server; its classifier is ``running.classifier``.
    """
    monkeypatch.setattr(connection, "DRAIN_SECONDS", 0.3)

    def run(use, options=TIMES):
        made, writers = serve(options=options), []

        async def main():
            with module._bind("127.0.0.1", 0) as listener:
                port, started = listener.getsockname()[1], asyncio.Event()
                config = module._configure(made.client.app, options)
                running = module._Server(config, started.set, made.models.reload)
                running.classifier = made.classifiers["cnn"]
                running.find_statuses = lambda: [
                    line["status"] for line in made.log.find("request")
                ]
                task = asyncio.ensure_future(running.serve([listener]))
                await started.wait()

                async def open_connection():
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                    writers.append(writer)
                    return reader, writer

                try:
                    return await use(open_connection, running)
                finally:
                    running.classifier.is_free.set()
                    for writer in writers:
                        writer.close()
                    running.should_exit = True
                    await asyncio.wait_for(task, 10)

        return asyncio.run(main())

    return run


async def read_response(reader):
    """Return the status, the head in lower case and the JSON content of a response."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.partition("content-length: ")[2].split()[0])
    return int(head.split()[1]), head, json.loads(await reader.readexactly(length))


@pytest.mark.parametrize("sent", [b"", b"GET / HT", HEAD[:-2]])
def test_a_head_that_does_not_arrive_ends_the_connection(run, sent):
    async def use(connect, running):
        reader, writer = await connect()
        writer.write(sent)
        return await asyncio.wait_for(reader.read(), 5)

    assert run(use) == b""


def test_a_second_head_that_does_not_arrive_ends_the_connection(run):
    async def use(connect, running):
        reader, writer = await connect()
        writer.write(HEAD + BODY)
        assert (await read_response(reader))[0] == 200
        writer.write(HEAD[:9])
        return await asyncio.wait_for(reader.read(), 5)

    assert run(use) == b""


def test_a_body_that_does_not_arrive_gives_408(run):
    async def use(connect, running):
        reader, writer = await connect()
        writer.write(HEAD + BODY[:5])
        status, head, content = await asyncio.wait_for(read_response(reader), 5)
        assert "connection: close" in head
        assert await reader.read() == b""
        return status, content

    assert run(use) == (408, {"error": "the body did not arrive within 0.1 seconds"})


def test_a_body_that_will_be_too_large_is_refused_before_it_arrives(run):
    async def use(connect, running):
        reader, writer = await connect()
        writer.write(HEAD.replace(b"25", b"4000001"))
        return (await asyncio.wait_for(read_response(reader), 5))[0]

    assert len(BODY) == 25
    assert run(use) == 413


def test_a_connection_is_kept_between_requests(run):
    async def use(connect, running):
        reader, writer = await connect()
        for _ in range(3):
            writer.write(HEAD + BODY)
            assert (await read_response(reader))[0] == 200
            await asyncio.sleep(0.06)  # Together longer than a head may take.

    run(use)


def test_requests_that_are_on_their_way_are_answered_when_the_server_stops(run):
    async def use(connect, running):
        running.classifier.is_free.clear()
        running.classifier.has_begun.clear()
        (reader, writer), (idle_reader, idle_writer) = await connect(), await connect()
        writer.write(HEAD + BODY)
        await asyncio.to_thread(running.classifier.has_begun.wait, 5)
        await running.on_tick(0)  # uvicorn's list of headers becomes another one.
        running._stop(15)
        while any(listening.is_serving() for listening in running.servers):
            await asyncio.sleep(0.01)
        with pytest.raises(ConnectionRefusedError):
            await connect()
        idle_writer.write(HEAD + BODY)
        await asyncio.sleep(0.4)  # Longer than an idle connection may take.
        running.classifier.is_free.set()
        first, second = await read_response(reader), await read_response(idle_reader)
        assert "connection: close" in first[1]
        assert "connection: close" in second[1]
        assert await reader.read() == b""
        assert await idle_reader.read() == b""
        return first[0], second[0]

    assert run(use, ServerOptions(shutdown_seconds=5)) == (200, 200)


def test_a_connection_that_only_the_system_has_accepted_is_answered(run):
    async def use(connect, running):
        clients, address = [], running.servers[0].sockets[0].getsockname()

        async def connect_and_stop(counter):  # The loop cannot accept the connection before.
            client = socket.create_connection(address)
            client.sendall(HEAD + BODY)
            clients.append(client)
            return True

        running.on_tick = connect_and_stop
        while not clients:
            await asyncio.sleep(0.01)
        with clients[0] as client:
            client.settimeout(5)
            return await asyncio.to_thread(client.recv, 1_000)

    assert run(use).startswith(b"HTTP/1.1 200 OK")


def test_a_request_that_takes_longer_than_the_shutdown_gets_503(run):
    async def use(connect, running):
        running.classifier.is_free.clear()
        running.classifier.has_begun.clear()
        reader, writer = await connect()
        writer.write(HEAD + BODY)
        await asyncio.to_thread(running.classifier.has_begun.wait, 5)
        running._stop(15)
        status, head, content = await asyncio.wait_for(read_response(reader), 3)
        assert "connection: close" in head
        return status, content

    expected = {"error": "the server is stopping"}
    assert run(use, ServerOptions(shutdown_seconds=0)) == (503, expected)


def test_a_second_signal_ends_the_server_at_once(run):
    async def use(connect, running):
        running.classifier.is_free.clear()
        running.classifier.has_begun.clear()
        reader, writer = await connect()
        writer.write(HEAD + BODY)
        await asyncio.to_thread(running.classifier.has_begun.wait, 5)
        running._stop(15)
        running._stop(15)
        assert await asyncio.wait_for(reader.read(), 3) == b""
        while not running.find_statuses():
            await asyncio.sleep(0.01)
        return running.find_statuses()

    assert run(use, ServerOptions(shutdown_seconds=5)) == [499]


def test_a_client_that_does_not_read_its_responses_is_cut_off(run, monkeypatch):
    monkeypatch.setattr(app, "describe", lambda options: {"text": "x" * 1_000_000})

    async def use(connect, running):
        _, writer = await connect()
        writer.transport.pause_reading()
        writer.write(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
        while not running.server_state.connections:
            await asyncio.sleep(0.01)
        [connection] = running.server_state.connections
        assert connection.transport.get_write_buffer_limits() == (0, 0)
        while running.server_state.connections:
            await asyncio.sleep(0.01)
        return len(running.find_statuses())

    assert run(use) < 20


def test_a_client_that_is_gone_is_not_answered(run, caplog):
    async def use(connect, running):
        running.classifier.is_free.clear()
        running.classifier.has_begun.clear()
        (_, first), (_, second) = await connect(), await connect()
        first.write(HEAD + BODY)
        await asyncio.to_thread(running.classifier.has_begun.wait, 5)
        second.write(HEAD + BODY)
        await second.drain()
        second.transport.abort()
        while not running.find_statuses():
            await asyncio.sleep(0.01)
        assert running.find_statuses() == [499]
        running.classifier.batches.clear()
        running.classifier.is_free.set()
        reader, third = await connect()
        third.write(HEAD + BODY)
        assert (await read_response(reader))[0] == 200
        return running.classifier.batches

    assert run(use) == [1, 1]  # The first and the third.
    gc.collect()
    assert caplog.records == []  # Such as that a future was never awaited.
