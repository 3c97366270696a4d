"""Finds the dataset or the model that a section names, and what it adds to a configuration.

A configuration may name Python code: a file, or a model of an installed package. A file is executed
only if the user named it, because a configuration may come from an untrusted source.
"""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict

from textclf.config.schema import (
    DatasetConfig,
    ExperimentConfig,
    ModelConfig,
    NamedSection,
    SplitConfig,
    TextConfig,
)
from textclf.errors import RequestError, format_nearest_path, format_reason, format_unknown
from textclf.registry import (
    execute_code,
    find_distribution,
    format_untrusted,
    guard_code,
    hash_code,
    is_code,
    is_loaded,
    load_module,
)
from textclf.runtime import backend
from textclf.storage.limits import TEXT

CodePolicy = Literal["named", "trust", "skip"]
"""Which Python files are executed: those that the user named, all, or none. With ``skip``, sections
of code that is neither executed nor installed are not checked; a finished run has checked them."""


class _UncheckedDataset(DatasetConfig):
    """A dataset of code that is not executed, with any keys."""

    model_config = ConfigDict(extra="allow")


class _UncheckedModel(ModelConfig):
    """A model of code that is not executed, with any keys."""

    model_config = ConfigDict(extra="allow")


@dataclass(frozen=True)
class Plugin:
    """A dataset or a model that a configuration names.

    Attributes:
        name: Name, or the absolute path of a Python file.
        code: SHA-256 of the Python file, or the package and its version; None if it is built in.
        schema: Keys of its section.
        defaults: Default values of any section.
        is_network: Whether it uses the sections ``text`` and ``training``; another model uses
            ``training.refit`` only.
        text_keys: Keys of the section ``text`` that it uses; None for all.
    """

    name: str
    code: str | None
    schema: type[NamedSection]
    defaults: Mapping[str, Any]
    is_network: bool = True
    text_keys: Collection[str] | None = None


def find_plugin(
    kind: str, section: Mapping[str, Any], *, policy: CodePolicy, is_named: bool, origin: str
) -> Plugin:
    """Find a dataset or a model.

    Args:
        kind: ``datasets`` or ``models``.
        section: Values of the section, such as its name or path.
        policy: Which Python files are executed.
        is_named: Whether the user named it, so that its file may be executed.
        origin: Where it is named, for messages.

    Raises:
        RequestError: It does not exist, cannot be imported, must not be executed, or is not what
            was recorded.
    """
    name, recorded = section["name"], section.get("code")
    if not isinstance(recorded, str | None):
        raise RequestError(f"{origin}: the key code is set automatically; leave it out")
    base: type[NamedSection] = DatasetConfig if kind == "datasets" else ModelConfig
    code = find_distribution(kind, name)
    if policy == "skip" and recorded and recorded != code and not is_loaded(recorded):
        unchecked = _UncheckedDataset if kind == "datasets" else _UncheckedModel
        return Plugin(name, recorded, unchecked, {})
    if is_code(kind, name):
        # Without "..", so that the same file has one name; but links are not followed.
        path = Path(os.path.abspath(Path(name).expanduser()))  # noqa: PTH100
        is_trusted = is_named or policy == "trust"
        code = _load_file(path, recorded, is_trusted=is_trusted, origin=origin)
        name = str(path)
    elif recorded is not None and recorded != code:
        raise RequestError(
            f"{origin}: '{name}' came from {recorded}, but now comes from {code or 'textclf'};"
            f" install {recorded}, or leave out the key code"
        )
    elif code:
        backend.import_tensorflow()  # Quietly, and on Keras's TensorFlow backend.
    module = load_module(kind, name, code)
    is_split = kind == "datasets" and code is not None  # It may return rows.
    schema = getattr(module, "Config", SplitConfig if is_split else base)
    if not (isinstance(schema, type) and issubclass(schema, base)):
        raise RequestError(f"{name}: Config must be a subclass of textclf.{base.__name__}")
    return Plugin(
        name,
        code,
        schema,
        _find_defaults(module, name, section),
        is_network=not hasattr(module, "fit"),
        text_keys=_find_text_keys(module, name),
    )


def _find_defaults(module: Any, name: str, section: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the default values of other sections, which may depend on the given section.

    Raises:
        RequestError: The function ``find_defaults`` of a plug-in fails, or the defaults are not a
            mapping from sections to values.
    """
    origin, defaults = "DEFAULTS", getattr(module, "DEFAULTS", {})
    if hasattr(module, "find_defaults"):
        origin = "find_defaults"
        with guard_code(module):
            defaults = module.find_defaults({**section})
    if not isinstance(defaults, Mapping):
        raise RequestError(
            f"{name}: {origin}: expected values by section, such as {{'training': {{'epochs':"
            f" 20}}}}, got {type(defaults).__name__}"
        )
    for key in defaults:
        if key not in ExperimentConfig.model_fields:
            problem = format_unknown("section", str(key), ExperimentConfig.model_fields)
            raise RequestError(f"{name}: {origin}: {problem}")
    return defaults


def _find_text_keys(module: Any, name: str) -> Collection[str] | None:
    """Return the keys of the section ``text`` that a model uses; None for all.

    Raises:
        RequestError: ``TEXT_KEYS`` is not a collection of keys, or one of them is unknown.
    """
    keys: Collection[str] | None = getattr(module, "TEXT_KEYS", None)
    if isinstance(keys, str) or not isinstance(keys, Collection | None):
        raise RequestError(f"{name}: TEXT_KEYS: expected a tuple of keys, got {keys!r}")
    for key in keys or ():
        if key not in TextConfig.model_fields:
            problem = format_unknown("key", str(key), TextConfig.model_fields)
            raise RequestError(f"{name}: TEXT_KEYS: {problem}")
    return keys


def _load_file(path: Path, recorded: str | None, *, is_trusted: bool, origin: str) -> str:
    """Execute a Python file that has the recorded SHA-256, and return its SHA-256."""
    if recorded and is_loaded(recorded):
        return recorded
    if not is_trusted:
        raise RequestError(f"{origin}: {format_untrusted(path)}")
    try:
        content = TEXT.read(path)
    except OSError as error:
        remedy = format_nearest_path(path) or "check the path"
        raise RequestError(f"cannot read {path}: {format_reason(error)}; {remedy}") from error
    if recorded is not None and recorded != hash_code(content):
        raise RequestError(
            f"{path} has changed since the configuration was made: restore it, or leave out the key"
            " code to use what it contains now"
        )
    return execute_file(content, path)


def execute_file(content: bytes, path: Path) -> str:
    """Execute a Python file, after starting TensorFlow quietly if the file may import it.

    Returns:
        The SHA-256 of the content.

    Raises:
        RequestError: The code fails; the message names the line.
    """
    if b"tensorflow" in content or b"keras" in content:
        backend.import_tensorflow()
    return execute_code(content, path)
