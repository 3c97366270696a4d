"""Search hyperparameters on the validation split."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from textclf.commands._options import (
    DATASET,
    MODEL,
    OPTION_KEYS,
    columns_option,
    config_options,
    device_option,
    executor_options,
    format_command,
    format_option,
    make_overrides,
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
from textclf.tables import terminal_width

UNITS = {"s": 1, "m": 60, "h": 3_600}
"""Seconds of each unit of --timeout."""


def _parse_timeout(ctx: Any, param: Any, value: str | None) -> float | None:
    """Return the seconds of a duration such as ``20m``; None if it is not given."""
    if value is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", value)
    if not match or not float(match[1]):
        raise click.BadParameter(
            f"'{value}' is not a time: give seconds, minutes or hours, such as 90s, 20m or 1.5h",
            ctx,
            param,
        )
    return float(match[1]) * UNITS[match[2]]


@click.command(name="tune")
@click.option(
    "--model",
    type=MODEL,
    metavar="NAME|FILE",
    help="Model to tune, or a Python file; see `textclf models`.",
)
@click.option(
    "--dataset",
    type=DATASET,
    metavar="NAME|PATH",
    help="Dataset to train on; see `textclf datasets`.",
)
@click.option(
    "--trials",
    type=click.IntRange(1),
    default=30,
    help="Number of trials of the study, including the defaults, which are trial 0.",
)
@click.option(
    "--timeout",
    metavar="TIME",
    callback=_parse_timeout,
    help="Begin no trial that would probably end after this time, such as 90s, 20m or 1.5h.",
)
@click.option(
    "--search",
    "searches",
    multiple=True,
    metavar="KEY=VALUES",
    help="Values to try: KEY=LOW..HIGH, KEY=LOW..HIGH:log or KEY=A,B,C; repeatable. "
    " [default: the section search of --config, or the search space of the model]",
)
@click.option(
    "--seeds",
    type=click.IntRange(1),
    metavar="N",
    help="Train each trial with seeds 1 to N.  [default: only the seed of the configuration]",
)
@click.option(
    "--metric",
    type=click.Choice(["accuracy", "macro_f1", "loss"]),
    default="accuracy",
    help="Metric on the validation split that selects the best trial.",
)
@click.option(
    "--name",
    metavar="STUDY",
    help="Name of the study.  [default: the dataset, the model and a hash of the settings]",
)
@click.option("--show", "shown", metavar="STUDY", help="Print the trials of a study; run nothing.")
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
    shown: str | None,
    run_root: Path,
    quiet: bool,
    style: str,
    columns: tuple[str, ...],
    **options: Any,
) -> None:
    """Search hyperparameters on the validation split.

    Trains the defaults and then what Optuna proposes, without predicting the test split. At the
    end, the best trial and the defaults are compared on the test split. The study is a folder in
    RUN_ROOT/_studies; the same command resumes it.

    \b
    Example: textclf tune --model cnn --dataset bbc --search model.dropout=0..0.6
    """
    from textclf import api
    from textclf.runtime.progress import Reporter

    if shown is not None:
        _refuse_others(click.get_current_context())
        study = api.load_study(shown, run_root=run_root)
        click.echo(study.format(style, width=terminal_width()))
        return
    arguments = _list_arguments(**options)
    study = api.tune(run_root=run_root, quiet=quiet, command=format_command(), **arguments)
    comparison, reporter = study.comparison, Reporter(quiet=quiet)
    assert comparison is not None  # noqa: S101 - for the type checker
    with continuing_without_reader():
        print_comparison(comparison.rows, comparison.notes, style, reporter, chosen=columns)
    write_report(comparison, study=study)
    if comparison.failures:
        sys.exit(1)
    reporter.info(f"see {study.path}")
    config = study.settings.config
    trust = ["--trust-code"] if config.model.file_code or config.dataset.file_code else []
    print_next("report", study.path, *trust, style=style, quiet=quiet)


def _refuse_others(context: click.Context) -> None:
    """Raise a usage error if an option is given that --show would ignore."""
    for parameter in context.command.params:
        is_used = parameter.name in {"shown", "run_root", "quiet", "style"}
        source = context.get_parameter_source(parameter.name or "")
        if not is_used and source == ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--show runs nothing: leave out {parameter.opts[0]}")


def _list_arguments(
    *,
    searches: Sequence[str],
    seeds: int | None,
    config_path: Path | None,
    smoke: bool,
    assignments: Sequence[str],
    **named: Any,
) -> dict[str, Any]:
    """Return the arguments of `api.tune` that say what is tuned, and how."""
    from textclf.config.search_space import parse_search

    if seeds:
        refuse_conflicts("--seeds", "seed", assignments)
    given = {name: named.pop(name) for name in OPTION_KEYS if name in named}
    return {
        "search": [parse_search(search) for search in searches],
        "seeds": seeds or (),
        "config": config_path,
        "overrides": make_overrides(assignments, smoke=smoke, **given),
        "smoke": smoke,
        **named,  # Options with the names of arguments.
    }
