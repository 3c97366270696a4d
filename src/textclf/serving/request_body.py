"""Reads the texts of a request: what is refused, and why."""

import asyncio
import gc
import json
from typing import Any, NoReturn

from starlette.exceptions import HTTPException
from starlette.requests import Request

from textclf.errors import format_count
from textclf.experiment.predict import find_problem
from textclf.serving.options import ServerOptions
from textclf.storage.limits import MEGABYTE

MEDIA_TYPES = {"", "application/json", "application/x-www-form-urlencoded"}
"""Types of a body; the last is what ``curl -d`` sends."""

EXPECTED = '{"instances": ["a text", ...]}'


async def read_body(request: Request, options: ServerOptions) -> bytes:
    """Return the body of a request.

    Raises:
        HTTPException: It has another type than JSON, is too large, or arrives too slowly.
        ClientDisconnect: The client disconnected.
    """
    headers = request.headers
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in MEDIA_TYPES or headers.get("content-encoding", "identity") != "identity":
        raise HTTPException(415, "expected a body of type application/json, not compressed")
    if int(headers.get("content-length", 0)) > options.max_body_bytes:
        _refuse_size(options)
    body = bytearray()
    try:
        async with asyncio.timeout(options.receive_seconds):
            async for part in request.stream():
                body += part
                if len(body) > options.max_body_bytes:
                    _refuse_size(options)
    except TimeoutError:
        problem = f"the body did not arrive within {options.receive_seconds:g} seconds"
        raise HTTPException(408, problem, {"Connection": "close"}) from None
    return bytes(body)


def _refuse_size(options: ServerOptions) -> NoReturn:
    limit = options.max_body_bytes / MEGABYTE
    raise HTTPException(413, f"the body is larger than the limit of {limit:,g} MB")


def parse_texts(body: bytes, *, max_texts: int, max_characters: int) -> list[str]:
    """Return the texts of a body, which all can be classified.

    Raises:
        HTTPException: The body is not JSON of the expected form, a text cannot be classified, or
            there are too many or too long texts.
    """
    instances = _parse(body)
    if len(instances) > max_texts:
        n_texts = format_count(len(instances), "text")
        raise HTTPException(413, f"the request has {n_texts}; the limit is {max_texts:,}")
    for number, text in enumerate(instances, start=1):
        if problem := find_problem(text):
            raise HTTPException(400, f"instance {number:,} is {problem}")
        if len(text) > max_characters:
            n_characters = format_count(len(text), "character")
            limit = f"the limit is {max_characters:,}"
            raise HTTPException(413, f"instance {number:,} has {n_characters}; {limit}")
    return instances


def _parse(body: bytes) -> list[Any]:
    """Return the instances of a body."""
    # The search for cycles among the values of a hostile body would take 20 times as long as it.
    gc.disable()
    try:
        content = _DECODER.decode(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise HTTPException(400, f"the body is not UTF-8 at byte {error.start:,}") from None
    except RecursionError:
        raise HTTPException(400, "the body is nested too deeply") from None
    except ValueError as error:
        raise HTTPException(400, f"the body is not JSON: {error}") from None
    finally:
        gc.enable()
    instances = content.get("instances") if isinstance(content, dict) else None
    if not isinstance(instances, list) or not instances:
        raise HTTPException(400, f"expected {EXPECTED}")
    return instances


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not valid in JSON")


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("an object has the same key twice")
    return content


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_refuse_duplicates)
