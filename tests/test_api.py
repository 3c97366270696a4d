"""The Python API: its names, and functions that do what the commands do."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import textclf
from textclf import api, registry
from textclf.data.dataset import Split
from textclf.runs.directory import RunDirectory

SOURCE = Path(textclf.__file__).parent
HEAVY = {"tensorflow", "keras", "numpy", "pydantic", "sklearn", "scipy", "matplotlib", "click"}
TINY = {"dataset.limit": 64, "training.epochs": 3, "text.num_words": 500}
"""The values of the run ``smoke_run``."""


def test_every_public_name_exists():
    assert sorted(textclf.__all__) == list(textclf.__all__)
    for name in textclf.__all__:
        assert getattr(textclf, name) is not None
        assert name in dir(textclf)
    with pytest.raises(AttributeError, match="module 'textclf' has no attribute 'trian'"):
        _ = textclf.trian


def test_type_checkers_see_the_public_names():
    tree = ast.parse((SOURCE / "__init__.py").read_text())
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    assert ast.unparse(block.test) == "TYPE_CHECKING"
    imported = {alias.name: node.module for node in block.body for alias in node.names}
    assert {*imported, "__version__"} == set(textclf.__all__)
    for name, module in imported.items():
        assert getattr(textclf, name) is getattr(importlib.import_module(module), name)


LIST_MODULES = """
import sys
before = set(sys.modules)
import textclf
textclf.__version__, textclf.TextclfError, dir(textclf)
print("\\n".join(set(sys.modules) - before))
"""


def test_import_loads_nothing_heavy():
    done = subprocess.run(
        [sys.executable, "-c", LIST_MODULES], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert {"textclf", "textclf.errors"} <= loaded
    assert {name for name in loaded if name.startswith("textclf.")} == {"textclf.errors"}
    assert not HEAVY & {name.split(".")[0] for name in loaded}
    assert len(loaded) < 60


@pytest.mark.usefixtures("tensorflow")
def test_public_names_are_not_replaced_by_modules():
    for module in pkgutil.walk_packages(textclf.__path__, "textclf."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in textclf.__all__:
        assert not isinstance(getattr(textclf, name), ModuleType), name
    assert textclf.audit is api.audit


@pytest.fixture
def run(smoke_run):
    return textclf.load_run(smoke_run)


def test_run_has_what_its_directory_contains(run, smoke_run):
    directory = RunDirectory(smoke_run)
    assert (run.path, repr(run)) == (smoke_run, f"Run({str(smoke_run)!r})")
    assert run.config == directory.read_config()
    assert run.result == directory.read_result()
    assert run.evaluation.metrics == run.result.evaluation.metrics
    assert [row.epoch for row in run.history] == [1, 2, 3]
    assert run.history[2].val_accuracy > 0
    assert run.label_names == ("business", "entertainment", "politics", "sports", "tech")
    assert np.array_equal(run.predictions.label, directory.read_predictions().label)
    accuracy = (run.predictions.probabilities.argmax(axis=1) == run.predictions.label).mean()
    assert run.evaluation.metrics["accuracy"] == pytest.approx(accuracy)


def test_run_predicts_texts(run):
    dataset = textclf.load_dataset("bbc", overrides={"dataset.limit": 64})
    texts = dataset.test.texts[:3]
    probabilities = run.predict_proba(texts)
    assert probabilities.dtype == np.float32
    assert np.abs(probabilities - run.predictions.probabilities[:3]).max() < 1e-5
    names = [run.label_names[label] for label in probabilities.argmax(axis=1)]
    assert run.predict(tuple(texts)) == run.predict(np.array(texts)) == names
    assert run.model is run.model
    for predict in (run.predict, run.predict_proba):
        with pytest.raises(textclf.RequestError) as info:
            predict("Shares fell")
        assert str(info.value) == "expected a list of texts, got one text: write [text]"


def test_run_is_found_by_its_folder_and_must_be_finished(run, smoke_run, tmp_path):
    assert textclf.load_run(str(smoke_run.parents[1])).path == smoke_run
    with pytest.raises(textclf.RunError, match="absent does not exist"):
        textclf.load_run(tmp_path / "absent")
    with pytest.raises(textclf.RunError, match="no run below"):
        textclf.load_run(tmp_path)


@pytest.mark.slow
def test_run_is_the_one_of_the_command(cli, smoke_run, tmp_path):
    options = [part for key, value in TINY.items() for part in ("--set", f"{key}={value}")]
    result = cli("train", "--model", "mlp", "--dataset", "bbc", *options, "--quiet")
    assert result.code == 0
    run = textclf.train("mlp", "bbc", overrides=TINY, quiet=True)
    assert run.path.relative_to("runs") == smoke_run.relative_to(smoke_run.parents[3])
    for name in ("config.yaml", "predictions.npz"):
        assert (run.path / name).read_bytes() == (smoke_run / name).read_bytes()


def test_training_finds_finished_runs_and_is_quiet(smoke_run, capsys):
    root = smoke_run.parents[3]
    run = textclf.train("mlp", "bbc", seed=42, overrides=TINY, run_root=root)
    assert run.path == smoke_run
    assert capsys.readouterr().err == f"already finished (--force repeats it): {smoke_run}\n"
    config = smoke_run / "config.yaml"
    assert textclf.train(config=config, run_root=str(root), quiet=True).path == smoke_run
    assert textclf.train(config=str(config), run_dir=smoke_run, quiet=True).path == smoke_run
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_run_is_trained_with_smoke_seed_and_command(tmp_path):
    overrides = {"text.num_words": 300, "training.epochs": 2}
    path = tmp_path / "mine"
    run = textclf.train(
        "mlp",
        "bbc",
        seed=7,
        smoke=True,
        overrides=overrides,
        run_dir=path,
        command="mine",
        quiet=True,
    )
    assert run.path == path
    assert (run.config.seed, run.config.dataset.limit) == (7, 64)
    assert len(run.history) == run.config.training.epochs == 2
    assert run.directory.read_meta()["command"] == "mine"
    other = {"text.num_words": 400, "training.epochs": 1}
    with pytest.raises(textclf.RunError, match="contains a run of another configuration"):
        textclf.train("mlp", "bbc", smoke=True, overrides=other, run_dir=path, quiet=True)


@pytest.mark.slow
def test_smoke_runs_have_a_folder_of_their_own(tmp_path):
    run = textclf.train("majority", "bbc", smoke=True, run_root=tmp_path, quiet=True)
    assert run.path.parents[3] == tmp_path / "_smoke"
    options = {"dataset": "bbc", "models": ["majority"], "smoke": True, "run_root": tmp_path}
    comparison = textclf.compare(**options, quiet=True)
    assert {model.runs[0].path.parents[3] for model in comparison.models} == {tmp_path / "_smoke"}
    assert run.path in {model.runs[0].path for model in comparison.models}
    with pytest.raises(textclf.RunError, match="no run below"):
        textclf.compare(run_root=tmp_path)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("cnnn", "bbc"), {}, "unknown model 'cnnn': did you mean 'cnn'?"),
        (("cnn", "bcc"), {}, "unknown dataset 'bcc': did you mean 'bbc'?"),
        ((None, "bbc"), {}, "no model given: use --model NAME"),
        (
            ("mlp", "bbc"),
            {"overrides": {"training.epoch": 1}},
            "training.epoch=1: training.epoch: unknown key 'epoch': did you mean 'epochs'?",
        ),
        (
            ("mlp", "bbc"),
            {"overrides": {"training.schedule": "cosin"}},
            "training.schedule='cosin': training.schedule: should be",
        ),
        (("mlp", "bbc"), {"seed": -1}, "seed=-1: seed: should be greater than or equal to 0"),
        (("mlp", "bbc"), {"overrides": {"training": 3}}, "training=3: training: expected keys and"),
        (("absent.py", "bbc"), {}, "cannot read "),
        ((), {"config": "absent.yaml"}, "cannot read configuration absent.yaml: "),
    ],
)
def test_invalid_argument_is_one_line(arguments, options, message, tmp_path):
    with pytest.raises(textclf.RequestError) as info:
        textclf.train(*arguments, run_root=tmp_path / "runs", **options)
    assert str(info.value).startswith(message)
    assert "\n" not in str(info.value)
    assert not (tmp_path / "runs").exists()


def test_overrides_win_over_other_arguments(smoke_run):
    overrides = {**TINY, "model.name": "mlp", "seed": 42}
    root = smoke_run.parents[3]
    run = textclf.train("cnn", "bbc", seed=3, overrides=overrides, run_root=root, quiet=True)
    assert run.path == smoke_run


def test_saved_model_is_evaluated(run, smoke_run):
    evaluation = textclf.evaluate(smoke_run, split="validation", quiet=True)
    assert (evaluation.split, evaluation.n_examples) == ("validation", 64)
    assert evaluation.subset_accuracy[0].n_examples == 64
    train = textclf.evaluate(run, split="train", quiet=True)
    assert (train.split, train.subset_accuracy) == ("train", [])
    assert train.metrics["accuracy"] != evaluation.metrics["accuracy"]


@pytest.mark.slow
def test_model_is_loaded_from_a_run_or_a_file(run, smoke_run, tmp_path):
    texts = ["Shares fell as oil prices rose"]
    expected = run.predict_proba(texts)
    for path in (smoke_run, str(smoke_run.parent), smoke_run / "model.keras"):
        model = textclf.load_model(path)
        assert model.label_names == run.label_names
        assert np.abs(model.predict_texts(texts) - expected).max() < 1e-6
    (tmp_path / "model.keras").write_bytes(b"PK")
    with pytest.raises(textclf.RunError, match=r"model\.keras is damaged .*; give a run directory"):
        textclf.load_model(tmp_path / "model.keras")
    with pytest.raises(textclf.RunError, match=r"absent\.keras does not exist"):
        textclf.load_model(tmp_path / "absent.keras")


def test_dataset_is_loaded():
    dataset = textclf.load_dataset("bbc", overrides={"dataset.limit": 10})
    assert isinstance(dataset, textclf.TextDataset)
    assert isinstance(dataset.train, Split)
    assert [len(split) for split in dataset.splits.values()] == [10, 10, 10]
    with pytest.raises(textclf.RequestError, match="unknown key 'limt': did you mean 'limit'"):
        textclf.load_dataset("bbc", overrides={"dataset.limt": 10})


def test_dataset_is_audited(plugins, capsys):
    path = plugins / "words.py"
    path.write_text(
        path.read_text().replace(
            "    for i in", "    yield 'Fig!', 'tool'\n    yield 'Fig!', 'fruit'\n    for i in"
        )
    )
    audit = textclf.audit(path, overrides={"dataset.n_texts": 20}, quiet=True)
    conflicting = [item.text for item in audit.items if item.finding == "conflicting_labels"]
    assert conflicting == ["Fig!", "Fig!"]
    assert sum(row["train"] for row in audit.findings if row["finding"] == "leaked") == 0
    assert capsys.readouterr().err == ""


def test_finished_runs_are_compared(run, smoke_run, tmp_path):
    for runs in (smoke_run, str(smoke_run.parents[2]), run, [run], [smoke_run, run]):
        comparison = textclf.compare(runs, quiet=True)
        assert [row["model"] for row in comparison.rows] == ["mlp"]
        assert comparison.rows[0]["accuracy"] == run.evaluation.metrics["accuracy"]
        assert (comparison.failures, len(comparison.models)) == ([], 1)
    root = smoke_run.parents[3]
    for models in ("mlp", ["mlp"], [Path("mlp")]):
        assert len(textclf.compare(run_root=root, models=models, quiet=True).rows) == 1
    with pytest.raises(textclf.RequestError, match="unknown model 'mpl': did you mean 'mlp'"):
        textclf.compare(run_root=root, models="mpl", quiet=True)
    with pytest.raises(textclf.RequestError, match="give either runs or a dataset, whose runs"):
        textclf.compare(run, dataset="bbc")
    with pytest.raises(textclf.RunError, match=r"no finished run of the reference model 'cnn'"):
        textclf.compare(run, reference="cnn", quiet=True)


@pytest.mark.slow
def test_missing_runs_are_trained_and_compared(plugins, tmp_path):
    options = {
        "dataset": plugins / "words.py",
        "models": [plugins / "bayes.py"],
        "run_root": tmp_path / "runs",
        "reference": "majority",
        "quiet": True,
    }
    comparison = textclf.compare(seeds=[3], overrides={"dataset.n_texts": 10}, **options)
    rows = {row["model"]: row for row in comparison.rows}
    assert set(rows) == {"bayes.py", "majority", "tfidf-svc"}
    assert rows["majority"]["verdict"] == "reference"
    assert rows["bayes.py"]["seeds"] == [3]
    failing = (
        (plugins / "bayes.py")
        .read_text()
        .replace("pipeline = make", "raise ValueError('x')\n    pipeline = make")
    )
    (plugins / "bayes.py").write_text(failing)
    comparison = textclf.compare(seeds=[3], overrides={"dataset.n_texts": 10}, **options)
    [failure] = comparison.failures
    message = f"{plugins / 'bayes.py'} line 25: ValueError: x"
    assert (failure.config.model.short_name, str(failure.error)) == ("bayes.py", message)
    assert comparison.rows[-1]["error"] == f"failed: {message}"
    assert comparison.notes[-1] == f"bayes.py seed 3 failed: {message}"


@pytest.mark.parametrize(("seeds", "expected"), [((), [42]), (2, [1, 2]), ([5, 3], [5, 3])])
def test_seeds_are_listed_or_counted(monkeypatch, tmp_path, seeds, expected):
    configs = []

    def run_all(given, *others):
        configs.extend(given)
        return [], []

    monkeypatch.setattr(api, "run_all", run_all)
    comparison = textclf.compare(dataset="bbc", models=["cnn"], seeds=seeds, run_root=tmp_path)
    assert [config.seed for config in configs if config.model.name == "cnn"] == expected
    assert len(configs) == 3 * len(expected)
    assert comparison.rows == []


def test_file_given_as_an_argument_is_executed(plugins, tmp_path):
    run = textclf.train(
        plugins / "bayes.py", plugins / "words.py", run_root=tmp_path / "runs", quiet=True
    )
    assert run.config.model.alpha == 1.0
    assert run.predict(["apple and pear", "saw and nail"]) == ["fruit", "tool"]
    assert textclf.evaluate(run, quiet=True).metrics == pytest.approx(run.evaluation.metrics)
    dataset = textclf.load_dataset(str(plugins / "words.py"), overrides={"dataset.n_texts": 10})
    assert dataset.label_names == ("fruit", "tool")


def test_file_that_a_configuration_names_needs_trust(plugins, tmp_path, forget):
    path = tmp_path / "my.yaml"
    path.write_text(f"model: {{name: {plugins / 'bayes.py'}}}\ndataset: {{name: bbc}}\n")
    for function in (textclf.train, textclf.compare):
        with pytest.raises(textclf.RequestError, match="executed only if you name it yourself"):
            function(config=path, run_root=tmp_path / "runs")
    assert registry._loaded == {}


def test_run_with_python_files_needs_trust(code_runs, forget):
    path = code_runs["scaled"]
    texts = ["apple and pear"]
    run = textclf.load_run(path)
    assert run.config.fingerprint == run.result.fingerprint
    for function in (lambda: run.predict(texts), lambda: textclf.load_model(path)):
        with pytest.raises(textclf.RunError, match="needs Scale, which the Python file of the mod"):
            function()
    with pytest.raises(textclf.RunError, match="needs Scale"):
        textclf.evaluate(run, split="validation", quiet=True)
    assert registry._loaded == {}
    trusted = textclf.load_run(path, trust_code=True)
    assert len(trusted.predict(texts)) == 1
    assert textclf.load_model(path, trust_code=True).label_names == trusted.label_names
    for evaluation in (
        textclf.evaluate(trusted, split="validation", quiet=True),
        textclf.evaluate(path, split="validation", trust_code=True, quiet=True),
    ):
        assert evaluation.n_examples == 20


def test_dataset_of_a_run_in_this_process_is_split_as_its_configuration_says(code_runs, forget):
    assert textclf.load_run(code_runs["average"], trust_code=True).config  # Executes its files.
    evaluation = textclf.evaluate(code_runs["average"], split="validation", quiet=True)
    assert evaluation.n_examples == 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seeds": 3}, "seeds needs a dataset or a config"),
        ({"overrides": {"training.epochs": 1}}, "overrides needs a dataset or a config"),
        ({"executor": "ray"}, "executor needs a dataset or a config"),
        ({"runs": (), "dataset": "bbc", "seeds": 0}, "seeds=0: expected a positive number"),
    ],
)
def test_compare_refuses_arguments_that_it_would_ignore(tmp_path, arguments, message):
    with pytest.raises(textclf.RequestError, match=message):
        textclf.compare(**{"runs": tmp_path, **arguments})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("trials", 2.5, "trials=2.5: expected a positive number"),
        ("trials", 0, "trials=0: expected a positive number"),
        ("timeout", "10s", "timeout='10s': expected a positive number of seconds"),
        ("timeout", 0, "timeout=0: expected a positive number of seconds"),
        ("search", ["model.C=1..2"], "search: expected a mapping, such as"),
        ("search", "model.C=1..2", "search: expected a mapping, such as"),
    ],
)
def test_tune_refuses_values_of_another_type(tmp_path, name, value, message):
    with pytest.raises(textclf.RequestError, match=f"^{message}"):
        textclf.tune("tfidf-svc", "bbc", run_root=tmp_path, **{name: value})
    assert not list(tmp_path.iterdir())


def test_compare_refuses_one_number_instead_of_a_list(tmp_path):
    with pytest.raises(textclf.RequestError, match=r"^train_fractions=0\.5: expected a list"):
        textclf.compare(dataset="bbc", train_fractions=0.5, run_root=tmp_path)


def test_model_file_with_a_custom_layer_is_loaded_with_the_run_if_it_is_trusted(code_runs, forget):
    path = code_runs["scaled"] / "model.keras"
    with pytest.raises(textclf.RunError, match="add --trust-code"):
        textclf.load_model(path)
    assert textclf.load_model(path, trust_code=True).label_names == ("fruit", "tool")
