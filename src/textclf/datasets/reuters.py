"""Reuters newswires in 46 topics, as published with Keras.

The newswires, their order and their labels are those of ``keras.datasets.reuters.load_data``,
decoded to text. The first 7,000 of the 8,982 training newswires are for training and the other
1,982 for validation; the 2,246 test newswires are for the test.
"""

import hashlib
import json
from pathlib import Path

import numpy as np

from textclf.config.schema import DatasetConfig
from textclf.data.dataset import Split, TextDataset
from textclf.datasets._npz import read_rows
from textclf.errors import DataError, format_reason
from textclf.runtime.backend import import_tensorflow
from textclf.storage.cache_folders import cache_folder
from textclf.storage.downloads import USE_BBC, downloading

ABOUT = {
    "download": "2 MB",
    "source": "https://keras.io/api/datasets/reuters/",
    "license": "the Reuters-21578 terms: free for research",
    "citation": "D. D. Lewis, Reuters-21578 text categorization collection, 1997",
}
DEFAULTS = {"text": {"num_words": 15_000, "sequence_length": 120}}

TOPICS = (
    *("cocoa", "grain", "veg-oil", "earn", "acq", "wheat", "copper", "housing", "money-supply"),
    *("coffee", "sugar", "trade", "reserves", "ship", "cotton", "carcass", "crude", "nat-gas"),
    *("cpi", "money-fx", "interest", "gnp", "meal-feed", "alum", "oilseed", "gold", "tin"),
    *("strategic-metal", "livestock", "retail", "ipi", "iron-steel", "rubber", "heat", "jobs"),
    *("lei", "bop", "zinc", "orange", "pet-chem", "dlr", "gas", "silver", "wpi", "hog", "lead"),
)
"""What ``keras.datasets.reuters.get_label_names`` returns; importing Keras takes seconds."""

KERAS_SEED = 113
TRAIN_END = 7_000
VALIDATION_END = 8_982
ORIGIN = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
LOST_CHARACTER = {"?": "\N{REPLACEMENT CHARACTER}"}
# The checksums in keras.datasets.reuters.
FILES = {
    "reuters.npz": (
        "sha256",
        "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916",
    ),
    "reuters_word_index.json": ("md5", "4d44cc38712099c9e383dc6e5f11a921"),
}


def label_names(config: DatasetConfig) -> tuple[str, ...]:  # noqa: ARG001 - the contract
    """Return the topics; the file contains numbers only."""
    return TOPICS


def source_digest(config: DatasetConfig) -> str:  # noqa: ARG001 - the contract
    """Verify the files, and return their published checksums.

    Raises:
        DataError: A file is missing or damaged and cannot be downloaded.
    """
    for file_name in FILES:
        _fetch(file_name)
    return repr(sorted(FILES.items()))


def load(config: DatasetConfig) -> TextDataset:
    """Load all newswires.

    Raises:
        DataError: A file is missing or damaged and cannot be downloaded.
    """
    source_digest(config)
    words = _read_words(_folder() / "reuters_word_index.json")
    ranks = read_rows(_folder() / "reuters.npz", "x")
    labels = read_rows(_folder() / "reuters.npz", "y")
    order = np.arange(len(ranks))
    np.random.RandomState(KERAS_SEED).shuffle(order)
    texts = [" ".join(words[rank - 1] for rank in ranks[row]) for row in order]
    labels = labels[order]

    def split(start: int, end: int) -> Split:
        return Split.from_lists(texts[start:end], labels[start:end])

    return TextDataset(
        name="reuters",
        label_names=label_names(config),
        train=split(0, TRAIN_END),
        validation=split(TRAIN_END, VALIDATION_END),
        test=split(VALIDATION_END, len(texts)),
        vocabulary=words,
    )


def _folder() -> Path:
    return cache_folder("KERAS_HOME", "~/.keras") / "datasets"


def _fetch(file_name: str) -> None:
    """Download a file with Keras if it is missing or differs from the published one."""
    algorithm, expected = FILES[file_name]
    path = _folder() / file_name
    if path.is_file() and _hash(path, algorithm) == expected:
        return
    state = "is damaged" if path.is_file() else "does not exist"
    what = f"{file_name} ({path} {state})"
    remedy = f"put {ORIGIN}{file_name} into {path.parent}, {USE_BBC}"
    with downloading(what, path.parent, DataError, remedy=remedy):
        import_tensorflow()
        import keras

        keras.utils.get_file(
            file_name,
            origin=ORIGIN + file_name,
            file_hash=expected,
            hash_algorithm=algorithm,
            cache_dir=str(path.parent.parent),
        )


def _hash(path: Path, algorithm: str) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, algorithm).hexdigest()
    except OSError as error:
        raise DataError(
            f"cannot read {path}: {format_reason(error)}; check its permissions"
        ) from error


def _read_words(path: Path) -> tuple[str, ...]:
    """Return all words, the most frequent first."""
    ranks: dict[str, int] = json.loads(path.read_text(encoding="utf-8"))
    # One "word" is a lost character, which the tokenizer would remove as punctuation.
    return tuple(LOST_CHARACTER.get(word, word) for word in sorted(ranks, key=ranks.__getitem__))
