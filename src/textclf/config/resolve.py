"""Merges the sources of configuration values into one checked configuration.

Each overrides the one before: built-in defaults, defaults of the dataset and of the model, a YAML
file, the command line.
"""

import contextlib
import functools
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from textclf.config.loading import Override, Tree, read_yaml
from textclf.config.plugin import CodePolicy, Plugin, execute_file, find_plugin
from textclf.config.schema import (
    DatasetConfig,
    EvaluationConfig,
    ExperimentConfig,
    ModelConfig,
    OutputConfig,
    ResourcesConfig,
    Section,
    TextConfig,
    TrainingConfig,
)
from textclf.config.search_space import (
    Search,
    read_searches,
)
from textclf.errors import RequestError, TextclfError, format_unknown
from textclf.registry import read_code

PLUGIN_SECTIONS = ("dataset", "model")
"""Sections whose name chooses a module."""

Schemas = Mapping[str, type[Section]]
"""Schemas by the names of their sections."""

SCHEMAS: Schemas = {
    "dataset": DatasetConfig,
    "text": TextConfig,
    "model": ModelConfig,
    "training": TrainingConfig,
    "evaluation": EvaluationConfig,
    "resources": ResourcesConfig,
    "output": OutputConfig,
}
"""The sections in their order; the chosen dataset and model add keys to theirs."""

DERIVED_KEYS = {"code", "digest"}
"""Keys of these sections that are set from what their name refers to."""

MAX_SHOWN = 60
"""Characters of a value that a message shows."""


def resolve(
    tree: Tree | None = None,
    overrides: Sequence[Override] = (),
    *,
    source: str = "configuration",
    code: CodePolicy = "named",
) -> ExperimentConfig:
    """Merge defaults, a configuration tree and overrides into a checked configuration.

    Args:
        tree: Content of a configuration file; its section ``search`` is checked, then ignored.
        overrides: Values that override the tree; the last one of a key wins.
        source: Name of the file, for messages.
        code: Which Python files are executed.

    Raises:
        RequestError: A key or a name is unknown, a name is missing, a value is out of range, or
            code is named that must not be executed.
    """
    origins = _Origins(overrides, source)
    given = _apply(tree or {}, origins)
    search = given.pop("search", None)
    _refuse_unknown_sections(given, origins, code)
    dataset, model = (_find_plugin(section, given, origins, code) for section in PLUGIN_SECTIONS)
    merged = functools.reduce(_merge, (dataset.defaults, model.defaults, given))
    schemas = {**SCHEMAS, "dataset": dataset.schema, "model": model.schema}
    checked: Tree = {
        name: _validate(schemas, name, merged.get(name, {}), origins) for name in schemas
    }
    if not model.is_network:  # Such a model uses nothing else of both, which must not be hashed.
        kept = TrainingConfig(refit=checked["training"].refit)
        checked |= {"text": TextConfig(), "training": kept}
    elif model.text_keys is not None:
        used = {key: getattr(checked["text"], key) for key in model.text_keys}
        checked["text"] = TextConfig(**used)
    if "seed" in merged:
        checked["seed"] = merged["seed"]
    config: ExperimentConfig = _validate({"": ExperimentConfig}, "", checked, origins)
    _check_output(config, origins)
    if search is not None:
        for found in read_searches(search, f"{source}: search"):
            try_corners(config, found)
    return config


def _check_output(config: ExperimentConfig, origins: "_Origins") -> None:
    """Refuse a model file without the encoder, unless the model has a frozen encoder.

    Raises:
        RequestError: ``output.model`` is ``head``, and the model has no frozen encoder.
    """
    if config.output.model == "head" and not config.model.has_frozen_encoder:
        raise RequestError(
            f"{origins.find('output.model')}: output.model: should be full with the model"
            f" {config.model.short_name}, got 'head', which needs a frozen encoder (the model"
            " encoder with model.trainable_layers=0)"
        )


def load_config(
    path: str | Path | None, overrides: Sequence[Override] = (), *, trust_code: bool = False
) -> ExperimentConfig:
    """Resolve a configuration file, if there is one, with overrides.

    Args:
        path: YAML file.
        overrides: Values that override it; the last one of a key wins.
        trust_code: Whether to execute Python files that the file names.

    Raises:
        RequestError: The file cannot be read, or `resolve` refuses its content.
    """
    tree = read_yaml(Path(path)) if path else {}
    code: CodePolicy = "trust" if trust_code else "named"
    return resolve(tree, overrides, source=str(path or "configuration"), code=code)


def set_values(
    config: ExperimentConfig, values: Mapping[str, Any], origin: str
) -> ExperimentConfig:
    """Return a configuration in which some keys have other values.

    Args:
        config: Configuration.
        values: Values by dotted keys.
        origin: Where the values are from, for messages.

    Raises:
        RequestError: A key is unknown, or a value is out of range.
    """
    tree = config.model_dump(mode="json")
    if any(isinstance(value, str) for value in values.values()):
        tree["model"].pop("digest", None)  # One of them may name another embedding.
    return resolve(tree, [Override(key, value, origin) for key, value in values.items()])


def try_corners(config: ExperimentConfig, search: Search) -> list[ExperimentConfig]:
    """Return the configuration with each of the values that it must accept."""
    corners = search.domain.corners
    return [set_values(config, {search.key: value}, search.origin) for value in corners]


