"""Tabulate finished runs, after running what is missing."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from textclf.commands._options import (
    config_options,
    device_option,
    format_option,
    join_command,
    make_config,
    print_table,
    quiet_option,
    run_root_option,
)
from textclf.registry import list_names


@click.command(name="compare")
@click.argument("paths", metavar="[RUN]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--dataset", metavar="NAME", help="Run first what is missing on this dataset.")
@click.option(
    "--model", "models", multiple=True, metavar="NAME", help="Only this model; repeatable."
)
@click.option("--seeds", "n_seeds", type=click.IntRange(1), help="Run the seeds 1 to this number.")
@click.option("--seed", "seeds", type=int, multiple=True, help="Run this seed; repeatable.")
@config_options
@run_root_option
@device_option
@quiet_option
@format_option
def command(
    paths: tuple[Path, ...],
    run_root: Path,
    device: str,
    quiet: bool,
    style: str,
    **wanted: Any,
) -> None:
    """Tabulate finished runs, after running the missing.

    RUN is a run directory or a folder of runs; by default, the run root.

    With --dataset or --config, run first what is missing: every model, or each --model, with each
    seed.

    \b
    Example: textclf compare --dataset bbc --model mlp --model cnn --seeds 3
    """
    from textclf.comparison import COLUMNS, add_failures, read_results, tabulate
    from textclf.progress import Reporter

    reporter = Reporter(quiet=quiet)
    if wanted["dataset"] is None and wanted["config_path"] is None:
        _refuse_run_options(**wanted)
        results = read_results(paths or (run_root,), reporter, models=wanted["models"])
        print_table(tabulate(results), COLUMNS, style)
        return
    if paths:
        raise click.UsageError("give either RUN or --dataset: with --dataset the runs are found")

    from textclf.experiment import Settings, run_all

    settings = Settings(reporter, device, command=join_command())
    results, failures = run_all(_make_configs(**wanted), run_root, settings)
    print_table(add_failures(tabulate(results), failures), COLUMNS, style)
    if failures:
        sys.exit(1)


def _refuse_run_options(**wanted: Any) -> None:
    """Refuse what only matters when something is run."""
    options = {"n_seeds": "--seeds", "seeds": "--seed", "assignments": "--set", "smoke": "--smoke"}
    for name, option in options.items():
        if wanted[name]:
            raise click.UsageError(f"{option} needs --dataset or --config, which say what to run")


def _make_configs(
    *, dataset: str | None, models: Sequence[str], seeds: Sequence[int], n_seeds: int, **rest: Any
) -> list[Any]:
    """Return one configuration for each model and seed."""
    if n_seeds and seeds:
        raise click.UsageError("give either --seeds or --seed")
    chosen_seeds = range(1, n_seeds + 1) if n_seeds else dict.fromkeys(seeds) or (None,)
    # A configuration file names its model; without one, every model takes part.
    default_models = (None,) if rest["config_path"] else list_names("models")
    chosen_models = dict.fromkeys(models) or default_models
    return [
        make_config(**rest, dataset=dataset, model=model, seed=seed)
        for model in chosen_models
        for seed in chosen_seeds
    ]
