"""Where configuration values come from: YAML files, and words on the command line."""

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from textclf.errors import RequestError
from textclf.storage import limits

Tree = dict[str, Any]


@dataclass(frozen=True)
class Override:
    """A value from the command line: its dotted key, and the words that the user wrote."""

    key: str
    value: Any
    origin: str


SMOKE = (
    Override("dataset.subset", 64, "--smoke"),
    Override("training.epochs", 1, "--smoke"),
)
"""What ``--smoke`` sets: enough to go through every step in seconds."""


def read_yaml(path: Path) -> Tree:
    """Read a configuration file.

    Raises:
        RequestError: the file is missing, is no YAML mapping, or has a key twice.
        LimitError: it is too large.
    """
    try:
        text = limits.TEXT.read(path).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        raise RequestError(f"cannot read configuration {path}: {reason}") from error
    tree = _parse_yaml(text, str(path))
    if not isinstance(tree, dict):
        raise RequestError(
            f"{path}: expected keys such as 'dataset:' and 'model:', got {text[:40]!r}"
        )
    return tree


def parse_override(assignment: str) -> Override:
    """Turn ``training.epochs=3``, as given to ``--set``, into an override; values are YAML."""
    key, equals, value = assignment.partition("=")
    if not equals or not key:
        raise RequestError(f"--set {assignment}: expected KEY=VALUE, such as training.epochs=3")
    return Override(key, _parse_yaml(value, f"--set {assignment}"), f"--set {assignment}")


MAX_KEYS = 1_000
"""Of one mapping, after the mappings that are merged into it."""


class _StrictLoader(yaml.SafeLoader):
    """Refuses two equal keys, of which PyYAML keeps the last, and merges that never end."""

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
                    None, None, f"key '{key.value}' stands twice", key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def _parse_yaml(text: str, source: str) -> Any:
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a subclass of SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise RequestError(f"{source}{place}: {error.problem}; correct the YAML") from error
    except Exception as error:  # PyYAML raises many kinds for values such as `!!bool x`.
        reason = str(error).split("\n")[0] or type(error).__name__
        raise RequestError(f"{source}: {reason}; correct the YAML") from error
