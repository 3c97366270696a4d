import re

import pytest
from pages import check_figures, read_text
from support import draw_correct, write_run

import textclf
from textclf.config.search_space import Choices, Range
from textclf.errors import RunError
from textclf.reporting.rendering import render_page
from textclf.reporting.study_section import StudySection
from textclf.runtime.progress import Reporter
from textclf.tuning.selection import read_compared
from textclf.tuning.study import Study, StudySettings
from textclf.tuning.trial import Trial

QUIET = Reporter(quiet=True)
SPACE = {
    "training.learning_rate": Range(0.0001, 0.01, log=True),
    "model.units": Range(1, 512),
    "training.schedule": Choices(("constant", "<cosine>")),
}
VALUES = [0.8, 0.7, None, 0.9, 0.75, 0.6, 0.65, 0.72, 0.81, 0.83, 0.55, 0.79]
"""Validation accuracy of each trial; None if it was pruned."""


def write_study(root, values, accuracies, *, metric="accuracy", n_seeds=3):
    """Write a study, and the runs of its defaults and of its best trial, without training.

    Args:
        root: Root of the run directories.
        values: Metric of each trial.
        accuracies: Test accuracy of the defaults and of the best trial, if there is another.
        metric: Metric of the study.
        n_seeds: Seeds of each trial.
    """
    seeds = tuple(range(1, n_seeds + 1))
    choose = min if metric == "loss" else max
    best = values.index(choose(value for value in values if value is not None))
    trials, config = [], None
    for number, value in enumerate(values):
        params = {
            "training.learning_rate": 0.001 * (1 + number % 5),
            "model.units": 256 + number,
            "training.schedule": "constant",
        }
        fingerprint = f"{number:010x}"
        if number in {0, best}:
            for seed in seeds:
                correct = draw_correct(accuracies[number > 0], seed=seed)
                run, result = write_run(root, "mlp", correct, seed=seed, settings=params)
            fingerprint, config = result.fingerprint, config or run.read_config()
        state = "pruned" if value is None else "complete"
        trials.append(Trial(number, state, params, value, {}, {}, 10, 30.0, fingerprint))
    path = root / "_studies" / "mine"
    path.mkdir(parents=True)
    settings = StudySettings(config.model_copy(update={"seed": 1}), SPACE, seeds, metric)
    Study.create(path, settings).add(trials)
    return path


def describe(*arguments, **options):
    """Return the section of a study of `write_study`, and its page."""
    study = read_compared(write_study(*arguments, **options), QUIET)
    section = StudySection.of(study, study.comparison)
    page = render_page("study.html", title="", documents=section.documents, study=section)
    check_figures(page, section.documents)
    return section, page


def test_what_tuning_brought_is_said_first(tmp_path):
    section, page = describe(tmp_path, VALUES, (0.5, 0.9))
    text = read_text(page)
    assert re.search(
        r"Tuning The best of 12 trials has a validation accuracy of 0\.9000, and the defaults have"
        r" 0\.8000\. On the test split, its accuracy is 0\.\d{4} instead of 0\.\d{4}"
        r" \(difference \+0\.\d{4}, 95% CI \+0\.\d{4} to \+0\.\d{4}, p = 0\.\d{3}\): a significant"
        r" improvement\.",
        text,
    )
    assert "The validation accuracy of the best trial is optimistic, because it was sel" in text
    assert "Complete trials: 11; pruned, because earlier trials were better: 1; fail" in text
    assert "Each has 3 seeds. All of them took 360 seconds of training." in text
    content = section.documents[0].content
    assert content["test"]["best"]["accuracy"] - content["test"]["defaults"]["accuracy"] == (
        pytest.approx(content["test"]["best"]["difference"])
    )


def test_a_difference_that_is_not_significant_is_not_called_an_improvement(tmp_path):
    _, page = describe(tmp_path, VALUES, (0.8, 0.81), n_seeds=1)
    assert "no significant difference." in read_text(page)
    assert "significant improvement" not in read_text(page)


@pytest.mark.slow
def test_tuning_that_did_not_help_is_said_plainly(tmp_path):
    _, page = describe(tmp_path / "1", [0.9, 0.8, 0.7], (0.9,))
    text = read_text(page)
    assert "Tuning did not help: none of 3 trials has a better validation accuracy than" in text
    assert "optimistic" not in text
    _, page = describe(tmp_path / "2", VALUES, (0.9, 0.5))
    text = read_text(page)
    assert "On the test split, tuning did not help: its accuracy is 0.5" in text
    assert "significantly worse." in text


