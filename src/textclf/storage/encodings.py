"""Reads text in an encoding, and suggests another one if the bytes are not in it."""

import codecs
import contextlib
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TextIO

from textclf.errors import DataError, DataRequestError, RequestError
from textclf.storage.limits import TEXT, longest_row

MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Encodings by their byte-order marks; the longer marks are first, because two begin alike."""

WESTERN = frozenset(
    "àáâãäåæçèéêëìíîïñòóôõöøœùúûüýÿßÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØŒÙÚÛÜŸ“”‘’‚„–—…€£§°©®™«»•·¡¿ªº´\xa0"  # noqa: RUF001
)
"""Characters outside ASCII that are frequent in the languages for which cp1252 is used."""

OTHERS = (
    *("cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "koi8_r"),
    *("cp932", "euc_jp", "gb18030", "big5", "cp949", "mac_roman"),
)
"""Encodings in which tables are found today, besides UTF-8 and cp1252."""

CHUNK_BYTES = 1_000_000
"""How much of a stream is decoded at once."""

SAMPLE_BYTES = 100_000
"""How much an encoding is guessed from."""


def find_codec(encoding: str, head: bytes) -> str:
    """Return the codec to read a file with.

    Args:
        encoding: What is asked for; a byte-order mark has precedence.
        head: First bytes of the file, four or more.

    Raises:
        RequestError: The encoding does not exist.
    """
    try:
        name = codecs.lookup(encoding).name
        "".encode(encoding)  # Some codecs, such as rot13 and undefined, encode no text.
    except (LookupError, ValueError) as error:
        raise RequestError(
            f"dataset.encoding: unknown encoding {encoding!r}; use a name such as utf-8 or cp1252"
        ) from error
    marked = next((known for mark, known in MARKS.items() if head.startswith(mark)), None)
    return marked or ("utf-8-sig" if name == "utf-8" else encoding)


@contextlib.contextmanager
def open_text(file: IO[bytes], encoding: str, path: Path) -> Iterator[io.TextIOWrapper]:
    """Yield the text of a file, without its byte-order mark, and with its line ends.

    Args:
        file: Open file.
        encoding: Its encoding, unless a byte-order mark says otherwise.
        path: Path for messages.

    Raises:
        RequestError: The encoding does not exist.
        DataError: The file is not in this encoding, also if the block finds that.
    """
    head = file.read(100)
    file.seek(0)
    codec = find_codec(encoding, head)
    _refuse_zeros(head, codec, str(path))
    with io.TextIOWrapper(file, codec, newline="") as text:
        try:
            yield text
        except UnicodeError as error:
            file.seek(0)
            raise _explain(file, codec, path) from error


def _refuse_zeros(head: bytes, codec: str, origin: str) -> None:
    """Raise DataError if the first 100 bytes of UTF-8 are probably UTF-16 without its mark."""
    if head.count(0) > len(head) / 4 and codec == "utf-8-sig":
        likely = "utf-16-be" if head.startswith(b"\0") else "utf-16-le"
        raise DataError(f"{origin} is not utf-8; try --set dataset.encoding={likely}")


def split_lines(stream: IO[bytes], encoding: str, origin: str) -> Iterator[str]:
    """Yield the lines of a stream, which end in a line feed only, without their ends.

    Args:
        stream: Open file, or standard input, which is read once.
        encoding: Its encoding, unless a byte-order mark says otherwise.
        origin: What it is, for messages.

    Raises:
        RequestError: The encoding does not exist.
        DataRequestError: A line is not in this encoding.
        LimitError: A line would fill the memory.
    """
    chunk = stream.read(CHUNK_BYTES)
    codec = find_codec(encoding, chunk)
    _refuse_zeros(chunk[:100], codec, origin)
    decoder, longest = codecs.getincrementaldecoder(codec)(), longest_row()
    n_lines, rest, is_last = 0, "", False
    while not is_last:
        is_last = not chunk
        try:
            rest += decoder.decode(chunk, is_last)
        except UnicodeError as error:
            number = n_lines + rest.count("\n") + 1
            if isinstance(error, UnicodeDecodeError):  # Not if UTF-16 lacks a byte-order mark.
                number += error.object[: error.start].count(b"\n")
            raise DataRequestError(
                f"line {number} of {origin} is not {name_codec(codec).upper()}; correct it, or add"
                " --set dataset.encoding=NAME, such as cp1252 or utf-16-le"
            ) from error
        *lines, rest = rest.split("\n")
        for line in lines:
            yield line.removesuffix("\r")
        n_lines += len(lines)
        if len(rest) > longest:
            TEXT.check(longest, f"line {n_lines + 1} of {origin}")
        chunk = b"" if is_last else stream.read(CHUNK_BYTES)
    if rest:
        yield rest


def read_lines(path: Path, text: TextIO) -> Iterator[str]:
    """Yield lines, and raise LimitError for one that would fill the memory."""
    longest = longest_row()
    number = 0
    while line := text.readline(longest):
        number += 1
        if len(line) == longest:
            TEXT.check(longest, f"{path} line {number}")
        yield line


def name_codec(codec: str) -> str:
    """Return the name of a codec for people."""
    return codec.removesuffix("-sig")


def _explain(lines: Iterable[bytes], codec: str, path: Path) -> DataError:
    """Return the error for a file that is not in an encoding: the line, and what may help."""
    codec = codec.removesuffix("-sig")
    if codecs.lookup(codec).name == "utf-16":  # Its lines cannot be found.
        return DataError(
            f"{path} is not utf-16; give another dataset.encoding, such as utf-16-le, or restore"
            " the file"
        )
    first, invalid, n_valid = 0, b"", 0
    for number, line in enumerate(lines, start=1):
        try:
            line.decode(codec)
        except UnicodeError:
            first, invalid = first or number, invalid + line
        else:
            n_valid += not line.isascii()
        if len(invalid) > SAMPLE_BYTES:
            break
    where = f"{path} line {first} is not {codec}"
    if not (likely := _guess_encodings(invalid)):
        return DataError(f"{where}; give another dataset.encoding, or restore the file")
    text = invalid.splitlines()[0].decode(likely[0], "replace")
    first_other = next((i for i, char in enumerate(text) if not char.isascii()), 0)
    begin = max(0, first_other - 20)
    # With the next word, unless the word that is cut contains the character.
    start = text.find(" ", begin, first_other) + 1 or begin if begin else 0
    shown = text[start : begin + 40].strip()
    if n_valid:  # Another encoding would damage them.
        return DataError(f"{where}, unlike other lines; correct it, perhaps to {shown!r}")
    others = f" (or {', '.join(likely[1:])})" if likely[1:] else ""
    return DataError(
        f"{where}; if it should contain {shown!r}, add --set dataset.encoding={likely[0]}{others}"
    )


def _guess_encodings(content: bytes) -> list[str]:
    """Return the likely encodings of lines that are not UTF-8.

    The user has to confirm them, because short texts are often valid in several encodings.
    """
    from charset_normalizer import from_bytes

    with contextlib.suppress(UnicodeDecodeError):
        return ["utf-8"] if content.decode("utf-8") else []
    others = [char for char in content.decode("cp1252", "replace") if not char.isascii()]
    # charset-normalizer alone prefers cp1250 and code pages of DOS for Western texts.
    if others and set(others) <= WESTERN and len(others) <= len(content) / 3:
        return ["cp1252"]
    matches = from_bytes(content, cp_isolation=list(OTHERS))
    return [match.encoding.replace("_", "-") for match in matches][:3]
