"""Options that several commands share."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textclf.registry import list_names
from textclf.runtime.backend import DEVICES
from textclf.tables import FORMATS, Column, format_table

if TYPE_CHECKING:
    from textclf.config.resolve import ExperimentConfig
    from textclf.runtime.progress import Reporter


class PathType(click.Path):
    """A path that is not empty: Python would take that for the current folder."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the path."""
        if not str(value):
            self.fail("the path is empty", param, ctx)
        return super().convert(value, param, ctx)


PATH = PathType()

format_option = click.option(
    "--format",
    "style",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
    help="How to print the result.",
)
run_root_option = click.option(
    "--run-root",
    type=PATH,
    default=Path("runs"),
    show_default=True,
    envvar="TEXTCLF_RUN_ROOT",
    show_envvar=True,
    help="Folder of the run directories.",
)
quiet_option = click.option("--quiet", "-q", is_flag=True, help="Print results and errors only.")
device_option = click.option(
    "--device",
    type=click.Choice(DEVICES),
    default="auto",
    show_default=True,
    help="Where to run: auto takes a GPU where there is one.",
)
force_option = click.option("--force", is_flag=True, help="Repeat what is finished already.")
_set_option = click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set one value, such as training.epochs=3; repeatable.",
)
_dataset_options = (
    click.option("--text-column", metavar="NAME", help="Column of the text, in a table of yours."),
    click.option("--label-column", metavar="NAME", help="Column of the label."),
)
_config_options = (
    click.option(
        "--config",
        "config_path",
        type=PATH,
        metavar="FILE",
        help="Configuration file (YAML); options are stronger than it.",
    ),
    _set_option,
    click.option("--smoke", is_flag=True, help="Tiny subsets and one epoch, to see that it works."),
    *_dataset_options,
    click.option(
        "--drop-leaked",
        is_flag=True,
        default=None,
        help="Leave out training texts that stand in validation or test too.",
    ),
)


def _parse_jobs(ctx: Any, param: Any, value: str | None) -> Any:
    """Return how many runs at once: a number, ``auto``, or None where nobody says."""
    if value in {None, "auto"}:
        return value
    if not (value.isascii() and value.isdigit() and int(value)):
        raise click.BadParameter(f"'{value}' is neither auto nor a number from 1", ctx, param)
    return int(value)


_executor_options = (
    click.option(
        "--executor",
        type=click.Choice(list_names("executors")),
        default="local",
        show_default=True,
        help="Where runs are carried out: on this machine, or by Ray.",
    ),
    click.option(
        "--jobs",
        metavar="N|auto",
        callback=_parse_jobs,
        help="Runs at once, in processes that share the processors; auto: as many as there is"
        " room for. With fewer processors for each, convolutions may differ in their last digits."
        "  [default: 1; auto with ray]",
    ),
    click.option(
        "--ray-address",
        metavar="ADDRESS",
        help="Ray cluster: ray://HOST:10001; or auto, on one of its machines.  [default:"
        " RAY_ADDRESS, or a Ray on this machine alone]",
    ),
)

KEYS = {
    "dataset": "dataset.name",
    "model": "model.name",
    "seed": "seed",
    "text_column": "dataset.text_column",
    "label_column": "dataset.label_column",
    "drop_leaked": "dataset.drop_leaked",
}
"""What options of a configuration set in it."""


def config_options(command: Any) -> Any:
    """Add the options that make up a configuration, but for dataset, model and seed."""
    for option in reversed(_config_options):
        command = option(command)
    return command


def executor_options(command: Any) -> Any:
    """Add the options of commands that carry out many runs."""
    for option in reversed(_executor_options):
        command = option(command)
    return command


def dataset_options(command: Any) -> Any:
    """Add the options that say how a dataset is read."""
    for option in reversed((*_dataset_options, _set_option)):
        command = option(command)
    return command


def make_dataset_config(name: str, assignments: Sequence[str], **named: Any) -> "ExperimentConfig":
    """Build a configuration for a command that looks at a dataset and trains nothing."""
    return make_config(None, assignments, smoke=False, dataset=name, model="majority", **named)


def make_config(
    config_path: Path | None,
    assignments: Sequence[str],
    *,
    smoke: bool,
    **named: Any,
) -> "ExperimentConfig":
    """Build the configuration that the options describe; ``named`` are those of `KEYS`."""
    from textclf.config.loading import SMOKE, Override, parse_override, read_yaml
    from textclf.config.resolve import resolve

    overrides: list[Override] = [*SMOKE] if smoke else []
    for option, value in named.items():
        if value is not None:
            word = f"--{option.replace('_', '-')}"
            if any(assignment.startswith(f"{KEYS[option]}=") for assignment in assignments):
                raise click.UsageError(f"give either {word} or --set {KEYS[option]}")
            origin = word if value is True else f"{word} {value}"
            overrides.append(Override(KEYS[option], value, origin))
    overrides += map(parse_override, assignments)
    tree = read_yaml(config_path) if config_path else {}
    return resolve(tree, overrides, source=str(config_path or "configuration"))


def join_command() -> str:
    """Return the command line as the user could type it again."""
    return shlex.join(["textclf", *sys.argv[1:]])


def print_comparison(
    rows: Sequence[Any], notes: Sequence[str], style: str, reporter: "Reporter"
) -> None:
    """Print rows of a comparison; the notes go below them, or beside what programs read."""
    from textclf.comparison.table import COLUMNS

    print_table(rows, COLUMNS, style)
    if notes and style in {"table", "markdown"}:
        click.echo("\n" + "\n".join(f"- {note}" for note in notes))
    else:
        for note in notes:
            reporter.say(note)


def print_table(rows: Sequence[Any], columns: Sequence[Column], style: str) -> None:
    """Print rows to standard output in the format asked for."""
    click.echo(format_table(rows, columns, style))
