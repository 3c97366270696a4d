"""Prints the error rates of the tests in docs/explanation/statistics.md, as a Markdown table.

Two models are equally accurate; each finds its own examples easy, and the accuracy of each seed
deviates at random.

Example: python scripts/benchmarks/simulate_statistics.py
"""

import argparse

import numpy as np
from scipy.stats import kstest

from textclf.comparison.significance import estimate

N_COMPARISONS = 1_000
DENSITY = 0.22
"""Change of accuracy per unit of the latent score that examples, models and seeds add up to."""


def draw_predictions(
    rng: np.random.Generator, *, n_seeds: int, n_examples: int, seed_sd: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return which predictions of two equal models are correct, <float>[seeds, examples] each."""
    easiness = rng.normal(0.9, 1.2, n_examples)

    def predict() -> np.ndarray:
        own = rng.normal(0, 0.8, n_examples)
        seeds = rng.normal(0, seed_sd / DENSITY, (n_seeds, 1))
        noise = rng.normal(0, 0.6, (n_seeds, n_examples))
        return (easiness + own + seeds + noise > 0).astype(float)

    return predict(), predict()


def simulate(n_comparisons: int, *, n_seeds: int, n_examples: int, seed_sd: float) -> str:
    """Return a row of the table."""
    rng = np.random.default_rng([n_seeds, n_examples])
    results = [
        estimate(*draw_predictions(rng, n_seeds=n_seeds, n_examples=n_examples, seed_sd=seed_sd))
        for _ in range(n_comparisons)
    ]
    uniform = kstest([result.p_value for result in results], "uniform").pvalue
    covered = np.mean([result.interval[0] <= 0 <= result.interval[1] for result in results])
    alarms = np.mean([result.p_below < 0.05 for result in results])
    return (
        f"| {n_seeds} | {n_examples:,} | {seed_sd} | {uniform:.2f} | {covered:.1%} | {alarms:.1%} |"
    )


def main() -> None:
    """Print a row for each number of seeds and examples."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--comparisons",
        type=int,
        default=N_COMPARISONS,
        metavar="N",
        help=f"Simulated comparisons per row.  [default: {N_COMPARISONS}]",
    )
    n_comparisons = parser.parse_args().comparisons
    print(
        "| seeds | test examples | sd of accuracy over seeds | KS test of uniform p-values, p"
        " | coverage of the 95% CI | false alarms of the gate |"
    )
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for n_seeds in (2, 3, 5, 10):
        for n_examples, sd in ((500, 0.005), (2_246, 0.005), (2_246, 0.01), (10_000, 0.01)):
            row = simulate(n_comparisons, n_seeds=n_seeds, n_examples=n_examples, seed_sd=sd)
            print(row, flush=True)


if __name__ == "__main__":
    main()
