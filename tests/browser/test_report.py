"""The HTML report in headless Chromium, on a dataset of hostile texts and labels."""

import csv

import pytest
from hostile import HOSTILE

import textclf

pytestmark = pytest.mark.slow

N_PER_LABEL = 20


@pytest.fixture(scope="module")
def hostile_runs(tmp_path_factory):
    """Two models with two seeds each; a text mentions the label before it as often as its own."""
    folder = tmp_path_factory.mktemp("hostile")
    with (folder / "texts.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for i, label in enumerate(HOSTILE):
            for n in range(N_PER_LABEL):
                other = (i - 1) % len(HOSTILE) if n % 3 == 0 else i
                writer.writerow([f"text{n} topic{other} {HOSTILE[(i + n) % 30]} {n}", label])
    textclf.compare(
        dataset=folder / "texts.csv",
        models=["tfidf-svc", "majority"],
        seeds=2,
        run_root=folder / "runs",
        quiet=True,
    )
    return folder


@pytest.fixture(scope="module")
def run_path(hostile_runs):
    return next(hostile_runs.glob("runs/*/tfidf-svc/*/seed-1"))


@pytest.fixture(scope="module")
def compared(hostile_runs):
    """The report of the comparison."""
    path = hostile_runs / "comparison.html"
    textclf.report(hostile_runs / "runs", path, quiet=True)
    return path


@pytest.fixture(scope="module")
def single(hostile_runs, run_path):
    """The report of one run."""
    path = hostile_runs / "run.html"
    textclf.report(run_path, path, quiet=True)
    return path


@pytest.fixture(scope="module")
def tuned(hostile_runs):
    """The report of a study."""
    study = textclf.tune(
        "tfidf-svc",
        hostile_runs / "texts.csv",
        trials=11,
        run_root=hostile_runs / "tuned",
        quiet=True,
    )
    path = hostile_runs / "tuned.html"
    textclf.report(study.path, path, quiet=True)
    return path


def open_details(page, selector="details"):
    page.locator(selector).evaluate_all("all => all.forEach((part) => { part.open = true; })")


@pytest.mark.parametrize("name", ["compared", "single", "tuned"])
def test_hostile_texts_and_labels_do_nothing(open_page, request, name):
    page = open_page(request.getfixturevalue(name))
    open_details(page)
    page.wait_for_timeout(300)  # An event handler or a refresh would run within it.
    assert page.evaluate("window.hacked") is None
    assert page.evaluate("document.querySelectorAll('iframe, form, base, link, img').length") == 0
    assert page.evaluate("document.scripts.length") == 1
    shown = page.locator("body").inner_text()
    assert HOSTILE[0] in shown
    assert "{{ 7 * 7 }}" in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def read_column(page, table, position):
    """Return the values by which a column is sorted, from top to bottom."""
    return page.locator(f"{table} tbody tr").evaluate_all(
        """(rows, position) => rows.map((row) => {
            const cell = row.cells[position];
            const holder = cell.matches("[data-value]") ? cell : cell.querySelector("[data-value]");
            return holder ? Number(holder.dataset.value) : null;
        })""",
        position,
    )


def test_a_click_on_a_heading_sorts_the_table(open_page, compared):
    page = open_page(compared)
    headings = page.locator("#comparison-table thead th")
    position = [text.strip("↕ ") for text in headings.all_inner_texts()].index("accuracy ± sd")
    heading = headings.nth(position)
    before = page.locator("#comparison-table tbody th").all_inner_texts()
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    values = read_column(page, "#comparison-table", position)
    assert values == sorted(values, reverse=True)
    heading.locator("button").press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"
    assert read_column(page, "#comparison-table", position) == values[::-1]
    assert page.locator("#comparison-table tbody th").all_inner_texts() == before[::-1]


def test_a_column_of_words_is_sorted_by_them(open_page, compared):
    page = open_page(compared)
    page.locator("#comparison-table thead button", has_text="verdict").click()
    cells = page.locator("#comparison-table tbody td:not(.number)").all_inner_texts()
    assert cells == sorted(cells)
    assert cells[0] == "best"


def test_the_trials_of_a_study_can_be_sorted(open_page, tuned):
    page = open_page(tuned)
    open_details(page)
    assert page.locator("#best-trials tbody tr").count() == 10
    values = read_column(page, "#best-trials", 2)
    assert values == sorted(values, reverse=True)
    assert read_column(page, "#all-trials", 0) == list(range(11))
    page.locator("#all-trials thead th[title='model.C'] button").click()
    values = read_column(page, "#all-trials", 5)
    assert values == sorted(values, reverse=True)


def list_cells(run_path):
    """Return the indices of the examples of each cell of the confusion matrix."""
    predictions = textclf.load_run(run_path).predictions
    predicted = predictions.probabilities.argmax(axis=1)
    cells = {}
    for index, label, guess in zip(
        predictions.index.tolist(), predictions.label.tolist(), predicted.tolist(), strict=True
    ):
        cells.setdefault(f"{label}-{guess}", set()).add(index)
    return cells


def test_a_click_on_a_cell_shows_exactly_its_examples(open_page, single, run_path):
    page, cells = open_page(single), list_cells(run_path)
    buttons = page.locator("#confusion-matrix button[data-cell]")
    assert {button.get_attribute("data-cell") for button in buttons.all()} == set(cells)
    incorrect = [cell for cell in cells if len(set(cell.split("-"))) == 2]
    assert len(incorrect) > 5
    for cell in [*sorted(incorrect)[:8], *sorted(set(cells) - set(incorrect))[:3]]:
        button = page.locator(f"#confusion-matrix button[data-cell='{cell}']")
        button.focus()
        button.press("Enter")
        shown = page.locator("#cell-examples li[data-index]:visible")
        indices = {int(item.get_attribute("data-index")) for item in shown.all()}
        limit = 50 if cell in incorrect else 5
        assert len(indices) == min(limit, len(cells[cell]))
        assert indices <= cells[cell]
        assert {item.get_attribute("data-cell") for item in shown.all()} == {cell}


def test_the_slider_shows_the_coverage_table_of_evaluate(open_page, single, run_path):
    page = open_page(single)
    rows = textclf.evaluate(run_path, quiet=True).thresholds
    assert len({row.n_examples for row in rows}) > 3
    for row in rows:
        page.locator("#threshold").evaluate(
            """(slider, value) => {
                slider.value = value;
                slider.dispatchEvent(new Event("input", {bubbles: true}));
            }""",
            str(row.threshold),
        )
        shown = {
            name: page.locator(f"#threshold-{name}").get_attribute("data-value")
            for name in ("coverage", "accuracy", "kept")
        }
        assert int(shown["kept"]) == row.n_examples
        assert float(shown["coverage"]) == pytest.approx(row.coverage, abs=1e-12)
        if row.accuracy is not None:
            assert float(shown["accuracy"]) == pytest.approx(row.accuracy, abs=1e-12)


def test_the_slider_moves_with_the_keyboard(open_page, single):
    page = open_page(single)
    slider = page.locator("#threshold")
    before = page.locator("#threshold-kept").get_attribute("data-value")
    slider.focus()
    slider.press("End")
    assert page.locator("#threshold-kept").get_attribute("data-value") != before


@pytest.mark.parametrize(
    ("name", "width", "scheme"),
    [
        ("compared", 1280, "light"),
        ("compared", 400, "dark"),
        ("single", 1280, "dark"),
        ("single", 400, "light"),
        ("tuned", 1280, "light"),
        ("tuned", 400, "dark"),
    ],
)
def test_accessibility(open_page, request, name, width, scheme):
    from axe_playwright_python.sync_playwright import Axe

    page = open_page(request.getfixturevalue(name), width=width, scheme=scheme)
    # The lists of fields are large and alike: the first one is enough.
    open_details(page, "details:not([aria-labelledby='fields'] details ~ details)")
    violations = [
        f"{found['id']}: {found['nodes'][0]['target']} and {len(found['nodes']) - 1} more"
        for found in Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
        if found["impact"] in {"serious", "critical"}
    ]
    assert violations == []


@pytest.mark.parametrize("name", ["compared", "single", "tuned"])
def test_a_narrow_window_does_not_scroll_sideways(open_page, request, name):
    page = open_page(request.getfixturevalue(name), width=400)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_a_figure_leads_to_its_field(open_page, single):
    page = open_page(single)
    figure = page.locator("a.figure[data-field='evaluation:metrics.accuracy']").first
    figure.click()
    field = page.locator(":target")
    assert field.is_visible()
    assert "metrics.accuracy" in field.inner_text()
    assert figure.get_attribute("data-value") in field.inner_text()


def test_without_texts_no_text_is_on_the_page(hostile_runs, open_page):
    path = hostile_runs / "without.html"
    textclf.report(hostile_runs / "runs", path, texts=False, quiet=True)
    assert "topic1 " not in path.read_text(encoding="utf-8")
    open_page(path)
