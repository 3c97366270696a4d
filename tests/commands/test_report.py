"""``textclf report``, and ``--report`` of train and compare."""

import re
import shutil

import pytest
from support import PLUGINS, write_csv

import textclf


@pytest.fixture
def own(tmp_path):
    """Options for a small dataset of texts in a CSV file."""
    return "--dataset", write_csv(tmp_path / "own.csv"), "--run-root", "runs"


def read_heading(path):
    """Return the main heading of a page, without the folder of a dataset."""
    return re.sub(r"\S+/", "", re.search("<h1>(.*)</h1>", path.read_text())[1])


@pytest.mark.slow
def test_train_and_compare_write_a_report(cli, own, tmp_path):
    result = cli("train", "--model", "majority", *own, "--report", "train.html")
    assert result.code == 0, result.err
    assert "see train.html (0." in result.err
    assert read_heading(tmp_path / "train.html") == "majority on own.csv, seed 42"
    result = cli("compare", *own, "--model", "tfidf-svc", "--report", "compare.html", "-q")
    assert result.code == 0, result.err
    assert read_heading(tmp_path / "compare.html") == "2 models on own.csv"


def test_a_report_of_finished_runs(cli, own, tmp_path):
    cli("train", "--model", "tfidf-svc", *own, "--set", "dataset.limit=20")
    result = cli("report", "runs", "--no-texts", "-q")
    assert result.code == 0, result.err
    path = tmp_path / "report.html"
    assert read_heading(path) == "tfidf-svc on own.csv, seed 42"
    page = path.read_text()
    assert "This page contains no texts of the dataset." in page
    assert "test runs with at most 20 examples of each split" in page


@pytest.mark.slow
def test_a_report_of_a_study(cli, own, tmp_path):
    tune = ["tune", "--model", "tfidf-svc", *own, "--trials", "2", "--name", "mine", "-q"]
    result = cli(*tune, "--search", "model.C=0.1,1", "--report", "tuned.html")
    assert result.code == 0, result.err
    assert read_heading(tmp_path / "tuned.html") == "Tuning of tfidf-svc on own.csv"
    result = cli("report", "runs/_studies/mine", "-q")
    assert result.code == 0, result.err
    assert (tmp_path / "report.html").read_bytes() == (tmp_path / "tuned.html").read_bytes()
    result = cli("report", "runs/_studies/mine", "--model", "majority")
    assert result.code == 2
    assert result.error_line.endswith("about its one model: leave out --model")


@pytest.mark.slow
def test_runs_of_folds_are_left_out_of_the_report_of_a_folder(cli, own, tmp_path):
    train = ["train", "--model", "majority", *own, "-q"]
    for fold in (1, 2):
        folds = ["--set", "dataset.folds=2", "--set", f"dataset.fold={fold}"]
        assert cli(*train, *folds).code == 0
    result = cli("report", "runs")
    assert result.error_line.startswith("a report is about one test set, not about all folds")
    assert cli(*train).code == 0
    result = cli("report", "runs")
    assert result.code == 0, result.err
    assert "left out: 2 runs of a cross-validation, such as runs/own" in result.err
    assert read_heading(tmp_path / "report.html") == "majority on own.csv, seed 42"
    fold = next(tmp_path.glob("runs/own*/majority/*/fold-2/seed-42")).relative_to(tmp_path)
    result = cli("report", fold)
    assert result.code == 0, result.err
    assert "left out" not in result.err


@pytest.mark.parametrize("named", [["mine", "mine"], ["."], [".", "mine"]])
def test_a_report_of_several_studies_is_refused(cli, tmp_path, named):
    study = tmp_path / "runs" / "_studies" / "mine"
    study.mkdir(parents=True)
    (study / "study.journal").touch()
    result = cli("report", *(f"runs/_studies/{name}" for name in named))
    assert result.code == 2
    assert result.error_line.endswith("name one study, such as runs/_studies/mine")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--no-texts"], "--no-texts needs --report, whose page it leaves without texts"),
        (["--report", "a.txt"], "report a.txt: expected a name that ends in .html"),
        (["--report", "no/a.html"], "report no/a.html: the folder no does not exist"),
    ],
)
def test_invalid_options_are_refused_before_training(cli, own, tmp_path, arguments, message):
    result = cli("train", "--model", "majority", *own, *arguments)
    assert result.code == 2
    assert result.error_line.startswith(message)
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_code_that_the_user_names_is_trusted_and_other_code_is_not(cli, own):
    given = ("--model", PLUGINS / "bayes.py", *own)
    for command in ("compare", "train"):
        result = cli(command, *given, "--report", "report.html")
        assert result.code == 0, result.err
    named = "runs", "--model", PLUGINS / "bayes.py"
    result = cli("report", *named)
    assert result.code == 1
    assert "--trust-code" in result.error_line
    result = cli("report", *named, "--trust-code")
    assert result.code == 0, result.err


@pytest.mark.slow
def test_code_in_the_directory_of_another_model_is_not_executed(cli, own, forget, tmp_path):
    code = (PLUGINS / "bayes.py").read_text()
    (tmp_path / "foreign.py").write_text(f"{code}\nprint('executed')\n")
    for model in ("foreign.py", "tfidf-svc"):
        cli("train", "--model", model, *own)
    foreign, replaced = (
        next(tmp_path.glob(f"runs/own*/{name}/*/seed-42")) for name in ("foreign.py", "tfidf-svc")
    )
    shutil.rmtree(replaced)
    shutil.copytree(foreign, replaced)
    for named in ((), ("--model", PLUGINS / "bayes.py")):
        forget()
        result = cli("compare", *own, "--model", "tfidf-svc", *named, "--report", "r.html")
        assert "foreign.py" in result.out
        assert "executed" not in result.err
        assert "--trust-code" in result.error_line


def test_trusted_runs_make_a_trusted_report(own, tmp_path, forget):
    (_, dataset, *_), path = own, tmp_path / "report.html"
    run = textclf.train(PLUGINS / "bayes.py", dataset, run_dir=tmp_path / "run", quiet=True)
    forget()
    with pytest.raises(textclf.TextclfError, match="trust_code=True"):
        textclf.report(textclf.load_run(run.path), path, quiet=True)
    assert textclf.report(run, path, quiet=True).trust_code
