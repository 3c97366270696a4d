"""The tokenizer of a preset as a Keras layer, with the normalization of texts before it."""

import bisect
import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import keras_hub
import tensorflow as tf
import tensorflow_text as tf_text

SIGMA = "\N{GREEK SMALL LETTER SIGMA}"


@keras.saving.register_keras_serializable("textclf")
class PresetTokenizer(keras.layers.Layer):  # type: ignore[misc]
    """Turns texts into token ids as the preset of an encoder does.

    The ids of a text begin and end with those that the encoder was trained with, such as ``[CLS]``
    and ``[SEP]`` of BERT. Long texts are cut off at the end.

    Args:
        preprocessor: KerasHub's ``TextClassifierPreprocessor`` of the preset.
        lowercase: Whether to lower the case of texts before KerasHub's tokenizer.
        strip_accents: Whether to remove accents before it.
    """

    def __init__(
        self,
        preprocessor: Any,
        *,
        lowercase: bool = False,
        strip_accents: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.preprocessor = preprocessor
        self.lowercase = lowercase
        self.strip_accents = strip_accents
        self.built = True

    @property
    def padding_id(self) -> int:
        """The id that fills short texts."""
        return int(self.preprocessor.tokenizer.pad_token_id)

    @property
    def has_word_pieces(self) -> bool:
        """Whether it splits words as BERT does."""
        return isinstance(self.preprocessor.tokenizer, keras_hub.tokenizers.WordPieceTokenizer)

    def call(self, texts: tf.Tensor) -> tf.Tensor:
        """Encode <string>[batch] as <int32>[batch, sequence_length]."""
        if self.has_word_pieces:
            texts = clean(texts)
        if self.strip_accents:
            form = "NFD" if self.has_word_pieces else "NFKD"
            texts = tf.strings.regex_replace(decompose(texts, form), r"\p{Mn}", "")
        if self.lowercase:
            texts = lower(texts)
        ids = tf.cast(self._tokenize(texts), tf.int32)
        return tf.ensure_shape(ids, [None, self.preprocessor.sequence_length])

    def count_read(self, text: str, starts: Sequence[int]) -> int:
        """Return how many tokens of a text, such as its words, are read.

        What follows the last of them does not change the token ids.

        Args:
            text: Text.
            starts: Position of the first character of each token, in ascending order.
        """
        ids = self(tf.constant([text]))

        def is_unread(start: int) -> bool:
            return bool(tf.reduce_all(self(tf.constant([text[:start]])) == ids))

        return bisect.bisect_left(starts, True, key=is_unread)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])  # type: ignore[untyped-decorator]
    def _tokenize(self, texts: tf.Tensor) -> tf.Tensor:
        """Return token ids, in a graph: outside of one, KerasHub returns Python lists."""
        with _reading_model_in_graph(self.preprocessor.tokenizer):
            return self.preprocessor(texts)["token_ids"]

    def compute_output_spec(self, texts: Any) -> keras.KerasTensor:
        """Return the output's shape and dtype; Keras cannot trace strings."""
        return keras.KerasTensor((*texts.shape, self.preprocessor.sequence_length), dtype="int32")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments; the vocabulary is an asset."""
        return {
            **super().get_config(),
            "preprocessor": keras.saving.serialize_keras_object(self.preprocessor),
            "lowercase": self.lowercase,
            "strip_accents": self.strip_accents,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "PresetTokenizer":
        """Rebuild the layer from `get_config`."""
        preprocessor = keras.saving.deserialize_keras_object(config["preprocessor"])
        return cls(**{**config, "preprocessor": preprocessor})


@contextlib.contextmanager
def _reading_model_in_graph(tokenizer: Any) -> Iterator[None]:
    """Make the graph that is traced in the block read its own SentencePiece model.

    TensorFlow Text's tokenizer loses a model that was read outside of a graph when TensorFlow
    clears its caches, as it does when a seed is set.
    """
    if not isinstance(tokenizer, keras_hub.tokenizers.SentencePieceTokenizer):
        yield
        return
    outside = tokenizer._sentence_piece
    tokenizer._set_proto_tf(tokenizer.proto)
    try:
        yield
    finally:
        tokenizer._sentence_piece = outside


def decompose(texts: tf.Tensor, form: str = "NFD") -> tf.Tensor:
    """Return texts in which accents are characters of their own, in a form of Unicode."""
    return tf_text.normalize_utf8(texts, form)


def fold_case(texts: tf.Tensor) -> tf.Tensor:
    """Return texts without differences of case, as KerasHub's WordPiece tokenizers do it."""
    return tf_text.case_fold_utf8(texts)


def lower(texts: tf.Tensor) -> tf.Tensor:
    """Return texts in lower case.

    That of a capital sigma depends on what follows, but not in the training of an encoder.
    """
    texts = tf.strings.regex_replace(texts, "\N{GREEK CAPITAL LETTER SIGMA}", SIGMA)
    return tf.strings.lower(texts, encoding="utf-8")


def clean(texts: tf.Tensor) -> tf.Tensor:
    """Replace spaces and remove control characters as BERT does; KerasHub knows ASCII spaces only.

    Its tokenizer would end a text at U+0000, and join two words that a no-break space separates.
    """
    texts = tf.strings.regex_replace(texts, r"[\t\n\r\p{Z}]", " ")
    return tf.strings.regex_replace(texts, r"[\p{C}\x{FFFD}]", "")
