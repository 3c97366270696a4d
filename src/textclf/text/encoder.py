"""Turns raw text into token ids, as a Keras layer that is saved with the model.

The ids are those of ``keras.datasets``: 0 is padding, 1 starts a text, 2 is an unknown word, 3 is
unused, and 4 is the most frequent word.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from textclf.text.tokenizer import tokenize, tokenize_as_before

PADDING_ID = 0
START_ID = 1
UNKNOWN_ID = 2
FIRST_WORD_ID = 4


@keras.saving.register_keras_serializable("textclf")
class TextEncoder(keras.layers.Layer):  # type: ignore[misc]
    """Turns each text into a row of token ids.

    Args:
        num_words: Number of ids; ``num_words - 4`` words are known.
        sequence_length: Ids per text.
        padding: ``pre`` or ``post``: where short texts are filled with zeros.
        truncating: ``pre`` or ``post``: which end of a long text is cut off.
        split: ``words``, ``characters`` or ``auto``: what a token is; None in models that were
            saved before, whose texts are not normalized.
        vocabulary: Words by falling frequency; a saved layer loads them from its assets.
    """

    def __init__(
        self,
        *,
        num_words: int,
        sequence_length: int,
        padding: str = "pre",
        truncating: str = "pre",
        split: str | None = None,
        vocabulary: Iterable[str] = (),
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.num_words = num_words
        self.sequence_length = sequence_length
        self.padding = padding
        self.truncating = truncating
        self.split = split
        self._set_vocabulary(vocabulary)

    @property
    def takes_normalized_text(self) -> bool:
        """Whether `tokens.normalize_text` must be applied to texts first."""
        return self.split is not None

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The known words, by falling frequency."""
        return tuple(self._words.split("\n")) if self._words else ()

    def _set_vocabulary(self, vocabulary: Iterable[str]) -> None:
        words = tuple(vocabulary)[: self.num_words - FIRST_WORD_ID]
        self._words = "\n".join(words)  # Keras would track a tuple word by word.
        # A table must not be empty, so it also contains the empty string, which is never a word.
        ids = [UNKNOWN_ID, *range(FIRST_WORD_ID, FIRST_WORD_ID + len(words))]
        entries = tf.lookup.KeyValueTensorInitializer(
            tf.constant(["", *words]), tf.constant(ids, tf.int32)
        )
        self._table = tf.lookup.StaticHashTable(entries, default_value=UNKNOWN_ID)

    def call(self, texts: tf.Tensor) -> tf.Tensor:
        """Encode <string>[batch] as <int32>[batch, sequence_length]."""
        words = tokenize(texts, self.split) if self.split else tokenize_as_before(texts)
        ids = words.with_flat_values(self._table.lookup(words.flat_values))
        start = tf.fill([ids.nrows(), 1], START_ID)
        ids = tf.concat([start, ids], axis=1)
        length = self.sequence_length
        ids = ids[:, -length:] if self.truncating == "pre" else ids[:, :length]
        rows = ids.to_tensor(shape=[None, length])
        if self.padding == "pre":
            # Reversing the ids and then the whole row moves the zeros to the front.
            rows = tf.reverse_sequence(rows, ids.row_lengths(), seq_axis=1)
            rows = tf.reverse(rows, axis=[1])
        return rows

    def find_positions(self, n_tokens: int) -> npt.NDArray[np.int64]:
        """Return the position of each token of a text in its row of ids, <int64>[tokens].

        It is -1 for a token that is cut off.
        """
        n_ids = n_tokens + 1  # The first starts the text.
        n_kept = min(n_ids, self.sequence_length)
        first = n_ids - n_kept if self.truncating == "pre" else 0
        shift = (self.sequence_length - n_kept if self.padding == "pre" else 0) - first
        index = np.arange(1, n_ids)
        return np.where((index >= first) & (index < first + n_kept), index + shift, -1)

    def compute_output_spec(self, texts: Any) -> keras.KerasTensor:
        """Return the output's shape and dtype; Keras cannot trace strings."""
        return keras.KerasTensor((*texts.shape, self.sequence_length), dtype="int32")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments except the vocabulary, which is an asset."""
        return {
            **super().get_config(),
            "num_words": self.num_words,
            "sequence_length": self.sequence_length,
            "padding": self.padding,
            "truncating": self.truncating,
            "split": self.split,
        }

    def save_assets(self, folder: str) -> None:
        """Write the words, one per line; Keras calls it when a model is saved."""
        (Path(folder) / "vocabulary.txt").write_text(self._words, encoding="utf-8")

    def load_assets(self, folder: str) -> None:
        """Read the words; Keras calls it when a model is loaded."""
        text = (Path(folder) / "vocabulary.txt").read_text(encoding="utf-8")
        self._set_vocabulary(text.split("\n") if text else ())
