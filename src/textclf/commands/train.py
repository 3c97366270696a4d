"""Train and evaluate one model on one dataset."""

import shlex
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
    force_option,
    format_command,
    format_option,
    make_overrides,
    quiet_option,
    report_options,
    run_root_option,
    track_option,
)
from textclf.commands._output import print_comparison, print_next, write_report
from textclf.registry import list_names

if TYPE_CHECKING:
    from textclf.config.schema import ExperimentConfig
    from textclf.runs.directory import RunDirectory

COMMANDLINE = click.core.ParameterSource.COMMANDLINE


@click.command(name="train", context_settings={"allow_extra_args": True})
@click.option(
    "--model",
    type=MODEL,
    metavar="NAME|FILE",
    help="Model to train, or a Python file; see `textclf models`.",
)
@click.option(
    "--dataset",
    type=DATASET,
    metavar="NAME|PATH",
    help="Dataset to train on; see `textclf datasets`.",
)
@click.option("--seed", type=int, help="Random seed.  [default: 42]")
@config_options
@click.option(
    "--run-dir",
    type=PATH,
    help="Run directory.  [default: a folder below the run root]",
)
@run_root_option
@report_options
@device_option
@click.option("--tensorboard", is_flag=True, help="Write TensorBoard event files.")
@track_option
@force_option
@click.option(
    "--dry-run", is_flag=True, help="Print the configuration and the run directory; train nothing."
)
@quiet_option
@format_option
@columns_option
def command(
    config_path: Path | None,
    run_dir: Path | None,
    run_root: Path,
    device: str,
    tensorboard: bool,
    track: Any,
    force: bool,
    trust_code: bool,
    dry_run: bool,
    smoke: bool,
    quiet: bool,
    style: str,
    columns: tuple[str, ...],
    **named: Any,
) -> None:
    """Train and evaluate one model on one dataset.

    Writes a run directory and prints the test result. A finished run is not repeated, and an
    interrupted one resumes after its last complete epoch.

    \b
    Example: textclf train --model cnn --dataset reuters --seed 1
    """
    from textclf import api
    from textclf.config.resolve import load_config
    from textclf.runtime.progress import Reporter

    if run_dir and click.get_current_context().get_parameter_source("run_root") == COMMANDLINE:
        raise click.UsageError("give either --run-dir or --run-root")
    overrides = make_overrides(smoke=smoke, **named)
    if arguments := click.get_current_context().args:
        raise click.UsageError(_explain_arguments(arguments, named["dataset"]))
    if dry_run:
        config = load_config(config_path, overrides, trust_code=trust_code)
        found = api.locate_run(config, run_dir=run_dir, run_root=run_root, smoke=smoke)
        _describe(config, found, force=force)
        return
    run = api.train(
        config=config_path,
        overrides=overrides,
        smoke=smoke,
        run_dir=run_dir,
        run_root=run_root,
        device=device,
        tensorboard=tensorboard,
        track=track,
        force=force,
        trust_code=trust_code,
        quiet=quiet,
        command=format_command(),
    )
    comparison = api.compare(run)
    reporter = Reporter(quiet=quiet)
    print_comparison(comparison.rows, comparison.notes, style, reporter, chosen=columns)
    write_report(comparison)
    reporter.info(f"see {run.path}")
    print_next("predict", run.path, "a text to classify", style=style, quiet=quiet)


def _explain_arguments(arguments: list[str], dataset: str | None) -> str:
    """Return the message for values without an option; perhaps a path contains spaces."""
    options = " ".join(f"{_find_option(value)} {shlex.quote(value)}" for value in arguments)
    remedy = "put a value that contains spaces in quotes" if dataset else f"use {options}"
    return f"unexpected argument '{arguments[0]}'; {remedy}"


def _find_option(value: str) -> str:
    """Return the option that a value is probably meant for."""
    if value.endswith((".yaml", ".yml")):
        return "--config"
    is_model = value.endswith(".py") or value in list_names("models")
    return "--model" if is_model else "--dataset"


def _describe(config: "ExperimentConfig", run: "RunDirectory", *, force: bool) -> None:
    """Print a configuration as YAML, and where and how it would be run."""
    if run.path.is_dir():
        run.check(config, force=force)
    click.echo(config.to_yaml(), nl=False)
    if not run.is_begun:
        state = "new"
    elif force:
        state = "would be replaced"
    elif run.is_finished:
        state = "finished; nothing would be trained"
    else:
        state = "unfinished; training would resume"
    click.echo(f"run directory: {run.path} ({state})", err=True)
