"""IMDB film reviews, negative or positive, from tensorflow-datasets.

The splits are those of the TensorFlow tutorial, in official order: ``train[:60%]`` for training
(15,000 reviews), ``train[60%:]`` for validation (10,000) and ``test`` (25,000).
"""

import logging
from pathlib import Path

from textclf.config.schema import DatasetConfig
from textclf.data.dataset import Split, TextDataset
from textclf.errors import DataError, format_reason
from textclf.runtime.backend import import_tensorflow, without_tuning
from textclf.storage.cache_folders import cache_folder
from textclf.storage.checksums import hash_file
from textclf.storage.downloads import USE_BBC, check_reachable, downloading

ABOUT = {
    "download": "80 MB",
    "source": "https://www.tensorflow.org/datasets/catalog/imdb_reviews",
    "license": "none stated; free for research with citation",
    "citation": "A. Maas et al., Learning Word Vectors for Sentiment Analysis, ACL 2011",
}
DEFAULTS = {"text": {"num_words": 20_000, "sequence_length": 200}}

SUBFOLDER = "imdb_reviews/plain_text/1.0.0"
SIZES = {"train": 25_000, "test": 25_000}
TRAIN_END = 15_000
URL = "http://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz"


def label_names(config: DatasetConfig) -> tuple[str, ...]:  # noqa: ARG001 - the contract
    """Return the two sentiments."""
    return ("negative", "positive")


def source_digest(config: DatasetConfig) -> str | None:  # noqa: ARG001 - the contract
    """Return the checksums of the files; None if they are not prepared."""
    try:
        hashes = [hash_file(path) for name in SIZES for path in _list_shards(name)]
    except OSError as error:
        raise DataError(_damaged(error)) from error
    return repr(hashes) if hashes else None


def load(config: DatasetConfig) -> TextDataset:
    """Load all reviews; HTML line breaks stay in the text, and the tokenizer ignores them.

    Raises:
        DataError: The dataset cannot be downloaded, or is damaged.
    """
    import_tensorflow()
    if not _folder().is_dir():
        _prepare()
    try:
        texts, labels = _read_reviews("train")
        test = Split.from_lists(*_read_reviews("test"))
    except Exception as error:  # TensorFlow raises several classes for a damaged record file.
        raise DataError(_damaged(error)) from error
    return TextDataset(
        "imdb",
        label_names(config),
        Split.from_lists(texts[:TRAIN_END], labels[:TRAIN_END]),
        Split.from_lists(texts[TRAIN_END:], labels[TRAIN_END:]),
        test,
    )


def _folder() -> Path:
    return cache_folder("TFDS_DATA_DIR", "~/tensorflow_datasets") / SUBFOLDER


def _list_shards(name: str) -> list[Path]:
    return sorted(_folder().glob(f"imdb_reviews-{name}.tfrecord-*"))


def _prepare() -> None:
    """Have tensorflow-datasets download the reviews and write its record files."""
    import tensorflow_datasets as tfds

    logging.getLogger("absl").setLevel(logging.ERROR)  # It warns of a folder that is merely new.
    root = cache_folder("TFDS_DATA_DIR", "~/tensorflow_datasets")
    what = f"imdb_reviews ({root / SUBFOLDER} does not exist)"
    remedy = f"copy a prepared {SUBFOLDER} into {root}, {USE_BBC}"
    with downloading(what, root, DataError, remedy=remedy):
        if not _folder().is_dir():  # Another process may have prepared it in the meantime.
            check_reachable(URL)
            tfds.builder("imdb_reviews/plain_text:1.0.0", data_dir=root).download_and_prepare()


def _damaged(error: Exception) -> str:
    reason = format_reason(error)
    return f"cannot read {_folder()}: {reason}; delete the folder to download it again"


def _read_reviews(name: str) -> tuple[list[str], list[int]]:
    """Read a split in official order, without tensorflow-datasets, which starts more slowly."""
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
        raise ValueError(f"{len(texts):,} reviews in {name}, expected {SIZES[name]:,}")
    return texts, labels
