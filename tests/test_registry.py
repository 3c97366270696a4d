"""Python files and installed packages as models and datasets."""

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import PLUGINS

from textclf import registry
from textclf.config.resolve import resolve
from textclf.errors import DataError, RequestError
from textclf.registry import execute_code, list_names, load_module

PATH = Path("/somewhere/mine.py")


@pytest.fixture(autouse=True)
def nothing_is_executed(forget):
    pass


def execute(code, path=PATH):
    return execute_code(code.encode(), path)


@pytest.mark.parametrize(
    ("kind", "given", "meant"),
    [
        ("datasets", "reviews", "reviews.csv"),
        ("datasets", "Reviws", "reviews.csv"),
        ("datasets", "imbd", "imdb"),
        ("models", "./mine", "mine.py"),
        ("models", "reviews", None),
        ("models", "x" * 5_000 + "/mine", None),
        ("executors", "reviews", None),
    ],
)
def test_file_beside_an_unknown_name_is_suggested(tmp_path, monkeypatch, kind, given, meant):
    monkeypatch.chdir(tmp_path)
    for name in ("reviews.csv", "mine.py"):
        Path(name).touch()
    with pytest.raises(RequestError) as info:
        registry.check_name(kind, given)
    hint = f"did you mean '{meant}'? Choose" if meant else "choose"
    start = f"unknown {kind[:-1]} '{given}': {hint} from "
    assert str(info.value).startswith(start)


def find_modules():
    return {name for name in sys.modules if name.startswith(registry.CODE_PREFIX)}


def test_file_is_executed_once_per_content(tmp_path):
    code = f"with open({str(tmp_path / 'log')!r}, 'a') as file: file.write('executed ')"
    first = execute(code)
    assert execute(code, Path("/elsewhere/other.py")) == first
    assert (tmp_path / "log").read_text() == "executed "
    assert execute(f"{code}\n") != first
    assert (tmp_path / "log").read_text() == "executed executed "


def test_executed_file_is_a_module_that_python_finds_by_its_name():
    code = execute("class Scale:\n    pass\nTAKES = 'text'\ndef build(): return __file__")
    module = load_module("models", str(PATH), code)
    assert module.build() == str(PATH)
    name = module.Scale.__module__
    assert name == f"textclf_code_{code[:16]}"
    assert importlib.import_module(name) is module
    assert registry.find_packages("models", str(PATH), code) == [name]
    assert registry.read_code(code).startswith(b"class Scale")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("x = 1\ndef f(:\n", "line 2: SyntaxError: invalid syntax"),
        ("x = 1\n\n1 / 0", "line 3: ZeroDivisionError: division by zero"),
        ("def f():\n    return y\n\nf()", "line 2: NameError: name 'y' is not defined"),
        ("raise ValueError", "line 1: ValueError"),
        ("x = '\0'", "SyntaxError: source code string cannot contain null bytes"),
        ("# coding: klingon\n", "SyntaxError: unknown encoding: klingon"),
    ],
)
def test_error_in_a_file_names_the_file_and_the_line(code, message):
    with pytest.raises(RequestError) as info:
        execute(code)
    assert re.match(rf"{PATH}:? {re.escape(message)}", str(info.value))
    assert "\n" not in str(info.value)
    assert find_modules() == set()
    assert registry._loaded == {}


def test_import_that_fails_says_what_can_be_imported():
    with pytest.raises(RequestError) as info:
        execute("import os\nimport beside_me")
    assert str(info.value) == (
        f"{PATH} line 2: ModuleNotFoundError: No module named 'beside_me'; it can import installed"
        " packages only"
    )


def test_syntax_error_of_an_imported_module_names_the_line_of_the_import(tmp_path, monkeypatch):
    (tmp_path / "incorrect.py").write_text("x = 1\n" * 30 + "def f(:\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RequestError, match=r"mine\.py line 2: SyntaxError: .*incorrect\.py"):
        execute("import os\nimport incorrect")


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("from textclf.errors import DataError\nraise DataError('no data')", DataError),
        ("raise KeyboardInterrupt", KeyboardInterrupt),
    ],
)
def test_expected_errors_and_interrupts_pass_through(code, error):
    with pytest.raises(error) as info:
        execute(code)
    assert type(info.value) is error
    assert find_modules() == set()


@pytest.mark.parametrize(
    ("kind", "code", "message"),
    [
        (
            "models",
            "",
            "is not a model: it must define either build(config, text, n_labels) or"
            " fit(config, dataset, seed)",
        ),
        (
            "models",
            "TAKES = 'text'\ndef build(): ...\ndef fit(): ...",
            "is not a model: it must define either build",
        ),
        (
            "models",
            "def build(): ...",
            "is not a model: it must define TAKES, one of token_ids, text",
        ),
        (
            "models",
            "TAKES = 'ids'\ndef build(): ...",
            "is not a model: it must define TAKES, one of token_ids, text",
        ),
        ("datasets", "def read(config): ...", "is not a dataset: it must define load(config)"),
    ],
)
def test_what_a_file_must_define(kind, code, message):
    with pytest.raises(RequestError) as info:
        load_module(kind, str(PATH), execute(code))
    assert str(info.value).startswith(f"{PATH} {message}")


def test_what_is_enough():
    assert load_module("models", "a.py", execute("def fit(): ..."))
    assert load_module("models", "a.py", execute("TAKES = 'text'\ndef build(): ..."))
    assert load_module("datasets", "a.py", execute("def load(): ..."))


@pytest.mark.parametrize("code", [None, "0" * 64])
def test_file_that_was_not_executed_is_not_imported(code):
    with pytest.raises(RequestError) as info:
        load_module("models", "mine.py", code)
    assert str(info.value) == (
        "mine.py is Python code, which is executed only if you name it yourself; if you trust it,"
        " add --trust-code (in Python, trust_code=True)"
    )


