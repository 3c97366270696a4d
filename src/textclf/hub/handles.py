"""Handles of text embeddings to folders: downloaded, built, or there already."""

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

from textclf.errors import EmbeddingError, unknown
from textclf.storage.checksums import hash_file
from textclf.storage.downloads import cache_folder, downloading, own_cache
from textclf.storage.files import remove_leftovers

GRAPH_FILE = "saved_model.pb"
GLOVE = "glove"
GLOVE_TOKENS = 20_000
GLOVE_VERSION = 1
"""Part of the name in the cache; raised when the same vectors give another embedding."""

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
INSTEAD = (
    "give a folder with the embedding, or --set model.handle=glove, which needs no network"
    " (pip install 'textclf[glove]')"
)


def resolve(handle: str) -> Path:
    """Return the folder of a text embedding, after fetching or building what is not there yet.

    Args:
        handle: a short name of `SHORT_NAMES`, ``glove``, a folder, an address, or the path of a
            model on tfhub.dev (``publisher/.../version``) or kaggle.com
            (``publisher/model/tensorFlow2/variation/version``).

    Raises:
        EmbeddingError: there is no such embedding, or it cannot be fetched.
    """
    if handle == GLOVE:
        return _build_glove()
    if folder := find_folder(handle):
        return folder
    return _fetch(find_address(handle))


def find_folder(handle: str) -> Path | None:
    """Return the folder that a handle names; None where it is a name or an address."""
    if handle in {GLOVE, *SHORT_NAMES} or "://" in handle:
        return None
    try:
        path = Path(handle).expanduser()
        return path if path.is_dir() else None
    except (OSError, RuntimeError):  # Too long for a path, or ~ of an unknown user.
        return None


def find_address(handle: str) -> str:
    """Return the address that a handle, which is no folder, stands for.

    Raises:
        EmbeddingError: it has no form that stands for one.
    """
    handle = SHORT_NAMES.get(handle, handle)
    if "://" in handle:
        return handle
    if re.fullmatch(r"[\w.-]+/[\w.-]+/tensorflow2/[\w.-]+/\d+", handle, re.IGNORECASE):
        return KAGGLE + handle
    if re.fullmatch(r"[A-Za-z0-9]\S*/\S+/\d+", handle):
        return TFHUB + handle
    if "/" in handle:
        problem = f"{handle} is neither a folder nor a handle such as {EXAMPLE}"
    else:
        problem = unknown("text embedding", handle, [GLOVE, *SHORT_NAMES]) + ", or give a folder"
    raise EmbeddingError(problem)


def hash_embedding(folder: Path) -> str:
    """Return a hash of the files of a SavedModel that decide what it computes.

    Raises:
        EmbeddingError: it is no SavedModel, or cannot be read.
    """
    if not (folder / GRAPH_FILE).is_file():
        raise EmbeddingError(f"{folder} is no SavedModel: it has no {GRAPH_FILE}")
    digest = hashlib.sha256()
    paths = [folder / GRAPH_FILE, *folder.glob("variables/*"), *folder.glob("assets/**/*")]
    try:
        for path in sorted(path for path in paths if path.is_file()):
            name = path.relative_to(folder).as_posix()
            digest.update(f"{name} {hash_file(path)}\n".encode())
    except OSError as error:
        raise EmbeddingError(f"cannot read {error.filename}: {error.strerror}") from error
    return digest.hexdigest()


def build(source: str, folder: Path, *, max_tokens: int) -> None:
    """Make a text embedding of the first ``max_tokens`` vectors of a file, or of ``glove``.

    Raises:
        EmbeddingError: the folder is there already, or the vectors cannot be read.
    """
    from textclf.hub import word_vectors as vectors

    if folder.exists():
        raise EmbeddingError(f"{folder} is there already: remove it, or choose another folder")
    chunks = vectors.read_glove() if source == GLOVE else vectors.read_file(Path(source))
    vectors.write_text_embedding(vectors.choose(chunks, source, max_tokens=max_tokens), folder)


def _build_glove() -> Path:
    """Return the embedding of the GloVe vectors that a package holds; built where it is missing."""
    folder = own_cache("hub", f"glove-6b-50d-{GLOVE_TOKENS}-v{GLOVE_VERSION}")
    if not folder.is_dir():
        remedy = "let TEXTCLF_CACHE_DIR name another folder"
        with downloading(GLOVE, folder.parent, EmbeddingError, remedy=remedy):
            if not folder.is_dir():  # Another process may have built it in the meantime.
                remove_leftovers(folder)
                build(GLOVE, folder, max_tokens=GLOVE_TOKENS)
    return folder


def _fetch(address: str) -> Path:
    """Return the embedding in TensorFlow Hub's cache; have it downloaded where it is missing."""
    cache = cache_folder("TFHUB_CACHE_DIR", own_cache("tfhub"))
    # The name that TensorFlow Hub gives it. What is there can be had without hub or a lock.
    place = cache / hashlib.sha1(address.encode(), usedforsecurity=False).hexdigest()
    if place.is_dir() and any(place.iterdir()):
        return place
    # Hub's own default is a temporary folder, which vanishes.
    os.environ["TFHUB_CACHE_DIR"] = str(cache)
    if sys.stderr.isatty():
        os.environ.setdefault("TFHUB_DOWNLOAD_PROGRESS", "1")
    with downloading(address, cache, EmbeddingError, remedy=INSTEAD), _time_limit():
        _remove_dead_download(place)
        return Path(_import_tensorflow_hub().resolve(address))


def _remove_dead_download(place: Path) -> None:
    """Remove what a killed process left: TensorFlow Hub would wait for it for many minutes."""
    lock = place.with_name(f"{place.name}.lock")
    try:
        host, process, _ = lock.read_text(encoding="utf-8").rsplit(".", 2)
    except (OSError, ValueError):
        return
    if host == socket.gethostname() and not _is_alive(int(process)):
        lock.unlink(missing_ok=True)
        for folder in place.parent.glob(f"{place.name}.*.tmp"):
            shutil.rmtree(folder, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _import_tensorflow_hub() -> Any:
    """Import TensorFlow Hub, which breaks easily: it needs Keras 2 and an old setuptools."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # It warns of packages that it uses itself.
            import tensorflow_hub
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise EmbeddingError(f"tensorflow_hub cannot be imported ({reason}); {INSTEAD}") from error
    return tensorflow_hub


@contextlib.contextmanager
def _time_limit() -> Iterator[None]:
    """Let a network that does not answer fail: TensorFlow Hub itself waits for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
