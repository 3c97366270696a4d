"""Options that several commands share, and the configuration that they describe."""

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textclf.registry import list_names
from textclf.runtime.backend import DEVICES
from textclf.tables import (
    FORMATS,
)

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from textclf.config.loading import Override


class PathType(click.Path):
    """A path that is not empty; Python would read an empty one as the current folder."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the path."""
        if not str(value):
            self.fail("the path is empty", param, ctx)
        return super().convert(value, param, ctx)


PATH = PathType()


class NameType(click.types.StringParamType):
    """A name of a model or a dataset, or a path; a shell completes both."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def shell_complete(self, ctx: Any, param: Any, incomplete: str) -> "list[CompletionItem]":  # noqa: ARG002
        """Return the names that begin with the incomplete word, and ask the shell for paths."""
        from click.shell_completion import CompletionItem

        names = [name for name in list_names(self.kind) if name.startswith(incomplete)]
        # The path is first, because bash forgets what comes before it.
        return [CompletionItem(incomplete, type="file"), *map(CompletionItem, names)]


MODEL = NameType("models")
DATASET = NameType("datasets")

format_option = click.option(
    "--format",
    "style",
    type=click.Choice(FORMATS),
    default="table",
    help="Output format.",
)


def _parse_columns(ctx: Any, param: Any, value: str | None) -> tuple[str, ...]:  # noqa: ARG001
    """Return the keys of the chosen columns; none if the option is not given."""
    from textclf.comparison.report import parse_columns

    return parse_columns(value) if value is not None else ()


columns_option = click.option(
    "--columns",
    metavar="KEY,...",
    callback=_parse_columns,
    help="Columns to print, by their keys in JSON, such as model,accuracy,p_value.",
)
run_root_option = click.option(
    "--run-root",
    type=PATH,
    default=Path("runs"),
    envvar="TEXTCLF_RUN_ROOT",
    show_envvar=True,
    help="Root folder of the run directories.",
)
quiet_option = click.option("--quiet", "-q", is_flag=True, help="Print only results and errors.")
device_option = click.option(
    "--device",
    type=click.Choice(DEVICES),
    default="auto",
    help="Device to run on; auto uses a GPU if one is available.",
)

track_option = click.option(
    "--track",
    type=click.Choice(["mlflow"]),
    help="Send each finished run to MLflow, at MLFLOW_TRACKING_URI; see docs/how-to/tracking.md.",
)

force_option = click.option(
    "--force", is_flag=True, help="Train again, and replace a finished run."
)


trust_code_option = click.option(
    "--trust-code",
    is_flag=True,
    help="Execute Python files that the run or the configuration names; use only if you trust"
    " their source.",
)


def _bundle(*options: Any) -> Callable[[Any], Any]:
    """Return a decorator that adds several options to a command."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


REPORT_PATH, NO_TEXTS = "textclf.report_path", "textclf.no_texts"
"""Where click's context keeps the options that only `write_report` needs."""


def _keep_report(ctx: Any, param: Any, value: Path | None) -> None:  # noqa: ARG001
    """Refuse a report that could not be written at the end."""
    if value is not None:
        from textclf.reporting.report import check_output

        check_output(value)
    ctx.meta[REPORT_PATH] = value


def _keep_no_texts(ctx: Any, param: Any, value: bool) -> None:  # noqa: ARG001
    if value and not ctx.meta[REPORT_PATH]:
        raise click.UsageError("--no-texts needs --report, whose page it leaves without texts", ctx)
    ctx.meta[NO_TEXTS] = value


report_options = _bundle(
    click.option(
        "--report",
        "report_path",
        type=PATH,
        metavar="FILE",
        is_eager=True,  # --no-texts needs its value.
        expose_value=False,
        callback=_keep_report,
        help="Also write the page of `textclf report` to FILE (.html).",
    ),
    click.option(
        "--no-texts",
        is_flag=True,
        expose_value=False,
        callback=_keep_no_texts,
        help="Leave all texts of the dataset out of the report, if they are confidential.",
    ),
)

_set_option = click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set a configuration value, such as training.epochs=3; repeatable.",
)
_text_column_option = click.option(
    "--text-column",
    metavar="NAME",
    multiple=True,
    help="Column that contains the text; repeatable, to join columns.",
)
_column_names_option = click.option(
    "--column-names", metavar="NAME,...", help="Names of all columns, if the file has no header."
)
_column_options = (
    _text_column_option,
    click.option("--label-column", metavar="NAME", help="Column that contains the label."),
    _column_names_option,
)
_file_set_option = click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set how FILE is read, such as dataset.encoding=cp1252; repeatable.",
)
labeled_file_options = _bundle(*_column_options, _file_set_option)
unlabeled_file_options = _bundle(_text_column_option, _column_names_option, _file_set_option)
dataset_options = _bundle(*_column_options, _set_option)
config_options = _bundle(
    click.option(
        "--config",
        "config_path",
        type=PATH,
        metavar="FILE",
        help="Configuration file (YAML); options override it.",
    ),
    _set_option,
    click.option(
        "--smoke",
        is_flag=True,
        help="Quick test: at most 64 examples per split, one epoch; runs are in RUN_ROOT/_smoke.",
    ),
    *_column_options,
    click.option(
        "--drop-leaked",
        is_flag=True,
        default=None,
        help="Drop training examples whose text also appears in validation or test.",
    ),
    trust_code_option,
)


