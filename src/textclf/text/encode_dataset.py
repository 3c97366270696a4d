"""Encodes all texts of a dataset once, and caches token ids on disk."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy.typing as npt

from textclf.config.schema import TextConfig
from textclf.data.dataset import TextDataset
from textclf.storage.arrays import array_to_strings, strings_to_array, write_batches
from textclf.storage.cache import CacheEntry, cached
from textclf.storage.checksums import hash_bytes
from textclf.text.encoder import TextEncoder
from textclf.text.input_pipeline import Rows, as_rows, encode_batches
from textclf.text.vocabulary import count_words

Inputs = Mapping[str, Rows]
"""What a network takes, by split."""


def encode_dataset(
    dataset: TextDataset, config: TextConfig, *, takes: str, encoder: Any
) -> tuple[Any, Inputs]:
    """Encode the texts of all splits.

    Args:
        dataset: Dataset to encode.
        config: How text becomes token ids.
        takes: ``token_ids`` or ``text``: what the model takes.
        encoder: Layer of a model that takes text, <string>[batch] to features, which is not
            trained; None if the network takes the texts themselves.

    Returns:
        The Keras layer from text to what the network takes, and its output for each split.
    """
    if takes == "token_ids":
        return _encode_tokens(dataset, config)
    if encoder is None:
        texts = {name: as_rows(split.texts) for name, split in dataset.splits.items()}
        return keras.layers.Identity(name="texts"), texts
    return encoder, _encode_splits(dataset, encoder)


def _encode_tokens(dataset: TextDataset, config: TextConfig) -> tuple[TextEncoder, Inputs]:
    """Return token ids, <int32>[texts, sequence_length], from the cache if they are there."""

    def make() -> CacheEntry:
        encoder = build_encoder(dataset, config)
        vocabulary = strings_to_array(encoder.vocabulary)
        return CacheEntry({**_encode_splits(dataset, encoder), "vocabulary": vocabulary}, {})

    published = dataset.vocabulary
    key = {
        "dataset": dataset.digest,
        "vocabulary": hash_bytes(strings_to_array(published).tobytes()) if published else None,
        "text": config.model_dump(),
    }
    arrays = cached("ids", key, make).arrays
    encoder = _make_encoder(config, array_to_strings(arrays["vocabulary"]))
    return encoder, {name: arrays[name] for name in dataset.splits}


def _encode_splits(dataset: TextDataset, encoder: Any) -> dict[str, npt.NDArray[Any]]:
    """Apply an encoder to all texts; the arrays are in files, because they may be large."""
    return {
        name: write_batches(encode_batches(encoder, split.texts))
        for name, split in dataset.splits.items()
    }


def build_encoder(dataset: TextDataset, config: TextConfig) -> TextEncoder:
    """Return an encoder with the published vocabulary, or that of the training texts."""
    vocabulary = dataset.vocabulary
    if vocabulary is None:
        vocabulary = count_words(dataset.train.texts, max_words=config.num_words)
    return _make_encoder(config, vocabulary)


def _make_encoder(config: TextConfig, vocabulary: Sequence[str]) -> TextEncoder:
    # Without a fixed name, Keras would number encoders and the number would be in model.keras.
    return TextEncoder(**config.model_dump(), vocabulary=vocabulary, name="text_encoder")
