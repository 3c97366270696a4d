"""Folders of cached files: this program's own and those of the libraries that it uses."""

import os
from pathlib import Path

import platformdirs


def cache_folder(variable: str, default: str | Path) -> Path:
    """Return the folder that an environment variable of a library names, or its default."""
    return Path(os.environ.get(variable) or default).expanduser()


def own_cache(*names: str) -> Path:
    """Return a folder in this program's own cache, which ``TEXTCLF_CACHE_DIR`` moves."""
    root = cache_folder("TEXTCLF_CACHE_DIR", platformdirs.user_cache_path("textclf"))
    return root.joinpath(*names)
