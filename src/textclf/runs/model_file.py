"""Loads model files, after checking which classes they name; a file may be untrusted."""

import inspect
import json
import sys
import zipfile
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from textclf.errors import ADD_TRUST, RunError
from textclf.models._sklearn import SklearnClassifier
from textclf.registry import CODE_PREFIX
from textclf.runtime import backend

PACKAGES = ("keras", "textclf")
"""Keras imports the modules that a model names; only those of these packages are allowed."""

REFUSED_CLASSES = ("Lambda", "TFSMLayer")
"""Classes that run code from the model, or load it from elsewhere."""


def load_model(path: Path, *, packages: Sequence[str] = ()) -> Any:
    """Load a ``model.keras`` that `check_model_file` accepts, or a ``model.skops``.

    Args:
        path: File to load.
        packages: Packages beside Keras and textclf whose classes the model may contain.

    Raises:
        RunError: The file is refused.
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
    return model


def check_model_file(path: Path, *, packages: Sequence[str] = ()) -> dict[str, Any]:
    """Refuse a model that would run code of its own, or write outside its folder.

    Args:
        path: File to check.
        packages: Packages beside Keras and textclf whose classes the model may contain.

    Returns:
        The classes and functions of these packages by the name with which Keras registers them.

    Raises:
        RunError: The file names such a class or module, or contains a file with such a path.
        ValueError: The file is damaged; libraries raise other classes of `files.DAMAGE_ERRORS`.
    """
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.startswith(("/", "\\")) or ".." in Path(name.replace("\\", "/")).parts:
                raise RunError(f"{path} is refused: it contains {name!r}, outside its folder")
        config = json.loads(archive.read("config.json"))
    objects, allowed = list(_list_objects(config)), "classes of Keras and textclf"
    for name, module_name, _ in objects:
        package = module_name.split(".")[0]
        if name in REFUSED_CLASSES:
            raise RunError(f"{path} is refused: its {name} layer can run any code")
        if package not in {*PACKAGES, *packages} and not _find_function(
            name, module_name, packages
        ):
            raise RunError(_format_refusal(path, name, module_name, packages, allowed))
    # Imported only now, when nothing is refused.
    return {
        registered: _find_function(name, module_name, packages) or _import_class(module_name, name)
        for name, module_name, registered in objects
        if module_name.split(".")[0] not in PACKAGES
    }


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


def _list_objects(config: Any) -> Iterator[tuple[str, str, str]]:
    """Yield name, module and registered name of each class and function in a serialized model."""
    if isinstance(config, dict):
        name, module = config.get("class_name"), str(config.get("module") or "keras")
        if name == "function" and isinstance(config.get("config"), str):
            yield config["config"], module, config["config"]
        elif isinstance(name, str):
            yield name, module, str(config.get("registered_name") or name)
        config = list(config.values())
    if isinstance(config, list):
        for value in config:
            yield from _list_objects(value)
