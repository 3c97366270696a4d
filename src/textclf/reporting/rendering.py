"""Renders a page with Jinja: everything from outside is escaped, and nothing is loaded."""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from textclf import __version__
from textclf.reporting.documents import Document, clean_text

TEMPLATES = Path(__file__).parent / "templates"

POLICY = (
    "default-src 'none'; style-src '{style}'; script-src '{script}'; img-src data:;"
    " base-uri 'none'; form-action 'none'"
)
"""Content-Security-Policy: only the style and the script of the page itself, by their hashes."""


def render_page(
    template: str, *, title: str, documents: Sequence[Document] = (), **values: Any
) -> str:
    """Return a whole HTML page.

    Args:
        template: Name of a template that extends ``page.html``.
        title: Title of the page.
        documents: What the page quotes; all of their fields are listed at its end.
        values: Other values that the template needs.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=_clean,
    )
    environment.globals["doc"] = {document.key: document for document in documents}
    style, script = (_read(name) for name in ("report.css", "report.js"))
    policy = POLICY.format(style=_hash(style), script=_hash(script))
    return environment.get_template(template).render(
        title=title,
        documents=documents,
        version=__version__,
        style=style,
        script=script,
        policy=policy,
        **values,
    )


def _read(name: str) -> Markup:
    """Return one of the page's own files, without the white space around it."""
    content = (TEMPLATES / name).read_text(encoding="utf-8").strip()
    return Markup(content)  # noqa: S704 - it is part of textclf


def _hash(content: str) -> str:
    """Return the hash of an inline style or script, as in a Content-Security-Policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _clean(value: Any) -> Any:
    """Return what a template writes for a value."""
    if value is None:
        return ""
    if isinstance(value, str) and not isinstance(value, Markup):
        return clean_text(value)
    return value
