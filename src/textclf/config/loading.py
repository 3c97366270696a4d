"""Reads configuration values from YAML files and from ``--set KEY=VALUE``."""

import json
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from textclf.errors import RequestError, format_nearest_path, format_reason
from textclf.storage import limits

Tree = dict[str, Any]

MAX_KEYS = 1_000
"""Maximum number of keys of one mapping, including merged ones."""


@dataclass(frozen=True)
class Override:
    """A value from the command line.

    Attributes:
        key: Dotted key, such as ``training.epochs``.
        value: Its value.
        origin: Option as the user wrote it, for messages.
    """

    key: str
    value: Any
    origin: str


SMOKE = (
    Override("dataset.limit", 64, "--smoke"),
    Override("training.epochs", 1, "--smoke"),
)
"""What ``--smoke`` sets."""


def format_value(value: Any) -> str:
    """Return a value as in a configuration file on one line, and as ``--set`` takes it."""
    return value if isinstance(value, str) else json.dumps(value)


def read_yaml(path: Path) -> Tree:
    """Read a configuration file.

    Raises:
        RequestError: The file is missing, is not a YAML mapping, or has a duplicate key.
        LimitError: The file is larger than `limits.TEXT`.
    """
    try:
        text = limits.TEXT.read(path).decode("utf-8")
    except OSError as error:
        remedy = format_nearest_path(path) or "check the path"
        problem = f"cannot read configuration {path}: {format_reason(error)}; {remedy}"
        raise RequestError(problem) from error
    except UnicodeDecodeError as error:
        raise RequestError(f"cannot read configuration {path}: not UTF-8 text") from error
    tree = parse_yaml(text, str(path))
    if not isinstance(tree, dict):
        raise RequestError(
            f"{path}: expected keys such as 'dataset:' and 'model:', got {text[:40]!r}"
        )
    return tree


def parse_override(assignment: str) -> Override:
    """Parse the argument of ``--set``, such as ``training.epochs=3``; the value is YAML."""
    key, equals, value = assignment.partition("=")
    if not equals or not key:
        raise RequestError(f"--set {assignment}: expected KEY=VALUE, such as training.epochs=3")
    return Override(key, parse_yaml(value, f"--set {assignment}"), f"--set {assignment}")


class _StrictLoader(yaml.SafeLoader):
    """Refuses duplicate keys, of which PyYAML keeps the last, and exponentially growing merges."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        super().flatten_mapping(node)
        if len(node.value) > MAX_KEYS:
            problem = f"more than {MAX_KEYS:,} keys"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"duplicate key '{key.value}'", key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def parse_yaml(text: str, source: str) -> Any:
    """Parse YAML; RequestError, with the file or the option that it is from, if it is invalid."""
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a subclass of SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        is_file = not source.startswith("--")
        position = f":{mark.line + 1}:{mark.column + 1}" if mark and is_file else ""
        raise RequestError(f"{source}{position}: {error.problem}; correct the YAML") from error
    except Exception as error:  # PyYAML raises many classes for values such as `!!bool x`.
        raise RequestError(f"{source}: {format_reason(error)}; correct the YAML") from error
