"""Finds the files of an encoder's preset, downloading them if needed, and their checksum."""

import contextlib
import logging
import re
import sys
import time
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from textclf.encoders.checks import CONFIG_FILE, WEIGHTS, check_complete
from textclf.encoders.supported import FAMILIES
from textclf.errors import (
    EmbeddingError,
    RequestError,
    format_error,
    format_install,
    format_nearest,
    format_nearest_path,
    format_reason,
)
from textclf.runtime.backend import holding_back_stderr
from textclf.runtime.telemetry import switch_off_telemetry
from textclf.storage.cache_folders import own_cache
from textclf.storage.checksums import hash_files
from textclf.storage.downloads import check_reachable, downloading

DEFAULT = "hf://sentence-transformers/all-MiniLM-L6-v2"
HUGGING_FACE = "hf://"
KAGGLE = "kaggle://"
USER_MODEL = r"[\w-][\w.-]*/[\w.-]+"
"""Pattern of a repository on Hugging Face, without the ``hf://`` that a preset needs."""

FILES = (
    *(CONFIG_FILE, "preprocessor.json", "tokenizer.json", "tokenizer_config.json"),
    *("vocab.txt", "vocab.json", "merges.txt", "spiece.model", "sentencepiece.bpe.model"),
    *("model.safetensors.index.json", "model.weights.json", "assets/tokenizer/*"),
    *WEIGHTS,
)
"""Files of a preset that decide what it computes, in the layouts of Hugging Face and KerasHub."""

REVISION = r"(?!.*\.\.)[\w./-]*"
"""Branch, tag or commit; Hugging Face's library makes a path of it."""

ERROR_SECONDS = 60
"""How long a preset that is not available is not looked for again."""

_errors: dict[str, tuple[EmbeddingError, float]] = {}
"""Error of each preset that is not available, and its time."""

EXTRA = ("keras_hub", "tensorflow_text", "safetensors", "huggingface_hub")
"""Modules of the packages in the extra ``encoder``."""

NEEDS_EXTRA = f"the model encoder needs KerasHub: {format_install('encoder')}"
REMEDY = (
    "connect to the network once, or set model.preset to a folder with the files of a preset; see"
    " docs/how-to/encoders.md"
)


def resolve(preset: str, *, may_download: bool = True) -> Path:
    """Return the folder with the files of a preset.

    Args:
        preset: A folder, ``hf://USER/MODEL`` with or without ``@REVISION``, the name of a preset of
            KerasHub, or ``kaggle://USER/MODEL/keras/VARIATION/VERSION``.
        may_download: Whether to download a preset that is not in the cache.

    Raises:
        RequestError: It is none of these.
        EmbeddingError: It cannot be downloaded, or KerasHub is not installed.
    """
    check_installed()
    if folder := _find_folder(preset):
        return folder
    if preset.startswith(HUGGING_FACE):
        return _find_on_hugging_face(preset, may_download=may_download)
    return _find_on_kaggle(preset, _find_handle(preset), may_download=may_download)


def is_preset(name: str) -> bool:
    """Return whether a name is that of a preset, and not of a text embedding of TensorFlow Hub."""
    if name.startswith((HUGGING_FACE, KAGGLE)) or re.fullmatch(USER_MODEL, name):
        return True
    if folder := _find_folder(name):
        return any(any(folder.glob(pattern)) for pattern in (CONFIG_FILE, *WEIGHTS))
    # KerasHub is imported only for what looks like one of its names.
    return bool(re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)+", name)) and name in list_presets()


def check_installed() -> None:
    """Raise EmbeddingError if a package of the extra ``encoder`` is missing."""
    missing = [name for name in EXTRA if not _has(name)]
    if missing:
        raise EmbeddingError(f"{_describe_needs()} ({missing[0]} is not installed)")


def _describe_needs() -> str:
    """Return what is missing if the extra ``encoder`` is not installed."""
    if sys.platform == "win32":
        return "the model encoder needs TensorFlow Text, which has no release for Windows: use WSL"
    return NEEDS_EXTRA


