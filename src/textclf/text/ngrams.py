"""Turns raw text into weighted n-grams, as a Keras layer that is saved with the model."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from textclf.storage.checksums import hash_bytes
from textclf.text.tokenizer import tokenize

IntArray = npt.NDArray[np.int64]


@keras.saving.register_keras_serializable("textclf")
class NgramEncoder(keras.layers.Layer):  # type: ignore[misc]
    """Turns each text into its known n-grams and their values, a sparse row of unit length.

    The value of an n-gram is ``log1p(sum of the weights of its occurrences) * idf``. An occurrence
    at token p has the weight ``m + (1 - m) * exp(-p / position_decay)``, and without a decay 1.

    An n-gram is found by its prefix, the n-gram without the last token: the key of an n-gram is
    ``position of the prefix * number of words + position of the last token``.

    Args:
        split: ``words``, ``characters`` or ``auto``: what a token is.
        position_decay: Tokens after which the weight has fallen by 63%; None for equal weights.
        position_min_weight: Weight m of an occurrence at the end of a long text.
        words: The n-grams of one token.
        keys: <int64>[n-grams], sorted, for each length from 2 on.
        idf: <float32>[n_features], inverse document frequencies, shorter n-grams first. A saved
            layer loads words, keys and frequencies from its assets.
    """

    takes_normalized_text = True

    def __init__(
        self,
        *,
        split: str = "auto",
        position_decay: float | None = None,
        position_min_weight: float = 0.0,
        words: Iterable[str] = (),
        keys: Iterable[IntArray] = (),
        idf: npt.ArrayLike = (),
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.split = split
        self.position_decay = position_decay
        self.position_min_weight = position_min_weight
        self._set_ngrams(words, keys, idf)
        self.built = True  # Otherwise Keras would save whether it has been called.

    @property
    def n_features(self) -> int:
        """Number of n-grams."""
        return len(self._idf)

    @property
    def max_ngram(self) -> int:
        """Maximum length of an n-gram, in tokens."""
        return 1 + len(self._keys)

    @property
    def idf(self) -> npt.NDArray[np.float32]:
        """Inverse document frequency of each n-gram."""
        return self._idf

    @property
    def digest(self) -> str:
        """SHA-256 of everything that decides the output."""
        settings = self.split, self.position_decay, self.position_min_weight, self._words
        arrays = (keys.numpy().tobytes() for keys in self._keys)
        return hash_bytes(b"".join([repr(settings).encode(), *arrays, self._idf.tobytes()]))

    def _set_ngrams(
        self, words: Iterable[str], keys: Iterable[IntArray], idf: npt.ArrayLike
    ) -> None:
        self._words = "\n".join(words)  # Keras would track a tuple word by word.
        listed = self._words.split("\n") if self._words else []
        entries = tf.lookup.KeyValueTensorInitializer(
            tf.constant(["", *listed]), tf.range(-1, len(listed), dtype=tf.int64)
        )
        self._table = tf.lookup.StaticHashTable(entries, default_value=-1)
        self._n_words = len(listed)
        self._keys = tuple(tf.constant(order, tf.int64) for order in keys)
        self._idf = np.asarray(idf, np.float32)

    def call(self, texts: tf.Tensor) -> dict[str, tf.Tensor]:
        """Encode <string>[batch].

        Returns:
            ``features`` <int32>[batch, n] and ``values`` <float32>[batch, n], where n is the
            largest number of n-grams of a text. Missing ones have the value 0.
        """
        rows, positions, found = self.find_occurrences(texts)
        features = tf.reshape(found, [-1])
        known = tf.where(features >= 0)[:, 0]
        token = known // found.shape[1]
        pairs, index = tf.unique(
            tf.gather(rows, token) * self.n_features + tf.gather(features, known)
        )
        weights = self.weigh(tf.gather(positions, token))
        counts = tf.math.unsorted_segment_sum(weights, index, tf.size(pairs))
        rows, features = pairs // self.n_features, pairs % self.n_features
        values = tf.math.log1p(counts) * tf.gather(self._idf, features)
        squares = tf.math.segment_sum(tf.square(values), rows)
        # A far position may weigh so little that its square is 0; such a value becomes 0.
        values = tf.math.divide_no_nan(values, tf.gather(tf.sqrt(squares), rows))
        nrows = tf.size(texts, tf.int64)
        return {
            "features": _pad(tf.cast(features, tf.int32), rows, nrows),
            "values": _pad(values, rows, nrows),
        }

    def find_occurrences(self, texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Find the known n-grams that begin at each token of <string>[batch].

        Returns:
            The number of the text of each token, <int64>[tokens]; its position in the text,
            <int64>[tokens]; and the n-grams of each length that begin there, <int64>[tokens,
            lengths], -1 if it is unknown.
        """
        tokens = tokenize(texts, self.split)
        rows = tokens.value_rowids()
        positions = tf.range(tf.size(rows, tf.int64)) - tf.gather(tokens.row_starts(), rows)
        words = self._table.lookup(tokens.flat_values)
        return rows, positions, find_ngrams(words, rows, self._keys, n_words=self._n_words)

    def format_ngrams(self, features: Sequence[int]) -> list[str]:
        """Return n-grams by their positions, each as its tokens with spaces between them."""
        words = self._words.split("\n")

        def format_ngram(position: int, length: int) -> str:
            if length == 1:
                return words[position]
            prefix, last = divmod(int(self._keys[length - 2][position]), self._n_words)
            return f"{format_ngram(prefix, length - 1)} {words[last]}"

        starts = np.cumsum([0, self._n_words, *map(len, self._keys)])
        lengths = np.searchsorted(starts, features, side="right")
        return [
            format_ngram(feature - int(starts[length - 1]), int(length))
            for feature, length in zip(features, lengths, strict=True)
        ]

    def weigh(self, positions: tf.Tensor) -> tf.Tensor:
        """Return the weight of an occurrence at each position, <float32>[n]."""
        if self.position_decay is None:
            return tf.ones_like(positions, tf.float32)
        least = self.position_min_weight
        return least + (1 - least) * tf.exp(-tf.cast(positions, tf.float32) / self.position_decay)

    def compute_output_spec(self, texts: Any) -> dict[str, keras.KerasTensor]:
        """Return the shapes and dtypes of the output; Keras cannot trace strings."""
        shape = (*texts.shape, None)
        return {
            "features": keras.KerasTensor(shape, dtype="int32"),
            "values": keras.KerasTensor(shape, dtype="float32"),
        }

    def get_config(self) -> dict[str, Any]:
        """Return the arguments except the n-grams, which are assets."""
        return {
            **super().get_config(),
            "split": self.split,
            "position_decay": self.position_decay,
            "position_min_weight": self.position_min_weight,
        }

    def save_assets(self, folder: str) -> None:
        """Write the n-grams; Keras calls it when a model is saved."""
        (Path(folder) / "vocabulary.txt").write_text(self._words, encoding="utf-8")
        arrays = {f"keys_{n}": keys.numpy() for n, keys in enumerate(self._keys, 2)}
        np.savez(Path(folder) / "ngrams.npz", idf=self._idf, **arrays)

    def load_assets(self, folder: str) -> None:
        """Read the n-grams; Keras calls it when a model is loaded."""
        text = (Path(folder) / "vocabulary.txt").read_text(encoding="utf-8")
        with np.load(Path(folder) / "ngrams.npz") as arrays:
            keys = [arrays[f"keys_{n}"] for n in range(2, len(arrays) + 1)]
            self._set_ngrams(text.split("\n") if text else (), keys, arrays["idf"])


