"""Fixtures for tests in headless Chromium."""

import os
import shutil
from pathlib import Path

import pytest

CHROMIUM = next(
    (
        path
        for name in ("chromium", "chromium-browser", "google-chrome")
        if (path := shutil.which(name))
    ),
    None,
)


def pytest_collection_modifyitems(items):
    if CHROMIUM is None:
        for item in items:
            if Path(__file__).parent in item.path.parents and "browser" in item.fixturenames:
                item.add_marker(pytest.mark.skip(reason="needs Chromium on the PATH"))


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium."""
    from playwright.sync_api import sync_playwright

    # As root, in a container, Chromium cannot make a sandbox of its own.
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"] * is_root
        )
        yield launched
        launched.close()


@pytest.fixture
def open_page(browser):
    """Return a function that opens a file; afterwards, nothing may have gone wrong in it.

    Neither an error or a warning on the console, such as one of the Content-Security-Policy, nor a
    request for anything but the file, nor a dialog.
    """
    problems, contexts = [], []

    def open_file(path: Path, *, width=1280, scheme="light"):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=False
        )
        contexts.append(context)
        page, address = context.new_page(), path.as_uri()
        page.on("console", lambda message: problems.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: problems.append(f"error: {error}"))
        page.on("dialog", lambda dialog: problems.append(f"dialog: {dialog.message}"))
        context.on("page", lambda other: problems.append(f"window: {other.url}"))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((address, "data:image/"))
                else problems.append(f"request: {request.url}")
            ),
        )
        page.goto(address)
        return page

    yield open_file
    for context in contexts:
        context.close()
    assert problems == []
