"""Figures of matplotlib as inline SVG, in the colors of the page.

The attribute ``style`` becomes attributes of its own, because the Content-Security-Policy of a page
forbids it.
"""

import io
import re
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Iterator

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.figure import Figure

from textclf.evaluation.fonts import save_figure
from textclf.reporting.documents import clean_text

SVG = "{http://www.w3.org/2000/svg}"
HREF = "{http://www.w3.org/1999/xlink}href"

INK = "#000000"
"""matplotlib's color of text and axes, which becomes that of the text of the page."""


def format_svg(figure: Figure, description: str) -> Markup:
    """Return a figure as an SVG element, byte by byte the same for the same figure.

    Args:
        figure: Figure without a background of its own; its texts become paths.
        description: What it shows, for readers who do not see it; unique on the page.
    """
    figure.patch.set_visible(False)
    for axes in figure.axes:
        axes.patch.set_visible(False)
        if legend := axes.get_legend():
            legend.get_frame().set_visible(False)
    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": description, "svg.fonttype": "path"}):
        save_figure(figure, buffer, format="svg", metadata={"Date": None})
    root = ET.fromstring(buffer.getvalue())  # noqa: S314 - matplotlib has just written it
    _simplify(root, f"s{zlib.crc32(description.encode()):x}")
    root.attrib.update(
        {"role": "img", "aria-label": clean_text(description), "stroke-linejoin": "round"}
    )
    return Markup(ET.tostring(root, encoding="unicode"))  # noqa: S704 - built from elements


def _simplify(root: ET.Element, prefix: str) -> None:
    """Remove what a page does not need or must not contain, and make ids unique on the page."""
    for parent in root.iter():
        for child in [*parent]:
            if child.tag in {f"{SVG}metadata", f"{SVG}style"}:
                parent.remove(child)
    used = set(_list_references(root))
    for element in root.iter():
        element.tag = element.tag.removeprefix(SVG)  # An HTML parser knows the elements.
        element.text = element.tail = None  # White space; texts are paths.
        attributes = dict(_split_style(element.attrib.pop("style", "")))
        attributes |= {key: value for key, value in element.attrib.items() if key != "id"}
        if element.get("id") in used:
            attributes["id"] = f"{prefix}-{element.get('id')}"
        element.attrib.clear()
        for key, value in attributes.items():
            element.set("href" if key == HREF else key, _convert(key, value, prefix))
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)


def _list_references(root: ET.Element) -> Iterator[str]:
    """Yield the ids to which elements refer."""
    for element in root.iter():
        for value in element.attrib.values():
            if value.startswith("#"):
                yield value[1:]
            elif value.startswith("url(#"):
                yield value[5:-1]


def _split_style(style: str) -> Iterator[tuple[str, str]]:
    """Yield the properties of a style."""
    for declaration in filter(None, style.split(";")):
        name, _, value = declaration.partition(":")
        yield name.strip(), value.strip()


def _convert(key: str, value: str, prefix: str) -> str:
    """Return the value of an attribute as the page contains it."""
    if value == INK:
        return "currentColor"
    if key == HREF:
        value = "".join(value.split())  # The data of an image has line breaks.
        return value.replace("#", f"#{prefix}-", 1) if value.startswith("#") else value
    if key == "d":
        return re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", value.strip())
    return value.replace("url(#", f"url(#{prefix}-")
