"""Classify texts with the saved model of a run."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textclf.commands._options import (
    PATH,
    device_option,
    format_option,
    make_overrides,
    quiet_option,
    trust_code_option,
    unlabeled_file_options,
)
from textclf.commands._output import print_next, print_table
from textclf.commands._texts import SHOWN_CHARACTERS, TextCommand, find_input
from textclf.tables import Column, format_number, format_start

if TYPE_CHECKING:
    from textclf.experiment.predict import TextPredictions

COLUMNS = (
    Column("text", "text", format_start(SHOWN_CHARACTERS), shrinks_to=16),
    Column("rank", "rank", numeric=True),
    Column("label", "label", shrinks_to=16),
    Column("probability", "probability", format_number(4), numeric=True),
)


@click.command(name="predict", cls=TextCommand)
@click.argument("run_path", metavar="RUN", type=PATH)
@click.argument("texts", metavar="TEXT...|FILE|-", nargs=-1, required=True)
@click.option(
    "--output",
    "-o",
    type=PATH,
    metavar="OUT",
    help="File to write: .csv, .tsv, .jsonl or .parquet, with all columns of FILE.",
)
@click.option(
    "--probabilities", is_flag=True, help="Write the probability of each label to OUT, too."
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    metavar="P",
    help="Leave out predictions with a probability below P, 0 to 1.",
)
@click.option(
    "--unknown", metavar="NAME", help="Prediction to write instead of those that are left out."
)
@click.option(
    "--top", type=click.IntRange(1), default=1, help="Number of labels per text, without OUT."
)
@unlabeled_file_options
@trust_code_option
@device_option
@quiet_option
@format_option
def command(
    run_path: Path,
    texts: tuple[str, ...],
    output: Path | None,
    top: int,
    style: str,
    trust_code: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Classify texts with the saved model of a run.

    TEXT is a text. A single TEXT that is the path of a file is read as one: a table in any format
    that `textclf train` reads, which needs no labels, or a file with one text per line. - reads one
    text per line of standard input. Put -- before a TEXT that begins with -.

    Prints the most probable labels of each text, or writes all columns, their prediction and its
    probability to OUT. A text that is empty or too long keeps its row and gets no prediction.

    \b
    Example: textclf predict runs/bbc/mlp "Shares fell as oil prices rose" --top 2
    Example: textclf predict runs/bbc/mlp news.csv -o predictions.csv
    """
    from textclf import api

    if options["probabilities"] and output is None:
        raise click.UsageError("--probabilities needs --output, the file to write")
    if options["unknown"] is not None and options["threshold"] is None:
        raise click.UsageError("--unknown needs --threshold, below which it is written")
    if top > 1 and (output or options["threshold"] is not None):
        other = "--output; --probabilities writes all labels" if output else "--threshold"
        raise click.UsageError(f"give either --top or {other}")
    named = {name: options.pop(name) for name in ("text_column", "column_names", "assignments")}
    result = api.predict_file(
        run_path,
        find_input(texts),
        output,
        overrides=make_overrides(**named),
        trust_code=trust_code,
        quiet=quiet,
        **options,
    )
    if output is None:
        print_table(list_rows(result, top=top), COLUMNS, style)
    print_next("evaluate", run_path, style=style, quiet=quiet)


def list_rows(result: "TextPredictions", *, top: int) -> list[dict[str, Any]]:
    """Return rows with the keys of `COLUMNS`, ``top`` for each text that is classified."""
    rows = []
    for text, prediction, probabilities in zip(
        result.texts, result.predictions, result.probabilities, strict=True
    ):
        is_classified = not math.isnan(probabilities[0])
        order = (-probabilities).argsort(kind="stable")[: top if is_classified else 1]
        for rank, label in enumerate(order, start=1):
            rows.append(
                {
                    "text": text,
                    "rank": rank,
                    "label": prediction if rank == 1 else result.label_names[label],
                    "probability": float(probabilities[label]) if is_classified else None,
                }
            )
    return rows
