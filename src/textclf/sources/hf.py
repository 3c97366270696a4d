"""Text classification datasets of Hugging Face; needs the extra ``hf``.

PATH is a name on the hub, such as ``hf:stanfordnlp/imdb``, or a local folder that the library
``datasets`` reads. Code of a dataset is never run.
"""

import functools
import logging
from collections.abc import Iterator
from typing import Any

from pydantic import Field

from textclf.data.dataset import TextDataset
from textclf.data.tabular import TableConfig, find_columns, load_library_dataset
from textclf.errors import DataError, RequestError, format_reason
from textclf.storage.downloads import USE_BBC

BATCH_SIZE = 1_000


class Config(TableConfig):
    """Which configuration and revision of a dataset, and which columns."""

    config: str | None = Field(
        default=None, description="configuration of the dataset, such as sst2"
    )
    revision: str | None = Field(
        default=None, description="commit, branch or tag of the dataset's repository"
    )


def about(config: Config) -> dict[str, str]:
    """Return where a dataset comes from, according to its own description."""
    info = next(iter(_load_splits(config).values())).info
    return {
        "download": f"{info.download_size or 0:,} bytes",
        "source": info.homepage or f"https://huggingface.co/datasets/{_path(config)}",
        "license": info.license or "not stated",
        "citation": " ".join((info.citation or "").split()) or "none",
    }


def label_names(config: Config) -> tuple[str, ...]:
    """Return the label names in the order of the dataset."""
    return load(config).label_names


def load(config: Config) -> TextDataset:
    """Load a dataset, after downloading it if necessary.

    Raises:
        RequestError: The extra is not installed.
        DataError: The dataset does not exist, cannot be downloaded, or is not labeled texts.
    """
    splits = _load_splits(config)
    features = next(iter(splits.values())).features
    text, label = find_columns(list(features), config, f"--dataset {config.name}")
    return load_library_dataset(
        config,
        (text, label),
        {name: functools.partial(_read, split) for name, split in splits.items()},
        label_names=getattr(features[label], "names", None),
        key={"hf": {name: split._fingerprint for name, split in splits.items()}},
    )


def _read(split: Any, text: str, label: str) -> Iterator[tuple[Any, Any]]:
    """Yield the text and the label of each example."""
    for batch in split.select_columns([text, label]).iter(BATCH_SIZE):
        yield from zip(batch[text], batch[label], strict=True)


def _path(config: Config) -> str:
    return config.name.partition(":")[2]


def _load_splits(config: Config) -> dict[str, Any]:
    """Return the splits, each a table in memory-mapped files."""
    try:
        import datasets
    except ImportError as error:
        raise RequestError(f"--dataset {config.name} needs pip install 'textclf[hf]'") from error
    if not _path(config):
        raise RequestError("--dataset hf: needs a name, such as hf:stanfordnlp/imdb")
    for name in ("datasets", "huggingface_hub"):  # They log every attempt.
        logging.getLogger(name).setLevel(logging.ERROR)
    datasets.disable_progress_bars()
    try:
        loaded = datasets.load_dataset(_path(config), config.config, revision=config.revision)
    except Exception as error:  # It raises what its many libraries raise.
        raise DataError(
            f"cannot get {config.name}: {format_reason(error)}; check the name and the network,"
            f" {USE_BBC}"
        ) from error
    return dict(loaded)
