"""Fonts for the texts of a plot, which contain names in any language."""

import contextlib
import functools
import logging
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from matplotlib import font_manager, rcParams
from matplotlib.figure import Figure
from matplotlib.text import Text

from textclf.errors import format_list
from textclf.tables import format_start, wrap_text

N_NAMED = 3
"""Names in a note."""

NAME_WIDTH = 40
"""Width to which each is shortened."""

TITLE_CELLS_PER_INCH = 8
"""Width of a title, of which a Chinese character takes two cells, in a figure."""

REGULAR = (400, "normal")
"""Weight and style of the usual font of a family."""

WARNINGS = r"\s*Glyph \d+|Matplotlib currently does not support"
"""How matplotlib's warnings about a character without a font begin."""


def save_figure(figure: Figure, file: Path | IO[bytes], **options: Any) -> None:
    """Write a figure in fonts that have its characters, and without TeX formulas.

    A character that no installed font has becomes a box; `describe_unshown` says which.

    Args:
        figure: Figure to write.
        file: A path, whose ending is the format; or a binary file.
        options: Other arguments of ``Figure.savefig``.
    """
    with _without_warnings():
        families = _find_families(_list_characters([figure]))
        for text in figure.findobj(Text):
            text.set_fontfamily(families)
            text.set_parse_math(False)
        for axes in figure.axes:
            axes.set_title(_wrap_title(axes.get_title(), figure))
        figure.savefig(file, **options)


def describe_unshown(names: Sequence[str], figures: Iterable[Figure]) -> str | None:
    """Return a note about the names that plots cannot show; None if they show all."""
    characters = _list_characters(figures)
    missing = _find_missing(characters, _find_families(characters))
    unshown = [name for name in names if missing.intersection(map(ord, name))]
    if not unshown:
        return None
    shown = format_list([repr(format_start(NAME_WIDTH)(name)) for name in unshown], N_NAMED)
    return (
        f"the plots cannot show the characters of {shown}: no installed font has them; install one"
        " for the language, such as a Noto font"
    )


def _wrap_title(title: str, figure: Figure) -> str:
    """Wrap a title, which may be longer than the figure is wide."""
    # matplotlib itself would measure dollar signs as formulas, and not break Chinese.
    width = int(figure.get_figwidth() * TITLE_CELLS_PER_INCH)
    return "\n".join(wrap_text(line, width) for line in title.split("\n"))


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """Hide what matplotlib says about missing characters and about fonts of another weight."""
    logger = logging.getLogger(font_manager.__name__)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", WARNINGS, UserWarning)
            yield
    finally:
        logger.setLevel(level)


def _list_characters(figures: Iterable[Figure]) -> frozenset[int]:
    """Return the code points of the texts in figures, without white space."""
    texts = [text.get_text() for figure in figures for text in figure.findobj(Text)]
    return frozenset(ord(character) for text in texts for character in text if character.strip())


def _find_missing(characters: frozenset[int], families: Iterable[str]) -> frozenset[int]:
    """Return the characters that none of the families has."""
    return characters.difference(*map(_read_characters, families))


def _find_families(characters: frozenset[int]) -> list[str]:
    """Return the default families, and those of other installed fonts that are needed."""
    default = rcParams["font.family"]
    return [*default, *_find_others(_find_missing(characters, default))]


@functools.cache
def _find_others(missing: frozenset[int]) -> list[str]:
    """Return the families of installed fonts that have the missing characters."""
    if not missing:  # Reading all fonts takes seconds.
        return []
    found = []
    for family, has in sorted(_read_installed(missing).items(), key=lambda item: -len(item[1])):
        if has & missing:
            found.append(family)
            missing -= has
    return found


def _read_installed(wanted: frozenset[int]) -> dict[str, frozenset[int]]:
    """Return which of the wanted characters each installed family has, regular fonts first."""
    manager = font_manager.fontManager
    listed = {font.fname for font in manager.ttflist}
    # matplotlib keeps a list of fonts, which lacks those that were installed later.
    for path in set(font_manager.findSystemFonts()) - listed:
        with contextlib.suppress(Exception):  # A font that it cannot read.
            manager.addfont(path)
    regular = {font.name for font in manager.ttflist if (font.weight, font.style) == REGULAR}
    families = {font.name for font in manager.ttflist}
    return {
        family: wanted & _read_characters(family)
        for family in sorted(families, key=lambda family: (family not in regular, family))
        if "lastresort" not in family.replace(" ", "").lower()  # Its glyphs are boxes.
    }


def _read_characters(family: str) -> frozenset[int]:
    """Return the code points for which the font of a family has a glyph."""
    path = font_manager.findfont(font_manager.FontProperties(family=[family]))
    try:
        return frozenset(font_manager.get_font(path).get_charmap())
    except (OSError, RuntimeError):  # It has changed since matplotlib listed it.
        return frozenset()
