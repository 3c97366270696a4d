"""The documentation site: it is built strictly, and is read on a phone, in the dark and offline."""

import subprocess
import sys

import pytest
from support import ROOT, serving

pytestmark = pytest.mark.slow

PHONE = 400
"""Width of a phone, in pixels."""

WIDTH = """Math.max(...[document.documentElement, document.querySelector(".content")].map(
    (part) => part.scrollWidth))"""
"""Width of a page in JavaScript, with what scrolls out of sight beside its text."""

TASKS = {
    "train on my CSV file": "From a CSV file to a served model",
    "understand p and the verdict in a table": "Terms",
    "add my own model": "Add a model or a dataset",
    "serve a model over HTTP": "Serve a model",
}
"""Tasks of the front page, and the heading to which each of them leads."""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site; a broken link, anchor or reference, or a page in no table of contents, fails."""
    folder = tmp_path_factory.mktemp("site")
    options = ["-W", "--keep-going", "-n", "-q"]
    command = [sys.executable, "-m", "sphinx", *options, str(ROOT / "docs"), str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="module")
def address(site):
    """The address at which the site is served."""
    with serving(site) as url:
        yield url


@pytest.fixture
def open_site(browser, address):
    """Return a function that makes a browser's page, which may ask for nothing but the site."""
    foreign, contexts = [], []

    def open_window(*, width=1280, scheme="light"):
        contexts.append(
            browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        )
        page = contexts[-1].new_page()
        page.on("request", lambda request: foreign.append(request.url))
        page.on("pageerror", lambda error: foreign.append(f"error: {error}"))
        return page

    yield open_window
    for context in contexts:
        context.close()
    assert [url for url in foreign if not url.startswith((address, "data:"))] == []


def list_pages(site):
    pages = [path.relative_to(site).as_posix() for path in sorted(site.rglob("*.html"))]
    return [page for page in pages if not page.startswith("_")]


def test_every_file_is_a_page_with_a_title_of_its_own(site):
    sources = (path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md"))
    assert {path.with_suffix(".html").as_posix() for path in sources} <= set(list_pages(site))
    pages = [site / page for page in list_pages(site)]
    titles = [path.read_text().partition("<title>")[2].partition("</title>")[0] for path in pages]
    assert len(set(titles)) == len(titles)


def test_no_page_is_wider_than_a_phone(open_site, site, address):
    window, widths = open_site(width=PHONE), {}
    for page in list_pages(site):
        window.goto(address + page)
        widths[page] = window.evaluate(WIDTH)
    assert {page: width for page, width in widths.items() if width > PHONE} == {}


def test_wide_tables_and_code_scroll_on_a_phone(open_site, address):
    window = open_site(width=PHONE)
    window.goto(address + "explanation/statistics.html")
    for selector in (".table-wrapper", "pre"):
        widest = window.locator(selector).evaluate_all(
            "all => Math.max(...all.map((part) => part.scrollWidth - part.clientWidth))"
        )
        assert widest > 0, selector


def test_front_page_leads_to_the_common_tasks(open_site, address):
    window = open_site()
    for task, heading in TASKS.items():
        window.goto(address + "index.html")
        window.locator("tr", has_text=task).locator("a").click()
        anchor = window.url.partition("#")[2]
        found = window.locator(f"#{anchor} > h2" if anchor else "h1").first.inner_text()
        assert found.rstrip("\u00b6#") == heading


def test_search_finds_a_page(open_site, address):
    window = open_site()
    window.goto(address + "index.html")
    window.locator(".sidebar-search").fill("satterthwaite")
    window.locator(".sidebar-search").press("Enter")
    result = window.locator("#search-results li a").first
    result.wait_for()
    assert result.inner_text() == "Statistics"


@pytest.mark.parametrize(("scheme", "is_dark"), [("light", False), ("dark", True)])
def test_colors_follow_the_system(open_site, address, scheme, is_dark):
    window = open_site(scheme=scheme)
    window.goto(address + "index.html")
    color = window.evaluate("getComputedStyle(document.body).backgroundColor")
    red, green, blue = (int(part) for part in color.strip("rgb()").split(", "))
    assert (max(red, green, blue) < 64) == is_dark
