"""Tabulate finished runs, after running what is missing."""

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from textclf.commands._options import (
    PATH,
    config_options,
    device_option,
    executor_options,
    format_option,
    join_command,
    make_config,
    print_comparison,
    quiet_option,
    run_root_option,
)
from textclf.registry import list_names

MIN_SEEDS = 3


@click.command(name="compare")
@click.argument("paths", metavar="[RUN]...", nargs=-1, type=PATH)
@click.option("--dataset", metavar="NAME|PATH", help="Run first what is missing on it.")
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
    help="Drop in accuracy below the baseline that is allowed.  [default: 0]",
)
@click.option(
    "--alpha",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Rate of false alarms against the baseline.  [default: 0.05]",
)
@executor_options
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
    executor: str,
    jobs: Any,
    ray_address: str | None,
    style: str,
    reference: str | None,
    baseline: Path | None,
    max_drop: float | None,
    alpha: float | None,
    **wanted: Any,
) -> None:
    """Tabulate finished runs, after running the missing.

    RUN is a run directory or a folder of runs; by default, the run root. A model that fails is a
    row, and the exit code is 1; hub is left out where its text embedding cannot be had and nobody
    named it.

    With --dataset or --config, run first what is missing: every model, or each --model and the
    floors, with each seed. Every model predicts the same texts and is compared with the best on
    each of them; docs/statistics.md has the methods.

    \b
    Example: textclf compare --dataset bbc --model mlp --model cnn --seeds 3
    """
    from textclf.comparison.model_results import check_comparable, make_entries
    from textclf.comparison.table import add_failures, tabulate
    from textclf.runs.directory import RunDirectory
    from textclf.runtime.progress import Reporter

    gate = _make_gate(baseline, max_drop, alpha)
    execution = {"executor": executor, "jobs": jobs, "ray_address": ray_address}
    reporter = Reporter(quiet=quiet)
    # Before anything is trained: a wrong baseline must not be noticed hours later.
    reference_runs = _read_baseline(baseline, reporter) if baseline else None
    runs, failures = _get_runs(paths, run_root, device, execution, reporter, **wanted)
    named = bool(paths) and all(RunDirectory(path).is_begun for path in paths)
    entries = make_entries(runs, leave_out=None if named else reporter.say) if runs else []
    if named:
        for entry in entries[1:]:  # In a folder, each test set is a comparison by itself.
            check_comparable(entries[0].first, entry.first)
    rows, notes = tabulate(entries, reference=reference) if entries else ([], [])
    print_comparison(*add_failures(rows, notes, failures), style, reporter)
    if failures:
        sys.exit(1)
    if reference_runs:
        _check_gate(entries, reference_runs, reporter, models=wanted["models"], **gate)


def _make_gate(
    baseline: Path | None, max_drop: float | None, alpha: float | None
) -> dict[str, float]:
    """Return how strict the gate is, from its options."""
    if baseline is None and (max_drop, alpha) != (None, None):
        raise click.UsageError("--max-drop and --alpha need --baseline, the run to compare with")
    gate = {"max_drop": max_drop or 0.0, "alpha": alpha or 0.05}
    for option, value in gate.items():
        if math.isnan(value):
            raise click.UsageError(f"--{option.replace('_', '-')} nan is no number")
    return gate


def _read_baseline(path: Path, reporter: Any) -> Any:
    """Return the one configuration, with its seeds, that is named."""
    from textclf.comparison.model_results import make_entries
    from textclf.runs.search import read_finished

    baselines = make_entries(read_finished([path], reporter))
    if len(baselines) != 1:
        names = ", ".join(f"{entry.first.dataset}/{entry.first.model}" for entry in baselines)
        raise click.UsageError(
            f"--baseline has to be one configuration, got {len(baselines)}: {names}"
        )
    return baselines[0]


