import pytest
from pages import check_figures, read_text
from support import write_runs

from textclf.comparison.comparison import Comparison
from textclf.reporting.documents import MISSING
from textclf.reporting.environment_section import EnvironmentSection
from textclf.reporting.rendering import render_page
from textclf.runtime.progress import Reporter

META = {
    "versions": {"python": "3.11.7", "numpy": "2.0.0"},
    "platform": "Linux",
    "processor": "a processor",
    "device": "cpu",
    "n_threads": 2,
    "commit": "c0ffee",
    "command": "textclf compare --dataset bbc",
    "seconds": {"train": 3.0, "predict": 1.5},
    "peak_memory_bytes": 2_000_000,
}


@pytest.fixture
def runs(tmp_path):
    runs = write_runs(tmp_path, {"cnn": 0.9, "mlp": 0.4}, n_seeds=2)
    for run, _ in runs:
        run.write_meta({**run.read_meta(), **META})
    return runs


def describe(runs):
    comparison = Comparison.of(runs, [], Reporter(quiet=True), reference=None)
    section = EnvironmentSection.of(comparison)
    return section, render_page(
        "environment.html", title="", documents=section.documents, environment=section
    )


def test_one_environment_is_described_once(runs):
    section, page = describe(runs)
    content = section.documents[0].content
    assert len(content["environments"]) == 1
    assert [run["environment"] for run in content["runs"]] == [0] * 4
    assert section.differing == []
    text = read_text(page)
    assert "All runs were made with the same versions on the same kind of machine." in text
    assert "numpy 2.0.0" in text
    assert "2 MB" in text
    command = "textclf compare --dataset bbc at commit c0ffee"
    assert f"{command}: cnn seed 1, cnn seed 2, mlp seed 1 and mlp seed 2" in text


def test_runs_of_other_versions_and_machines_are_a_warning(runs):
    run = runs[-1][0]
    versions = {"python": "3.11.7", "numpy": "2.1.0", "new": "1"}
    run.write_meta({**run.read_meta(), "versions": versions, "n_threads": 4})
    section, page = describe(runs)
    assert sorted(section.differing) == ["n_threads", "versions.new", "versions.numpy"]
    assert [run["environment"] for run in section.documents[0].content["runs"]] == [0, 0, 0, 1]
    text = read_text(page)
    assert "The runs were made in 2 environments, which differ in" in text
    assert "Results may differ in their last digits" in text


def test_phases_of_all_runs_are_columns_and_figures_link_to_their_fields(runs):
    run = runs[-1][0]
    run.write_meta({**run.read_meta(), "seconds": {"train": 1.0, "calibrate": 0.5, "predict": 2.0}})
    section, page = describe(runs)
    assert section.phases == ["train", "calibrate", "predict"]
    [document] = section.documents
    check_figures(page, section.documents)
    assert document.find("runs[3].seconds.calibrate") == 0.5


def test_fields_that_a_run_lacks_are_dashes(runs):
    run = runs[0][0]
    run.write_meta({key: value for key, value in run.read_meta().items() if key not in META})
    text = read_text(describe(runs)[1])
    assert f"processor {MISSING} a processor" in text
    assert f"numpy {MISSING} 2.0.0" in text
    assert "not known: cnn seed 1" in text
