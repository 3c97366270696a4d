"""What executors share: their configuration, which runs are missing, and failures."""

import contextlib
import inspect

import pytest
from support import write_run

from textclf.config.resolve import resolve
from textclf.errors import (
    DataError,
    DataRequestError,
    LimitError,
    RequestError,
    RunError,
    TextclfError,
)
from textclf.executors import _base
from textclf.executors._base import (
    ExecutorConfig,
    attempt,
    make_failure,
    name_runs,
    run_all,
    run_here,
)
from textclf.experiment.run import RunContext
from textclf.registry import list_names, load_module
from textclf.runs.directory import RunDirectory
from textclf.runs.result import Failure
from textclf.runtime.progress import Reporter


def make_config(model="majority", seed=1):
    return resolve({"dataset": {"name": "bbc"}, "model": {"name": model}, "seed": seed})


@pytest.mark.parametrize("name", list_names("executors"))
def test_executor_follows_the_interface(name):
    module = load_module("executors", name)
    assert (module.__doc__ or "").split("\n")[0].endswith(".")
    required = [
        parameter.name
        for parameter in inspect.signature(module.opened).parameters.values()
        if parameter.default is parameter.empty
    ]
    assert required == ["root", "config"]


@pytest.fixture
def replace_executor(monkeypatch):
    """Return a function that replaces the executor by one with the function that is given."""

    def replace(execute):
        @contextlib.contextmanager
        def opened(root, config):
            fake = lambda self, configs, context: execute(configs, root)  # noqa: E731
            yield type("Executor", (), {"execute": fake})()

        module = type("module", (), {"opened": staticmethod(opened)})
        monkeypatch.setattr(_base, "load_module", lambda kind, name: module)

    return replace


def test_an_address_is_for_ray_only():
    with pytest.raises(RequestError, match=r"^--ray-address needs --executor ray$"):
        ExecutorConfig("local", ray_address="auto")
    with pytest.raises(RequestError, match=r"^--ray-address is empty: give ray://HOST:10001"):
        ExecutorConfig("ray", ray_address="")


def test_an_unknown_executor_is_reported_once_before_anything_runs(tmp_path):
    with pytest.raises(RequestError, match=r"^unknown executor 'rai': did you mean 'ray'\?"):
        run_all(
            [make_config(), make_config(seed=2)],
            tmp_path,
            RunContext(Reporter()),
            ExecutorConfig("rai"),
        )
    assert list(tmp_path.iterdir()) == []


def test_only_missing_runs_are_executed(tmp_path, replace_executor, capsys):
    done, result = write_run(tmp_path, "mlp", [True, False, True])
    damaged, _ = write_run(tmp_path, "cnn", [True, False, True])
    (damaged.path / "evaluation.json").write_text("{}")
    error, executed = TextclfError("out of memory"), []

    def execute(configs, root):
        executed.extend(configs)
        write_run(root, "lstm", [True, False, True])
        return [Failure(configs[0], error)]

    replace_executor(execute)
    configs = [make_config(model) for model in ("mlp", "cnn", "hub", "lstm")]
    finished, failures = run_all(
        [*configs, make_config("lstm")], tmp_path, RunContext(Reporter()), ExecutorConfig()
    )
    assert [config.model.name for config in executed] == ["hub", "lstm"]
    assert [found.model for _, found in finished] == ["mlp", "lstm"]
    assert finished[0][0].path == done.path
    assert finished[0][1] == result
    assert failures[0].error is error
    assert [failure.config.model.name for failure in failures] == ["hub", "cnn"]
    assert f"{damaged.path / 'evaluation.json'} is damaged" in str(failures[1].error)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"already finished: {run.path}" for run in (done, damaged)]


def test_a_bug_becomes_a_failure_after_its_traceback(capsys):
    error = TextclfError("expected")

    def fail(error):
        raise error

    assert attempt(lambda: 7, Reporter()) == 7
    assert attempt(lambda: fail(error), Reporter()) is error
    assert capsys.readouterr().err == ""
    failure = attempt(lambda: fail(ValueError("a bug\nin a model")), Reporter(quiet=True))
    assert str(failure) == "ValueError: a bug"
    assert capsys.readouterr().err.startswith("Traceback")


def test_name_of_a_run_is_its_model_and_seed_and_what_else_differs():
    configs = [make_config("cnn", 3), make_config("cnn", 4), make_config("mlp", 3)]
    assert name_runs(configs) == ["cnn seed 3", "cnn seed 4", "mlp seed 3"]
    other = resolve({"dataset": {"name": "bbc"}, "model": {"name": "cnn", "filters": 8}, "seed": 3})
    first = configs[0].fingerprint
    assert name_runs([*configs, other]) == [
        f"cnn seed 3 ({first})",
        "cnn seed 4",
        "mlp seed 3",
        f"cnn seed 3 ({other.fingerprint})",
    ]


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (DataError, DataError),
        (LimitError, DataError),
        (RequestError, DataRequestError),
        (LookupError, TextclfError),
    ],
)
def test_an_expected_error_of_loading_is_a_data_error(tmp_path, capsys, kind, expected):
    def load(config):
        raise kind("not here")

    context = RunContext(Reporter(quiet=True), "cpu", load=load)
    error = run_here(make_config(), tmp_path, context)
    assert type(error) is expected
    assert str(error) == ("LookupError: not here" if kind is LookupError else "not here")
    assert error.exit_code == (2 if kind is RequestError else 1)  # As of `train`.
    assert ("Traceback" in capsys.readouterr().err) == (kind is LookupError)


def test_only_a_data_error_stops_all_runs():
    config, error = make_config(), RunError("in use")
    assert make_failure(config, error) == Failure(config, error)
    with pytest.raises(DataError, match=r"^no such dataset$"):
        make_failure(config, DataError("no such dataset"))


@pytest.mark.parametrize("error", [DataError, KeyboardInterrupt])
def test_folders_of_runs_that_failed_are_removed(tmp_path, replace_executor, error):
    configs = [make_config("mlp"), make_config("cnn")]

    def execute(configs, root):
        for config in configs:
            RunDirectory.of(config, root).path.parent.mkdir(parents=True, exist_ok=True)
        raise error

    replace_executor(execute)
    (tmp_path / "empty").mkdir()
    for root in (tmp_path / "new" / "runs", tmp_path / "empty"):
        with pytest.raises(error):
            run_all(configs, root, RunContext(Reporter()), ExecutorConfig())
        assert [path.name for path in tmp_path.rglob("*")] == ["empty"]
    run, _ = write_run(tmp_path / "runs", "mlp", [True, False, True], seed=7)
    with pytest.raises(error):
        run_all(configs, tmp_path / "runs", RunContext(Reporter()), ExecutorConfig())
    folders = {path.name for path in (tmp_path / "runs").rglob("*") if path.is_dir()}
    assert folders == {"bbc", "mlp", run.path.parent.name, "seed-7"}
