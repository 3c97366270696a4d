"""Raw text to token ids, as a Keras layer that is saved with the model.

Import this module before ``keras.models.load_model`` opens a ``model.keras``.

The ids are those of ``keras.datasets``: 0 fills up, 1 starts a text, 2 is an unknown word, 3 is not
used, and 4 is the most frequent word.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from textclf.data import dataset as data
from textclf.hub.layer import HubEmbedding  # noqa: F401 - registered with Keras
from textclf.runtime.backend import without_tuning
from textclf.text.input_pipeline import Rows, batch_in_order

START_ID = 1
UNKNOWN_ID = 2
FIRST_WORD_ID = 4

LINE_BREAK = r"(?i)<br\s*/?>"
# What keras.datasets' texts were cleaned of (the filters of Keras's Tokenizer), and control
# characters.
PUNCTUATION = r"""[!"#$%&()*+,\-./:;<=>?@\[\\\]^_`{|}~\x00-\x1f\x7f]"""

ENCODE_BATCH_SIZE = 1_024
PREDICT_BATCH_SIZE = 256
BLOCK = 40 * PREDICT_BATCH_SIZE
"""Texts that are encoded before they are predicted: whole batches, so that no digit changes."""

MAX_COUNTED = 1_000_000
"""Distinct words that are counted at once; of more, those that were seen once so far are let go."""


def tokenize(texts: tf.Tensor) -> tf.RaggedTensor:
    """Split texts into lower-case words without punctuation or HTML line breaks.

    Args:
        texts: <string>[batch], UTF-8.

    Returns:
        <string>[batch, (words)].
    """
    texts = tf.strings.regex_replace(texts, LINE_BREAK, " ")
    texts = tf.strings.regex_replace(texts, PUNCTUATION, " ")
    # Last, since it would cut a text at a NUL.
    return tf.strings.split(tf.strings.lower(texts, encoding="utf-8"))


@keras.saving.register_keras_serializable("textclf")
class TextEncoder(keras.layers.Layer):  # type: ignore[misc]
    """Turns raw text into a row of token ids.

    Args:
        num_words: ids are below it, so ``num_words - 4`` words are known.
        sequence_length: ids for each text.
        padding: ``pre`` or ``post``: where zeros fill up.
        truncating: ``pre`` or ``post``: which end is cut off.
        vocabulary: words by falling frequency; a saved layer loads them from its assets.
    """

    def __init__(
        self,
        *,
        num_words: int,
        sequence_length: int,
        padding: str = "pre",
        truncating: str = "pre",
        vocabulary: Iterable[str] = (),
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.num_words = num_words
        self.sequence_length = sequence_length
        self.padding = padding
        self.truncating = truncating
        self._set_vocabulary(vocabulary)

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The known words, by falling frequency."""
        return data.split_words(self._words)

    def _set_vocabulary(self, vocabulary: Iterable[str]) -> None:
        words = tuple(vocabulary)[: self.num_words - FIRST_WORD_ID]
        self._words = data.join_words(words)  # Keras would look into a tuple, word by word.
        # A table must not be empty: the empty string, which no word is, stands in it too.
        ids = [UNKNOWN_ID, *range(FIRST_WORD_ID, FIRST_WORD_ID + len(words))]
        entries = tf.lookup.KeyValueTensorInitializer(
            tf.constant(["", *words]), tf.constant(ids, tf.int32)
        )
        self._table = tf.lookup.StaticHashTable(entries, default_value=UNKNOWN_ID)

    def call(self, texts: tf.Tensor) -> tf.Tensor:
        """Encode <string>[batch] as <int32>[batch, sequence_length]."""
        words = tokenize(texts)
        ids = words.with_flat_values(self._table.lookup(words.flat_values))
        start = tf.fill([ids.nrows(), 1], START_ID)
        ids = tf.concat([start, ids], axis=1)
        length = self.sequence_length
        ids = ids[:, -length:] if self.truncating == "pre" else ids[:, :length]
        rows = ids.to_tensor(shape=[None, length])
        if self.padding == "pre":
            # Turned around twice, the ids keep their order and the zeros come first.
            rows = tf.reverse_sequence(rows, ids.row_lengths(), seq_axis=1)
            rows = tf.reverse(rows, axis=[1])
        return rows

    def compute_output_spec(self, texts: Any) -> keras.KerasTensor:
        """Describe the output to Keras, which cannot trace strings."""
        return keras.KerasTensor((*texts.shape, self.sequence_length), dtype="int32")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments but for the vocabulary, which is an asset."""
        return {
            **super().get_config(),
            "num_words": self.num_words,
            "sequence_length": self.sequence_length,
            "padding": self.padding,
            "truncating": self.truncating,
        }

    def save_assets(self, folder: str) -> None:
        """Write the words, one a line; Keras calls it when the model is saved."""
        (Path(folder) / "vocabulary.txt").write_text(self._words, encoding="utf-8")

    def load_assets(self, folder: str) -> None:
        """Read the words back; Keras calls it when the model is loaded."""
        text = (Path(folder) / "vocabulary.txt").read_text(encoding="utf-8")
        self._set_vocabulary(data.split_words(text))


@keras.saving.register_keras_serializable("textclf")
class TextClassifier(keras.Model):  # type: ignore[misc]
    """Raw text in, class probabilities out: what ``model.keras`` holds.

    Args:
        encoder: layer, <string>[batch] to what the network takes.
        network: model, the encoder's output to <float32>[batch, labels], rows that sum to 1.
        label_names: the name of each label.
    """

    file_suffix = ".keras"

    def __init__(
        self, encoder: Any, network: Any, label_names: Sequence[str], **options: Any
    ) -> None:
        super().__init__(**options)
        self.encoder = encoder
        self.network = network
        self.label_names = tuple(label_names)
        self.built = True  # Both parts are.

    @classmethod
    def without_optimizer(
        cls, encoder: Any, network: Any, label_names: Sequence[str]
    ) -> "TextClassifier":
        """Make a classifier that shares the weights of a compiled network, but not its optimizer.

        The optimizer holds two numbers more for each weight, which nobody needs to predict.
        """
        bare = keras.Model(network.inputs, network.outputs, name=network.name)
        return cls(encoder, bare, label_names)

    def call(self, texts: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Classify <string>[batch]; the answer is <float32>[batch, labels]."""
        return self.network(self.encoder(texts), training=training)

    def predict_texts(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return the probabilities of each text's labels, <float32>[texts, labels]."""
        blocks = (texts[start : start + BLOCK] for start in range(0, len(texts), BLOCK))
        return np.concatenate(
            [predict(self.network, encode(self.encoder, block)) for block in blocks]
        )

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, each in the form that Keras stores."""
        return {
            **super().get_config(),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "network": keras.saving.serialize_keras_object(self.network),
            "label_names": list(self.label_names),
        }

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Do nothing: `from_config` has built both parts."""

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "TextClassifier":
        """Rebuild the model from `get_config`."""
        parts = {
            name: keras.saving.deserialize_keras_object(config[name], custom_objects)
            for name in ("encoder", "network")
        }
        return cls(**{**config, **parts})


def count_words(texts: Sequence[str], *, at_most: int) -> tuple[str, ...]:
    """Return the most frequent words, equally frequent ones in alphabetical order."""
    counts: Counter[bytes] = Counter()
    for start in range(0, len(texts), ENCODE_BATCH_SIZE):
        counts.update(
            tokenize(tf.constant(texts[start : start + ENCODE_BATCH_SIZE])).flat_values.numpy()
        )
        if len(counts) > MAX_COUNTED:
            counts = Counter({word: count for word, count in counts.items() if count > 1})
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    return tuple(word.decode("utf-8", "replace") for word in ranked[:at_most])


def encode(encoder: Any, texts: Sequence[str]) -> npt.NDArray[Any]:
    """Run an encoder over all texts, [texts, ...] of the encoder's type."""
    return np.concatenate(list(encode_batches(encoder, texts)))


def encode_batches(encoder: Any, texts: Sequence[str]) -> Iterator[npt.NDArray[Any]]:
    """Run an encoder over batches of texts, [batch, ...] of the encoder's type."""

    def read() -> Iterator[Sequence[str]]:
        for start in range(0, len(texts), ENCODE_BATCH_SIZE):
            yield texts[start : start + ENCODE_BATCH_SIZE]

    batches = tf.data.Dataset.from_generator(
        read, output_signature=tf.TensorSpec([None], tf.string)
    )
    encoded = batches.map(encoder, num_parallel_calls=tf.data.AUTOTUNE)
    encoded_batches: Iterator[npt.NDArray[Any]] = without_tuning(encoded).as_numpy_iterator()
    return encoded_batches


def predict(network: Any, inputs: Rows) -> npt.NDArray[np.float32]:
    """Return the network's probabilities, <float32>[inputs, labels]."""
    batches = batch_in_order(inputs, PREDICT_BATCH_SIZE)
    probabilities: npt.NDArray[np.float32] = network.predict(batches, verbose=0)
    return probabilities
