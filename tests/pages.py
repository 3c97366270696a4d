"""What tests of HTML reports share: the figures, the links and the text of a page."""

import html
import json
import re
from html.parser import HTMLParser
from typing import Any, NamedTuple

from textclf.reporting.documents import STYLES
from textclf.tables import format_number


class Figure(NamedTuple):
    """A figure: the key of its document, the path of its field, its exact value, its text."""

    document: str
    path: str
    value: Any
    text: str


class PageParser(HTMLParser):
    """Collects the figures of a page, its ids, and the ids that links lead to."""

    def __init__(self, page):
        super().__init__()
        self.figures, self.ids, self.targets, self._open = [], [], [], None
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "a" and given.get("href", "").startswith("#"):
            self.targets.append(given["href"][1:])
        if "data-field" in given:
            document, _, path = given["data-field"].partition(":")
            self._open = Figure(document, path, json.loads(given["data-value"]), "")

    def handle_data(self, data):
        if self._open:
            self._open = self._open._replace(text=self._open.text + data)

    def handle_endtag(self, tag):
        if self._open and tag in {"a", "button"}:
            self.figures.append(self._open)
            self._open = None


def check_figures(page, documents):
    """Check that every figure of a page is the field of a document to which it links."""
    parser, by_key = PageParser(page), {document.key: document for document in documents}
    assert {figure.document for figure in parser.figures} == set(by_key)
    for figure in parser.figures:
        assert figure.value == by_key[figure.document].find(figure.path), figure
        assert figure.text in list_formats(figure.value), figure
    fields = {field_id for document in documents for field_id, _, _ in document.list_fields()}
    assert {target for target in parser.targets if target.startswith("field-")} <= fields


def list_formats(value):
    """Return all texts that a figure of this value may have."""
    if isinstance(value, bool):
        return {str(value).lower()}
    if isinstance(value, str):
        return {value}
    decimals = {format_number(n)(value) for n in range(5)}
    return decimals | {style(value) for style in STYLES.values()}


def read_text(page):
    """Return the text of a page without tags, with single spaces."""
    without_code = re.sub(r"<(style|script|svg)\b.*?</\1>", " ", page, flags=re.DOTALL)
    text = html.unescape(re.sub(r"<[^>]*>", "", re.sub(r"</t[dh]>", " ", without_code)))
    return " ".join(text.split())
