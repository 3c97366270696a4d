"""Texts in files, which may be larger than memory."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import overload

import numpy as np
import numpy.typing as npt

from textclf.errors import RequestError
from textclf.storage.arrays import ArrayWriter, IntArray, read_rows

BLOCK_SIZE = 1_000
"""Texts that are read at once."""


class StoredTexts(Sequence[str]):
    """Texts in a file; only those that are being read are in memory.

    Args:
        content: <uint8>[bytes], UTF-8 of all texts in the file; a whole numpy.memmap.
        ends: <int64>[texts], position in ``content`` where each text ends.
        positions: <int64>[n], which of the texts these are; None for all.
    """

    def __init__(
        self, content: npt.NDArray[np.uint8], ends: IntArray, positions: IntArray | None = None
    ) -> None:
        self.content = content
        self.ends = ends
        self._positions = np.arange(len(ends)) if positions is None else positions

    @classmethod
    def write(cls, texts: Iterable[str]) -> "StoredTexts":
        """Write texts to a temporary file; lone surrogates are kept.

        Raises:
            TextclfError: The disk is full.
        """
        iterator, total = iter(texts), 0
        with ArrayWriter(np.uint8) as content, ArrayWriter(np.int64) as ends:
            while block := [
                text.encode("utf-8", "surrogatepass") for text in islice(iterator, BLOCK_SIZE)
            ]:
                content.append(np.frombuffer(b"".join(block), np.uint8))
                ends.append(np.cumsum([total, *map(len, block)])[1:])
                total += sum(map(len, block))
            return cls(content.finish(), ends.finish())

    @property
    def is_whole(self) -> bool:
        """Whether these are all texts of the file, in order."""
        return np.array_equal(self._positions, np.arange(len(self.ends)))

    def __len__(self) -> int:
        return len(self._positions)

    @overload
    def __getitem__(self, position: int) -> str: ...
    @overload
    def __getitem__(self, position: slice) -> list[str]: ...
    def __getitem__(self, position: int | slice) -> str | list[str]:
        if isinstance(position, slice):
            return [_decode(text) for text in self.read(np.arange(len(self))[position])]
        return _decode(self.read(np.array([range(len(self))[position]]))[0])

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), BLOCK_SIZE):
            yield from self[start : start + BLOCK_SIZE]

    def take(self, positions: IntArray) -> "StoredTexts":
        """Return the texts at ``positions``, <int64>[n]."""
        return StoredTexts(self.content, self.ends, self._positions[positions])

    def read(self, positions: IntArray) -> list[bytes]:
        """Return the UTF-8 of the texts at ``positions``, <int64>[n]."""
        texts: list[bytes] = []
        taken = self._positions[positions]
        for start, stop in _find_runs(taken):
            first, last = int(taken[start]), int(taken[stop - 1])
            begin = int(self.ends[first - 1]) if first else 0
            content = read_rows(self.content, slice(begin, int(self.ends[last]))).tobytes()
            cuts = (self.ends[first : last + 1] - begin).tolist()
            texts += [content[a:b] for a, b in zip([0, *cuts], cuts, strict=False)]
        return texts


def list_texts(texts: Iterable[str]) -> Sequence[str]:
    """Return texts that a model classifies as a sequence.

    Raises:
        RequestError: It is one text, or contains something else than texts.
    """
    if isinstance(texts, StoredTexts):
        return texts
    if isinstance(texts, str):
        raise RequestError("expected a list of texts, got one text: write [text]")
    if isinstance(texts, bytes) or not isinstance(texts, Iterable):
        raise RequestError(f"expected a list of texts, got {type(texts).__name__}: {texts!r:.40}")
    listed = list(texts)
    for text in listed:
        if not isinstance(text, str):
            raise RequestError(f"expected texts, got {type(text).__name__}: {text!r:.40}")
    return listed


def _decode(text: bytes) -> str:
    return text.decode("utf-8", "surrogatepass")


def _find_runs(positions: IntArray) -> Iterator[tuple[int, int]]:
    """Yield the start and stop of each run of consecutive positions."""
    starts = np.flatnonzero(np.diff(positions, prepend=-2) != 1).tolist()
    return zip(starts, [*starts[1:], len(positions)], strict=True)