def test_less_loss_is_better(tmp_path):
    section, page = describe(tmp_path, VALUES, (0.5, 0.9), metric="loss")
    text = read_text(page)
    assert (
        "The best of 12 trials has a validation loss of 0.5500, and the defaults have 0.8000."
        in text
    )
    losses = [section.documents[0].content["test"][side]["loss"] for side in ("best", "defaults")]
    expected = "On the test split, its loss is {:.4f} instead of {:.4f} (difference in accuracy +0."
    assert expected.format(*losses) in text
    assert "): a significant improvement in accuracy." in text
    assert section.ranked[:3] == [10, 5, 6]


def test_keys_of_the_best_trial_are_beside_the_defaults(tmp_path):
    section, page = describe(tmp_path, VALUES, (0.5, 0.9))
    keys = re.search(r'<table class="wide" id="study-keys">(.*?)</table>', page, re.DOTALL)[1]
    rows = [read_text(row) for row in re.findall("<tr>(.*?)</tr>", keys, re.DOTALL)]
    assert rows[0] == "key searched defaults best (trial 3) importance"
    assert re.fullmatch(
        r"training\.learning_rate 0\.0001 to 0\.01, logarithmic 0\.001 0\.004 \d+\.\d%", rows[1]
    )
    assert re.fullmatch(r"model\.units 1 to 512 256 259 \d+\.\d%", rows[2])
    assert rows[3].startswith("training.schedule constant, <cosine> constant constant 0.0%")
    assert [row.rpartition(" ")[0][:9] for row in rows[4:]] == [
        "test accu",
        "test macr",
        "test loss",
    ]
    assert sum(key["importance"] for key in section.documents[0].content["search"]) == (
        pytest.approx(1)
    )


@pytest.mark.slow
def test_the_best_trials_are_open_and_all_are_in_a_list(tmp_path):
    _, page = describe(tmp_path, VALUES, (0.5, 0.9))
    tables = {
        name: re.findall('scope="row" class="number"><a[^>]*>(\\d+)<', table)
        for name, table in re.findall(
            r'sortable wide" id="([\w-]+)">(.*?)</table>', page, re.DOTALL
        )
    }
    assert tables["best-trials"] == ["3", "9", "8", "0", "11", "4", "7", "1", "6", "5"]
    assert tables["all-trials"] == [str(number) for number in range(12)]
    assert "<summary>All 12 trials</summary>" in page
    assert "complete, the best" in page
    assert page.count("<svg") == 3
    _, few = describe(tmp_path / "few", [0.8, 0.9], (0.5, 0.9))
    assert "<summary>" not in few.partition("All fields")[0]
    assert few.count("<svg") == 2
    assert ">History and importance</h3>" in page
    assert ">History</h3>" in few
    assert "not measured: 2 complete trials in the search space: 8 or more are needed." in few


@pytest.mark.slow
def test_titles_of_trials_are_short_and_say_what_is_a_sum(tmp_path):
    _, page = describe(tmp_path / "several", VALUES, (0.5, 0.9))
    heads = re.findall("<thead>(.*?)</thead>", page, re.DOTALL)
    assert read_text(heads[1]) == (
        "trial state validation accuracy learning_rate units schedule epochs (all seeds)"
        " train seconds (all seeds)"
    )
    assert 'title="training.learning_rate">learning_rate</th>' in heads[1]
    _, page = describe(tmp_path / "one", VALUES, (0.5, 0.9), n_seeds=1)
    heads = re.findall("<thead>(.*?)</thead>", page, re.DOTALL)
    assert read_text(heads[1]).endswith("schedule epochs train seconds")


@pytest.mark.slow
def test_the_same_study_gives_the_same_page(tmp_path):
    path = write_study(tmp_path, VALUES, (0.5, 0.9))
    studies = [read_compared(path, QUIET) for _ in range(2)]
    pages = [
        render_page("study.html", title="", documents=section.documents, study=section)
        for section in (StudySection.of(study, study.comparison) for study in studies)
    ]
    assert pages[0] == pages[1]


def test_a_study_that_was_not_compared_is_one_line(tmp_path):
    path = write_study(tmp_path, VALUES, (0.5, 0.9))
    next(tmp_path.glob("bbc/mlp/*/seed-2/evaluation.json")).unlink()
    with pytest.raises(RunError) as error:
        textclf.report(path, tmp_path / "report.html", quiet=True)
    assert str(error.value) == (
        f"{path} has not been compared on the test split: run its `textclf tune` again, which"
        " finishes the study"
    )
