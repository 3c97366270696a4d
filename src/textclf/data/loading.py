"""Loads a dataset by name.

A dataset module (in ``textclf/datasets``, ``textclf/sources``, a package or a Python file) has a
docstring whose first line is its summary, and defines

- ``load(config)``: the `TextDataset`; or, if it is not built in, rows of a text and the name of its
  label, or a mapping from ``train``, ``validation`` and ``test`` to such rows;
- optionally ``ABOUT``, or ``about(config)`` if it serves many datasets: download, source, license,
  citation;
- optionally ``label_names(config)``: the names of label 0, 1, ..., without loading the texts;
- optionally ``Config``, a `DatasetConfig` with more keys;
- optionally ``DEFAULTS``, default values of other sections of the configuration;
- optionally ``source_digest(config)``: a digest of its files that is known without reading the
  texts, or None. With it, the dataset is cached.
"""

from types import ModuleType

from textclf.config.schema import DatasetConfig
from textclf.data.dataset import TextDataset
from textclf.data.folds import select_fold
from textclf.data.overlap import drop_leaked
from textclf.data.packing import pack_dataset, unpack_dataset
from textclf.data.rows import split_rows
from textclf.data.splitting import limit_per_label, limit_splits, take_fraction
from textclf.errors import DataError, format_reason
from textclf.registry import guard_code, load_module
from textclf.storage.cache import cached


def load_dataset(config: DatasetConfig) -> TextDataset:
    """Load the dataset of a configuration, from the cache if it is there.

    Raises:
        DataError: The dataset cannot be found, downloaded or read.
    """
    module = _find_module(config)
    source = module.source_digest(config) if hasattr(module, "source_digest") else None
    if source is None:
        return _prepare(config)
    key = {"source": source, "config": config.model_dump(mode="json")}
    return unpack_dataset(cached("dataset", key, lambda: pack_dataset(_prepare(config))))


def _prepare(config: DatasetConfig) -> TextDataset:
    # Folds first, so that everything else treats them like the splits of the dataset.
    dataset = select_fold(_read(config), config)
    if config.drop_leaked:
        dataset = drop_leaked(dataset)
    dataset = take_fraction(limit_splits(dataset, config.limit), config.train_fraction)
    return limit_per_label(dataset, config.train_per_label)


def _find_module(config: DatasetConfig) -> ModuleType:
    return load_module("datasets", config.name, config.code)


def _read(config: DatasetConfig) -> TextDataset:
    """Return the whole dataset; code that is not built in may return rows instead."""
    if config.code is None:
        dataset: TextDataset = _find_module(config).load(config)
        return dataset
    module = _find_module(config)
    try:
        with guard_code(module, DataError):
            loaded = module.load(config)
            return loaded if isinstance(loaded, TextDataset) else split_rows(loaded, config)
    except OSError as error:
        reason = ": ".join(filter(None, [error.filename, format_reason(error)]))
        raise DataError(f"{config.name} cannot read its data: {reason}") from error


def load_label_names(config: DatasetConfig) -> tuple[str, ...]:
    """Return the names of label 0, 1, ..., if possible without loading the texts."""
    module = _find_module(config)
    names: tuple[str, ...] = (
        module.label_names(config)
        if hasattr(module, "label_names")
        else load_dataset(config).label_names
    )
    return names


def describe_source(config: DatasetConfig) -> dict[str, str]:
    """Return where a dataset comes from: ``download``, ``source``, ``license``, ``citation``."""
    module = _find_module(config)
    unknown = dict.fromkeys(("download", "source", "license", "citation"), "not stated")
    about: dict[str, str] = (
        module.about(config) if hasattr(module, "about") else getattr(module, "ABOUT", {})
    )
    return {**unknown, **about}
