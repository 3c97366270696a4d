"""IMDB film reviews, negative or positive, as published by tensorflow-datasets.

The splits of the TensorFlow tutorial, in their official order: ``train[:60%]`` trains (15,000),
``train[60%:]`` validates (10,000), ``test`` tests (25,000).
"""

import logging
from typing import Any

from textclf.backend import import_tensorflow
from textclf.config import DatasetOptions
from textclf.data import Split, TextDataset
from textclf.downloads import ANOTHER_DATASET, cache_folder, downloading
from textclf.errors import DataError

ABOUT = {
    "download": "80 MB",
    "source": "https://www.tensorflow.org/datasets/catalog/imdb_reviews",
    "licence": "none stated; free for research with citation",
    "citation": "A. Maas et al., Learning Word Vectors for Sentiment Analysis, ACL 2011",
}
DEFAULTS = {"text": {"num_words": 20_000, "sequence_length": 200}}

SPLITS = ("train[:60%]", "train[60%:]", "test")
URL = "http://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz"


def label_names(options: DatasetOptions) -> tuple[str, ...]:  # noqa: ARG001 - all have the same
    """Return the sentiments in the order of their numbers."""
    return ("negative", "positive")


def load(options: DatasetOptions) -> TextDataset:
    """Load all reviews; the HTML line breaks in them stay, and are no tokens later.

    Raises:
        DataError: the dataset is not prepared, and cannot be downloaded.
    """
    import_tensorflow()
    import tensorflow_datasets as tfds

    logging.getLogger("absl").setLevel(logging.ERROR)  # It warns of a folder that is just new.
    folder = cache_folder("TFDS_DATA_DIR", "~/tensorflow_datasets")
    try:
        builder = tfds.builder("imdb_reviews/plain_text", data_dir=folder)
    except Exception as error:  # tfds raises what the parser of its own metadata raises.
        raise DataError(_damaged(folder / "imdb_reviews", error)) from error
    if not builder.is_prepared():
        what = f"imdb_reviews ({builder.data_dir} is not there)"
        remedy = f"copy a prepared imdb_reviews/plain_text/{builder.version} into {folder}"
        with downloading(what, folder, DataError, remedy=f"{remedy}, {ANOTHER_DATASET}"):
            _check_reachable(URL)
            builder.download_and_prepare()
    try:
        train, validation, test = (_read_split(builder, split) for split in SPLITS)
    except Exception as error:  # TensorFlow raises several kinds for a damaged record file.
        raise DataError(_damaged(builder.data_dir, error)) from error
    return TextDataset("imdb", label_names(options), train, validation, test)


def _damaged(folder: object, error: Exception) -> str:
    reason = str(error).split("\n")[0][:200]
    return f"cannot read {folder}: {reason}; delete the folder to have it prepared again"


def _read_split(builder: Any, split: str) -> Split:
    data = builder.as_dataset(split=split, as_supervised=True).batch(2_500)
    texts: list[str] = []
    labels: list[int] = []
    for some_texts, some_labels in data.as_numpy_iterator():
        texts.extend(text.decode("utf-8") for text in some_texts)
        labels.extend(some_labels.tolist())
    return Split.from_lists(texts, labels)


def _check_reachable(url: str) -> None:
    """Fail within seconds where there is no network; tfds alone retries for minutes."""
    import requests  # A dependency of tensorflow-datasets, which downloads with it.

    try:
        requests.head(url, timeout=10, allow_redirects=True).raise_for_status()
    except requests.RequestException as error:
        raise ConnectionError(f"{url} cannot be reached ({type(error).__name__})") from error
