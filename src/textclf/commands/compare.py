"""Train missing runs and compare models."""

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textclf.commands._options import (
    DATASET,
    MODEL,
    PATH,
    columns_option,
    config_options,
    device_option,
    executor_options,
    format_command,
    format_option,
    make_overrides,
    print_comparison,
    quiet_option,
    refuse_conflicts,
    run_root_option,
)

if TYPE_CHECKING:
    from textclf.comparison.gate import Gate
    from textclf.comparison.plan import ComparisonPlan
    from textclf.runtime.progress import Reporter


@click.command(name="compare")
@click.argument("paths", metavar="[RUN]...", nargs=-1, type=PATH)
@click.option(
    "--dataset",
    type=DATASET,
    metavar="NAME|PATH",
    help="Dataset to train on; finished runs are reused.",
)
@click.option(
    "--model",
    "models",
    type=MODEL,
    multiple=True,
    metavar="NAME",
    help="Model to compare; repeatable.  [default: all, or that of --config]",
)
@click.option("--seeds", "n_seeds", type=click.IntRange(1), help="Run seeds 1 to N.", metavar="N")
@click.option("--seed", "seeds", type=int, multiple=True, help="Seed to run; repeatable.")
@click.option(
    "--reference", type=MODEL, metavar="NAME", help="Model to compare with.  [default: the best]"
)
@click.option(
    "--gate",
    "gate_path",
    metavar="RUN",
    type=PATH,
    help="Run or folder of runs; exit with 3 if a model is significantly worse.",
)
@click.option(
    "--max-drop",
    type=click.FloatRange(0, 1),
    help="Allowed drop in accuracy relative to the gate.  [default: 0]",
)
@click.option(
    "--alpha",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Significance level of the gate.  [default: 0.05]",
)
@executor_options
@config_options
@run_root_option
@device_option
@quiet_option
@format_option
@columns_option
def command(
    paths: tuple[Path, ...],
    dataset: str | None,
    models: tuple[str, ...],
    n_seeds: int | None,
    seeds: tuple[int, ...],
    reference: str | None,
    gate_path: Path | None,
    max_drop: float | None,
    alpha: float | None,
    run_root: Path,
    device: str,
    quiet: bool,
    style: str,
    columns: tuple[str, ...],
    **options: Any,
) -> None:
    """Train missing runs and compare models.

    RUN is a run directory or a folder of runs; the default is the run root.

    With --dataset or --config, first trains each --model and the baseline models with each seed,
    unless that run is finished. A failed run is shown as a row, and the exit code is 1. Models are
    compared with the best one on every test example; see docs/statistics.md.

    \b
    Example: textclf compare --dataset bbc --model mlp --model cnn --seeds 3
    """
    from textclf import api
    from textclf.executors._base import ExecutorConfig
    from textclf.experiment.run import RunContext
    from textclf.runtime.progress import Reporter

    reporter = Reporter(quiet=quiet)
    gate = _read_gate(gate_path, max_drop, alpha, reporter)
    if dataset is None and options["config_path"] is None:
        _refuse_run_options({"seeds": n_seeds, "seed": seeds, **options})
        comparison = api.compare(paths or (run_root,), reporter, models=models, reference=reference)
    else:
        if paths:
            raise click.UsageError("give either RUN or --dataset, which finds its runs")
        executor = ExecutorConfig(*map(options.pop, ("executor", "jobs", "ray_address")))
        plan = _make_plan(models, n_seeds, seeds, dataset, **options)
        context = RunContext(reporter, device, command=format_command())
        comparison = api.run_comparison(plan, run_root, context, executor, reference=reference)
    print_comparison(comparison.rows, comparison.notes, style, reporter, chosen=columns)
    if comparison.failures:
        sys.exit(1)
    if gate:
        gate.check(comparison.models, reporter, named=models)


def _read_gate(
    path: Path | None, max_drop: float | None, alpha: float | None, reporter: "Reporter"
) -> "Gate | None":
    """Return the gate that the options describe; None without one.

    It is read first, so that an invalid gate fails before anything is trained.
    """
    from textclf.comparison.gate import Gate

    if path is None:
        if (max_drop, alpha) != (None, None):
            raise click.UsageError("--max-drop and --alpha need --gate, the run to compare with")
        return None
    for option, value in (("--max-drop", max_drop), ("--alpha", alpha)):
        if value is not None and math.isnan(value):
            raise click.UsageError(f"{option} nan is not a number")
    return Gate.read(path, reporter, max_drop=max_drop or 0.0, alpha=alpha or 0.05)


def _refuse_run_options(options: dict[str, Any]) -> None:
    """Raise a usage error if an option is given that only matters when something is run."""
    for name, value in options.items():
        if value and (name, value) != ("executor", "local"):
            flag = "--set" if name == "assignments" else f"--{name.replace('_', '-')}"
            raise click.UsageError(f"{flag} needs --dataset or --config, which say what to run")


def _make_plan(
    models: Sequence[str],
    n_seeds: int | None,
    seeds: Sequence[int],
    dataset: str | None,
    *,
    config_path: Path | None,
    assignments: Sequence[str],
    **named: Any,
) -> "ComparisonPlan":
    """Return the runs that the options describe."""
    from textclf.comparison.plan import ComparisonPlan
    from textclf.config.loading import read_yaml

    if n_seeds and seeds:
        raise click.UsageError("give either --seeds or --seed")
    seeds = range(1, n_seeds + 1) if n_seeds else seeds
    for flag, key, given in (("--model", "model.name", models), ("--seed", "seed", seeds)):
        if given:
            refuse_conflicts(flag, key, assignments)
    return ComparisonPlan(
        tree=read_yaml(config_path) if config_path else None,
        source=str(config_path or "configuration"),
        overrides=make_overrides(assignments, dataset=dataset, **named),
        models=models,
        seeds=seeds,
    )
