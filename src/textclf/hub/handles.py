"""Resolves the handle of a text embedding to a folder, downloading or building it if needed."""

import contextlib
import hashlib
import os
import re
import shutil
import socket
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from textclf.errors import (
    EmbeddingError,
    RequestError,
    format_error,
    format_install,
    format_nearest_path,
    format_reason,
    format_unknown,
)
from textclf.storage.cache_folders import cache_folder, own_cache
from textclf.storage.checksums import hash_file_once, hash_files
from textclf.storage.downloads import downloading
from textclf.storage.files import remove_leftovers

GRAPH_FILE = "saved_model.pb"
GLOVE = "glove"
GLOVE_TOKENS = 20_000
GLOVE_VERSION = 2
"""Part of the name in the cache; raise it if the same vectors give another embedding."""

# The recipe's modules (https://www.tensorflow.org/tutorials/keras/text_classification_with_hub).
SHORT_NAMES = {
    "gnews-swivel-20dim": "google/tf2-preview/gnews-swivel-20dim/1",
    "gnews-swivel-20dim-with-oov": "google/tf2-preview/gnews-swivel-20dim-with-oov/1",
    "nnlm-en-dim50": "google/tf2-preview/nnlm-en-dim50/1",
    "nnlm-en-dim128": "google/tf2-preview/nnlm-en-dim128/1",
}
EXAMPLE = SHORT_NAMES["nnlm-en-dim50"]
TFHUB = "https://tfhub.dev/"
KAGGLE = "https://www.kaggle.com/models/"
TIMEOUT_SECONDS = 30
ALTERNATIVES = (
    "give a folder that contains the embedding, or use --set model.handle=glove, which needs no"
    f" network ({format_install('glove')})"
)


def resolve(handle: str) -> Path:
    """Return the folder of a text embedding, downloading or building it if needed.

    Args:
        handle: A short name from `SHORT_NAMES`, ``glove``, a folder, a URL, or the path of a model
            on tfhub.dev (``publisher/.../version``) or kaggle.com
            (``publisher/model/tensorFlow2/variation/version``).

    Raises:
        EmbeddingError: The embedding does not exist or cannot be downloaded.
    """
    if handle == GLOVE:
        return _build_glove()
    if folder := find_folder(handle):
        return folder
    return _download(find_url(handle))


def find_folder(handle: str) -> Path | None:
    """Return the folder that a handle names; None if it is a short name or a URL."""
    path = _find_path(handle)
    return path if path and path.is_dir() else None


def find_file(handle: str) -> Path | None:
    """Return the file that a handle names; None if it is something else."""
    path = _find_path(handle)
    return path if path and path.is_file() else None


def _find_path(handle: str) -> Path | None:
    """Return the path that a handle names; None if it is a short name or a URL, or not there."""
    if handle in {GLOVE, *SHORT_NAMES} or "://" in handle:
        return None
    try:
        path = Path(handle).expanduser()
        return path if path.exists() else None
    except (OSError, RuntimeError):  # Too long for a path, or ~ of an unknown user.
        return None


def find_url(handle: str) -> str:
    """Return the URL of a handle that is not a folder.

    Raises:
        RequestError: The handle has none of the known forms.
    """
    if url := _form_url(SHORT_NAMES.get(handle, handle)):
        return url
    if "/" in handle:
        problem = f"{handle} is neither a folder nor a handle such as {EXAMPLE}"
    else:
        problem = format_unknown("text embedding", handle, [GLOVE, *SHORT_NAMES])
        problem += ", or give a folder"
    raise RequestError(problem)


def _form_url(handle: str) -> str | None:
    """Return the URL of a handle; None if it has none of the known forms."""
    if "://" in handle:
        return handle
    if re.fullmatch(r"[\w.-]+/[\w.-]+/tensorflow2/[\w.-]+/\d+", handle, re.IGNORECASE):
        return KAGGLE + handle
    if re.fullmatch(r"[A-Za-z0-9]\S*/\S+/\d+", handle):
        return TFHUB + handle
    return None


def hash_embedding(folder: Path) -> str:
    """Return a checksum of the files of a SavedModel that decide what it computes.

    Raises:
        EmbeddingError: The folder is not a SavedModel, or cannot be read.
    """
    if not (folder / GRAPH_FILE).is_file():
        raise EmbeddingError(f"{folder} is not a SavedModel: it has no {GRAPH_FILE}")
    paths = [folder / GRAPH_FILE, *folder.glob("variables/*"), *folder.glob("assets/**/*")]
    try:
        return hash_files(folder, [path for path in paths if path.is_file()])
    except OSError as error:
        raise EmbeddingError(f"cannot read {error.filename}: {format_reason(error)}") from error


