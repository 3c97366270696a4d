"""Train and evaluate one model on one dataset."""

from pathlib import Path
from typing import Any

import click

from textclf.commands._options import (
    PATH,
    config_options,
    device_option,
    force_option,
    format_option,
    join_command,
    make_config,
    print_comparison,
    quiet_option,
    run_root_option,
)

COMMANDLINE = click.core.ParameterSource.COMMANDLINE


@click.command(name="train")
@click.option("--model", metavar="NAME", help="A model that `textclf models` lists.")
@click.option(
    "--dataset", metavar="NAME|PATH", help="A dataset that `textclf datasets` lists, or a file."
)
@click.option("--seed", type=int, help="Seed of weights, order and dropout.  [default: 42]")
@config_options
@click.option(
    "--run-dir",
    type=PATH,
    help="Exactly where the run goes, instead of its place below the run root.",
)
@run_root_option
@device_option
@click.option("--tensorboard", is_flag=True, help="Write TensorBoard event files too.")
@force_option
@quiet_option
@format_option
def command(
    run_dir: Path | None,
    run_root: Path,
    device: str,
    tensorboard: bool,
    force: bool,
    quiet: bool,
    style: str,
    **config_values: Any,
) -> None:
    """Train and evaluate one model on one dataset.

    Leaves a run directory with everything about the run, and prints its row of the comparison. A
    finished run is reported, not repeated; an interrupted one goes on after its last whole epoch.

    \b
    Example: textclf train --model cnn --dataset reuters --seed 1
    """
    from textclf.experiment.run import Settings, run_experiment
    from textclf.runs.directory import RunDirectory
    from textclf.runtime.progress import Reporter

    if run_dir and click.get_current_context().get_parameter_source("run_root") == COMMANDLINE:
        raise click.UsageError("give either --run-dir or --run-root")
    config = make_config(**config_values)
    run = RunDirectory(run_dir) if run_dir else RunDirectory.of(config, run_root)
    reporter = Reporter(quiet=quiet)
    settings = Settings(
        reporter, device, tensorboard=tensorboard, force=force, command=join_command()
    )
    result = run_experiment(config, run, settings)
    # Not before: what is imported here needs memory while the network is trained.
    from textclf.comparison.model_results import make_entries
    from textclf.comparison.table import tabulate

    print_comparison(*tabulate(make_entries([(run, result)])), style, reporter)
    reporter.say(f"see {run.path}")