def test_only_models_and_datasets_may_be_files():
    for kind in ("commands", "executors", "sources"):
        with pytest.raises(RequestError, match=r"unknown \w+ 'mine\.py'"):
            load_module(kind, "mine.py", execute("x = 1"))


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("cnn", "cnn"),
        ("/a/b/average.py", "average.py"),
        ("average.py", "average.py"),
        ("tfds:glue/sst2", "tfds-glue-sst2"),
    ],
)
def test_short_name_is_for_paths_and_tables(name, short):
    assert registry.shorten_name(name) == short


AVERAGE = (PLUGINS / "average.py").read_text()
WORDS = (PLUGINS / "words.py").read_text()
POINTS = {
    "models": {"average": "my_package.average"},
    "datasets": {"words": "my_package.words"},
}


@pytest.fixture
def package(install):
    """An installed package with a model and a dataset."""
    return install({"average.py": AVERAGE, "words.py": WORDS}, POINTS)


def test_package_adds_models_and_datasets(package):
    assert set(list_names("models")) - set(registry.list_built_in("models")) == {"average"}
    assert set(list_names("datasets")) - set(registry.list_built_in("datasets")) == {"words"}
    assert load_module("models", "average").__name__ == "my_package.average"
    assert registry.describe("models", "average") == "From the package my-package 1.0."
    described = registry.describe("datasets", "words", "my-package 1.0")
    assert described == "Names of fruits and tools."
    assert registry.find_packages("models", "average", "my-package 1.0") == ["my_package"]
    with pytest.raises(RequestError, match=r"unknown model 'averag': did you mean 'average'\?"):
        load_module("models", "averag")


def test_package_cannot_replace_a_built_in_name_or_add_a_command(install):
    install(
        {"cnn.py": AVERAGE}, {kind: {"cnn": "my_package.cnn"} for kind in ("models", "commands")}
    )
    assert list_names("models") == registry.list_built_in("models")
    assert "cnn" not in list_names("commands")
    assert load_module("models", "cnn").__name__ == "textclf.models.cnn"
    assert registry.find_distribution("models", "cnn") is None
    assert resolve({"dataset": {"name": "bbc"}, "model": {"name": "cnn"}}).model.code is None


def fingerprint(**model):
    return resolve({"dataset": {"name": "bbc"}, "model": {"name": "average", **model}}).fingerprint


def test_fingerprint_changes_with_the_version_of_the_package(install, package):
    config = resolve({"dataset": {"name": "words"}, "model": {"name": "average"}})
    assert config.model.code == config.dataset.code == "my-package 1.0"
    assert config.model.embedding_dim == 8
    before = fingerprint()
    assert fingerprint() == before != fingerprint(embedding_dim=9)
    install({"average.py": AVERAGE}, POINTS, version="1.1")
    assert fingerprint() != before
    install({"average.py": AVERAGE}, POINTS)
    assert fingerprint() == before


def test_model_of_a_package_that_is_incomplete_is_refused(install):
    install({"average.py": "x = 1"}, POINTS)
    with pytest.raises(RequestError, match=r"^average is not a model: it must define either build"):
        load_module("models", "average")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import absent_library", "ModuleNotFoundError: No module named 'absent_library'"),
        ("x = ", "SyntaxError: invalid syntax (average.py, line 1)"),
    ],
)
def test_package_that_cannot_be_imported_hides_no_other(cli, install, code, reason):
    install({"average.py": code, "words.py": WORDS}, POINTS)
    problem = (
        f"'average' of my-package 1.0 cannot be imported: {reason}; update or uninstall that"
        " package"
    )
    rows = {row["name"]: row["summary"] for row in cli("models", "--format", "json").json}
    assert rows["average"] == "From the package my-package 1.0."
    assert rows["cnn"].startswith("Convolution")
    result = cli("train", "--model", "average", "--dataset", "words")
    assert (result.code, result.error_line) == (2, problem)


@pytest.mark.slow
def test_package_is_used_by_name_in_another_process(package, tmp_path):
    paths = [str(package), *filter(None, [os.environ.get("PYTHONPATH")])]
    arguments = ["train", "--model", "average", "--dataset", "words", "--smoke"]
    arguments += ["--set", "text.num_words=50", "--format", "json"]
    done = subprocess.run(
        [sys.executable, "-m", "textclf", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    [row] = json.loads(done.stdout)
    assert (row["dataset"], row["model"]) == ("words", "average")
    tree = {"dataset": {"name": "words", "limit": 64}, "model": {"name": "average"}}
    sections = {"text": {"num_words": 50}, "training": {"epochs": 1}}
    assert row["fingerprint"] == resolve({**tree, **sections}).fingerprint
    # TensorFlow starts as quietly as for a built-in model.
    assert done.stderr.splitlines()[0].startswith("preparing runs/_smoke/words/average/")


@pytest.mark.parametrize("status", ["", "0", "'bye'"])
def test_file_that_calls_exit_is_an_error(tmp_path, forget, status):
    with pytest.raises(RequestError, match=r"mine\.py line 1: it calls sys\.exit$"):
        registry.execute_code(f"raise SystemExit({status})".encode(), tmp_path / "mine.py")


def test_two_packages_with_one_name_are_an_error(install, monkeypatch):
    twice = [
        registry.EntryPoint("average", "my_package.average", "textclf.models")._for(
            type("Distribution", (), {"name": name, "version": "1.0"})()
        )
        for name in ("first", "second")
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: twice)
    registry._find_entry_points.cache_clear()
    with pytest.raises(RequestError, match="first and second both add the model 'average'; uninst"):
        list_names("models")
    registry._find_entry_points.cache_clear()
