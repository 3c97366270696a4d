import pytest
from pages import check_figures, read_text
from support import make_overlapping_dataset, write_csv

from textclf.auditing.audit import FINDINGS, audit
from textclf.config.resolve import resolve
from textclf.data.loading import load_dataset
from textclf.reporting.context import ReportContext
from textclf.reporting.dataset_section import CONSEQUENCES, TITLES, DatasetSection
from textclf.reporting.rendering import render_page
from textclf.runtime.progress import Phases, Reporter

pytestmark = pytest.mark.usefixtures("tensorflow")

QUIET = Reporter(quiet=True)


def describe(*, name="bbc", texts=True, length=200):
    """Return the section about the texts of `OVERLAPPING`, as if they were those of a dataset."""
    tree = {
        "dataset": {"name": name},
        "model": {"name": "mlp"},
        "text": {"sequence_length": length},
    }
    config = resolve(tree)
    audited = audit(make_overlapping_dataset(), config, phases=Phases(QUIET))
    section = DatasetSection.of(config.dataset, audited, ReportContext(QUIET, texts=texts))
    page = render_page("dataset.html", title="", documents=section.documents, dataset=section)
    return section, page


def test_every_finding_has_a_title_and_a_consequence():
    assert set(TITLES) == set(CONSEQUENCES) == set(FINDINGS)


def test_findings_are_given_in_words_with_their_fraction():
    text = read_text(describe()[1])
    assert "overlapping" not in text  # The name is that of the configuration.
    assert "bbc: 5 training, 2 validation and 4 test examples with 2 labels." in text
    assert (
        "Leaked texts (same text in another split): 3 test examples (75.0%), 2 validation examples"
        " (100.0%) and 4 training examples (80.0%). Accuracy on such"
    ) in text
    assert "Duplicates (same text earlier in the split): 1 training example (20.0%)." in text
    assert "1 test example (25.0%) and 1 training example (20.0%). At least one" in text
    assert "Not found: near-duplicates (nearly the same text, in any split)" in text


def test_examples_of_a_finding_name_the_other_text():
    section, page = describe()
    text = read_text(page)
    assert "test 1: label fruit; see train 3, label tool fig fig fig" in text
    [leaked] = [finding for finding in section.findings if finding.name == "leaked"]
    assert [item.split for item in leaked.examples] == ["test"] * 3 + ["train"] * 2
    assert [piece.text for piece in leaked.excerpts[0].pieces] == ["APPLE pear"]


def test_texts_are_left_out_on_request():
    page = describe(texts=False)[1]
    assert "fig fig" not in page
    assert "apple" not in page.lower()
    assert "test 1: label fruit; see train 3, label tool" in read_text(page)


def test_the_source_of_a_file_is_named_without_its_folder(tmp_path):
    path = write_csv(tmp_path / "reviews.csv")
    section, page = describe(name=str(path))
    assert section.source["source"].endswith("reviews.csv")
    assert str(tmp_path) not in page


@pytest.mark.slow
def test_the_audit_is_that_of_the_command(cli):
    config = resolve({"dataset": {"name": "bbc", "limit": 600}, "model": {"name": "mlp"}})
    audited = audit(load_dataset(config.dataset), config, phases=Phases(QUIET))
    section = DatasetSection.of(config.dataset, audited, ReportContext(QUIET))
    found = cli("audit", "bbc", "--set", "dataset.limit=600", "--format", "json").json
    items = found.pop("items")
    assert section.documents[0].content == found
    numbers = section.documents[1].content["findings"]
    shown = {row["finding"]: len(row["examples"]["index"]) for row in numbers}
    for finding, n in shown.items():
        assert n == min(5, sum(item["finding"] == finding for item in items))
    assert sum(shown.values()) > 0


def test_every_figure_links_to_its_field():
    section, page = describe()
    check_figures(page, section.documents)
