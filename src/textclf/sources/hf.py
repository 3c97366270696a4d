"""Text classification datasets of Hugging Face; needs the extra ``hf``.

PATH is a name on the hub, such as ``hf:stanfordnlp/imdb``, or a local folder that the library
``datasets`` reads. Code of a dataset is never run.
"""

import functools
import itertools
import logging
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import Field

from textclf.data.dataset import TextDataset
from textclf.data.table import Table
from textclf.data.tabular import TableConfig, find_columns, load_library_dataset
from textclf.errors import DataError, RequestError, format_install, format_reason
from textclf.runtime.telemetry import switch_off_telemetry
from textclf.storage.downloads import USE_BBC

BATCH_SIZE = 1_000

PARQUET = "refs/convert/parquet"
"""Revision in which the hub keeps the tables of a dataset with a loading script.

Each configuration is a folder, and each of its splits is a folder in it.
"""


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


def load(config: Config) -> TextDataset:
    """Load a dataset, after downloading it if necessary.

    Raises:
        RequestError: The extra is not installed.
        DataError: The dataset does not exist, cannot be downloaded, or is not labeled texts.
    """
    splits = _load_splits(config)
    features = next(iter(splits.values())).features
    columns = find_columns(Table(list(features)), config, f"--dataset {config.name}")
    return load_library_dataset(
        config,
        columns,
        {name: functools.partial(_read, split) for name, split in splits.items()},
        label_names=getattr(features[columns.label], "names", None),
        key={"hf": {name: split._fingerprint for name, split in splits.items()}},
    )


def _read(split: Any, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Yield the values of columns, example by example."""
    for batch in split.select_columns(list(names)).iter(BATCH_SIZE):
        yield from zip(*(batch[name] for name in names), strict=True)


def _path(config: Config) -> str:
    return config.name.partition(":")[2]


def _load_splits(config: Config) -> dict[str, Any]:
    """Return the splits, each a table in memory-mapped files."""
    switch_off_telemetry()
    try:
        import datasets
    except ImportError as error:
        raise RequestError(f"--dataset {config.name} needs {format_install('hf')}") from error
    if not _path(config):
        raise RequestError("--dataset hf: needs a name, such as hf:stanfordnlp/imdb")
    for name in ("datasets", "huggingface_hub"):  # They log every attempt.
        logging.getLogger(name).setLevel(logging.ERROR)
    datasets.disable_progress_bars()
    given = {"path": _path(config), "revision": config.revision}
    given |= {"data_dir" if config.revision == PARQUET else "name": config.config}
    try:
        if config.revision == PARQUET and not config.config:
            _check_single(config, datasets.load_dataset_builder(**given))
        loaded = datasets.load_dataset(**given)
    except DataError:
        raise
    except Exception as error:  # It raises what its many libraries raise.
        reason, remedy = format_reason(error), f"check the name and the network, {USE_BBC}"
        if "scripts are no longer supported" in reason:
            remedy = f"the hub may have its tables: add --set dataset.revision={PARQUET}"
        raise DataError(f"cannot get {config.name}: {reason}; {remedy}") from error
    return dict(loaded)


def _check_single(config: Config, builder: Any) -> None:
    """Raise DataError if the tables belong to several configurations, which would be mixed."""
    files = itertools.chain.from_iterable(builder.config.data_files.values())
    names = sorted({file.split("/")[-3] for file in files})
    if len(names) > 1:
        raise DataError(
            f"{config.name} has several configurations: add --set dataset.config=NAME, one of"
            f" {', '.join(names)}"
        )
