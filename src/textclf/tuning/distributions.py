"""Turns a search space into Optuna's distributions."""

from typing import TYPE_CHECKING

from textclf.config.search_space import Choices, Range, SearchSpace

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


def to_distributions(space: SearchSpace) -> "dict[str, BaseDistribution]":
    """Return Optuna's distribution of each key."""
    return {key: _to_distribution(domain) for key, domain in space.items()}


def _to_distribution(domain: Range | Choices) -> "BaseDistribution":
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if isinstance(domain, Choices):
        return CategoricalDistribution(domain.choices)
    if domain.is_integer:
        low, high, step = int(domain.low), int(domain.high), int(domain.step or 1)
        return IntDistribution(low, high, log=domain.log, step=step)
    return FloatDistribution(domain.low, domain.high, log=domain.log, step=domain.step)
