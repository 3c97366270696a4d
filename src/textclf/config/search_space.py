"""The search space of a study: which values of which keys are tried, in Optuna's terms."""

import contextlib
import math
import reprlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from textclf.config.loading import Tree, format_value, parse_yaml
from textclf.errors import RequestError, format_unknown

DOMAIN_KEYS = ("choices", "high", "log", "low", "step")
"""Optuna's names for what describes the values of one key."""

EXAMPLE = "training.learning_rate=0.0001..0.01:log"

NOT_TUNED = {
    "dataset": "all trials need the same examples",
    "evaluation": "it uses the validation split, on which trials are compared",
    "model.code": "it is set automatically",
    "model.digest": "it is set automatically",
    "model.name": "a study tunes one model",
    "output": "it does not change the result",
    "resources": "it does not change the result",
    "seed": "its effect is chance; use --seeds",
    "training.monitor": "trials are compared by it after each epoch",
    "training.refit": "trials are compared before a refit",
}
"""Keys and sections that a search space must not have, and why."""


@dataclass(frozen=True)
class Range:
    """Numbers from low to high, both included; integers if all of them are integers.

    Attributes:
        low: Lowest value.
        high: Highest value.
        log: Whether values are drawn on a logarithmic scale.
        step: Distance between two values; None for all numbers, or all integers.

    Raises:
        ValueError: They do not fit together.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def __post_init__(self) -> None:
        """Raise ValueError if the values do not fit together."""
        if not self.low < self.high:
            raise ValueError(f"low {self.low} should be less than high {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"low should be greater than 0 with log, got {self.low}")
        if self.step is None:
            return
        if self.step <= 0:
            raise ValueError(f"step should be greater than 0, got {self.step}")
        if self.log:
            raise ValueError("step and log exclude each other")
        low, high, step = (Fraction(str(n)) for n in (self.low, self.high, self.step))
        if (high - low) % step:
            raise ValueError(
                f"high {self.high} - low {self.low} should be a multiple of step {self.step}"
            )

    @property
    def is_integer(self) -> bool:
        """Whether all values are integers."""
        return all(isinstance(n, int) for n in (self.low, self.high, self.step or 1))

    @property
    def corners(self) -> tuple[float, float]:
        """The values that a configuration must accept."""
        return self.low, self.high

    def convert(self, low: float, high: float) -> "Range":
        """Return the range with its ends as a configuration has them, such as 1 for 1.0.

        Raises:
            ValueError: The ends are not numbers, or are integers and step is not.
        """
        if isinstance(low, bool):
            raise ValueError("it is true or false: write choices")
        step = self.step
        if isinstance(low, int) and step is not None:
            if step % 1:
                raise ValueError(f"step should be an integer, got {step}")
            step = int(step)
        return Range(low, high, self.log, step)

    def to_tree(self) -> Tree:
        """Return it as in a configuration file."""
        kept = {key: value for key, value in asdict(self).items() if value is not None}
        return kept if self.log else {key: kept[key] for key in kept if key != "log"}

    def __str__(self) -> str:
        notes = f", step {self.step}" if self.step else ", logarithmic" * self.log
        return f"{self.low} to {self.high}{notes}"


@dataclass(frozen=True)
class Choices:
    """Some values without an order.

    Attributes:
        choices: Two or more different numbers, texts, booleans or None.

    Raises:
        ValueError: It is something else.
    """

    choices: tuple[Any, ...]

    def __post_init__(self) -> None:
        """Raise ValueError if the choices are not such values."""
        odd = [c for c in self.choices if not isinstance(c, str | int | float | None)]
        if odd:
            raise ValueError(f"choices should be numbers, texts, booleans or null, got {odd[0]}")
        if len({(type(c), c) for c in self.choices}) < max(2, len(self.choices)):
            raise ValueError("choices should be two or more different values")

    @property
    def corners(self) -> tuple[Any, ...]:
        """The values that a configuration must accept."""
        return self.choices

    def to_tree(self) -> Tree:
        """Return it as in a configuration file."""
        return {"choices": [*self.choices]}

    def __str__(self) -> str:
        return ", ".join(map(format_value, self.choices))


SearchSpace = Mapping[str, Range | Choices]
"""What is tried, by keys as of ``--set``."""


@dataclass(frozen=True)
class Search:
    """One key of a search space.

    Attributes:
        key: Dotted key, such as ``training.learning_rate``.
        domain: Its values.
        origin: Option, or file and section, for messages.
    """

    key: str
    domain: Range | Choices
    origin: str


def parse_search(assignment: str) -> Search:
    """Parse the argument of ``--search``: ``KEY=LOW..HIGH[:log]`` or ``KEY=A,B,C``.

    Raises:
        RequestError: It has another form, or the key is not tuned.
    """
    origin = f"--search {assignment}"
    key, _, values = assignment.partition("=")
    domain: Tree
    if "," in values:
        domain = {"choices": [parse_yaml(value, origin) for value in values.split(",")]}
    else:
        low, _, high = values.removesuffix(":log").partition("..")
        if not (key and low and high):
            problem = f"expected KEY=LOW..HIGH, KEY=LOW..HIGH:log or KEY=A,B,C, such as {EXAMPLE}"
            raise RequestError(f"{origin}: {problem}")
        ends = {"low": parse_yaml(low, origin), "high": parse_yaml(high, origin)}
        domain = {**ends, "log": values.endswith(":log")}
    return _read_key(key, domain, origin)


def read_searches(tree: Any, origin: str) -> list[Search]:
    """Read the section ``search`` of a configuration file, or ``SEARCH`` of a model.

    Args:
        tree: Values in Optuna's terms by keys, such as
            ``{"model.units": {"choices": [64, 128]}}``.
        origin: File and section, for messages.

    Raises:
        RequestError: It has another form, or a key is unknown or is not tuned.
    """
    if not isinstance(tree, Mapping):
        problem = f"expected keys such as 'training.learning_rate:', got {str(tree)[:40]!r}"
        raise RequestError(f"{origin}: {problem}")
    return [_read_key(str(key), domain, origin) for key, domain in tree.items()]


def _read_key(key: str, domain: Any, origin: str) -> Search:
    for fixed, reason in NOT_TUNED.items():
        if f"{key}.".startswith(f"{fixed}."):
            raise RequestError(f"{origin}: {key} is not tuned: {reason}")
    try:
        return Search(key, _read_domain(domain), origin)
    except ValueError as error:
        raise RequestError(f"{origin}: {key}: {error}") from error


def _read_domain(tree: Any) -> Range | Choices:
    """Return the values that a key may have; ValueError if the tree does not describe them."""
    if not isinstance(tree, Mapping):
        raise ValueError(
            f"expected {{low: LOW, high: HIGH}} or {{choices: [A, B]}}, got {str(tree)[:40]!r}"
        )
    unknown = next((key for key in tree if key not in DOMAIN_KEYS), None)
    if unknown is not None:
        raise ValueError(format_unknown("key", str(unknown), DOMAIN_KEYS))
    if "choices" in tree:
        if len(tree) > 1 or not isinstance(tree["choices"], list | tuple):
            raise ValueError("choices should be a list, without other keys")
        return Choices(tuple(tree["choices"]))
    numbers = {key: _read_number(key, tree.get(key)) for key in ("low", "high")}
    log, step = tree.get("log", False), tree.get("step")
    if not isinstance(log, bool):
        raise ValueError(f"log should be true or false, got {log!r}")
    return Range(**numbers, log=log, step=None if step is None else _read_number("step", step))


def _read_number(key: str, value: Any) -> float:
    """Return a finite number; YAML reads 1e-4, without a point, as text."""
    with contextlib.suppress(ValueError, OverflowError):
        number = float(value) if isinstance(value, str) else value
        is_number = isinstance(number, int | float) and not isinstance(number, bool)
        if is_number and math.isfinite(number):
            return number
    raise ValueError(f"{key} should be a number, got {reprlib.repr(value)}")
