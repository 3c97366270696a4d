"""Any text classification set of Hugging Face: ``hf:PATH``, with the extra ``hf``.

PATH is a name on the hub, such as ``hf:stanfordnlp/imdb``, or a local folder that the library
``datasets`` reads. Code of a set is never run.
"""

import functools
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pydantic import Field

from textclf.data.dataset import TextDataset
from textclf.data.file_formats import Row, check_row
from textclf.data.tabular import PARTS, Part, RowOptions, find_columns, is_secret, load_rows
from textclf.errors import DataError, RequestError
from textclf.storage.downloads import ANOTHER_DATASET

BATCH_SIZE = 1_000


class Options(RowOptions):
    """Which configuration of a set, and which columns."""

    config: str | None = Field(default=None, description="configuration of the set, such as sst2")
    revision: str | None = Field(default=None, description="commit, branch or tag of the set")


def about(options: Options) -> dict[str, str]:
    """Return where a set comes from, as it says itself."""
    info = next(iter(_load_splits(options).values())).info
    return {
        "download": f"{info.download_size or 0:,} bytes",
        "source": info.homepage or f"https://huggingface.co/datasets/{_path(options)}",
        "licence": info.license or "not stated",
        "citation": " ".join((info.citation or "").split()) or "none",
    }


def label_names(options: Options) -> tuple[str, ...]:
    """Return the labels in the order of the set."""
    return load(options).label_names


def load(options: Options) -> TextDataset:
    """Load a set, which is downloaded first where it is not.

    Raises:
        RequestError: the extra is not installed.
        DataError: there is no such set, or it cannot be downloaded, or it is none of texts.
    """
    splits = _load_splits(options)
    place = f"--dataset {options.name}"
    if "train" not in splits:
        raise DataError(f"{place}: it has {', '.join(splits)}, but nothing called train")
    features = splits["train"].features
    text, label = find_columns(list(features), options, place)
    known = getattr(features[label], "names", None)
    parts: dict[Part, Callable[[], Iterable[Row]]] = {
        PARTS[name]: functools.partial(_read, split, f"{place}: {name}", text, label)
        for name, split in splits.items()
        if name in PARTS and not (known and is_secret(split[0][label]))
    }
    key = {
        "hf": {name: split._fingerprint for name, split in splits.items()},
        "columns": [text, label],
    }
    return load_rows(options.name, key, parts, options, label_names=known)


def _read(split: Any, place: str, text: str, label: str) -> Iterator[Row]:
    names = getattr(split.features[label], "names", None)
    number = 0
    for batch in split.select_columns([text, label]).iter(BATCH_SIZE):
        for content, given in zip(batch[text], batch[label], strict=True):
            number += 1
            name = given if names is None else None if is_secret(given) else names[given]
            yield check_row(content, name, f"{place} text {number}")


def _path(options: Options) -> str:
    return options.name.partition(":")[2]


def _load_splits(options: Options) -> dict[str, Any]:
    """Return the splits, each a table in files that are mapped into memory."""
    try:
        import datasets
    except ImportError as error:
        raise RequestError(f"--dataset {options.name} needs pip install 'textclf[hf]'") from error
    for name in ("datasets", "huggingface_hub"):  # They tell of each attempt.
        logging.getLogger(name).setLevel(logging.ERROR)
    datasets.disable_progress_bars()
    try:
        loaded = datasets.load_dataset(_path(options), options.config, revision=options.revision)
    except Exception as error:  # It raises what its many libraries raise.
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(
            f"cannot get {options.name}: {reason}; check the name and the network,"
            f" {ANOTHER_DATASET}"
        ) from error
    return dict(loaded)
