"""Loads model files, after checking which classes they name; a file may be untrusted."""

import inspect
import json
import sys
import zipfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from textclf.encoders.supported import PACKAGES as KERAS_HUB
from textclf.encoders.supported import find_disguised, find_file, is_supported, list_objects
from textclf.errors import ADD_TRUST, EmbeddingError, RunError
from textclf.models._sklearn import SklearnClassifier
from textclf.registry import CODE_PREFIX
from textclf.runtime import backend

PACKAGES = ("keras", "textclf")
"""Keras imports the modules that a model names; only those of these packages are allowed."""

REFERENCE = "PresetReference"
"""Class that stands for an encoder whose weights are not in the model file."""

REFUSED_CLASSES = ("Lambda", "TFSMLayer")
"""Classes that run code from the model, or load it from elsewhere."""


def load_model(path: Path, *, packages: Sequence[str] = ()) -> Any:
    """Load a ``model.keras`` that `check_model_file` accepts, or a ``model.skops``.

    Args:
        path: File to load.
        packages: Packages beside Keras and textclf whose classes the model may contain.

    Raises:
        RunError: The file is refused, or needs a package that is not installed.
        EmbeddingError: Its encoder is not in the file, and is not available or has changed.
        ValueError: The file is damaged or contains no text classifier; libraries raise other
            classes of `files.DAMAGE_ERRORS`.
    """
    if path.suffix == SklearnClassifier.file_suffix:
        return SklearnClassifier.load(path, trusted=_find_types(path, packages))
    classes = check_model_file(path, packages=packages)
    backend.import_tensorflow()
    import keras
    import tensorflow as tf

    from textclf.hub.layer import HubEmbedding  # noqa: F401 - registered with Keras
    from textclf.text.classifier import TextClassifier

    try:
        with keras.saving.custom_object_scope(classes):
            model = keras.models.load_model(path, compile=False, safe_mode=True)
    except tf.errors.OpError as error:
        raise ValueError(error.message) from error
    except ValueError as error:  # Keras names the cause on a later line.
        raise ValueError(" ".join(str(error).split())) from error
    if not isinstance(model, TextClassifier):
        raise ValueError(f"it contains a {type(model).__name__}, not a text classifier")
    if type(model.encoder).__name__ == REFERENCE:
        from textclf.encoders.loading import load_reference

        encoder = load_reference(model.encoder)
        return TextClassifier(encoder, model.network, model.label_names, name=model.name)
    return model


def check_model_file(path: Path, *, packages: Sequence[str] = ()) -> dict[str, Any]:
    """Refuse a model that would run code of its own, or write outside its folder.

    Args:
        path: File to check.
        packages: Packages beside Keras and textclf whose classes the model may contain.

    Returns:
        The classes and functions of these packages by the name with which Keras registers them.

    Raises:
        RunError: The file names such a class or module, contains a file with such a path, or needs
            KerasHub, which is not installed.
        ValueError: The file is damaged; libraries raise other classes of `files.DAMAGE_ERRORS`.
    """
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.startswith(("/", "\\")) or ".." in Path(name.replace("\\", "/")).parts:
                raise RunError(f"{path} is refused: it contains {name!r}, outside its folder")
        config = json.loads(archive.read("config.json"))
    objects, allowed = list(list_objects(config)), "classes of Keras and textclf"
    if disguised := find_disguised(config):
        raise RunError(_format_refusal(path, disguised, "KerasHub", packages, allowed))
    if (outside := find_file(config)) is not None:
        raise RunError(f"{path} is refused: it names {outside!r}, a file outside of the model")
    for name, module_name, registered in objects:
        package = module_name.split(".")[0]
        if name in REFUSED_CLASSES:
            raise RunError(f"{path} is refused: its {name} layer can run any code")
        is_allowed = package in {*PACKAGES, *packages} or is_supported(
            name, module_name, registered
        )
        if not is_allowed and not _find_function(name, module_name, packages):
            raise RunError(_format_refusal(path, name, module_name, packages, allowed))
    # Imported only now, when nothing is refused.
    if any(
        module_name.split(".")[0] in KERAS_HUB or name == REFERENCE
        for name, module_name, _ in objects
    ):
        _import_encoders()
    return {
        registered: _find_function(name, module_name, packages) or _import_class(module_name, name)
        for name, module_name, registered in objects
        if module_name.split(".")[0] not in {*PACKAGES, *KERAS_HUB}
    }


def _import_encoders() -> None:
    """Register the layers of pretrained encoders with Keras; RunError without KerasHub."""
    from textclf.encoders.presets import import_keras_hub

    try:
        import_keras_hub()
    except EmbeddingError as error:
        raise RunError(str(error)) from error
    from textclf.encoders import layers  # noqa: F401 - registered with Keras


def _import_class(module_name: str, name: str) -> Any:
    """Import a class of a package that is allowed; ValueError if it does not exist."""
    try:
        return getattr(import_module(module_name), name)
    except ImportError as error:
        raise ValueError(str(error)) from error


def _find_function(name: str, module_name: str, packages: Sequence[str]) -> Any:
    """Return a function, such as an activation, of which Keras saves no module; None if absent."""
    if module_name != "builtins":
        return None
    modules = [m for n, m in sys.modules.items() if n.split(".")[0] in packages]
    found = (vars(module).get(name) for module in modules)
    return next((function for function in found if inspect.isfunction(function)), None)


def _find_types(path: Path, packages: Sequence[str]) -> list[str]:
    """Return the types of these packages in a ``model.skops``; RunError if it needs others."""
    import skops.io

    types: list[str] = skops.io.get_untrusted_types(file=path)
    for type_name in types:
        module_name, _, name = type_name.rpartition(".")
        if module_name.split(".")[0] not in packages:
            raise RunError(
                _format_refusal(path, name, module_name, packages, "types of scikit-learn")
            )
    return types


def _format_refusal(
    path: Path, name: str, module_name: str, packages: Sequence[str], allowed: str
) -> str:
    """Return the message for a class of a module that is not allowed."""
    if module_name.startswith(CODE_PREFIX) and not packages:
        return (
            f"{path} needs {name}, which the Python file of the model defines; if you trust that"
            f" file, {ADD_TRUST}"
        )
    return (
        f"{path} is refused: it names {name} of {module_name}, and only {allowed} are loaded;"
        " --trust-code also allows those of the model's own file or package"
    )
