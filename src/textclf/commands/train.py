"""Train and evaluate one model on one dataset."""

from pathlib import Path
from typing import Any

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
    make_config,
    print_comparison,
    quiet_option,
    run_root_option,
)

COMMANDLINE = click.core.ParameterSource.COMMANDLINE


@click.command(name="train")
@click.option("--model", type=MODEL, metavar="NAME", help="Model to train; see `textclf models`.")
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
@device_option
@click.option("--tensorboard", is_flag=True, help="Write TensorBoard event files.")
@force_option
@quiet_option
@format_option
@columns_option
def command(
    run_dir: Path | None,
    run_root: Path,
    device: str,
    tensorboard: bool,
    force: bool,
    quiet: bool,
    style: str,
    columns: tuple[str, ...],
    **config_values: Any,
) -> None:
    """Train and evaluate one model on one dataset.

    Writes a run directory and prints the test result. A finished run is not repeated, and an
    interrupted one resumes after its last complete epoch.

    \b
    Example: textclf train --model cnn --dataset reuters --seed 1
    """
    from textclf.experiment.run import RunContext, run_experiment
    from textclf.runs.directory import RunDirectory
    from textclf.runtime.progress import Reporter

    if run_dir and click.get_current_context().get_parameter_source("run_root") == COMMANDLINE:
        raise click.UsageError("give either --run-dir or --run-root")
    config = make_config(**config_values)
    run = RunDirectory(run_dir) if run_dir else RunDirectory.of(config, run_root)
    reporter = Reporter(quiet=quiet)
    context = RunContext(
        reporter, device, tensorboard=tensorboard, force=force, command=format_command()
    )
    result = run_experiment(config, run, context)
    # Imported after training, which needs the memory.
    from textclf.comparison.model_results import group_by_configuration
    from textclf.comparison.table import tabulate

    rows, notes = tabulate(group_by_configuration([(run, result)]))
    print_comparison(rows, notes, style, reporter, chosen=columns)
    reporter.info(f"see {run.path}")
