"""The JSON documents that a page quotes: every figure on a page is a field of one of them."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from textclf.config.loading import format_value
from textclf.tables import escape_control, format_number

PART = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")
"""A key or a position in the path of a field, such as ``per_class[3].f1``."""

MISSING = "\N{EN DASH}"
"""Shown for a value that does not exist."""

STYLES: dict[str, Callable[[Any], str]] = {
    "percent": "{:.1%}".format,
    "signed": "{:+.4f}".format,
    "p_value": lambda value: "p\xa0<\xa00.001" if value < 0.001 else f"p\xa0=\xa0{value:.3f}",
    "megabytes": lambda value: f"{value / 1e6:,.0f} MB",
    "setting": format_value,
    "text": str,
}
"""How a figure is formatted, other than with a number of decimals."""


WHITE_SPACE = re.compile(r"[\t-\r]")


def clean_text(text: str) -> str:
    """Replace characters that a page must not contain, because texts are untrusted.

    White space becomes spaces. Control characters, which could turn the direction of what follows,
    become U+FFFD, and lone surrogates, which UTF-8 cannot encode, become question marks. All other
    characters keep their positions.
    """
    return escape_control(WHITE_SPACE.sub(" ", text).encode("utf-8", "replace").decode())


@dataclass(frozen=True)
class Document:
    """A JSON document that a page quotes.

    Attributes:
        key: Name in links, unique on the page.
        title: Which file it is, or which command prints it.
        content: Its content, of dictionaries, lists and scalars.
    """

    key: str
    title: str
    content: Mapping[str, Any]

    def find(self, path: str) -> Any:
        """Return the value of a field; KeyError or IndexError if it does not exist.

        Args:
            path: The field, such as ``intervals.accuracy[0]``.
        """
        value: Any = self.content
        for name, position in PART.findall(path):
            value = value[int(position)] if position else value[name]
        return value

    def figure(self, path: str, style: int | str = "text") -> Markup:
        """Return the value of a field as a link to the field in the list of all fields.

        Args:
            path: The field, such as ``intervals.accuracy[0]``.
            style: Number of decimals, or one of `STYLES`.
        """
        value = self.find(path)
        if value is None:
            return escape(MISSING)
        form = format_number(style) if isinstance(style, int) else STYLES[style]
        return Markup('<a class="figure" href="#{}" data-field="{}" data-value="{}">{}</a>').format(
            self._find_id(path), f"{self.key}:{path}", json.dumps(value), clean_text(form(value))
        )

    def _find_id(self, path: str) -> str:
        """Return the id of the field that has a figure: its own, or that of a list of scalars."""
        in_list = path.endswith("]") and _is_scalar(self.find(path))
        return self._make_id(path[: path.rindex("[")] if in_list else path)

    def _make_id(self, path: str) -> str:
        return "field-" + re.sub(r"[^\w-]+", "-", f"{self.key}-{path}").strip("-")

    def list_fields(self) -> Iterator[tuple[str, str, str]]:
        """Yield the id, the path and the JSON of each field."""
        for path, value in _flatten(self.content, ""):
            yield self._make_id(path), path, json.dumps(value, ensure_ascii=False)


def _flatten(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield the path and the value of each field, a scalar or a list of scalars."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flatten(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list | tuple) and not all(map(_is_scalar, value)):
        for position, item in enumerate(value):
            yield from _flatten(item, f"{path}[{position}]")
    else:
        yield path, value


def _is_scalar(value: Any) -> bool:
    return not isinstance(value, Mapping | list | tuple)
