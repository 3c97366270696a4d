"""Looks up pretrained vectors of the words of a vocabulary, for the embedding of a network."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from textclf.errors import EmbeddingError
from textclf.hub.handles import GLOVE, check_digest, find_digest, find_file, resolve
from textclf.hub.text_embedding import TextEmbedding
from textclf.hub.word_vectors import TOKENS_FILE, Chunk, Vectors, read_file, read_glove
from textclf.text.tokens import normalize_text

BATCH_SIZE = 1_024


def find_dim(source: str, digest: str | None) -> int:
    """Return how many numbers a vector has.

    Args:
        source: ``glove``, a file of word vectors, or the handle of a text embedding.
        digest: Checksum that the file or folder must have; None if it may have any.

    Raises:
        EmbeddingError: The vectors cannot be found or read, or have another checksum.
    """
    # Its error suggests a file, unlike that of resolve.
    find_digest(source, None, may_be_file=True)
    path = _locate(source)
    if path is None:
        return int(next(read_glove())[1].shape[1])
    check_digest(path, digest)
    if path.is_dir():
        return TextEmbedding(path).dim
    for _, matrix in read_file(path):
        return int(matrix.shape[1])
    raise EmbeddingError(f"{path} has no words: expected lines with a word and its numbers")


def look_up(source: str, vocabulary: Sequence[str]) -> Vectors:
    """Return the vectors of the words of a vocabulary that have one.

    Words of a file or of ``glove`` are normalized like texts; a word that is already in the
    vocabulary takes precedence over one that is only equal after it was normalized, and the first
    of several equal ones is used. A text embedding is applied to each word, and the words that it
    knows are those of its ``assets/tokens.txt``; without that file, those whose vector is not zero.

    Args:
        source: ``glove``, a file of word vectors, or the handle of a text embedding.
        vocabulary: Tokens.

    Raises:
        EmbeddingError: The vectors cannot be found or read.
    """
    path = _locate(source)
    if path is not None and path.is_dir():
        return _embed(path, vocabulary)
    known = frozenset(vocabulary)
    chunks = (
        read_glove()
        if path is None
        else read_file(path, lambda word: _normalize(word, known) in known)
    )
    found: dict[str, npt.NDArray[np.float32]] = {}
    exact: set[str] = set()
    for word, vector in _list_pairs(chunks):
        token = _normalize(word, known)
        if token in known and (token not in found or (word == token and token not in exact)):
            found[token] = vector
            if word == token:
                exact.add(token)
    return _stack(found)


def _locate(source: str) -> Path | None:
    """Return the file or the folder of vectors; None for ``glove``."""
    return None if source == GLOVE else find_file(source) or resolve(source)


def _normalize(word: str, known: frozenset[str]) -> str:
    return word if word in known else normalize_text(word).lower()


def _list_pairs(chunks: Iterable[Chunk]) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    for words, matrix in chunks:
        yield from zip(words, matrix, strict=True)


def _embed(folder: Path, vocabulary: Sequence[str]) -> Vectors:
    """Return the vectors that a text embedding returns for single words."""
    embed = TextEmbedding(folder).functions[False]
    tokens_path = folder / "assets" / TOKENS_FILE
    words = list(vocabulary)
    if has_tokens := tokens_path.is_file():
        tokens = frozenset(tokens_path.read_bytes().splitlines())
        words = [word for word in words if word.encode() in tokens]
    found: dict[str, npt.NDArray[np.float32]] = {}
    for start in range(0, len(words), BATCH_SIZE):
        batch = words[start : start + BATCH_SIZE]
        vectors = zip(batch, embed(tf.constant(batch)).numpy(), strict=True)
        found |= {word: vector for word, vector in vectors if has_tokens or vector.any()}
    return _stack(found)


def _stack(found: dict[str, npt.NDArray[np.float32]]) -> Vectors:
    matrix = np.stack(list(found.values())) if found else np.empty((0, 0), np.float32)
    return Vectors(tuple(found), matrix)
