"""A log of JSON lines, which never delays or fails a request."""

import datetime
import json
import logging
import os
import queue
import threading
from typing import Any

from textclf.serving.worker import locate

MAX_BYTES = 10_000_000
"""Size of the lines that wait to be written; further lines are dropped."""

CLOSE_SECONDS = 2


class JsonLog:
    """Writes JSON lines to a file descriptor, in a thread of its own.

    A slow reader, a full disk or a closed pipe costs lines, not requests; the next line that can be
    written says how many.
    """

    def __init__(self, descriptor: int = 2) -> None:
        self._descriptor = descriptor
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._n_bytes = self._n_dropped = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def write(self, level: str, event: str, **fields: Any) -> None:
        """Add a line; fields that are None are left out."""
        given = {key: value for key, value in fields.items() if value is not None}
        content = {"time": _now(), "level": level, "event": event, **given}
        line = json.dumps(content, ensure_ascii=True, default=str).encode() + b"\n"
        with self._lock:
            if self._n_bytes >= MAX_BYTES:
                self._n_dropped += 1
                return
            self._n_bytes += len(line)
        self._lines.put(line)

    def close(self) -> None:
        """Write what waits, unless that takes long."""
        self._lines.put(None)
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            with self._lock:
                self._n_bytes -= len(line)
                n_dropped, self._n_dropped = self._n_dropped, 0
            if n_dropped:
                fields = {"time": _now(), "level": "warning", "event": "log_lines_dropped"}
                line = json.dumps({**fields, "n": n_dropped}).encode() + b"\n" + line
            try:
                _write_all(self._descriptor, line)
            except OSError:
                with self._lock:
                    self._n_dropped += n_dropped + 1


def _write_all(descriptor: int, line: bytes) -> None:
    while line:
        line = line[os.write(descriptor, line) :]


def _now() -> str:
    """Return the time in UTC, with milliseconds."""
    now = datetime.datetime.now(datetime.UTC)
    return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class LibraryHandler(logging.Handler):
    """Adds the warnings of uvicorn and asyncio to a log, without the messages of exceptions.

    Further lines of a message are left out, because they may quote one.
    """

    def __init__(self, log: JsonLog) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Add a line."""
        error = record.exc_info[1] if record.exc_info else None
        self._log.write(
            record.levelname.lower(),
            record.name,
            message=record.getMessage().strip().partition("\n")[0],
            error=locate(error) if error else None,
        )
