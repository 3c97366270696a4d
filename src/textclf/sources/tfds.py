"""Text classification datasets of tensorflow-datasets.

The name is ``tfds:NAME`` or ``tfds:NAME/CONFIG``. The splits and label names of the catalog are
used.
"""

import functools
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from textclf.data.dataset import TextDataset
from textclf.data.table import Table
from textclf.data.tabular import TableConfig, find_columns, load_library_dataset
from textclf.errors import DataError, RequestError, format_reason
from textclf.runtime.backend import import_tensorflow, without_tuning
from textclf.storage.cache_folders import cache_folder
from textclf.storage.downloads import USE_BBC, check_reachable, downloading

BATCH_SIZE = 1_000
CATALOG = "https://www.tensorflow.org/datasets/catalog"
"""Requested before a download: without a network, tensorflow-datasets retries for minutes."""


class Config(TableConfig):
    """Which features are text and label."""


def about(config: Config) -> dict[str, str]:
    """Return where a dataset comes from, according to its catalog."""
    info = _make_builder(config.name).info
    terms = info.redistribution_info.license if info.redistribution_info else None
    return {
        "download": str(info.download_size),
        "source": f"{CATALOG}/{info.name}",
        "license": terms or "not stated",
        "citation": " ".join(info.citation.split()) or "none",
    }


def load(config: Config) -> TextDataset:
    """Load a dataset, after downloading it if necessary.

    Raises:
        RequestError: tensorflow-datasets has no such dataset.
        DataError: The dataset cannot be downloaded, or is not a dataset of labeled texts.
    """
    import tensorflow_datasets as tfds

    builder = _make_builder(config.name)
    features = builder.info.features
    if not isinstance(features, tfds.features.FeaturesDict):
        raise DataError(f"--dataset {config.name}: its examples have no named features")
    columns = find_columns(Table(list(features)), config, f"--dataset {config.name}")
    for name in columns.texts:
        if getattr(features[name], "np_dtype", None) != np.object_:
            raise DataError(
                f"--dataset {config.name}: the feature '{name}' is not text; give --text-column"
            )
    root = _root()
    if not builder.is_prepared():
        remedy = f"check the network, {USE_BBC}"
        with downloading(config.name, root, DataError, remedy=remedy):
            check_reachable(CATALOG)
            import_tensorflow()
            builder.download_and_prepare()
    return load_library_dataset(
        config,
        columns,
        {name: functools.partial(_read, builder, name) for name in builder.info.splits},
        label_names=getattr(features[columns.label], "names", None),
        key={"tfds": builder.info.full_name, "root": str(root)},
    )


def _read(builder: Any, split: str, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Yield the values of features, example by example: UTF-8, and a number or UTF-8."""
    import_tensorflow()
    data = builder.as_dataset(split=split, shuffle_files=False, batch_size=BATCH_SIZE)
    for batch in without_tuning(data):
        yield from zip(*(batch[name].numpy().tolist() for name in names), strict=True)


def _root() -> Path:
    return cache_folder("TFDS_DATA_DIR", "~/tensorflow_datasets")


def _make_builder(name: str) -> Any:
    """Return the builder of a dataset, without downloading anything or starting TensorFlow."""
    import tensorflow_datasets as tfds

    logging.getLogger("absl").setLevel(logging.ERROR)  # It warns of a folder that is merely new.
    wanted = name.partition(":")[2]
    if not wanted:
        raise RequestError("--dataset tfds: needs a name, such as tfds:ag_news_subset")
    try:
        return tfds.builder(wanted, data_dir=_root(), try_gcs=False)
    except Exception as error:  # It raises many classes, also for a name of several lines.
        reason = format_reason(error).strip(". ")
        raise RequestError(
            f"--dataset {name}: tensorflow-datasets has no '{wanted}': {reason}; see {CATALOG}"
        ) from error
