"""Finds the dataset or the model that a section names, and what it adds to a configuration.

A configuration may name Python code: a file, or a model of an installed package. A file is executed
only if the user named it, because a configuration may come from an untrusted source.
"""

import os
from collections.abc import Mapping
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
)
from textclf.errors import RequestError, format_nearest_path, format_reason, format_unknown
from textclf.registry import (
    execute_code,
    find_distribution,
    format_untrusted,
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
    """

    name: str
    code: str | None
    schema: type[NamedSection]
    defaults: Mapping[str, Any]
    is_network: bool = True


def find_plugin(
    kind: str, name: str, recorded: Any, *, policy: CodePolicy, is_named: bool, origin: str
) -> Plugin:
    """Find a dataset or a model.

    Args:
        kind: ``datasets`` or ``models``.
        name: Name or path.
        recorded: Value of the key ``code``; None if it is not given.
        policy: Which Python files are executed.
        is_named: Whether the user named it, so that its file may be executed.
        origin: Where it is named, for messages.

    Raises:
        RequestError: It does not exist, cannot be imported, must not be executed, or is not what
            was recorded.
    """
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
    defaults = getattr(module, "DEFAULTS", {})
    for section in defaults:
        if section not in ExperimentConfig.model_fields:
            problem = format_unknown("section", str(section), ExperimentConfig.model_fields)
            raise RequestError(f"{name}: DEFAULTS: {problem}")
    return Plugin(name, code, schema, defaults, is_network=not hasattr(module, "fit"))


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
