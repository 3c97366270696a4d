"""Write the model of a run as files that classify text without textclf."""

from pathlib import Path
from typing import Any

import click

from textclf.commands._options import PATH, device_option, quiet_option, trust_code_option
from textclf.commands._output import print_next, print_table
from textclf.exporting.formats import FORMATS, QUANTIZATIONS
from textclf.tables import Column, format_number

COLUMNS = (
    Column("format", "format"),
    Column("n_bytes", "MB", lambda value: f"{value / 1e6:,.2f}", numeric=True),
    Column("largest_difference", "largest difference", "{:.2g}".format, numeric=True),
    Column("n_labels_different", "labels that differ", format_number(), numeric=True),
    Column("one_text_ms_p50", "ms for one text", format_number(2), numeric=True),
    Column("texts_per_second", "texts/s", format_number(), numeric=True),
)


@click.command(name="export")
@click.argument("run_path", metavar="RUN", type=PATH)
@click.argument("output", metavar="OUT", type=PATH)
@click.option(
    "--format",
    type=click.Choice([*FORMATS]),
    help="Format of the model.  [default: saved-model for a network, numpy for a scikit-learn"
    " model]",
)
@click.option(
    "--quantize",
    type=click.Choice([*QUANTIZATIONS]),
    help="Store the weights of a LiteRT model in fewer bits.",
)
@click.option(
    "--max-difference",
    type=click.FloatRange(0, 1),
    metavar="X",
    help="Largest allowed difference of a probability from the run.  [default: 0 for saved-model,"
    " 1e-4 for onnx and litert, 0.01 with float16, 0.1 with int8, 1e-5 for numpy]",
)
@click.option(
    "--force",
    is_flag=True,
    help="Replace an earlier export; a README.md that was edited is kept as README-previous.md.",
)
@trust_code_option
@device_option
@quiet_option
def command(run_path: Path, output: Path, quiet: bool, **options: Any) -> None:
    """Write the model of a run as files that need no textclf.

    OUT is a new folder. It contains the model, example.py, which uses it without textclf, a model
    card (README.md), and export.json. example.py and the run classify all test examples; the
    command exits with 3 if a probability differs by more than is allowed. RUN is not changed.

    \b
    Example: textclf export runs/bbc/cnn exported
    Example: textclf export runs/bbc/cnn on-device --format litert --quantize int8
    """
    from textclf import api
    from textclf.exporting.parity import EXAMPLE
    from textclf.runtime.progress import Reporter

    exported = api.export(run_path, output, quiet=quiet, **options)
    name = " ".join(filter(None, [exported.format, exported.quantize]))
    row = {"format": name, "n_bytes": exported.n_bytes}
    print_table([row | vars(exported.parity) | vars(exported.speed)], COLUMNS, "table")
    Reporter(quiet=quiet).info(f"see {exported.path}")
    print_next(output / EXAMPLE, "a text to classify", program="python", quiet=quiet)