def _has(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ValueError:  # It is imported, but broken.
        return False


def find_digest(preset: str, digest: str | None) -> str | None:
    """Return the checksum of a preset's files, which may be downloaded for it.

    Args:
        preset: See `resolve`.
        digest: A checksum that is known; it is kept, because the files may be gone.

    Returns:
        The checksum; None if the files are not available, so that the run will fail.

    Raises:
        RequestError: The preset has none of the known forms.
        EmbeddingError: A file cannot be read.
    """
    if digest:
        return digest
    folder = _resolve_once(preset)
    return None if isinstance(folder, EmbeddingError) else hash_preset(folder, preset)


def _resolve_once(preset: str) -> Path | EmbeddingError:
    """Return the folder or the error of a preset, so that a command asks the network only once.

    An error is forgotten after `ERROR_SECONDS`: the network of a notebook may be back.
    """
    error, time_of_error = _errors.get(preset, (None, 0.0))
    if error and time.monotonic() < time_of_error + ERROR_SECONDS:
        return error
    try:
        return resolve(preset)
    except EmbeddingError as error:
        _errors[preset] = error, time.monotonic()
        return error


def resolve_checked(preset: str, digest: str | None) -> Path:
    """Return the folder of the preset of a configuration, downloading it if needed.

    Args:
        preset: See `resolve`.
        digest: Checksum that its files must have; None if they were not available.

    Raises:
        EmbeddingError: They are not available, or have another checksum.
    """
    if not digest:  # Features without a checksum would have no key in the cache.
        remembered = _resolve_once(preset)
        if isinstance(remembered, EmbeddingError):
            raise remembered
        raise EmbeddingError(
            f"{preset} has no checksum, because it was not available when the configuration was"
            " made; run the command again"
        )
    folder = resolve(preset)
    if digest != hash_preset(folder, preset):
        raise EmbeddingError(
            f"{preset} is not the preset that the configuration was made with; to use it anyway:"
            " --set model.digest=null"
        )
    return folder


def resolve_reference(preset: str, digest: str | None) -> Path:
    """Return the folder of the preset that a model file refers to, without downloading it.

    Args:
        preset: See `resolve`.
        digest: Checksum that its files must have; without one, it is refused.

    Raises:
        EmbeddingError: Its files are not available, or have another checksum.
    """
    try:
        folder = resolve(preset, may_download=False)
    except RequestError as error:  # The user did not give it; a folder has been moved.
        raise EmbeddingError(
            f"the model refers to the preset {preset}, which does not exist; put its folder back,"
            " or train the model with output.model=full"
        ) from error
    if digest != hash_preset(folder, preset):
        raise EmbeddingError(
            f"{preset} is not the preset that the model was trained with: its files have changed;"
            " restore them, or train the run again with --force"
        )
    return folder


def hash_preset(folder: Path, preset: str = "") -> str:
    """Return a checksum of the files of a preset that decide what it computes.

    Args:
        folder: Folder with the files of the preset.
        preset: Its name, for messages, if it is not the folder.

    Raises:
        EmbeddingError: The folder is not a preset, or cannot be read.
    """
    check_complete(folder, preset or str(folder))
    try:
        return hash_files(folder, list_files(folder))
    except OSError as error:
        raise EmbeddingError(f"cannot read {error.filename}: {format_reason(error)}") from error


def list_files(folder: Path) -> list[Path]:
    """Return the files in `FILES` that a preset has, sorted."""
    return sorted({path for pattern in FILES for path in folder.glob(pattern) if path.is_file()})


def _find_folder(preset: str) -> Path | None:
    if "://" in preset:
        return None
    try:
        folder = Path(preset).expanduser()
        return folder if folder.is_dir() else None
    except (OSError, RuntimeError):  # Too long for a path, or ~ of an unknown user.
        return None


def _find_on_hugging_face(preset: str, *, may_download: bool) -> Path:
    """Return the snapshot of a repository in Hugging Face's cache, downloading it if needed."""
    malformed = RequestError(
        f"{preset}: expected {HUGGING_FACE}USER/MODEL[@REVISION], such as {DEFAULT}"
    )
    name, _, revision = preset.removeprefix(HUGGING_FACE).partition("@")
    if not (re.fullmatch(r"[\w.-]+/[\w.-]+", name) and re.fullmatch(REVISION, revision)):
        raise malformed
    switch_off_telemetry()
    import huggingface_hub
    from huggingface_hub import constants
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    def get(*, local_files_only: bool) -> Path:
        return Path(
            huggingface_hub.snapshot_download(
                name,
                revision=revision or None,
                allow_patterns=list(FILES),
                local_files_only=local_files_only,
            )
        )

    try:
        folder = get(local_files_only=True)
        check_complete(folder, preset)  # Another program may have downloaded a part of it.
        return folder
    except HFValidationError as error:
        raise malformed from error
    except (LocalEntryNotFoundError, EmbeddingError):
        pass
    _refuse_download(preset, may_download)
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # It logs every attempt.
    with downloading(preset, own_cache("presets"), EmbeddingError, remedy=REMEDY):
        if constants.HF_HUB_OFFLINE:
            raise ConnectionError("it is not in the cache, and HF_HUB_OFFLINE is set")
        with _explaining(preset):
            check_reachable(constants.ENDPOINT, any_status=True)
            return get(local_files_only=False)


@contextlib.contextmanager
def _explaining(preset: str) -> Iterator[None]:
    """Turn what Hugging Face answers into an error that says what to do."""
    from huggingface_hub.errors import (
        GatedRepoError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        yield
    except GatedRepoError as error:
        raise EmbeddingError(
            f"cannot get {preset}: its authors grant access on its page; ask there, then run: hf"
            " auth login"
        ) from error
    except RevisionNotFoundError as error:
        raise EmbeddingError(f"cannot get {preset}: it has no such revision") from error
    except RepositoryNotFoundError as error:
        raise EmbeddingError(
            f"cannot get {preset}: it does not exist, or is private; check its name, or run: hf"
            " auth login"
        ) from error


def _find_handle(preset: str) -> str:
    """Return the handle on Kaggle of a preset that is not a folder.

    Raises:
        RequestError: The preset has none of the known forms.
    """
    if preset.startswith(KAGGLE):
        handle = preset.removeprefix(KAGGLE)
        if not re.fullmatch(r"[\w.-]+/[\w.-]+/keras/[\w.-]+/\d+", handle, re.IGNORECASE):
            raise RequestError(
                f"{preset}: expected {KAGGLE}USER/MODEL/keras/VARIATION/VERSION, such as"
                f" {KAGGLE}keras/bert/keras/bert_tiny_en_uncased/3"
            )
        return handle
    known = list_presets()
    if preset in known:
        return known[preset].removeprefix(KAGGLE)
    if re.fullmatch(USER_MODEL, preset):
        hint = f"did you mean '{HUGGING_FACE}{preset}'?"
    else:
        nearest = format_nearest(preset, {name: [name] for name in known})
        hint = nearest or format_nearest_path(Path(preset))
    raise RequestError(
        f"unknown preset '{preset}': {hint and hint + ' Or '}give a folder,"
        f" {HUGGING_FACE}USER/MODEL, or a preset of KerasHub, such as bert_small_en_uncased, of"
        f" one of the families {', '.join(FAMILIES)}"
    )


def list_presets() -> dict[str, str]:
    """Return the handles on Kaggle of KerasHub's presets, by name, of the supported families."""
    return {
        name: facts["kaggle_handle"]
        for backbone in list_backbones()
        for name, facts in backbone.presets.items()
    }


def import_keras_hub() -> Any:
    """Return KerasHub.

    Raises:
        EmbeddingError: It is not installed, or it or TensorFlow Text cannot be imported.
    """
    try:
        with warnings.catch_warnings(), holding_back_stderr():
            warnings.simplefilter("ignore")  # Its dependencies warn of each other.
            switch_off_telemetry()
            import keras_hub
            import tensorflow_text  # noqa: F401 - its tokenizers fail later without it
    except ModuleNotFoundError as error:
        if error.name in EXTRA:
            raise EmbeddingError(_describe_needs()) from error
        raise EmbeddingError(_format_broken(error)) from error
    except Exception as error:  # A library that does not fit raises what it raises.
        raise EmbeddingError(_format_broken(error)) from error
    return keras_hub


def _format_broken(error: Exception) -> str:
    return (
        f"KerasHub cannot be imported ({format_error(error)}); install it again: pip install"
        " --force-reinstall 'textclf-keras[encoder]'"
    )


def list_backbones() -> list[Any]:
    """Return the classes of KerasHub's supported backbones."""
    models = import_keras_hub().models
    return [getattr(models, f"{family}Backbone") for family in FAMILIES]


def _find_on_kaggle(preset: str, handle: str, *, may_download: bool) -> Path:
    """Return the folder of a handle in Kaggle's cache, downloading it if needed."""
    import kagglehub
    from kagglehub.cache import Cache
    from kagglehub.handle import parse_model_handle

    if cached := Cache().load_from_cache(parse_model_handle(handle)):
        return Path(cached)
    _refuse_download(preset, may_download)
    with downloading(preset, own_cache("presets"), EmbeddingError, remedy=REMEDY):
        check_reachable("https://www.kaggle.com", any_status=True)
        return Path(kagglehub.model_download(handle))


def _refuse_download(preset: str, may_download: bool) -> None:
    if not may_download:
        raise EmbeddingError(
            f"{preset} is not in the cache, and loading a model downloads nothing: run textclf hub"
            f" info {preset}"
        )
