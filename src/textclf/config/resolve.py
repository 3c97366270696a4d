"""What an experiment is: its checked configuration, where the values come from, its fingerprint.

Values come, the later the stronger, from the built-in defaults, the defaults of the dataset and of
the model, a YAML file, and the command line.
"""

import hashlib
import json
import reprlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import yaml
from pydantic import Field, SerializeAsAny, ValidationError

from textclf.config.loading import Override, Tree
from textclf.config.schema import (
    DatasetOptions,
    ModelParameters,
    Resources,
    Section,
    TextConfig,
    TrainingConfig,
)
from textclf.errors import RequestError, unknown
from textclf.registry import load_module

SECTIONS = ("dataset", "text", "model", "training", "resources")

RESULTS_VERSION = 1
"""Part of every fingerprint; raised when the same configuration would give other results."""


class ExperimentConfig(Section):
    """One run: everything that decides its result, and what it asks for."""

    dataset: SerializeAsAny[DatasetOptions]
    text: TextConfig
    model: SerializeAsAny[ModelParameters]
    training: TrainingConfig
    resources: Resources = Resources()
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 42

    @property
    def fingerprint(self) -> str:
        """Ten hexadecimal digits that stand for all that decides the result, but for the seed."""
        tree = self.model_dump(mode="json", exclude={"seed", "resources"})
        tree["dataset"]["name"] = self.dataset.short_name  # A file may be moved.
        decisive = [RESULTS_VERSION, tree]
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:10]

    def to_yaml(self) -> str:
        """Return YAML that resolves to the same configuration."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def resolve(
    tree: Tree | None = None, overrides: Sequence[Override] = (), *, source: str = "configuration"
) -> ExperimentConfig:
    """Merge defaults, a configuration tree and overrides into a checked configuration.

    Args:
        tree: what a configuration file holds.
        overrides: the stronger values, the last one of a key wins.
        source: the name of the file, for messages.

    Raises:
        RequestError: an unknown key or name, a missing name, or a value out of its range.
    """
    given = {key: value for key, value in (tree or {}).items() if value is not None}
    for section, value in given.items():
        if section in SECTIONS and not isinstance(value, dict):
            example = "{name: NAME}" if section in {"dataset", "model"} else "keys and values"
            raise RequestError(f"{source}: {section}: expected {example}, got {_shorten(value)}")
    for override in overrides:
        _set(given, override)

    def where(key: str) -> str:
        """Return the words on the command line, or else the file, that set ``key``."""
        inside = [o.origin for o in overrides if f"{o.key}.".startswith(f"{key}.")]
        return inside[-1] if inside else source

    for section in given:
        if section not in ExperimentConfig.model_fields:
            raise RequestError(
                f"{where(section)}: {unknown('key', str(section), ExperimentConfig.model_fields)}"
            )
    dataset = load_module("datasets", _name_of("dataset", given, where))
    model = load_module("models", _name_of("model", given, where))
    merged = _merge(_merge(getattr(dataset, "DEFAULTS", {}), getattr(model, "DEFAULTS", {})), given)
    sections = {
        "dataset": getattr(dataset, "Options", DatasetOptions),
        "text": TextConfig,
        "model": model.Parameters,
        "training": TrainingConfig,
        "resources": Resources,
    }
    checked = {
        name: _check(cls, name, merged.get(name, {}), where) for name, cls in sections.items()
    }
    seed = {"seed": merged["seed"]} if "seed" in merged else {}
    config: ExperimentConfig = _check(ExperimentConfig, "", {**checked, **seed}, where)
    return config


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> Tree:
    """Merge two trees, section by section; ``over`` wins, and neither is changed."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[key] = _merge(old, value) if both else value  # type: ignore[arg-type]
    return merged


def _set(tree: Tree, override: Override) -> None:
    *parents, last = override.key.split(".")
    for parent in parents:
        child = tree.get(parent) or {}
        if not isinstance(child, dict):
            raise RequestError(f"{override.origin}: '{parent}' is a value, not a section")
        tree[parent] = tree = dict(child)
    tree[last] = override.value


def _name_of(section: str, tree: Tree, where: Any) -> str:
    """Return which dataset or model the tree asks for."""
    value = tree.get(section)
    if value is None or value == {}:
        raise RequestError(
            f"no {section} given: use --{section} NAME, or '{section}: {{name: NAME}}'"
        )
    if not isinstance(value.get("name"), str):
        problem = f"expected '{{name: NAME}}', got {_shorten(value)}"
        raise RequestError(f"{where(section)}: {section}: {problem}")
    return str(value["name"])


def _check(cls: Any, section: str, value: Any, where: Any) -> Any:
    """Validate one section; the first mistake becomes a line with its key and its origin."""
    try:
        return cls.model_validate(value)
    except ValidationError as error:
        mistake = min(error.errors(), key=_rank)
        raise RequestError(_describe(mistake, cls, section, where)) from error


def _rank(mistake: Any) -> tuple[bool, int]:
    """Order mistakes: a misspelt key explains the others, and a deeper place says more."""
    return mistake["type"] != "extra_forbidden", -len(mistake["loc"])


def _describe(mistake: Any, cls: Any, section: str, where: Any) -> str:
    """Say in one line where a mistake stands and what is allowed."""
    # pydantic names the members of a union, such as dict[str,...], among the keys.
    keys = [str(part) for part in mistake["loc"] if "[" not in str(part)]
    key = ".".join(filter(None, [section, *keys]))
    if mistake["type"] == "extra_forbidden":
        problem = unknown("key", keys[0], cls.model_fields)
    elif mistake["type"] == "missing":
        problem = "is required"
    else:
        message = mistake["msg"].replace("Input should", "should").replace("Value error, ", "")
        problem = f"{message}, got {_shorten(mistake['input'])}"
    return f"{where(key)}: {key}: {problem}"


def _shorten(value: object) -> str:
    # Not repr: aliases in YAML can make a value whose whole text fills the memory.
    short = reprlib.Repr()
    short.maxstring = short.maxother = 60
    text = short.repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
