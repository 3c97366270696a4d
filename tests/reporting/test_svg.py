"""Figures as inline SVG: the same bytes, no style, unique ids."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from matplotlib.figure import Figure

from textclf.reporting.svg import format_svg


def draw(title="A title"):
    figure = Figure(figsize=(4, 3))
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], "o-", color="#1f5fa8", label="model")
    axes.imshow(np.eye(3))
    axes.legend()
    axes.set_title(title)
    return figure


def test_the_same_figure_has_the_same_bytes():
    assert format_svg(draw(), "accuracy") == format_svg(draw(), "accuracy")


def test_ids_of_two_figures_differ_and_references_lead_to_them():
    ids = []
    for description in ("accuracy", "loss"):
        root = ET.fromstring(format_svg(draw(), description))
        own = {element.get("id") for element in root.iter()} - {None}
        text = ET.tostring(root, encoding="unicode")
        used = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', text))
        assert {a or b for a, b in used} == own
        ids += own
    assert len(set(ids)) == len(ids) > 10


@pytest.mark.parametrize("forbidden", ["style", "<metadata", "xlink", "#000000", "<!--", "\n"])
def test_the_svg_has_no(forbidden):
    assert forbidden not in format_svg(draw(), "accuracy").replace("font-style", "")


def test_the_svg_has_a_description_and_scales():
    root = ET.fromstring(format_svg(draw(), 'a "b" <c>\u202e'))
    assert root.get("aria-label") == 'a "b" <c>\ufffd'
    assert root.get("role") == "img"
    assert root.get("viewBox")
    assert root.get("width") is None


def test_texts_of_a_figure_are_paths():
    hostile = "--><script>alert(1)</script> $x$"
    assert "script" not in format_svg(draw(hostile), "accuracy")
