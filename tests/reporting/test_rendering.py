"""Pages: nothing from outside becomes markup, and the policy allows the page's own code only."""

import base64
import hashlib
import re

import pytest
from jinja2 import UndefinedError

from textclf.reporting.documents import Document
from textclf.reporting.rendering import render_page

HOSTILE = "<script>alert(1)</script></style>\x1b[31m\u202eevil\x00\ud800"


def render(**values):
    return render_page("page.html", **{"title": "A page", **values})


def test_a_title_is_escaped():
    page = render(title=HOSTILE)
    shown = "&lt;script&gt;alert(1)&lt;/script&gt;&lt;/style&gt;\ufffd[31m\ufffdevil\ufffd?"
    assert page.count(shown) == 2  # In the title of the window, and in the heading.
    assert "\u202e" not in page


def test_documents_are_escaped():
    page = render(documents=[Document("d", HOSTILE, {HOSTILE: HOSTILE})])
    assert page.count("<script>") == 1
    assert page.count("</style>") == 1


def test_the_policy_has_the_hashes_of_the_style_and_the_script():
    page = render()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    for tag in ("style", "script"):
        content = re.search(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src &#39;sha256-{digest}&#39;" in policy
    assert policy.startswith("default-src &#39;none&#39;")
    assert "unsafe" not in policy


def test_the_page_loads_nothing():
    assert not re.search(r"(src|srcset|action)=|@import|url\(", render())


def test_a_value_that_a_template_lacks_is_an_error():
    with pytest.raises(UndefinedError):
        render_page("run.html", title="A page")
