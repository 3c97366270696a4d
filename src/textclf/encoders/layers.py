"""A pretrained encoder as Keras layers: token ids to features, and texts to features."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from textclf.encoders.tokenizer import PresetTokenizer
from textclf.errors import EmbeddingError
from textclf.runtime.machine import count_processors

TOKENIZE_BATCH_SIZE = 256
GPU_BATCH_SIZE = 64
POOLINGS = ("mean", "cls")


@keras.saving.register_keras_serializable("textclf")
class TransformerFeatures(keras.layers.Layer):  # type: ignore[misc]
    """Turns the token ids of each text into one vector.

    Args:
        backbone: KerasHub's ``Backbone`` of the preset.
        padding_id: Token id that fills short texts; such positions are masked.
        pooling: ``mean`` of the vectors of all tokens, as Sentence Transformers do it (Reimers and
            Gurevych, 2019), or ``cls``, that of the first token.

    Raises:
        ValueError: The pooling is another.
    """

    def __init__(self, backbone: Any, *, padding_id: int, pooling: str, **options: Any) -> None:
        super().__init__(**options)
        if pooling not in POOLINGS:
            raise ValueError(f"unknown pooling {pooling!r}: choose from {', '.join(POOLINGS)}")
        self.backbone = backbone
        self.padding_id = padding_id
        self.pooling = pooling
        self.built = True

    def call(self, ids: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Return the features [batch, dim] of <int32>[batch, length], in the compute dtype."""
        # A text may contain the token that fills short texts, such as <pad>, and ends with another.
        positions = tf.range(1, tf.shape(ids)[1] + 1)
        lengths = tf.reduce_max(tf.where(ids != self.padding_id, positions, 0), axis=1)
        # Positions that are padding in every text of the batch would only cost time.
        longest = tf.maximum(tf.reduce_max(lengths), 1)
        ids, is_token = ids[:, :longest], tf.sequence_mask(lengths, longest)
        given = {
            "token_ids": ids,
            "segment_ids": tf.zeros_like(ids),
            "padding_mask": is_token,
        }
        inputs = {name: given[name] for name in self.backbone.input}
        outputs = self.backbone(inputs, training=training)
        vectors = outputs["sequence_output"] if isinstance(outputs, Mapping) else outputs
        if self.pooling == "cls":
            return vectors[:, 0]
        # A sum of many 16-bit numbers would lose most of their digits.
        weights = tf.cast(is_token, tf.float32)[..., tf.newaxis]
        total = tf.reduce_sum(tf.cast(vectors, tf.float32) * weights, axis=1)
        return tf.cast(total / tf.reduce_sum(weights, axis=1), vectors.dtype)

    def compute_output_spec(self, ids: Any, training: bool = False) -> keras.KerasTensor:  # noqa: ARG002
        """Return the output's shape and dtype."""
        return keras.KerasTensor((ids.shape[0], self.backbone.hidden_dim), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {
            **super().get_config(),
            "backbone": keras.saving.serialize_keras_object(self.backbone),
            "padding_id": self.padding_id,
            "pooling": self.pooling,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "TransformerFeatures":
        """Rebuild the layer from `get_config`."""
        backbone = keras.saving.deserialize_keras_object(config["backbone"])
        return cls(**{**config, "backbone": backbone})


@keras.saving.register_keras_serializable("textclf")
class PretrainedEncoder(keras.layers.Layer):  # type: ignore[misc]
    """Turns texts into features by a pretrained encoder that is not trained.

    Args:
        tokenizer: Texts to token ids.
        transformer: Token ids to features.
        preset: ``name`` of their preset, and ``digest``, the checksum of its files.
    """

    def __init__(
        self,
        tokenizer: PresetTokenizer,
        transformer: TransformerFeatures,
        preset: Mapping[str, str],
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.tokenizer = tokenizer
        self.transformer = transformer
        self.preset = dict(preset)
        self.trainable = False
        self.built = True

    @property
    def dim(self) -> int:
        """Number of features of a text."""
        return int(self.transformer.backbone.hidden_dim)

    def count_read(self, text: str, starts: Sequence[int]) -> int:
        """Return how many tokens of a text are read; see `PresetTokenizer.count_read`."""
        return self.tokenizer.count_read(text, starts)

    def call(self, texts: tf.Tensor) -> tf.Tensor:
        """Return the features <float32>[batch, dim] of <string>[batch]."""
        return self.embed(self.tokenizer(texts))

    def embed(self, ids: tf.Tensor) -> tf.Tensor:
        """Return the features <float32>[batch, dim] of token ids <int32>[batch, length]."""
        return tf.cast(self.transformer(ids, training=False), tf.float32)

    def compute_output_spec(self, texts: Any) -> keras.KerasTensor:
        """Return the output's shape and dtype; Keras cannot trace strings."""
        return keras.KerasTensor((*texts.shape, self.dim), "float32")

    @property
    def feature_key(self) -> dict[str, Any]:
        """What decides the features of a text, besides the text; JSON."""
        return {
            "digest": self.preset["digest"],
            "pooling": self.transformer.pooling,
            "sequence_length": self.tokenizer.preprocessor.sequence_length,
            "precision": self.transformer.backbone.dtype_policy.name,
            "device": "gpu" if _has_gpu() else "cpu",
            "versions": {name: version(name) for name in ("keras-hub", "tensorflow-text")},
        }

    def encode_each(self, texts: Iterable[str]) -> Iterator[npt.NDArray[np.float32]]:
        """Yield the features <float32>[dim] of each text.

        On the CPU, each text is computed alone: the last digits of a matrix product depend on what
        else is in a batch, and those of a text that is cached must not. It is as fast.

        Args:
            texts: Texts, which are read as they are needed. Give all of them in one call, because
                each call traces a graph, which takes seconds.
        """
        size = GPU_BATCH_SIZE if _has_gpu() else 1
        embed = tf.function(self.embed, input_signature=[tf.TensorSpec([None, None], tf.int32)])
        remaining = iter(texts)
        with ThreadPoolExecutor(count_processors()) as pool:
            while block := [*itertools.islice(remaining, TOKENIZE_BATCH_SIZE)]:
                ids = self.tokenizer(tf.constant(block)).numpy()
                batches = [ids[first : first + size] for first in range(0, len(ids), size)]
                for features in pool.map(embed, batches):
                    yield from features.numpy()

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {
            **super().get_config(),
            "tokenizer": keras.saving.serialize_keras_object(self.tokenizer),
            "transformer": keras.saving.serialize_keras_object(self.transformer),
            "preset": self.preset,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "PretrainedEncoder":
        """Rebuild the layer from `get_config`."""
        parts = {
            name: keras.saving.deserialize_keras_object(config[name])
            for name in ("tokenizer", "transformer")
        }
        return cls(**{**config, **parts})


@keras.saving.register_keras_serializable("textclf")
class PresetReference(keras.layers.Layer):  # type: ignore[misc]
    """Stands for a `PretrainedEncoder` in a model file that does not contain its weights.

    Args:
        preset: Its ``name``, and the checksum of its files, ``digest``.
        sequence_length: Token ids per text.
        pooling: See `TransformerFeatures`.
        precision: Keras's dtype policy, such as ``float32``.
    """

    def __init__(
        self,
        preset: Mapping[str, str],
        *,
        sequence_length: int,
        pooling: str,
        precision: str,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.preset = dict(preset)
        self.sequence_length = sequence_length
        self.pooling = pooling
        self.precision = precision
        self.built = True

    @classmethod
    def to(cls, encoder: PretrainedEncoder) -> "PresetReference":
        """Return a reference to the preset of an encoder."""
        return cls(
            encoder.preset,
            sequence_length=encoder.tokenizer.preprocessor.sequence_length,
            pooling=encoder.transformer.pooling,
            precision=encoder.transformer.backbone.dtype_policy.name,
            name=encoder.name,
        )

    def call(self, texts: Any) -> Any:  # noqa: ARG002 - Keras's signature
        """Raise EmbeddingError, because the weights are elsewhere."""
        raise EmbeddingError(
            "the model file refers to its encoder and does not contain it: load it with"
            " textclf.load_model"
        )

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {
            **super().get_config(),
            "preset": self.preset,
            "sequence_length": self.sequence_length,
            "pooling": self.pooling,
            "precision": self.precision,
        }


def _has_gpu() -> bool:
    return bool(tf.config.list_logical_devices("GPU"))
