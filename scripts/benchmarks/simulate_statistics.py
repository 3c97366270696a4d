"""Prints how often the tests of docs/statistics.md err, as a Markdown table.

Two models are equally good; each finds its own texts easy, and each seed is better or worse by some
standard deviation of accuracy.

Example: python scripts/benchmarks/simulate_statistics.py
"""

import numpy as np
from scipy.stats import kstest

from textclf.comparison.significance import estimate

N_COMPARISONS = 1_000
DENSITY = 0.22
"""How much accuracy changes with the latent score on which texts, models and seeds act."""


def draw(
    rng: np.random.Generator, *, n_seeds: int, n_texts: int, seed_sd: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the answers of two equal models, <float>[seeds, texts] each."""
    easy = rng.normal(0.9, 1.2, n_texts)

    def answer() -> np.ndarray:
        own = rng.normal(0, 0.8, n_texts)
        seeds = rng.normal(0, seed_sd / DENSITY, (n_seeds, 1))
        noise = rng.normal(0, 0.6, (n_seeds, n_texts))
        return (easy + own + seeds + noise > 0).astype(float)

    return answer(), answer()


def simulate(n_seeds: int, n_texts: int, seed_sd: float) -> str:
    """Return one row of the table."""
    rng = np.random.default_rng([n_seeds, n_texts])
    results = [
        estimate(*draw(rng, n_seeds=n_seeds, n_texts=n_texts, seed_sd=seed_sd))
        for _ in range(N_COMPARISONS)
    ]
    uniform = kstest([result.p_value for result in results], "uniform").pvalue
    covered = np.mean([result.interval[0] <= 0 <= result.interval[1] for result in results])
    alarms = np.mean([result.p_below < 0.05 for result in results])
    return f"| {n_seeds} | {n_texts:,} | {seed_sd} | {uniform:.2f} | {covered:.1%} | {alarms:.1%} |"


if __name__ == "__main__":
    print("| seeds | test texts | sd of accuracy over seeds | KS p | covers | gate alarms |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for n_seeds in (2, 3, 5, 10):
        for n_texts, seed_sd in ((500, 0.005), (2_246, 0.005), (2_246, 0.01), (10_000, 0.01)):
            print(simulate(n_seeds, n_texts, seed_sd), flush=True)
