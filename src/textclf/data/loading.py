"""Loads a dataset by name, reading its texts only if they are needed.

A dataset module (``textclf/datasets``, ``textclf/sources``) has a docstring whose first line is its
summary, and defines

- ``ABOUT``, or ``about(config)`` if it serves many datasets: download, source, license, citation;
- ``label_names(config)``: the names of label 0, 1, ...;
- ``load(config)``: the `TextDataset`;
- optionally ``Config``, a `DatasetConfig` with more keys;
- optionally ``DEFAULTS``, default values of other sections of the configuration;
- optionally ``source_digest(config)``: a digest of its files that is known without reading the
  texts, or None. With it, labels and digests are cached.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from textclf.config.schema import DatasetConfig
from textclf.data.dataset import LazyTexts, TextDataset
from textclf.data.overlap import drop_leaked
from textclf.data.packing import pack_dataset, unpack_dataset
from textclf.data.splitting import limit_splits
from textclf.registry import load_module
from textclf.storage.cache import cached


def load_dataset(config: DatasetConfig) -> TextDataset:
    """Load the dataset of a configuration.

    Labels and digests come from the cache if they are there; texts are then read when they are
    first used.

    Raises:
        DataError: The dataset cannot be found, downloaded or read.
    """
    module = load_module("datasets", config.name)
    source = module.source_digest(config) if hasattr(module, "source_digest") else None
    reader = _DatasetReader(config)
    if source is None:
        return reader.dataset
    key = {"source": source, "config": config.model_dump(mode="json")}
    entry = cached("dataset", key, lambda: pack_dataset(reader.dataset, with_texts=False))
    texts = {
        name: LazyTexts(functools.partial(reader.read_texts, name), size)
        for name, size in entry.facts["sizes"].items()
    }
    return unpack_dataset(entry, texts=texts)


@dataclass(frozen=True)
class _DatasetReader:
    """Reads a dataset when it is first needed, and keeps it."""

    config: DatasetConfig

    @functools.cached_property
    def dataset(self) -> TextDataset:
        dataset: TextDataset = load_module("datasets", self.config.name).load(self.config)
        if self.config.drop_leaked:
            dataset = drop_leaked(dataset)
        return limit_splits(dataset, self.config.limit)

    def read_texts(self, split: str) -> Sequence[str]:
        return self.dataset.splits[split].texts


def load_label_names(config: DatasetConfig) -> tuple[str, ...]:
    """Return the names of label 0, 1, ... without loading the texts."""
    names: tuple[str, ...] = load_module("datasets", config.name).label_names(config)
    return names


def describe_source(config: DatasetConfig) -> dict[str, str]:
    """Return where a dataset comes from: ``download``, ``source``, ``license``, ``citation``."""
    module = load_module("datasets", config.name)
    about: dict[str, str] = module.about(config) if hasattr(module, "about") else module.ABOUT
    return about