def find_digest(handle: str, digest: str | None, *, may_be_file: bool = False) -> str | None:
    """Return what makes the content that a handle names part of a configuration.

    Args:
        handle: See `resolve`.
        digest: A digest that is known; it is kept, because the folder or the file of a finished run
            may be gone.
        may_be_file: Whether the handle may be a file of word vectors.

    Returns:
        Checksum of a folder or a file; None if the handle includes a version.

    Raises:
        RequestError: The handle has none of the known forms.
        EmbeddingError: The folder is not a SavedModel, or cannot be read.
    """
    if handle == GLOVE or handle in SHORT_NAMES or "://" in handle:
        return None
    if digest:
        return digest
    if path := find_folder(handle) or (find_file(handle) if may_be_file else None):
        return hash_content(path)
    if may_be_file and not _form_url(handle):
        nearest = format_nearest_path(Path(handle))
        hint = f"{nearest} Choose" if nearest else "choose"
        raise RequestError(
            f"cannot find word vectors '{handle}': {hint} {GLOVE}, a file of word vectors, or a"
            f" text embedding such as {EXAMPLE}"
        )
    find_url(handle)  # Raises an error for an invalid handle before any work.
    return None


def check_digest(path: Path, digest: str | None) -> None:
    """Raise EmbeddingError if a folder or a file has another content than a digest says."""
    if digest and digest != hash_content(path):
        raise EmbeddingError(
            f"{path} is not the embedding that the configuration was made with; to use it"
            " anyway: --set model.digest=null"
        )


def hash_content(path: Path) -> str:
    """Return a checksum of a SavedModel in a folder, or of a file of word vectors."""
    if path.is_dir():
        return hash_embedding(path)
    try:
        return hash_file_once(path)
    except OSError as error:
        raise EmbeddingError(f"cannot read {path}: {format_reason(error)}") from error


def build(source: str, folder: Path, *, max_tokens: int) -> None:
    """Build a text embedding from the first ``max_tokens`` vectors of a file, or of ``glove``.

    Raises:
        EmbeddingError: The folder already exists, or the vectors cannot be read.
    """
    from textclf.hub import word_vectors as vectors

    if folder.exists():
        raise EmbeddingError(f"{folder} already exists: delete it, or choose another folder")
    chunks = vectors.read_glove() if source == GLOVE else vectors.read_file(Path(source))
    vectors.write_text_embedding(vectors.choose(chunks, source, max_tokens=max_tokens), folder)


def _build_glove() -> Path:
    """Return the embedding of the GloVe vectors in a package, building it if needed."""
    folder = own_cache("hub", f"glove-6b-50d-{GLOVE_TOKENS}-v{GLOVE_VERSION}")
    if not folder.is_dir():
        remedy = "set TEXTCLF_CACHE_DIR to another folder"
        with downloading(GLOVE, folder.parent, EmbeddingError, remedy=remedy):
            if not folder.is_dir():  # Another process may have built it in the meantime.
                remove_leftovers(folder)
                build(GLOVE, folder, max_tokens=GLOVE_TOKENS)
    return folder


def _download(url: str) -> Path:
    """Return the embedding in TensorFlow Hub's cache, downloading it if needed."""
    cache = cache_folder("TFHUB_CACHE_DIR", own_cache("tfhub"))
    # TensorFlow Hub's own name for it; a complete folder needs neither the library nor a lock.
    folder = cache / hashlib.sha1(url.encode(), usedforsecurity=False).hexdigest()
    if folder.is_dir() and any(folder.iterdir()):
        return folder
    # TensorFlow Hub's own default is a temporary folder.
    os.environ["TFHUB_CACHE_DIR"] = str(cache)
    if sys.stderr.isatty():
        os.environ.setdefault("TFHUB_DOWNLOAD_PROGRESS", "1")
    with downloading(url, cache, EmbeddingError, remedy=ALTERNATIVES), _time_limit():
        _remove_abandoned_download(folder)
        return Path(_import_tensorflow_hub().resolve(url))


def _remove_abandoned_download(folder: Path) -> None:
    """Remove the download of a killed process, for which TensorFlow Hub would wait for minutes."""
    lock = folder.with_name(f"{folder.name}.lock")
    try:
        host, process, _ = lock.read_text(encoding="utf-8").rsplit(".", 2)
    except (OSError, ValueError):
        return
    if host == socket.gethostname() and not psutil.pid_exists(int(process)):
        lock.unlink(missing_ok=True)
        for partial in folder.parent.glob(f"{folder.name}.*.tmp"):
            shutil.rmtree(partial, ignore_errors=True)


def _import_tensorflow_hub() -> Any:
    """Import TensorFlow Hub, which needs an old setuptools, and explain a failure."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # It warns of packages that it imports itself.
            import tensorflow_hub
    except Exception as error:
        raise EmbeddingError(
            f"tensorflow_hub cannot be imported ({format_error(error)}); {ALTERNATIVES}"
        ) from error
    return tensorflow_hub


@contextlib.contextmanager
def _time_limit() -> Iterator[None]:
    """Set a timeout for the network; TensorFlow Hub itself has none."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