def _get_runs(
    paths: Sequence[Path],
    run_root: Path,
    device: str,
    execution: dict[str, Any],
    reporter: Any,
    **wanted: Any,
) -> tuple[list[Any], list[Any]]:
    """Return the finished runs that are meant, after running the missing, and what failed."""
    if wanted["dataset"] is None and wanted["config_path"] is None:
        from textclf.runs.search import read_finished

        _refuse_run_options(**wanted, **execution)
        return read_finished(paths or (run_root,), reporter, models=wanted["models"]), []
    if paths:
        raise click.UsageError("give either RUN or --dataset: with --dataset the runs are found")

    from textclf.executors._base import ExecutorOptions, run_all
    from textclf.experiment.run import Settings

    settings = Settings(reporter, device, command=join_command())
    options = ExecutorOptions(**execution)
    runs, failures = run_all(_make_configs(**wanted), run_root, settings, options)
    if not (wanted["models"] or wanted["config_path"]):
        failures = _leave_out(failures, reporter)
    return runs, failures


def _leave_out(failures: Sequence[Any], reporter: Any) -> list[Any]:
    """Leave out models, which nobody named, whose text embedding cannot be had; say so."""
    from textclf.errors import EmbeddingError

    kept = []
    for failure in failures:
        if isinstance(failure.error, EmbeddingError):
            reporter.say(f"{failure.config.model.name} is left out: {failure.error}")
        else:
            kept.append(failure)
    return kept


def _check_gate(
    entries: Sequence[Any], baseline: Any, reporter: Any, *, models: Sequence[str], **gate: Any
) -> None:
    from textclf.comparison.gate import check_gate
    from textclf.models._build import FLOORS

    # Floors are there to compare with; they are checked only where they were asked for.
    checked = [e for e in entries if e.first.model not in FLOORS or e.first.model in models]
    n_seeds = min(len(entry.runs) for entry in [*checked, baseline])
    if n_seeds < MIN_SEEDS:
        reporter.say(
            f"with {n_seeds} seed(s) the noise of seeds is hardly known, and false alarms may be"
            f" more than --alpha says; use {MIN_SEEDS} or more on both sides"
        )
    check_gate(checked, baseline, **gate)
    reporter.say(f"gate passed: no model is worse than the baseline {baseline.first.model}")


def _refuse_run_options(**wanted: Any) -> None:
    """Refuse what only matters when something is run."""
    options = {"n_seeds": "--seeds", "seeds": "--seed", "assignments": "--set", "smoke": "--smoke"}
    columns = ("text_column", "label_column", "drop_leaked", "jobs", "ray_address")
    options |= {name: f"--{name.replace('_', '-')}" for name in columns}
    for name, option in options.items():
        if wanted[name]:
            raise click.UsageError(f"{option} needs --dataset or --config, which say what to run")
    if wanted["executor"] != "local":
        raise click.UsageError("--executor needs --dataset or --config, which say what to run")


def _make_configs(
    *, dataset: str | None, models: Sequence[str], seeds: Sequence[int], n_seeds: int, **rest: Any
) -> list[Any]:
    """Return one configuration for each model and seed."""
    if n_seeds and seeds:
        raise click.UsageError("give either --seeds or --seed")
    from textclf.config.resolve import resolve
    from textclf.models._build import FLOORS

    chosen_seeds = range(1, n_seeds + 1) if n_seeds else dict.fromkeys(seeds) or (None,)
    # A configuration file names its model; without one, every network takes part.
    networks = [name for name in list_names("models") if name not in FLOORS]
    default_models = (None,) if rest["config_path"] else networks
    chosen_models = dict.fromkeys(models) or default_models
    configs = [
        make_config(**rest, dataset=dataset, model=model, seed=seed)
        for model in chosen_models
        for seed in chosen_seeds
    ]
    # Floors use the dataset and the seed only, so that settings of networks do not reach them.
    shared = [config.model_dump(include={"dataset", "resources", "seed"}) for config in configs]
    for sections in shared:
        sections["resources"]["gpus"] = 0
    floors = [
        resolve({**sections, "model": {"name": name}})
        for name in FLOORS
        if name not in chosen_models
        for sections in shared[: len(chosen_seeds)]
    ]
    return [*configs, *floors]
