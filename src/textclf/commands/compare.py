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
    REPORT_PATH,
    columns_option,
    config_options,
    device_option,
    executor_options,
    format_command,
    format_option,
    make_overrides,
    protocol_options,
    quiet_option,
    refuse_conflicts,
    report_options,
    run_root_option,
    track_option,
)
from textclf.commands._output import (
    continuing_without_reader,
    print_comparison,
    print_next,
    write_report,
)

if TYPE_CHECKING:
    from textclf.comparison.comparison import Comparison
    from textclf.comparison.gate import Gate
    from textclf.runtime.progress import Reporter


CONFIG_KEYS = (
    ("model", "model.name"),
    ("seed", "seed"),
    ("folds", "dataset.folds"),
    ("folds", "dataset.fold"),
    ("folds_of", "dataset.folds_of"),
    ("train_fractions", "dataset.train_fraction"),
    ("train_per_label", "dataset.train_per_label"),
)
"""Options that give values of a key to several runs."""


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
    metavar="NAME|FILE",
    help="Model to compare, or a Python file; repeatable.  [default: all, or that of --config]",
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
@protocol_options
@executor_options
@track_option
@config_options
@run_root_option
@report_options
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
    track: Any,
    device: str,
    quiet: bool,
    style: str,
    columns: tuple[str, ...],
    **options: Any,
) -> None:
    """Train missing runs and compare models.

    RUN is a run directory or a folder of runs; the default is the run root.

    With --dataset or --config, first trains each --model and the baseline models with each seed,
    unless that run is finished. A failed run is shown as a row, and the exit code is 1, or 2 if all
    runs are invalid. Models are compared with the best one on every test example; see
    docs/explanation/statistics.md, docs/how-to/cross-validation.md and
    docs/how-to/learning-curves.md.

    \b
    Example: textclf compare --dataset bbc --model mlp --model cnn --seeds 3
    """
    from textclf import api
    from textclf.runtime.progress import Reporter

    reporter = Reporter(quiet=quiet)
    gate = _read_gate(gate_path, max_drop, alpha, reporter)
    what = _choose_runs(paths, models, n_seeds, seeds, dataset, **options)
    if gate and what:
        gate.check_folds(options["folds"])
    comparison = api.compare(
        paths,
        models=models,
        reference=reference,
        run_root=run_root,
        track=track,
        device=device,
        quiet=quiet,
        command=format_command(),
        **what,
    )
    with continuing_without_reader():
        print_comparison(comparison.rows, comparison.notes, style, reporter, chosen=columns)
    write_report(comparison)
    if comparison.failures:
        codes = {failure.error.exit_code for failure in comparison.failures}
        sys.exit(1 if comparison.models else min(codes))
    if gate:
        gate.check(comparison.models, reporter, named=models)
    print_next(*_suggest(comparison), style=style, quiet=quiet)


def _suggest(comparison: "Comparison") -> list[object]:
    """Return the command that shows where the two best models of a test set differ."""
    from textclf.comparison.model_results import group_by_test_set, group_comparable

    for of_test_set in group_by_test_set(comparison.models):
        group = group_comparable(of_test_set)[-1]
        if len(group) > 1:
            best, second = sorted(group, key=lambda model: -model.accuracy)[:2]
            return ["diff", best.runs[0].path, second.runs[0].path]
    return ["evaluate", comparison.models[0].runs[0].path]


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


def _choose_runs(
    paths: Sequence[Path],
    models: Sequence[str],
    n_seeds: int | None,
    seeds: Sequence[int],
    dataset: str | None,
    **options: Any,
) -> dict[str, Any]:
    """Return the arguments of `api.compare` that say what is run; none if nothing is."""
    if dataset is None and options["config_path"] is None:
        _refuse_run_options({"seeds": n_seeds, "seed": seeds, **options})
        return {}
    if paths:
        raise click.UsageError("give either RUN or --dataset, which finds its runs")
    return _describe_runs(models, n_seeds, seeds, dataset, **options)


def _describe_runs(
    models: Sequence[str],
    n_seeds: int | None,
    seeds: Sequence[int],
    dataset: str | None,
    *,
    config_path: Path | None,
    assignments: Sequence[str],
    executor: str,
    jobs: Any,
    ray_address: str | None,
    trust_code: bool,
    smoke: bool,
    folds: int | None,
    folds_of: str | None,
    train_fractions: Sequence[float],
    train_per_label: Sequence[int | None],
    **named: Any,
) -> dict[str, Any]:
    """Return the arguments of `api.compare` that say what is run, and how."""
    if n_seeds and seeds:
        raise click.UsageError("give either --seeds or --seed")
    if folds and click.get_current_context().meta[REPORT_PATH]:
        raise click.UsageError("give either --folds or --report, which is about one test set")
    seeds = range(1, n_seeds + 1) if n_seeds else seeds
    protocol = {
        "folds": folds,
        "folds_of": folds_of,
        "train_fractions": train_fractions,
        "train_per_label": train_per_label,
    }
    given = {"model": models, "seed": seeds, **protocol}
    for option, key in CONFIG_KEYS:
        if given[option]:
            refuse_conflicts(f"--{option.replace('_', '-')}", key, assignments)
    return {
        **protocol,
        "config": config_path,
        "overrides": make_overrides(assignments, smoke=smoke, dataset=dataset, **named),
        "smoke": smoke,
        "dataset": dataset,
        "seeds": seeds,
        "executor": executor,
        "jobs": jobs,
        "ray_address": ray_address,
        "trust_code": trust_code,
    }
