"""A connection of uvicorn that does not wait forever for a client."""

import asyncio
from typing import Any

from uvicorn.protocols.http.flow_control import CLOSE_HEADER
from uvicorn.protocols.http.h11_impl import H11Protocol

DRAIN_SECONDS = 1
"""Time in which a connection without a request may send one after the server began to stop."""


class Connection(H11Protocol):
    """Closes a connection that does not send the head of a request, or read a response, in time.

    While the server stops, a request that is already on its way is answered, too.
    """

    receive_seconds: float = 10
    _head_timer: asyncio.TimerHandle | None = None
    _write_timer: asyncio.TimerHandle | None = None

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def _is_stopping(self) -> bool:
        return CLOSE_HEADER in self.server_state.default_headers

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a request."""
        super().connection_made(transport)
        # So that `pause_writing` is called for any part of a response that waits for the client.
        transport.set_write_buffer_limits(0)
        self._watch_head()
        if self._is_stopping:
            self.shutdown()

    def data_received(self, data: bytes) -> None:
        """Take a part of a request; uvicorn itself closes idle connections after a response."""
        super().data_received(data)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all timers."""
        super().connection_lost(exc)
        for timer in (self._head_timer, self._write_timer):
            if timer:
                timer.cancel()

    def pause_writing(self) -> None:
        """Begin to wait until the client reads the response."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(self.receive_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Write the rest of a response."""
        super().resume_writing()
        if self._write_timer:
            self._write_timer.cancel()

    def shutdown(self) -> None:
        """Close the connection: after its response, or if no request comes."""
        if self._is_answering:
            # uvicorn makes new headers each second; a response must not have those of before,
            # because its client would send another request.
            self.cycle.default_headers = self.server_state.default_headers
            super().shutdown()
        else:
            self.loop.call_later(DRAIN_SECONDS, self._close_idle)

    def _watch_head(self) -> None:
        """Start the timer of a request whose head is not complete, and stop it otherwise."""
        if self._is_answering and self._head_timer:
            self._head_timer.cancel()
            self._head_timer = None
        elif not self._is_answering and not self._head_timer:
            self._head_timer = self.loop.call_later(self.receive_seconds, self._close_idle)

    def _close_idle(self) -> None:
        if not self._is_answering:
            self.transport.close()
