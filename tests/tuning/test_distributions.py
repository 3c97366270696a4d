from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from textclf.config.search_space import Choices, Range
from textclf.tuning.distributions import to_distributions


def test_every_domain_has_the_distribution_of_optuna():
    space = {
        "a": Range(1, 8, log=True),
        "b": Range(2, 8, step=2),
        "c": Range(0.1, 1.0, log=True),
        "d": Range(0.0, 0.5, step=0.1),
        "e": Range(0, 1.5),
        "f": Choices((None, "x", 2)),
    }
    assert to_distributions(space) == {
        "a": IntDistribution(1, 8, log=True),
        "b": IntDistribution(2, 8, step=2),
        "c": FloatDistribution(0.1, 1.0, log=True),
        "d": FloatDistribution(0.0, 0.5, step=0.1),
        "e": FloatDistribution(0.0, 1.5),
        "f": CategoricalDistribution((None, "x", 2)),
    }