def get_value(config: ExperimentConfig, key: str) -> Any:
    """Return the value of a dotted key."""
    return functools.reduce(
        lambda tree, part: tree[part], key.split("."), config.model_dump(mode="json")
    )


@dataclass(frozen=True)
class PackedConfig:
    """A configuration for another process, which may not have the Python files that it names.

    Attributes:
        tree: The resolved configuration.
        code: Path and content of each Python file.
    """

    tree: Tree
    code: Mapping[str, bytes]

    @classmethod
    def of(cls, config: ExperimentConfig) -> "PackedConfig":
        """Pack a configuration."""
        named = (config.dataset, config.model)
        files = {section.name: read_code(code) for section in named if (code := section.file_code)}
        return cls(config.model_dump(mode="json"), files)

    def unpack(self) -> ExperimentConfig:
        """Execute the Python files, and return the configuration."""
        for path, content in self.code.items():
            execute_file(content, Path(path))
        return resolve(self.tree)


@dataclass(frozen=True)
class _Origins:
    """Finds where the user set a key: on the command line, or in the file."""

    overrides: Sequence[Override]
    source: str

    def find(self, key: str) -> str:
        """Return the option that set ``key`` or a key below it, or else the name of the file."""
        options = [o.origin for o in self.overrides if f"{o.key}.".startswith(f"{key}.")]
        return options[-1] if options else self.source

    def is_override(self, key: str) -> bool:
        """Return whether the user set ``key`` on the command line."""
        return any(override.key == key for override in self.overrides)


def _apply(tree: Tree, origins: _Origins) -> Tree:
    """Return a copy of a tree with the overrides applied; null sections are left out."""
    known = ExperimentConfig.model_fields
    given = {key: value for key, value in tree.items() if value is not None or key not in known}
    for override in origins.overrides:
        section, _, key = override.key.partition(".")
        if key == "name" and isinstance(given.get(section), dict):
            # These describe what was named before.
            given[section] = {k: v for k, v in given[section].items() if k not in DERIVED_KEYS}
        _set(given, override)
    for section, value in given.items():
        is_section = section in ExperimentConfig.model_fields and section != "seed"
        if is_section and not isinstance(value, dict):
            example = "{name: NAME}" if section in {"dataset", "model"} else "keys and values"
            problem = f"{section}: expected {example}, got {_shorten(value)}"
            raise RequestError(f"{origins.find(section)}: {problem}")
    return given


def _refuse_unknown_sections(given: Tree, origins: _Origins, policy: CodePolicy) -> None:
    """Raise RequestError if a key is not a section; it may be a key of one."""
    unknown = next((key for key in given if key not in ExperimentConfig.model_fields), None)
    if unknown is None:
        return
    schemas = dict(SCHEMAS)
    for section in PLUGIN_SECTIONS:
        with contextlib.suppress(TextclfError):  # This mistake is reported first.
            schemas[section] = _find_plugin(section, given, origins, policy).schema
    problem = _format_unknown_key(str(unknown), ExperimentConfig, schemas)
    raise RequestError(f"{origins.find(unknown)}: {problem}")


def _format_unknown_key(key: str, schema: type[Section], schemas: Schemas) -> str:
    """Return the message for an unknown key, which may be one of another section."""
    sections = (*ExperimentConfig.model_fields, "search")
    elsewhere = {name: [name] for name in sections}
    for section, other in schemas.items():
        for name in other.model_fields.keys() - DERIVED_KEYS:
            elsewhere.setdefault(name, []).append(f"{section}.{name}")
    known = sections if schema is ExperimentConfig else schema.model_fields
    return format_unknown("key", key, known, elsewhere=elsewhere)


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


def _find_plugin(section: str, tree: Tree, origins: _Origins, policy: CodePolicy) -> Plugin:
    """Find what a section names, and set the section's name and code."""
    name = _get_name(section, tree, origins)
    key = f"{section}.code" if origins.is_override(f"{section}.code") else f"{section}.name"
    plugin = find_plugin(
        f"{section}s",
        {**tree[section], "name": name},
        policy=policy,
        is_named=origins.is_override(f"{section}.name"),
        origin=origins.find(key),
    )
    tree[section] = {**tree[section], "name": plugin.name, "code": plugin.code}
    return plugin


def _validate(schemas: Schemas, section: str, value: Any, origins: _Origins) -> Any:
    """Validate one section; the most informative mistake is reported."""
    try:
        return schemas[section].model_validate(value)
    except ValidationError as error:
        # An unknown key explains the other mistakes, and the deepest one is the most precise.
        mistake: Any = min(
            error.errors(), key=lambda m: (m["type"] != "extra_forbidden", -len(m["loc"]))
        )
        raise RequestError(_describe(mistake, schemas, section, origins)) from error


def _describe(mistake: Any, schemas: Schemas, section: str, origins: _Origins) -> str:
    """Return where a mistake is and what is allowed, on one line."""
    # pydantic names members of a union, such as dict[str,...], among the keys.
    keys = [str(part) for part in mistake["loc"] if "[" not in str(part)]
    key = ".".join(filter(None, [section, *keys]))
    if mistake["type"] == "extra_forbidden":
        problem = _format_unknown_key(keys[0], schemas[section], schemas)
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
