"""Tabulate finished runs, after running what is missing."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from textclf.commands._options import (
    PATH,
    config_options,
    device_option,
    format_option,
    join_command,
    make_config,
    print_comparison,
    quiet_option,
    run_root_option,
)
from textclf.registry import list_names

FLOORS = ("tfidf-svc", "majority")


@click.command(name="compare")
@click.argument("paths", metavar="[RUN]...", nargs=-1, type=PATH)
@click.option("--dataset", metavar="NAME", help="Run first what is missing on this dataset.")
@click.option(
    "--model", "models", multiple=True, metavar="NAME", help="Only this model; repeatable."
)
@click.option("--seeds", "n_seeds", type=click.IntRange(1), help="Run the seeds 1 to this number.")
@click.option("--seed", "seeds", type=int, multiple=True, help="Run this seed; repeatable.")
@click.option("--reference", metavar="NAME", help="Model to compare with.  [default: the best]")
@click.option(
    "--baseline",
    metavar="RUN",
    type=PATH,
    help="Exit with 3 if a model is worse than this run, or these seeds of a run.",
)
@click.option(
    "--max-drop",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Drop in accuracy below the baseline that is allowed.",
)
@click.option(
    "--alpha",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.05,
    show_default=True,
    help="Rate of false alarms against the baseline.",
)
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
    reference: str | None,
    baseline: Path | None,
    max_drop: float,
    alpha: float,
    **wanted: Any,
) -> None:
    """Tabulate finished runs, after running the missing.

    RUN is a run directory or a folder of runs; by default, the run root.

    With --dataset or --config, run first what is missing: every model, or each --model and the
    floors, with each seed. Every model predicts the same texts and is compared with the best on
    each of them; docs/statistics.md has the methods.

    \b
    Example: textclf compare --dataset bbc --model mlp --model cnn --seeds 3
    """
    from textclf.comparison import add_failures, tabulate
    from textclf.entries import make_entries
    from textclf.progress import Reporter

    reporter = Reporter(quiet=quiet)
    runs, failures = _get_runs(paths, run_root, device, reporter, **wanted)
    entries = make_entries(runs)
    _refuse_named_strangers(paths, entries)
    rows, notes = tabulate(entries, reference=reference) if entries else ([], [])
    print_comparison(add_failures(rows, failures), notes, style)
    if failures:
        sys.exit(1)
    if baseline:
        _check_gate(entries, baseline, reporter, max_drop=max_drop, alpha=alpha)


def _get_runs(
    paths: Sequence[Path], run_root: Path, device: str, reporter: Any, **wanted: Any
) -> tuple[list[Any], list[Any]]:
    """Return the finished runs that are meant, after running the missing, and what failed."""
    if wanted["dataset"] is None and wanted["config_path"] is None:
        from textclf.search import read_finished

        _refuse_run_options(**wanted)
        return read_finished(paths or (run_root,), reporter, models=wanted["models"]), []
    if paths:
        raise click.UsageError("give either RUN or --dataset: with --dataset the runs are found")

    from textclf.experiment import Settings, run_all

    settings = Settings(reporter, device, command=join_command())
    return run_all(_make_configs(**wanted), run_root, settings)


def _refuse_named_strangers(paths: Sequence[Path], entries: Sequence[Any]) -> None:
    """Refuse runs that were named one by one, and cannot be compared; of a folder, each its own."""
    from textclf.entries import check_comparable
    from textclf.runs import RunDirectory

    if paths and all(RunDirectory(path).is_begun for path in paths):
        for entry in entries[1:]:
            check_comparable(entries[0].first, entry.first)


def _check_gate(
    entries: Sequence[Any], baseline: Path, reporter: Any, *, max_drop: float, alpha: float
) -> None:
    from textclf.gates import check_gate
    from textclf.search import read_finished

    check_gate(entries, read_finished([baseline], reporter), max_drop=max_drop, alpha=alpha)


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
    chosen_models = dict.fromkeys([*models, *FLOORS]) if models else default_models
    return [
        make_config(**rest, dataset=dataset, model=model, seed=seed)
        for model in chosen_models
        for seed in chosen_seeds
    ]
