"""Reads labels: those that are certainly equal become one, and those that may be are reported."""

# ruff: noqa: RUF001 - the letters look alike on purpose

import datetime
import functools
import html
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Any

from textclf.errors import DataError, format_list

ONE_LABEL = "textclf expects one label per example: keep one, or rename the label"
"""What to do about several labels."""

ZERO_WIDTH = dict.fromkeys(map(ord, "\u200b\u2060\ufeff"))
"""Invisible characters that mean nothing; the joiners U+200C and U+200D belong to words."""

MISSING = {
    *("", "nan", "null", "<na>", "\\n"),
    *("#n/a", "#value!", "#ref!", "#name?", "#div/0!", "#num!"),
}
"""What databases and spreadsheets write for a missing label or text, in lower case."""

UNLABELED = {"unlabeled", "unlabelled", "unsup", "unsupervised"}
"""What texts without a label are called."""

PERHAPS_MISSING = {"none", "na", "n/a", "nil", "-", "--", "?", "-1", *UNLABELED}
"""What may be a label, or stand for a missing one."""

INTEGRAL = re.compile(r"([+-]?\d+)\.0*")
"""A whole number that is written as a fraction."""

DATE = re.compile(r"\d{4}-\d\d-\d\d([ T].*)?|\d{1,2}[./]\d{1,2}[./]\d{2,4}|\d{1,2}-[A-Z][a-z]{2}")
"""A date as spreadsheets and databases write it."""

GARBLED = re.compile("\ufffd|Ã[\xa0-\xbf\u201a-\u2122œžŸ]|â€|Â[\xa0-\xbf]|[\x80-\x84\x86-\x9f]")
"""What UTF-8 looks like in cp1252, and cp1252 in latin-1; or what was lost before."""

CONFUSABLE = str.maketrans(
    "АВЕЅІЈКМНОРСТХаеоѕіјрсухΑΒΕΖΗΙΚΜΝΟΡΤΥΧο",
    "ABESIJKMHOPCTXaeosijpcyxABEZHIKMNOPTYXo",
)
"""Cyrillic and Greek letters that look like Latin ones."""


def read_label(label: Any, position: str) -> str | None:
    """Return the name of a label; None if it is missing.

    Args:
        label: A string, number or boolean, of Python or NumPy, or a list of one of them.
        position: Where it is, for messages.

    Raises:
        DataError: There are several labels, or it is something else, such as a date.
    """
    if isinstance(label, str):
        name = _normalize(label)
        return None if name.lower() in MISSING else name
    if label is None or (isinstance(label, float) and label != label):  # noqa: PLR0124 - NaN
        return None
    if isinstance(label, bool | int) or (isinstance(label, float) and isfinite(label)):
        return json.dumps(label)
    if hasattr(label, "tolist"):  # NumPy's numbers and arrays.
        return read_label(label.tolist(), position)
    if isinstance(label, list | tuple) and len(label) <= 1:
        return read_label(label[0], position) if label else None
    shown = repr(label)[:40]
    if isinstance(label, list | tuple):
        raise DataError(f"{position}: several labels, {shown}; {ONE_LABEL}")
    if isinstance(label, datetime.date):
        raise DataError(f"{position}: the label is a date, {label}; choose another --label-column")
    raise DataError(f"{position}: the label is {shown}, not a string or number")


@functools.lru_cache(maxsize=10_000)
def _normalize(label: str) -> str:
    """Return a label in NFC, without invisible characters and redundant white space."""
    visible = unicodedata.normalize("NFC", label.translate(ZERO_WIDTH))
    return " ".join(visible.split())


def sort_labels(names: Iterable[str]) -> list[str]:
    """Sort label names, as numbers if all of them are numbers; ``01`` stays ``01``."""
    listed = sorted(names)
    try:
        numbers = {name: float(name.replace(",", ".")) for name in listed}
    except ValueError:
        return listed
    return sorted(listed, key=numbers.__getitem__)


def unify_numbers(names: Iterable[str]) -> dict[str, str]:
    """Return the name that each label gets: ``1`` for ``1.0``, if all labels are numbers."""
    listed = list(names)
    if not all(is_number(name) for name in listed):
        return {name: name for name in listed}
    matches = {name: INTEGRAL.fullmatch(name) for name in listed}
    return {name: match[1] if match else name for name, match in matches.items()}


def match_labels(names: Iterable[str], known: Sequence[str]) -> dict[str, int | None]:
    """Return the position of each label in a list of known ones; None if it is not one of them.

    Args:
        names: Labels that `read_label` has read.
        known: Names of other labels; if all of them are numbers, ``1`` and ``1.0`` are equal.
    """
    are_numbers = all(map(is_number, known))

    def simplify(name: str) -> str:
        return unify_numbers([name])[name] if are_numbers else name

    positions = {simplify(_normalize(name)): i for i, name in enumerate(known)}
    positions |= {name: i for i, name in enumerate(known)}
    return {name: positions.get(name, positions.get(simplify(name))) for name in names}


def is_number(text: str) -> bool:
    """Return whether a text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _are_numbers(names: Iterable[str]) -> bool:
    """Return whether all names are numbers, perhaps with decimal commas."""
    return all(is_number(name.replace(",", ".")) for name in names)


def check_single(names: Sequence[str], origin: str) -> None:
    """Raise DataError if a label consists of several others, such as ``sea,bake``."""
    known = set(names)
    for name in () if _are_numbers(names) else names:
        parts, is_list = _split(name), name.startswith("[") and name.endswith("]")
        if len(parts) > 1 and (is_list or known.issuperset(parts)):
            raise DataError(f"{origin}: the cell {name!r} contains several labels; {ONE_LABEL}")


def list_label_notes(names: Sequence[str]) -> list[str]:
    """Return a sentence for each kind of label that may be a mistake in the data."""
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(_simplify(name), []).append(name)
    is_signed = "1" in names and _are_numbers(names)  # Then -1 is a label like 0 and 1.
    counts = Counter(part for name in names for part in set(_split(name, "/")))
    several = [name for name in names if len(_split(name, "/")) > 1]
    found = {
        "labels that differ only in spelling": [
            " and ".join(map(repr, group)) for group in alike.values() if len(group) > 1
        ],
        "labels that may stand for a missing label": [
            repr(n) for n in names if n.lower() in PERHAPS_MISSING and not is_signed
        ],
        "labels as if in another encoding": [repr(name) for name in names if GARBLED.search(name)],
        "labels that look like dates": [repr(name) for name in names if DATE.fullmatch(name)],
        "labels that may be several labels in one cell": [
            repr(name) for name in several if all(counts[part] > 1 for part in _split(name, "/"))
        ],
    }
    return [f"{kind}: {format_list(shown, 3)}" for kind, shown in found.items() if shown]


def _simplify(name: str) -> str:
    """Return a key that is equal for labels that look the same."""
    if is_number(name):
        return repr(float(name))
    folded = unicodedata.normalize("NFKC", html.unescape(name)).translate(CONFUSABLE).casefold()
    visible = [c for c in folded if unicodedata.category(c) not in {"Cc", "Cf"}]
    return re.sub(r"[\s_\-\u2010-\u2015\ufe00-\ufe0f]", "", "".join(visible)) or name


def _split(name: str, separators: str = "") -> list[str]:
    """Return the labels in a cell that may contain several."""
    inner = name[1:-1] if name.startswith("[") and name.endswith("]") else name
    return [part.strip(" '\"") for part in re.split(f"[,;|{separators}]", inner)]
