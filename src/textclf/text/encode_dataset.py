"""Encodes all texts of a dataset once, and caches token ids on disk."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import keras

from textclf.config.schema import TextConfig
from textclf.data.dataset import TextDataset
from textclf.data.text_store import BLOCK_SIZE
from textclf.runtime.progress import Reporter
from textclf.storage.arrays import array_to_strings, read_rows, strings_to_array
from textclf.storage.cache import CacheEntry, cached
from textclf.storage.checksums import hash_bytes
from textclf.text.encoder import FIRST_WORD_ID, PADDING_ID, START_ID, UNKNOWN_ID, TextEncoder
from textclf.text.feature_cache import CachedEncoder, encode_once
from textclf.text.input_pipeline import Rows, SparseRows, as_rows, encode_batches, write_rows
from textclf.text.ngrams import NgramEncoder
from textclf.text.tokens import TOKENS_VERSION
from textclf.text.vocabulary import count_words

MAX_UNKNOWN = 0.1
"""Fraction of unknown test tokens above which a note says so."""

Inputs = Mapping[str, Rows]
"""What a network takes, by split."""


def encode_dataset(
    dataset: TextDataset, config: TextConfig, takes: str, encoder: Any, *, reporter: Reporter
) -> tuple[Any, Inputs]:
    """Encode the texts of all splits.

    Args:
        dataset: Dataset to encode.
        config: How text becomes token ids.
        takes: ``token_ids`` or ``text``: what the model takes.
        encoder: Layer of a model that takes text, <string>[batch] to features, which is not
            trained; None if the network takes the texts themselves.
        reporter: Prints progress.

    Returns:
        The Keras layer from text to what the network takes, and its output for each split.
    """
    if takes == "token_ids":
        return _encode_tokens(dataset, config)
    if encoder is None:
        texts = {name: as_rows(split.texts) for name, split in dataset.splits.items()}
        return keras.layers.Identity(name="texts"), texts
    return encoder, _encode_features(dataset, encoder, reporter)


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
        "tokens": [TOKENS_VERSION, unicodedata.unidata_version],
    }
    arrays = cached("ids", key, make).arrays
    encoder = _make_encoder(config, array_to_strings(arrays["vocabulary"]))
    return encoder, {name: arrays[name] for name in dataset.splits}


def _encode_features(dataset: TextDataset, encoder: Any, reporter: Reporter) -> Inputs:
    """Return the features of an encoder, from the cache if it has them and they take time."""
    if isinstance(encoder, CachedEncoder):
        return encode_once(dataset, encoder, reporter=reporter)
    if not isinstance(encoder, NgramEncoder):
        return _encode_splits(dataset, encoder)

    def make() -> CacheEntry:
        arrays: dict[str, Any] = {}
        for name, rows in _encode_splits(dataset, encoder).items():
            arrays |= {f"{name}_{key}": array for key, array in vars(rows).items()}
        return CacheEntry(arrays, {})

    key = {
        "dataset": dataset.digest,
        "encoder": encoder.digest,
        "tokens": [TOKENS_VERSION, unicodedata.unidata_version],
    }
    arrays = cached("features", key, make).arrays
    return {
        name: SparseRows(*(arrays[f"{name}_{field.name}"] for field in fields(SparseRows)))
        for name in dataset.splits
    }


def _encode_splits(dataset: TextDataset, encoder: Any) -> dict[str, Any]:
    """Apply an encoder to all texts."""
    return {
        name: write_rows(encode_batches(encoder, split.texts))
        for name, split in dataset.splits.items()
    }


def list_token_notes(ids: Any, encoder: TextEncoder) -> list[str]:
    """Return a sentence if many tokens of the test split are unknown, or many texts have only one.

    Args:
        ids: <int32>[texts, sequence_length], token ids of the test split.
        encoder: Encoder that made them.
    """
    n_unknown = n_tokens = n_short = 0
    for start in range(0, len(ids), BLOCK_SIZE):
        block = read_rows(ids, slice(start, start + BLOCK_SIZE))
        is_token = (block != PADDING_ID) & (block != START_ID)
        n_tokens += int(is_token.sum())
        n_unknown += int((block == UNKNOWN_ID).sum())
        n_short += int((is_token.sum(axis=1) == 1).sum())
    notes = []
    if n_unknown > MAX_UNKNOWN * n_tokens:
        is_full = len(encoder.vocabulary) == encoder.num_words - FIRST_WORD_ID
        limit = f"text.num_words is {encoder.num_words:,}"
        reason = limit if is_full else "no training text contains them"
        notes.append(f"{n_unknown / n_tokens:.0%} of the test tokens are unknown: {reason}")
    if n_short > len(ids) / 2:
        remedy = "; if spaces do not separate their words, set text.split=characters"
        notes.append(
            f"{n_short / len(ids):.0%} of the test examples have one token"
            + remedy * (encoder.split != "characters")
        )
    return notes


def build_encoder(dataset: TextDataset, config: TextConfig) -> TextEncoder:
    """Return an encoder with the published vocabulary, or that of the training texts."""
    vocabulary = dataset.vocabulary
    if vocabulary is None:
        vocabulary = count_words(
            dataset.train.texts, split=config.split, max_words=config.num_words
        )
    return _make_encoder(config, vocabulary)


def _make_encoder(config: TextConfig, vocabulary: Sequence[str]) -> TextEncoder:
    # Without a fixed name, Keras would number encoders and the number would be in model.keras.
    return TextEncoder(**config.model_dump(), vocabulary=vocabulary, name="text_encoder")