run_filter_options = _bundle(
    click.option("--model", type=MODEL, metavar="NAME", help="Only runs of this model."),
    click.option("--dataset", type=DATASET, metavar="NAME", help="Only runs on this dataset."),
    click.option(
        "--unfinished", is_flag=True, help="Only runs that are neither finished nor validated."
    ),
)


def _parse_jobs(ctx: Any, param: Any, value: str | None) -> Any:
    """Return the number of runs at once: a number, ``auto``, or None if it is not given."""
    if value in {None, "auto"}:
        return value
    if not (value.isascii() and value.isdigit() and int(value)):
        raise click.BadParameter(f"'{value}' is neither auto nor a positive number", ctx, param)
    return int(value)


executor_options = _bundle(
    click.option(
        "--executor",
        type=click.Choice(list_names("executors")),
        default="local",
        help="Where to run: local (this machine) or ray (a Ray cluster).",
    ),
    click.option(
        "--jobs",
        metavar="N|auto",
        callback=_parse_jobs,
        help="Number of runs at once; auto uses as many as processors and memory allow. The last"
        " digits of results may depend on it.  [default: 1; auto with ray]",
    ),
    click.option(
        "--ray-address",
        metavar="ADDRESS",
        help="Ray cluster: ray://HOST:10001, or auto on one of its machines.  [default:"
        " RAY_ADDRESS, or a new Ray on this machine]",
    ),
)


def _parse_list(parse: Callable[[str], Any], expected: str) -> Callable[..., tuple[Any, ...]]:
    """Return a callback of an option whose value is a list; without the option, it is empty.

    Args:
        parse: Returns a value of the list; ValueError if it is invalid.
        expected: What the list contains, for a message.
    """

    def callback(ctx: Any, param: Any, value: str | None) -> tuple[Any, ...]:
        if value is None:
            return ()
        try:
            return tuple(parse(item.strip()) for item in value.split(","))
        except ValueError:
            problem = f"'{value}' is not a list of {expected}"
            raise click.BadParameter(problem, ctx, param) from None

    return callback


def _parse_fraction(text: str) -> float:
    fraction = float(text)
    if not 0 < fraction <= 1:  # Also refuses nan.
        raise ValueError
    return fraction


def _parse_size(text: str) -> int | None:
    """Return a positive number, or None for ``all``."""
    size = None if text == "all" else int(text)
    if size is not None and size < 1:
        raise ValueError
    return size


protocol_options = _bundle(
    click.option(
        "--folds",
        type=click.IntRange(2),
        metavar="K",
        help="Cross-validate: train and test on each of K folds of training and validation"
        " examples.",
    ),
    click.option(
        "--folds-of",
        type=click.Choice(["train", "all"]),
        help="Examples of the folds: train (training and validation) or all (test examples too)."
        "  [default: train]",
    ),
    click.option(
        "--train-fractions",
        metavar="X,...",
        callback=_parse_list(_parse_fraction, "fractions above 0 and up to 1, such as 0.1,0.5,1"),
        help="Learning curve: train on these fractions of the training examples, such as"
        " 0.1,0.5,1.",
    ),
    click.option(
        "--train-per-label",
        metavar="N,...",
        callback=_parse_list(_parse_size, "positive numbers or all, such as 8,32,all"),
        help="Learning curve: train on at most N examples of each label, such as 8,32,all.",
    ),
)

OPTION_KEYS = {
    "dataset": "dataset.name",
    "model": "model.name",
    "seed": "seed",
    "text_column": "dataset.text_column",
    "label_column": "dataset.label_column",
    "column_names": "dataset.column_names",
    "drop_leaked": "dataset.drop_leaked",
}
"""Configuration keys that options set."""


def make_overrides(
    assignments: Sequence[str], *, smoke: bool = False, **named: Any
) -> "list[Override]":
    """Return the configuration values of options; ``named`` are those of `OPTION_KEYS`."""
    from textclf.config.loading import SMOKE, Override, parse_override

    overrides: list[Override] = [*SMOKE] if smoke else []
    for option, value in _list_given(named):
        flag = f"--{option.replace('_', '-')}"
        refuse_conflicts(flag, OPTION_KEYS[option], assignments)
        shown = " ".join(value) if isinstance(value, tuple) else value
        origin = flag if value is True else f"{flag} {shown}"
        overrides.append(Override(OPTION_KEYS[option], value, origin))
    return [*overrides, *map(parse_override, assignments)]


def _list_given(named: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the options that are given; those that may be repeated have tuples."""
    return [(option, value) for option, value in named.items() if value not in {None, ()}]


def list_options(assignments: Sequence[str], **named: Any) -> list[str]:
    """Return options as the user gave them, for the next command; ``named`` may be None."""
    options = [
        word
        for option, value in _list_given(named)
        for each in (value if isinstance(value, tuple) else (value,))
        for word in (f"--{option.replace('_', '-')}", each)
    ]
    return [*options, *(word for value in assignments for word in ("--set", value))]


def refuse_conflicts(flag: str, key: str, assignments: Sequence[str]) -> None:
    """Raise a usage error if an option and ``--set`` give the same key."""
    if any(assignment.startswith(f"{key}=") for assignment in assignments):
        raise click.UsageError(f"give either {flag} or --set {key}")


def format_command() -> str:
    """Return the command line as the user could type it."""
    return shlex.join(["textclf", *sys.argv[1:]])
