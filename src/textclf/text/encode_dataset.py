"""What a network takes: its texts encoded once, and what is costly of that kept on the disk."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from textclf.config.schema import TextConfig
from textclf.data.dataset import TextDataset, bytes_to_words, words_to_bytes
from textclf.data.text_store import StoredTexts, write_batches
from textclf.storage.cache import Entry, cached
from textclf.storage.checksums import hash_bytes
from textclf.text.encoder import TextEncoder, count_words, encode_batches
from textclf.text.input_pipeline import Rows

Inputs = dict[str, Rows]


def encode_dataset(
    network: Any, config: TextConfig, dataset: TextDataset
) -> tuple[Any, Any, Inputs]:
    """Compute what is the same in every epoch.

    A network of token ids follows a `TextEncoder`. Of a network of raw texts, the first layer is
    computed once if it is frozen; if it is trainable, the network takes the texts themselves.

    Returns:
        The encoder; the network that takes its output; and that output by the name of the split.
    """
    if network.inputs[0].dtype != "string":
        encoder, inputs = _encode_tokens(config, dataset)
        return encoder, network, inputs
    first = network.layers[1]
    if first.trainable:
        texts = {name: _as_rows(split.texts) for name, split in dataset.splits.items()}
        return keras.layers.Identity(name="texts"), network, texts
    network = keras.Model(first.output, network.outputs, name=network.name)
    inputs = {name: _encode(first, split.texts) for name, split in dataset.splits.items()}
    return first, network, inputs


def _as_rows(texts: Sequence[str]) -> Rows:
    return texts if isinstance(texts, StoredTexts) else np.array(list(texts), object)


def _encode(encoder: Any, texts: Sequence[str]) -> npt.NDArray[Any]:
    """Run an encoder over all texts; the answer is in a file, since it may be large."""
    return write_batches(encode_batches(encoder, texts))


def _encode_tokens(config: TextConfig, dataset: TextDataset) -> tuple[TextEncoder, Inputs]:
    """Return ids, <int32>[texts, length], from the disk where they were computed before."""

    def make() -> Entry:
        encoder = build_encoder(config, dataset)
        arrays = {name: _encode(encoder, split.texts) for name, split in dataset.splits.items()}
        return Entry({**arrays, "vocabulary": words_to_bytes(encoder.vocabulary)}, {})

    published = (
        hash_bytes(words_to_bytes(dataset.vocabulary).tobytes()) if dataset.vocabulary else None
    )
    key = {"dataset": dataset.digest, "vocabulary": published, "text": config.model_dump()}
    arrays = cached("ids", key, make).arrays
    words = bytes_to_words(arrays["vocabulary"])
    return _make_encoder(config, words), {name: arrays[name] for name in dataset.splits}


def build_encoder(config: TextConfig, dataset: TextDataset) -> TextEncoder:
    """Make the encoder, with the dataset's published vocabulary or that of its training texts."""
    vocabulary = dataset.vocabulary
    if vocabulary is None:
        vocabulary = count_words(dataset.train.texts, at_most=config.num_words)
    return _make_encoder(config, vocabulary)


def _make_encoder(config: TextConfig, vocabulary: Sequence[str]) -> TextEncoder:
    # With a name: Keras would number encoders, and model.keras would tell which was the second.
    return TextEncoder(**config.model_dump(), vocabulary=vocabulary, name="text_encoder")
