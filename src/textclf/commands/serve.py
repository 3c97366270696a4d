"""Serve models over HTTP."""

import re
import sys
from pathlib import Path
from typing import Any

import click

from textclf.commands._options import device_option, quiet_option, trust_code_option
from textclf.errors import RequestError, format_install, format_list
from textclf.storage.limits import MEGABYTE

NAMED = re.compile(r"([^=]*)=(.+)", re.DOTALL)


def _split_names(ctx: Any, param: Any, values: tuple[str, ...]) -> list[tuple[str | None, Path]]:
    """Return the name, or None, and the path of each run."""
    if not all(values):
        raise click.BadParameter("the path is empty", ctx, param)
    return [
        (named[1], Path(named[2]))
        if (named := NAMED.fullmatch(value)) and not Path(value).exists()
        else (None, Path(value))
        for value in values
    ]


POSITIVE = click.IntRange(1)


def _count_bytes(ctx: Any, param: Any, megabytes: float) -> int:  # noqa: ARG001
    return int(megabytes * MEGABYTE)


def _check_token(ctx: Any, param: Any, token: str | None) -> str | None:
    """Refuse a token that a header cannot have."""
    if token is not None and not (token and token.isascii() and token.isprintable()):
        problem = "the token is empty, or contains characters other than visible ASCII"
        raise click.BadParameter(problem, ctx, param)
    return token


@click.command(name="serve")
@click.argument("runs", metavar="[NAME=]RUN...", callback=_split_names, nargs=-1, required=True)
@click.option("--host", default="127.0.0.1", help="Address to listen on; 0.0.0.0 for all.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=8501, help="Port to listen on; 0 for any."
)
@click.option(
    "--token",
    callback=_check_token,
    envvar="TEXTCLF_TOKEN",
    show_envvar=True,
    metavar="TOKEN",
    help="Refuse requests without the header 'Authorization: Bearer TOKEN'. Other users may see"
    " the options of a process, but not its environment.",
)
@click.option(
    "--max-body-mb",
    "max_body_bytes",
    callback=_count_bytes,
    type=click.FloatRange(0, min_open=True),
    default=4,
    help="Maximum size of the body of a request, in megabytes.",
)
@click.option(
    "--max-texts", type=POSITIVE, default=256, help="Maximum number of texts per request."
)
@click.option(
    "--max-characters",
    type=POSITIVE,
    default=100_000,
    help="Maximum number of characters per text.",
)
@click.option(
    "--max-queue",
    type=POSITIVE,
    default=1_024,
    help="Maximum number of texts waiting for a model; further requests get status 503.",
)
@click.option(
    "--receive-timeout",
    "receive_seconds",
    type=POSITIVE,
    default=10,
    help="Seconds within which a request must arrive.",
)
@click.option(
    "--request-timeout",
    "request_seconds",
    type=POSITIVE,
    default=30,
    help="Seconds after which a request gets status 503.",
)
@click.option(
    "--shutdown-timeout",
    "shutdown_seconds",
    type=POSITIVE,
    default=30,
    help="Seconds to finish accepted requests after SIGTERM or Ctrl-C.",
)
@click.option("--log-texts", is_flag=True, help="Also write the texts of requests to the log.")
@trust_code_option
@device_option
@quiet_option
def command(
    runs: list[tuple[str | None, Path]],
    host: str,
    port: int,
    trust_code: bool,
    device: str,
    quiet: bool,
    **named: Any,
) -> None:
    """Serve models over HTTP, with a page to try them.

    The protocol is that of TensorFlow Serving and KServe (V1): POST /v1/models/NAME:predict and
    :explain. NAME is the model, such as cnn, with the dataset if two runs have the same model.

    The log, JSON lines on standard error, contains no texts. SIGTERM ends the server after the
    accepted requests, and SIGHUP loads the runs again; see docs/how-to/deploy.md.

    \b
    Example: textclf serve runs/bbc/cnn
    Example: textclf serve news=runs/bbc/cnn reviews=runs/imdb/hub --port 8080
    """
    if sys.platform == "win32":
        raise RequestError(
            "textclf serve needs Linux or macOS, whose signals stop and reload it; on Windows, use"
            " WSL or the image of docs/how-to/deploy.md"
        )
    try:
        from textclf.serving.options import ServerOptions
        from textclf.serving.server import serve
    except ImportError as error:
        raise RequestError(
            "serving needs Starlette, uvicorn and prometheus-client:"
            f" {format_install('serve')} ({error})"
        ) from error

    options = ServerOptions(**named)
    if options.max_queue < options.max_texts:
        raise RequestError(
            f"--max-queue {options.max_queue} is less than --max-texts {options.max_texts}: a whole"
            " request must fit into the queue"
        )

    def report_start(url: str, names: list[str]) -> None:
        if not quiet:
            click.echo(f"serving {format_list(names, 10)} at {url} (Ctrl-C ends it)")

    serve(
        runs,
        options,
        host=host,
        port=port,
        device=device,
        trust_code=trust_code,
        on_start=report_start,
    )
