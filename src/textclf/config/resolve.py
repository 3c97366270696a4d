"""Merges the sources of configuration values into one checked configuration.

Each overrides the one before: built-in defaults, defaults of the dataset and of the model, a YAML
file, the command line.
"""

import functools
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from textclf.config.loading import Override, Tree
from textclf.config.schema import (
    DatasetConfig,
    ExperimentConfig,
    ModelConfig,
    ResourcesConfig,
    Section,
    TextConfig,
    TrainingConfig,
)
from textclf.errors import RequestError, format_unknown
from textclf.registry import load_module

MAX_SHOWN = 60
"""Characters of a value that a message shows."""


def resolve(
    tree: Tree | None = None, overrides: Sequence[Override] = (), *, source: str = "configuration"
) -> ExperimentConfig:
    """Merge defaults, a configuration tree and overrides into a checked configuration.

    Args:
        tree: Content of a configuration file.
        overrides: Values that override the tree; the last one of a key wins.
        source: Name of the file, for messages.

    Raises:
        RequestError: A key or a name is unknown, a name is missing, or a value is out of range.
    """
    origins = _Origins(overrides, source)
    given = _apply(tree or {}, origins)
    for key in given:
        if key not in ExperimentConfig.model_fields:
            problem = format_unknown("key", str(key), ExperimentConfig.model_fields)
            raise RequestError(f"{origins.find(key)}: {problem}")
    dataset = load_module("datasets", _get_name("dataset", given, origins))
    model = load_module("models", _get_name("model", given, origins))
    defaults = (getattr(module, "DEFAULTS", {}) for module in (dataset, model))
    merged = functools.reduce(_merge, (*defaults, given))
    schemas: dict[str, type[Section]] = {
        "dataset": getattr(dataset, "Config", DatasetConfig),
        "text": TextConfig,
        "model": getattr(model, "Config", ModelConfig),
        "training": TrainingConfig,
        "resources": ResourcesConfig,
    }
    checked: Tree = {
        name: _validate(schema, name, merged.get(name, {}), origins)
        for name, schema in schemas.items()
    }
    if hasattr(model, "fit"):  # Such a model uses neither section, so they must not be hashed.
        checked |= {"text": TextConfig(), "training": TrainingConfig()}
    if "seed" in merged:
        checked["seed"] = merged["seed"]
    config: ExperimentConfig = _validate(ExperimentConfig, "", checked, origins)
    return config


@dataclass(frozen=True)
class _Origins:
    """Finds where the user set a key: on the command line, or in the file."""

    overrides: Sequence[Override]
    source: str

    def find(self, key: str) -> str:
        """Return the option that set ``key`` or a key below it, or else the name of the file."""
        options = [o.origin for o in self.overrides if f"{o.key}.".startswith(f"{key}.")]
        return options[-1] if options else self.source


def _apply(tree: Tree, origins: _Origins) -> Tree:
    """Return a copy of a tree with the overrides applied; null sections are left out."""
    given = {key: value for key, value in tree.items() if value is not None}
    for override in origins.overrides:
        _set(given, override)
    for section, value in given.items():
        is_section = section in ExperimentConfig.model_fields and section != "seed"
        if is_section and not isinstance(value, dict):
            example = "{name: NAME}" if section in {"dataset", "model"} else "keys and values"
            problem = f"{section}: expected {example}, got {_shorten(value)}"
            raise RequestError(f"{origins.find(section)}: {problem}")
    return given


def _set(tree: Tree, override: Override) -> None:
    *parents, last = override.key.split(".")
    for parent in parents:
        child = tree.get(parent) or {}
        if not isinstance(child, dict):
            raise RequestError(f"{override.origin}: '{parent}' is a value, not a section")
        tree[parent] = tree = dict(child)
    tree[last] = override.value


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> Tree:
    """Merge two trees recursively into a new one; values of ``over`` win."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[key] = _merge(old, value) if both else value  # type: ignore[arg-type]
    return merged


def _get_name(section: str, tree: Tree, origins: _Origins) -> str:
    """Return the name of the dataset or model that a tree asks for."""
    value = tree.get(section)
    if value is None or "name" not in value:
        raise RequestError(
            f"no {section} given: use --{section} NAME, or '{section}: {{name: NAME}}'"
        )
    if not isinstance(value.get("name"), str):
        problem = f"expected '{{name: NAME}}', got {_shorten(value)}"
        raise RequestError(f"{origins.find(section)}: {section}: {problem}")
    return str(value["name"])


def _validate(schema: type[Section], section: str, value: Any, origins: _Origins) -> Any:
    """Validate one section; the most informative mistake is reported."""
    try:
        return schema.model_validate(value)
    except ValidationError as error:
        # An unknown key explains the other mistakes, and the deepest one is the most precise.
        mistake: Any = min(
            error.errors(), key=lambda m: (m["type"] != "extra_forbidden", -len(m["loc"]))
        )
        raise RequestError(_describe(mistake, schema, section, origins)) from error


def _describe(mistake: Any, schema: type[Section], section: str, origins: _Origins) -> str:
    """Return where a mistake is and what is allowed, on one line."""
    # pydantic names members of a union, such as dict[str,...], among the keys.
    keys = [str(part) for part in mistake["loc"] if "[" not in str(part)]
    key = ".".join(filter(None, [section, *keys]))
    if mistake["type"] == "extra_forbidden":
        problem = format_unknown("key", keys[0], schema.model_fields)
    elif mistake["type"] == "missing":
        problem = "is required"
    else:
        message = mistake["msg"].replace("Input should", "should").replace("Value error, ", "")
        problem = f"{message}, got {_shorten(mistake['input'])}"
    return f"{origins.find(key)}: {key}: {problem}"


def _shorten(value: object) -> str:
    # repr() would not end on YAML aliases, which can make a value whose text fills the memory.
    short = reprlib.Repr()
    short.maxstring = short.maxother = MAX_SHOWN
    text = short.repr(value)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."
