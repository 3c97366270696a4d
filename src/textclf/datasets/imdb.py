"""IMDB film reviews, negative or positive, as published by tensorflow-datasets.

The splits of the TensorFlow tutorial, in their official order: ``train[:60%]`` trains (15,000),
``train[60%:]`` validates (10,000), ``test`` tests (25,000).
"""

import logging
from pathlib import Path

from textclf.config.schema import DatasetOptions
from textclf.data.dataset import Split, TextDataset
from textclf.errors import DataError
from textclf.runtime.backend import import_tensorflow, without_tuning
from textclf.storage.checksums import hash_file
from textclf.storage.downloads import ANOTHER_DATASET, cache_folder, check_reachable, downloading

ABOUT = {
    "download": "80 MB",
    "source": "https://www.tensorflow.org/datasets/catalog/imdb_reviews",
    "licence": "none stated; free for research with citation",
    "citation": "A. Maas et al., Learning Word Vectors for Sentiment Analysis, ACL 2011",
}
DEFAULTS = {"text": {"num_words": 20_000, "sequence_length": 200}}

PLACE = "imdb_reviews/plain_text/1.0.0"
SIZES = {"train": 25_000, "test": 25_000}
TRAIN_END = 15_000
URL = "http://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz"


def label_names(options: DatasetOptions) -> tuple[str, ...]:  # noqa: ARG001 - all have the same
    """Return the sentiments in the order of their numbers."""
    return ("negative", "positive")


def source_digest(options: DatasetOptions) -> str | None:  # noqa: ARG001 - all have the same
    """Return a hash of the files; None where they are not prepared."""
    try:
        hashes = [hash_file(path) for name in SIZES for path in _list_shards(name)]
    except OSError as error:
        raise DataError(_damaged(error)) from error
    return repr(hashes) if hashes else None


def load(options: DatasetOptions) -> TextDataset:
    """Load all reviews; the HTML line breaks in them stay, and are no tokens later.

    Raises:
        DataError: the dataset is not prepared, and cannot be downloaded, or is damaged.
    """
    import_tensorflow()
    if not _folder().is_dir():
        _prepare()
    try:
        texts, labels = _read_reviews("train")
        test = Split.from_lists(*_read_reviews("test"))
    except Exception as error:  # TensorFlow raises several kinds for a damaged record file.
        raise DataError(_damaged(error)) from error
    return TextDataset(
        "imdb",
        label_names(options),
        Split.from_lists(texts[:TRAIN_END], labels[:TRAIN_END]),
        Split.from_lists(texts[TRAIN_END:], labels[TRAIN_END:]),
        test,
    )


def _folder() -> Path:
    return cache_folder("TFDS_DATA_DIR", "~/tensorflow_datasets") / PLACE


def _list_shards(name: str) -> list[Path]:
    return sorted(_folder().glob(f"imdb_reviews-{name}.tfrecord-*"))


def _prepare() -> None:
    """Have tensorflow-datasets download the reviews and write its record files."""
    import tensorflow_datasets as tfds

    logging.getLogger("absl").setLevel(logging.ERROR)  # It warns of a folder that is just new.
    root = cache_folder("TFDS_DATA_DIR", "~/tensorflow_datasets")
    what = f"imdb_reviews ({root / PLACE} is not there)"
    remedy = f"copy a prepared {PLACE} into {root}, {ANOTHER_DATASET}"
    with downloading(what, root, DataError, remedy=remedy):
        if not _folder().is_dir():  # Another process may have prepared it in the meantime.
            check_reachable(URL)
            tfds.builder("imdb_reviews/plain_text:1.0.0", data_dir=root).download_and_prepare()


def _damaged(error: Exception) -> str:
    reason = str(error).split("\n")[0][:200]
    return f"cannot read {_folder()}: {reason}; delete the folder to have it prepared again"


def _read_reviews(name: str) -> tuple[list[str], list[int]]:
    """Read a split in its official order: without tensorflow-datasets, whose start takes longer."""
    import tensorflow as tf

    features = {
        "label": tf.io.FixedLenFeature([], tf.int64),
        "text": tf.io.FixedLenFeature([], tf.string),
    }
    records = tf.data.TFRecordDataset([str(path) for path in _list_shards(name)]).batch(2_500)
    texts: list[str] = []
    labels: list[int] = []
    parsed = records.map(lambda batch: tf.io.parse_example(batch, features))
    for examples in without_tuning(parsed):
        texts.extend(text.decode("utf-8") for text in examples["text"].numpy())
        labels.extend(examples["label"].numpy().tolist())
    if len(texts) != SIZES[name]:
        raise ValueError(f"{len(texts):,} reviews in {name}, and not {SIZES[name]:,}")
    return texts, labels
