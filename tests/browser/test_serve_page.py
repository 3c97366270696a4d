"""The page of `textclf serve` in headless Chromium, for a model with hostile labels."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from hostile import HOSTILE

import textclf

pytestmark = pytest.mark.slow

COMMAND = Path(sys.executable).with_name("textclf")
TEXT = "topic3 text1 \U0001f600 topic4 topic3"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose labels are hostile; a text names its label by a number."""
    folder = tmp_path_factory.mktemp("hostile")
    with (folder / "texts.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for i, label in enumerate(HOSTILE):
            writer.writerows(
                [f"text{n} topic{i} {HOSTILE[(i + n) % 30]}", label] for n in range(10)
            )
    return textclf.train("tfidf-svc", folder / "texts.csv", run_root=folder / "runs", quiet=True)


@pytest.fixture(scope="module")
def start(run):
    """Return a function that starts a server, and returns its process and its address."""
    processes = []

    def start(**environment):
        process = subprocess.Popen(
            [COMMAND, "serve", f"hostile={run.path}", f"again={run.path}", "--port=0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **environment},
        )
        processes.append(process)
        return process, re.search(r"http://\S+", process.stdout.readline())[0]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def address(start):
    return start()[1]


@pytest.fixture
def open_page(browser):
    """Return a function that opens the page; it may only send requests to its own server."""
    problems, contexts = [], []

    def open_address(address, *, width=1280, scheme="light"):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=False
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(f"error: {error}"))
        page.on("dialog", lambda dialog: problems.append(f"dialog: {dialog.message}"))
        context.on("page", lambda other: problems.append(f"window: {other.url}"))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((address, "data:,"))
                else problems.append(f"request: {request.url}")
            ),
        )
        page.on(
            "console",
            lambda message: (
                # A response with an error status is logged by the browser.
                None
                if message.text.startswith("Failed to load resource")
                else problems.append(f"{message.type}: {message.text}")
            ),
        )
        page.goto(address)
        return page

    yield open_address
    for context in contexts:
        context.close()
    assert problems == []


def classify(page, text):
    """Type a text, and wait for its explanation."""
    page.fill("#text", text)
    with page.expect_response("**:explain"):
        page.press("#text", "Control+Enter")
    page.wait_for_selector("#explanation:not([hidden])")


def test_a_typed_text_gives_the_probabilities_of_predict(open_page, address, run):
    page = open_page(address)
    classify(page, TEXT)
    expected = dict(zip(run.label_names, run.predict_proba([TEXT])[0].tolist(), strict=True))
    assert page.evaluate("shown.probabilities") == expected
    best, probability = max(expected.items(), key=lambda item: item[1])
    assert page.inner_text("#prediction") == f"{best} with probability {probability:.4f}"
    rows = page.locator("#labels tbody tr").all()
    assert len(rows) == 10
    assert rows[0].locator("td").first.inner_text() == f"{probability:.4f}"
    page.click("#more")
    assert page.locator("#labels tbody tr").count() == 30
    widths = page.eval_on_selector_all(".bar", "all => all.map((bar) => bar.style.width)")
    assert float(widths[0].rstrip("%")) == pytest.approx(100 * probability, abs=0.01)


def test_the_words_are_those_of_explain(open_page, address, run):
    page = open_page(address)
    classify(page, TEXT)
    assert page.inner_text("#words") == TEXT
    tokens = textclf.explain(run.path, [TEXT], quiet=True)[0].tokens
    strongest = max(tokens, key=lambda token: token.weight)
    marked = page.locator("#words mark.f3").all_inner_texts()
    assert TEXT[strongest.start : strongest.end] in marked


def test_hostile_texts_and_labels_do_nothing(open_page, address):
    page = open_page(address)
    for text in HOSTILE:
        classify(page, text)
        assert page.evaluate("document.getElementById('words').textContent") == text
    page.click("#more")
    page.wait_for_timeout(300)  # An event handler or a refresh would run within it.
    assert page.evaluate("window.hacked") is None
    assert page.evaluate("document.querySelectorAll('iframe, base, img, svg').length") == 0
    assert page.evaluate("document.scripts.length") == 1
    assert page.evaluate("document.forms.length") == 1
    shown = page.locator("#labels th[scope=row]").all_inner_texts()
    assert HOSTILE[0] in shown


def test_the_page_works_by_keyboard_only(open_page, address):
    page = open_page(address)
    page.wait_for_selector("#model option:nth-child(2)", state="attached")
    assert page.evaluate("document.activeElement.id") == "text"
    page.keyboard.type("a new text")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "classify"
    with page.expect_response("**/hostile:predict"):
        page.keyboard.press("Enter")
    page.wait_for_selector("#result:not([hidden])")
    page.keyboard.press("Tab")
    page.keyboard.press("End")
    assert page.inner_text("#threshold-value") == "1.00"
    assert page.inner_text("#prediction").startswith("No label: the highest probability is 0.")
    page.keyboard.press("Home")
    assert "with probability" in page.inner_text("#prediction")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert not page.is_checked("#highlight")
    for _ in range(4):
        page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.id") == "model"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    with page.expect_response("**/again:predict"):
        page.keyboard.press("Control+Enter")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_phone_and_is_accessible(open_page, address, scheme):
    page = open_page(address, width=400, scheme=scheme)
    classify(page, f"{TEXT} {'long' * 100}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    violations = Axe().run(page).response["violations"]
    assert [violation["id"] for violation in violations] == []


def test_errors_are_shown(open_page, start, run):
    process, address = start()
    page = open_page(address)
    classify(page, TEXT)
    page.fill("#text", " ")
    page.click("#classify")
    page.wait_for_selector("#problem:not(:empty)")
    assert page.inner_text("#problem") == "The text is empty"
    assert page.is_hidden("#result")
    classify(page, TEXT)
    assert page.inner_text("#problem") == ""
    process.kill()
    process.wait()
    page.click("#classify")
    page.wait_for_selector("#problem:not(:empty)")
    assert page.inner_text("#problem") == "The server cannot be reached."


def test_a_token_is_asked_for(open_page, start):
    page = open_page(start(TEXTCLF_TOKEN="t0ken")[1])
    page.wait_for_selector("#problem:not(:empty)")
    assert page.inner_text("#problem") == "The server needs a token."
    assert page.evaluate("document.activeElement.id") == "token"
    page.keyboard.type("t0ken")
    classify(page, TEXT)
    assert "with probability" in page.inner_text("#prediction")
    assert page.inner_text("#problem") == ""


def test_a_token_without_a_text_is_not_an_error(open_page, start):
    page = open_page(start(TEXTCLF_TOKEN="t0ken")[1])
    predictions = []
    page.on("request", lambda request: predictions.append(request.url.endswith(":predict")))
    page.wait_for_selector("#problem:not(:empty)")
    page.keyboard.type("wrong")
    with page.expect_response("**/v1/models"):
        page.keyboard.press("Enter")
    page.wait_for_selector("#problem:not(:empty)")
    assert page.inner_text("#problem") == "The server needs a token."
    page.fill("#token", "t0ken")
    page.keyboard.press("Enter")
    page.wait_for_selector("#model option", state="attached")
    page.wait_for_function("document.activeElement.id === 'text'")
    assert not any(predictions)
    assert page.inner_text("#problem") == ""
    page.click("#classify")
    page.wait_for_selector("#problem:not(:empty)")
    assert page.inner_text("#problem") == "The text is empty"