def find_ngrams(words: Any, rows: Any, keys: Sequence[Any], *, n_words: int) -> tf.Tensor:
    """Find the n-grams that begin at each token.

    Args:
        words: <int64>[tokens], position of each token in the words; -1 if it is unknown.
        rows: <int64>[tokens], number of the text of each token.
        keys: Those of `NgramEncoder`.
        n_words: Number of words.

    Returns:
        <int64>[tokens, lengths], position in all n-grams, shorter ones first; -1 if it is unknown.
    """
    found, features, n_shorter = words, [words], n_words
    for length, known in enumerate(keys, 2):
        wanted = make_keys(found, words, rows, length, n_words=n_words)
        position = tf.searchsorted(known, wanted, out_type=tf.int64)
        # A second search, because reading known[position] needs a special case after the last key.
        is_known = position < tf.searchsorted(known, wanted, side="right", out_type=tf.int64)
        found = tf.where(is_known, position, -1)
        features.append(tf.where(is_known, position + n_shorter, -1))
        n_shorter += len(known)
    return tf.stack(features, axis=1)


def make_keys(
    prefixes: tf.Tensor, words: tf.Tensor, rows: tf.Tensor, length: int, *, n_words: int
) -> tf.Tensor:
    """Return the key of the n-gram that begins at each token, <int64>[tokens]; -1 if it has none.

    Args:
        prefixes: <int64>[tokens], position of the n-gram without its last token; -1 if unknown.
        words: <int64>[tokens], position of each token in the words; -1 if it is unknown.
        rows: <int64>[tokens], number of the text of each token.
        length: Number of tokens of the n-grams.
        n_words: Number of words.
    """
    filled = [[0, length - 1]]
    last = tf.pad(words[length - 1 :], filled, constant_values=-1)[: tf.size(words)]
    last_row = tf.pad(rows[length - 1 :], filled, constant_values=-1)[: tf.size(words)]
    exists = (prefixes >= 0) & (last >= 0) & (last_row == rows)
    return tf.where(exists, prefixes * n_words + last, -1)


def _pad(values: tf.Tensor, rows: tf.Tensor, n_rows: tf.Tensor) -> tf.Tensor:
    """Return the values of each row, filled with zeros to the length of the longest."""
    return tf.RaggedTensor.from_value_rowids(values, rows, n_rows, validate=False).to_tensor()
