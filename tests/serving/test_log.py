"""The log: lines, and what happens if they cannot be written."""

import contextlib
import json
import logging
import os

import pytest

from textclf.serving.log import JsonLog, LibraryHandler


@pytest.fixture
def pipe():
    """A pipe, closed at the end; return how to read and to write."""
    reader, writer = os.pipe()
    yield reader, writer
    for descriptor in (reader, writer):
        with contextlib.suppress(OSError):
            os.close(descriptor)


def read_lines(reader):
    return [json.loads(line) for line in os.read(reader, 1_000_000).splitlines()]


def test_lines_are_json_without_empty_fields(pipe):
    reader, writer = pipe
    log = JsonLog(writer)
    log.write("info", "request", status=200, error=None, texts=["\n\u00e9"])
    log.close()
    [line] = read_lines(reader)
    assert line.pop("time").endswith("Z")
    assert line == {"level": "info", "event": "request", "status": 200, "texts": ["\n\u00e9"]}


def test_a_closed_pipe_costs_lines_only(pipe):
    reader, writer = pipe
    os.close(reader)
    log = JsonLog(writer)
    for _ in range(3):
        log.write("info", "request")
    log.close()
    assert log._n_dropped == 3


def test_a_pipe_that_nobody_reads_delays_nothing(pipe, monkeypatch):
    monkeypatch.setattr("textclf.serving.log.MAX_BYTES", 50_000)
    monkeypatch.setattr("textclf.serving.log.CLOSE_SECONDS", 0.05)
    reader, writer = pipe
    log = JsonLog(writer)
    while not log._n_dropped:  # The pipe and the queue are full.
        log.write("info", "request", text="x" * 10_000)
    log.close()
    os.close(reader)  # So that the thread ends.
    log._thread.join(5)
    assert not log._thread.is_alive()


def test_the_next_line_says_how_many_are_missing(pipe):
    reader, writer = pipe
    log = JsonLog(writer)
    log._n_dropped = 7
    log.write("info", "request")
    log.close()
    first, second = read_lines(reader)
    assert (first["event"], first["n"], second["event"]) == ("log_lines_dropped", 7, "request")
    assert log._n_dropped == 0


def test_errors_of_libraries_are_logged_without_their_messages(pipe):
    reader, writer = pipe
    log = JsonLog(writer)
    logger = logging.Logger("uvicorn.error")
    logger.addHandler(LibraryHandler(log))
    try:
        raise ValueError("a secret text")
    except ValueError:
        logger.exception("Exception in ASGI application\n")
    logger.info("started")
    logger.warning("Task failed\nfuture: ValueError('a secret text')")
    log.close()
    line, other = read_lines(reader)
    assert other["message"] == "Task failed"
    assert line["level"] == "error"
    assert line["message"] == "Exception in ASGI application"
    assert line["error"].startswith("ValueError at ")
