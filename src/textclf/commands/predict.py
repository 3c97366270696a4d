"""Classify texts with a finished run's saved model."""

import sys
from pathlib import Path

import click

from textclf.commands._options import PATH, device_option, format_option, print_table


@click.command(name="predict")
@click.argument("run_path", metavar="RUN", type=PATH)
@click.argument("texts", metavar="TEXT...", nargs=-1, required=True)
@click.option(
    "--top", type=click.IntRange(1), default=1, show_default=True, help="Labels for each text."
)
@device_option
@format_option
def command(run_path: Path, texts: tuple[str, ...], top: int, device: str, style: str) -> None:
    """Classify texts with the saved model of a run.

    Prints the most probable labels of each TEXT; a single - reads standard input, a text a line.

    \b
    Example: textclf predict runs/bbc/mlp "Shares fell as oil prices rose" --top 2
    """
    from textclf.commands._predictions import (
        COLUMNS,
        check_texts,
        decode_arguments,
        predict_rows,
        read_lines,
    )
    from textclf.runs.search import find_finished_run
    from textclf.runtime import backend

    lines = read_lines(sys.stdin.buffer) if texts == ("-",) else decode_arguments(texts)
    run = find_finished_run(run_path)
    check_texts(lines)
    backend.start(device)
    print_table(predict_rows(run.read_model(), lines, top=top), COLUMNS, style)
