"""Any text classification set of tensorflow-datasets: ``tfds:NAME`` or ``tfds:NAME/CONFIG``.

The splits of the catalog are used where there are some; labels keep their names.
"""

import functools
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from textclf.data.dataset import TextDataset
from textclf.data.file_formats import Row, check_row
from textclf.data.tabular import PARTS, Part, RowOptions, find_columns, is_secret, load_rows
from textclf.errors import DataError, RequestError
from textclf.runtime.backend import import_tensorflow, without_tuning
from textclf.storage.downloads import ANOTHER_DATASET, cache_folder, check_reachable, downloading

BATCH_SIZE = 1_000
CATALOG = "https://www.tensorflow.org/datasets/catalog"
"""Asked before a download: without a network, tensorflow-datasets tries again for minutes."""


class Options(RowOptions):
    """Which features are text and label."""


def about(options: Options) -> dict[str, str]:
    """Return where a set comes from, as its catalog says."""
    info = _make_builder(options.name).info
    return {
        "download": str(info.download_size),
        "source": f"{CATALOG}/{info.name}",
        "licence": (info.redistribution_info.license if info.redistribution_info else None)
        or "not stated",
        "citation": " ".join(info.citation.split()) or "none",
    }


def label_names(options: Options) -> tuple[str, ...]:
    """Return the labels in the order of the catalog."""
    return load(options).label_names


def load(options: Options) -> TextDataset:
    """Load a set, which is prepared first where it is not.

    Raises:
        DataError: there is no such set, or it cannot be downloaded, or it is none of texts.
    """
    import tensorflow_datasets as tfds

    builder = _make_builder(options.name)
    features = builder.info.features
    place = f"--dataset {options.name}"
    if not isinstance(features, tfds.features.FeaturesDict):
        raise DataError(f"{place}: its examples have no named features")
    text, label = find_columns(list(features), options, place)
    if getattr(features[text], "dtype", None) != tfds.features.Text().dtype:
        raise DataError(f"{place}: the feature '{text}' is no text; give --text-column")
    known = getattr(features[label], "names", None)
    root = cache_folder("TFDS_DATA_DIR", "~/tensorflow_datasets")
    if not builder.is_prepared():
        with downloading(
            options.name, root, DataError, remedy=f"check the network, {ANOTHER_DATASET}"
        ):
            check_reachable(CATALOG)
            builder.download_and_prepare()

    def read(split: str) -> Iterator[Row]:
        data = builder.as_dataset(split=split, shuffle_files=False, batch_size=BATCH_SIZE)
        number = 0
        for batch in without_tuning(data):
            for content, given in zip(batch[text].numpy(), batch[label].numpy(), strict=True):
                number += 1
                try:
                    decoded = content.decode("utf-8")
                except UnicodeDecodeError as error:
                    raise DataError(f"{place}: {split} text {number} is not UTF-8") from error
                yield check_row(decoded, _name(given, known), f"{place}: {split} text {number}")

    def read_first_label(split: str) -> Any:
        data = builder.as_dataset(split=split, shuffle_files=False).take(1)
        return next(iter(without_tuning(data)))[label].numpy()

    parts: dict[Part, Callable[[], Iterable[Row]]] = {
        PARTS[split]: functools.partial(read, split)
        for split in builder.info.splits
        if split in PARTS and not (known and is_secret(read_first_label(split)))
    }
    if "train" not in parts:
        raise DataError(f"{place}: it has no split called train")
    key = {"tfds": builder.info.full_name, "columns": [text, label], "root": str(root)}
    return load_rows(options.name, key, parts, options, label_names=known)


def _name(label: Any, known: list[str] | None) -> Any:
    """Return the name of a label, which is a number or a string."""
    if isinstance(label, bytes):
        return label.decode("utf-8", "replace")
    if known is None:
        return label.item()
    return None if is_secret(label) else known[int(label)]


def _make_builder(name: str) -> Any:
    """Return the builder of a set, without downloading anything."""
    import_tensorflow()
    import tensorflow_datasets as tfds

    logging.getLogger("absl").setLevel(logging.ERROR)  # It warns of a folder that is just new.
    wanted = name.partition(":")[2]
    try:
        return tfds.builder(
            wanted, data_dir=cache_folder("TFDS_DATA_DIR", "~/tensorflow_datasets"), try_gcs=False
        )
    except Exception as error:  # It raises many kinds, also for a name of several lines.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200].strip(". ")
        raise RequestError(
            f"--dataset {name}: tensorflow-datasets has no '{wanted}': {reason}; see {CATALOG}"
        ) from error
