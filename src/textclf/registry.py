"""Finds datasets, models, commands ... by their file names, and imports only the one asked for.

``models/cnn_lstm.py`` is the model ``cnn-lstm``. Files starting with ``_`` are private. A
dataset such as ``tfds:ag_news_subset`` is of the collection ``collections/tfds.py``, and one that
is a path, such as ``reviews.csv``, of ``collections/path.py``.
"""

import os
from importlib import import_module
from pathlib import Path
from types import ModuleType

from textclf.errors import RequestError, unknown

SINGULAR = {
    "sources": "source",
    "commands": "command",
    "datasets": "dataset",
    "executors": "executor",
    "models": "model",
}


def list_names(kind: str) -> list[str]:
    """Return the sorted names of all ``commands``, ``datasets``, ``models`` ..., importing none."""
    folder = Path(__file__).parent / kind
    files = (path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))
    return sorted(stem.replace("_", "-") for stem in files)


def check_name(kind: str, name: str) -> None:
    """Refuse a name that is no file.

    Raises:
        RequestError: there is no such name; the message gives the nearest one.
    """
    if name not in list_names(kind):
        hint = "; or a path, such as ./reviews.csv" if kind == "datasets" else ""
        raise RequestError(unknown(SINGULAR[kind], name, list_names(kind)) + hint)


def load_module(kind: str, name: str) -> ModuleType:
    """Import the module that defines ``name``.

    Raises:
        RequestError: there is no such name; the message gives the nearest one.
    """
    if kind == "datasets" and (source := _find_source(name)):
        return import_module(f"textclf.sources.{source}")
    check_name(kind, name)
    return import_module(f"textclf.{kind}.{name.replace('-', '_')}")


def _find_source(name: str) -> str | None:
    """Return the collection that a dataset is of; None for one that is a file of its own."""
    prefix, colon, _ = name.partition(":")
    if colon and prefix in list_names("sources"):
        return prefix
    is_path = any(mark in name for mark in "./\\~") or os.path.exists(name)  # noqa: PTH110 - no error
    return "path" if is_path and name not in list_names("datasets") else None


def describe(kind: str, name: str) -> str:
    """Return the first line of the docstring of the module that defines ``name``."""
    try:
        text = load_module(kind, name).__doc__ or ""
    except Exception as error:  # One broken file must not hide the others from the list.
        return f"cannot be imported: {type(error).__name__}: {error}"
    return text.strip().split("\n")[0].replace("``", "")
