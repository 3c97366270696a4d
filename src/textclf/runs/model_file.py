"""Loads a ``model.keras``, after checking which classes it names; the file may be untrusted."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from textclf.errors import RunError

PACKAGES = ("keras", "textclf")
"""Keras imports the modules that a model names; only those of these packages are allowed."""

REFUSED_CLASSES = ("Lambda", "TFSMLayer")
"""Classes that run code from the model, or load it from elsewhere."""


def load_model(path: Path) -> Any:
    """Load a ``model.keras`` that `check_model_file` accepts.

    Raises:
        RunError: The file is refused.
        ValueError: The file is damaged or contains no text classifier; libraries raise other
            classes of `files.DAMAGE_ERRORS`.
    """
    check_model_file(path)
    import keras
    import tensorflow as tf

    from textclf.hub.layer import HubEmbedding  # noqa: F401 - registered with Keras
    from textclf.text.classifier import TextClassifier

    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except tf.errors.OpError as error:
        raise ValueError(error.message) from error
    except ValueError as error:  # Keras names the cause on a later line.
        raise ValueError(" ".join(str(error).split())) from error
    if not isinstance(model, TextClassifier):
        raise ValueError(f"it contains a {type(model).__name__}, not a text classifier")
    return model


def check_model_file(path: Path) -> None:
    """Refuse a model that would run code of its own, or write outside its folder.

    Raises:
        RunError: The file names such a class or module, or contains a file with such a path.
        ValueError: The file is damaged; libraries raise other classes of `files.DAMAGE_ERRORS`.
    """
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.startswith(("/", "\\")) or ".." in Path(name.replace("\\", "/")).parts:
                raise RunError(f"{path} is refused: it contains {name!r}, outside its folder")
        config = json.loads(archive.read("config.json"))
    for name, module in _list_classes(config):
        if name in REFUSED_CLASSES:
            raise RunError(f"{path} is refused: its {name} layer can run any code")
        if module and str(module).split(".")[0] not in PACKAGES:
            raise RunError(
                f"{path} is refused: it names {name} of {module}, and only layers of Keras and"
                " textclf are loaded"
            )


def _list_classes(config: Any) -> Iterator[tuple[str, str | None]]:
    """Yield the class and the module of each object in a serialized model."""
    if isinstance(config, dict):
        if isinstance(config.get("class_name"), str):
            yield config["class_name"], config.get("module")
        config = list(config.values())
    if isinstance(config, list):
        for value in config:
            yield from _list_classes(value)
