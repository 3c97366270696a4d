"""Finds commands, datasets, models and executors by file name, and imports only the one needed.

``models/cnn_lstm.py`` is the model ``cnn-lstm``; files that start with ``_`` are private. A dataset
such as ``tfds:ag_news_subset`` is served by ``sources/tfds.py``, and a path such as ``reviews.csv``
by ``sources/path.py``.
"""

import os
from importlib import import_module
from pathlib import Path
from types import ModuleType

from textclf.errors import RequestError, format_error, format_unknown


def list_names(kind: str) -> list[str]:
    """Return the sorted names of all modules of a kind, such as ``models``, importing none."""
    folder = Path(__file__).parent / kind
    files = (path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))
    return sorted(stem.replace("_", "-") for stem in files)


def check_name(kind: str, name: str) -> None:
    """Raise RequestError, with the nearest name, if a name does not exist."""
    if name not in list_names(kind):
        hint = "; or give a path, such as ./reviews.csv" if kind == "datasets" else ""
        raise RequestError(format_unknown(kind.removesuffix("s"), name, list_names(kind)) + hint)


def load_module(kind: str, name: str) -> ModuleType:
    """Import the module of a name.

    Raises:
        RequestError: The name does not exist; the message suggests the nearest one.
    """
    if kind == "datasets" and (source := _find_source(name)):
        return import_module(f"textclf.sources.{source}")
    check_name(kind, name)
    return import_module(f"textclf.{kind}.{name.replace('-', '_')}")


def _find_source(name: str) -> str | None:
    """Return the source that serves a dataset; None for a built-in dataset."""
    prefix, colon, _ = name.partition(":")
    if colon and prefix in list_names("sources"):
        return prefix
    is_path = any(mark in name for mark in "./\\~") or os.path.exists(name)  # noqa: PTH110
    return "path" if is_path and name not in list_names("datasets") else None


def describe(kind: str, name: str) -> str:
    """Return the first line of a module's docstring."""
    try:
        text = load_module(kind, name).__doc__ or ""
    except Exception as error:  # One broken file must not hide the others from a list.
        return f"cannot be imported: {format_error(error)}"
    return text.strip().split("\n")[0].replace("``", "")
