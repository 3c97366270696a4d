"""Show which words of a text carry the prediction."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textclf.commands._options import (
    PATH,
    device_option,
    make_overrides,
    quiet_option,
    trust_code_option,
    unlabeled_file_options,
)
from textclf.commands._output import print_next, print_table, print_text
from textclf.commands._texts import TextCommand, find_input
from textclf.explanation.methods import METHODS
from textclf.tables import Column, escape_control, format_number, terminal_width, wrap_text

if TYPE_CHECKING:
    from textclf.explanation.explain import Explanation, WeightedToken

FORMATS = ("table", "json", "html")

SUPPORTING = ("38;5;16;48;5;153", "38;5;16;48;5;75", "38;5;231;48;5;27")
OPPOSING = ("38;5;16;48;5;223", "38;5;16;48;5;215", "38;5;16;48;5;202")
"""Terminal codes for words with weak to strong weights: dark or white on blue, and on orange."""


SHOWN_CHARACTERS = 5_000
"""Characters of a text that are printed; JSON and HTML contain all."""


def format_weight(value: float) -> str:
    """Format a weight with its sign, and a small one with its exponent."""
    return f"{value:+z,.4f}" if value == 0 or abs(value) >= 0.0005 else f"{value:+.1e}"


def format_feature(text: str) -> str:
    """Format an n-gram, in quotes if it begins or ends with a space."""
    return text if text == text.strip() else f'"{text}"'


COLUMNS = (
    Column("text", "token", shrinks_to=16),
    Column("weight", "weight", format_weight, numeric=True),
    Column("start", "start", format_number(), numeric=True),
)

FEATURE_COLUMNS = (
    Column("label", "label", shrinks_to=16),
    Column("text", "feature", format_feature, shrinks_to=16),
    Column("weight", "weight", format_weight, numeric=True),
)


@click.command(name="explain", cls=TextCommand)
@click.argument("run_path", metavar="RUN", type=PATH)
@click.argument("texts", metavar="[TEXT...|FILE|-]", nargs=-1)
@click.option("--label", metavar="L", help="Label to explain.  [default: the predicted label]")
@click.option(
    "--method",
    type=click.Choice(METHODS),
    help="Method.  [default: weights for a linear model, otherwise occlusion]",
)
@click.option(
    "--global",
    "is_global",
    is_flag=True,
    help="Print the strongest features of each label of a linear model, without a TEXT.",
)
@click.option(
    "--top",
    type=click.IntRange(1),
    default=10,
    help="Number of tokens per text in the table; with --global, of features for and against each"
    " label.",
)
@unlabeled_file_options
@trust_code_option
@device_option
@quiet_option
@click.option(
    "--format", "style", type=click.Choice(FORMATS), default="table", help="Output format."
)
def command(
    run_path: Path,
    texts: tuple[str, ...],
    label: str | None,
    method: str | None,
    is_global: bool,
    top: int,
    device: str,
    trust_code: bool,
    quiet: bool,
    style: str,
    **named: Any,
) -> None:
    """Show which words of a text carry the prediction.

    TEXT, FILE and - are as for `textclf predict`. In a terminal, blue words support the label and
    orange words oppose it. JSON contains all tokens, with their positions in the text.

    The method occlusion works for every model: the weight of a word is how much the probability
    falls without it. integrated-gradients divides the logit of a network of token ids over the
    words, and weights divides the score of a linear model exactly; see docs/how-to/explanations.md.

    \b
    Example: textclf explain runs/bbc/cnn "The striker scored twice"
    Example: textclf explain runs/bbc/cnn news.csv --label sports --format json
    Example: textclf explain runs/bbc/ngram --global --top 5
    """
    from textclf import api

    overrides = make_overrides(**named)
    if is_global:
        if texts or method or overrides or style == "html":
            raise click.UsageError(
                "--global prints features, not texts: give only --label, --top and --format table"
                " or json"
            )
        features = api.strongest_features(run_path, top, label=label, trust_code=trust_code)
        print_table([asdict(feature) for feature in features], FEATURE_COLUMNS, style)
    else:
        if not texts:
            raise click.UsageError(
                "give a TEXT, a FILE or -, or --global for the features of the model"
            )
        explanations = api.explain(
            run_path,
            find_input(texts),
            label=label,
            method=method,
            overrides=overrides,
            device=device,
            trust_code=trust_code,
            quiet=quiet,
        )
        print_explanations(explanations, style, top=top, title=f"Explanations of {run_path}")
    print_next("evaluate", run_path, "--errors", 20, style=style, quiet=quiet)


def print_explanations(
    explanations: "Sequence[Explanation]", style: str, *, top: int, title: str
) -> None:
    """Print explanations to standard output.

    Args:
        explanations: Explanations.
        style: One of `FORMATS`.
        top: Number of tokens in each table.
        title: Title of a page.
    """
    if style == "html":
        from textclf.reporting.explanations import format_page

        click.echo(format_page(explanations, title))
    elif style == "json":
        click.echo(json.dumps([asdict(explanation) for explanation in explanations], indent=2))
    else:
        for number, explanation in enumerate(explanations):
            click.echo("\n" if number else "", nl=False)
            print_text(describe(explanation))
            width = terminal_width()
            click.echo(paint_text(explanation, width, is_colored=has_colors(width)))
            tokens = sorted(explanation.tokens, key=lambda token: -abs(token.weight))[:top]
            if tokens:
                print_table([asdict(token) for token in tokens], COLUMNS, style)


def describe(explanation: "Explanation") -> str:
    """Return the label, its scores and the method in one line."""
    parts = [f"probability {explanation.probability:.4f}", f"method {explanation.method}"]
    if explanation.baseline is not None:
        parts += [f"score {explanation.score:.4f}", f"baseline {explanation.baseline:.4f}"]
    if explanation.prediction != explanation.label:
        parts.append(f"prediction {explanation.prediction}")
    return f"{explanation.label}: {', '.join(parts)}"


def has_colors(width: int | None) -> bool:
    """Return whether standard output is a terminal of this width that shows colors."""
    is_plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return width is not None and not is_plain


def paint_text(explanation: "Explanation", width: int | None, *, is_colored: bool) -> str:
    """Return the text of an explanation for a terminal, with its words in color.

    Args:
        explanation: Explanation.
        width: Width of the terminal; None leaves the text on one line.
        is_colored: Whether the terminal shows colors.
    """
    # All keep the number of characters, and so the positions of tokens.
    start = explanation.text[:SHOWN_CHARACTERS]
    spaced = "".join(" " if character.isspace() else character for character in start)
    shown = escape_control(spaced) + "..." * (len(explanation.text) > SHOWN_CHARACTERS)
    wrapped = wrap_text(shown, width)
    if not is_colored:
        return wrapped
    colors = choose_colors(explanation.tokens, len(shown))
    return "\n".join(
        "".join(
            f"\x1b[{color}m{part}\x1b[0m" if color else part
            for color, part in _join_equal(line, places, colors)
        )
        for line, places in _locate_lines(shown, wrapped)
    )


def choose_colors(tokens: "Sequence[WeightedToken]", n_characters: int) -> list[str]:
    """Return the color of each character of a text; it is empty for those without color."""
    from textclf.reporting.excerpts import STRENGTHS

    colors = [""] * n_characters
    largest = max((abs(token.weight) for token in tokens), default=0.0)
    # The strongest last, because tokens may share a character.
    for token in sorted(tokens, key=lambda token: abs(token.weight)):
        if strength := sum(abs(token.weight) > least * largest for least in STRENGTHS):
            color = (SUPPORTING if token.weight > 0 else OPPOSING)[strength - 1]
            colors[token.start : token.end] = [color] * (token.end - token.start)
    return colors


def _locate_lines(text: str, wrapped: str) -> Iterator[tuple[str, list[int]]]:
    """Yield the lines of a wrapped text, and the position of each of their characters in it."""
    position = 0
    for line in wrapped.split("\n"):
        places = []
        for character in line:
            while text[position] != character:  # A space at which a line ended.
                position += 1
            places.append(position)
            position += 1
        yield line, places


def _join_equal(
    line: str, places: Sequence[int], colors: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Yield each color of a line, and the consecutive characters that have it."""
    colored = zip(line, (colors[place] for place in places), strict=True)
    for color, characters in groupby(colored, key=lambda pair: pair[1]):
        yield color, "".join(character for character, _ in characters)
