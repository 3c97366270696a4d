"""What a server accepts, and how long it waits."""

from dataclasses import dataclass, field

MAX_BATCH = 64
"""Texts that are predicted at once, unless one request has more."""

MAX_EXPLAINED_TEXTS = 8
MAX_EXPLAINED_CHARACTERS = 10_000
"""Texts of a request to explain, and characters of each: an explanation by occlusion predicts the
text once without each of its words."""

MAX_EXPLANATION_QUEUE = 64
"""Texts that wait to be explained."""

IDLE_SECONDS = 60
"""After which a connection between two requests is closed; more than clients and proxies wait."""

RETRY_SECONDS = 1
"""After which a client may send a request again that was refused because of a full queue."""


@dataclass(frozen=True)
class ServerOptions:
    """Options of a server.

    Attributes:
        max_body_bytes: Largest body of a request.
        max_texts: Most texts of a request.
        max_characters: Most characters of a text.
        max_queue: Most texts that wait for the predictions of a model.
        receive_seconds: Time in which the head of a request must arrive, and then its body.
        request_seconds: Time after which a request is answered with 503.
        shutdown_seconds: Time for accepted requests after SIGTERM.
        token: Token that requests must have; None accepts all.
        log_texts: Whether the log contains the texts.
    """

    max_body_bytes: int = 4_000_000
    max_texts: int = 256
    max_characters: int = 100_000
    max_queue: int = 1_024
    receive_seconds: float = 10
    request_seconds: float = 30
    shutdown_seconds: int = 30
    token: str | None = field(default=None, repr=False)
    log_texts: bool = False
