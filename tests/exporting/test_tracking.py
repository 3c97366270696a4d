"""Runs are sent once and completely, and a failing server costs no run."""

import http.server
import io
import os
import shutil
import threading
import time
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import mlflow
import pytest
import requests
from rich.console import Console

import textclf
from textclf.errors import DataError, RequestError
from textclf.exporting import tracking as module
from textclf.exporting.tracked import TrackedRun, TrackedStudy
from textclf.exporting.tracking import TIMEOUT_VARIABLE, hide_credentials, tracking
from textclf.runs.directory import RunDirectory
from textclf.runtime.progress import Reporter
from textclf.storage.checksums import hash_file
from textclf.training.history import EpochRow

ADDRESS = "http://bob:s3cret@tracking.example:5000/path?token=abc"


class FakeClient:
    """MLflow's client, with the runs in memory; ``failures`` are raised by calls of a number."""

    def __init__(self):
        self.experiments, self.runs, self.n_calls = {}, {}, 0
        self.failures = {}
        self.written = threading.Event()

    def __call__(self):
        return self

    def __getattribute__(self, name):
        attribute = object.__getattribute__(self, name)
        if name.startswith(("get_", "create_", "log_", "search_", "set_")):
            self.n_calls += 1
            if error := self.failures.get(self.n_calls):
                raise error
        return attribute

    def get_experiment_by_name(self, name):
        found = self.experiments.get(name)
        return SimpleNamespace(experiment_id=found) if found else None

    def create_experiment(self, name):
        self.experiments[name] = f"experiment-{name}"
        return self.experiments[name]

    def search_runs(self, experiments, query, max_results):
        key = query.partition(" = ")[2].strip("'")
        return [
            run
            for run in self.runs.values()
            if run.experiment in experiments and run.data.tags["textclf.run"] == key
        ][:max_results]

    def create_run(self, experiment, start_time, tags, run_name):
        run = SimpleNamespace(
            experiment=experiment,
            info=SimpleNamespace(run_id=f"id-{len(self.runs)}", start_time=start_time, status=None),
            data=SimpleNamespace(tags=dict(tags), params={}),
            name=run_name,
            metrics=set(),
            files=set(),
        )
        return self.runs.setdefault(run.info.run_id, run)

    def log_batch(self, run_id, metrics=(), params=()):
        assert len(metrics) <= 1000
        assert len(params) <= 100
        run = self.runs[run_id]
        run.metrics |= {(m.key, m.value, m.timestamp, m.step) for m in metrics}
        for param in params:
            assert len(param.value) <= 6000
            assert run.data.params.setdefault(param.key, param.value) == param.value

    def log_artifact(self, run_id, path, folder):
        self.runs[run_id].files.add("/".join(filter(None, [folder, Path(path).name])))

    def set_terminated(self, run_id, status, end_time):
        self.runs[run_id].info.status = status
        self.runs[run_id].info.end_time = end_time

    def set_tag(self, run_id, key, value):
        self.runs[run_id].data.tags[key] = value
        self.written.set()

    @property
    def content(self):
        """All runs, for comparison."""
        return {run.data.tags["textclf.run"]: vars(run) for run in self.runs.values()}


@pytest.fixture
def client(monkeypatch):
    client = FakeClient()
    monkeypatch.setattr(mlflow, "MlflowClient", client)
    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", ADDRESS)
    for name in (*module.DEFAULTS, "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    return client


@pytest.fixture
def console():
    return Console(record=True, file=io.StringIO(), soft_wrap=True)


def send(console, *items):
    """Send items; return the messages."""
    with tracking("mlflow", Reporter(console=console)) as tracker:
        tracker.add(*items)
    return console.export_text().splitlines()


def test_everything_about_a_run_is_sent(client, console, smoke_run):
    first, last = send(console, TrackedRun(smoke_run))
    assert first == "tracking: MLflow at http://tracking.example:5000/path, experiment textclf"
    assert last == "MLflow: 1 run sent"
    (run,) = client.runs.values()
    directory = RunDirectory(smoke_run)
    config, result, rows = (
        directory.read_config(),
        directory.read_result(),
        directory.read_history(),
    )
    assert run.experiment == "experiment-textclf"
    assert (run.name, run.info.status) == ("bbc-mlp-seed-42", "FINISHED")
    names = [field.name for field in fields(EpochRow) if field.name != "epoch"]
    sent = {(key, step): value for key, value, _, step in run.metrics}
    assert len(rows) == 3
    for row in rows:
        for name in names:
            assert sent.pop((name, row.epoch)) == getattr(row, name)
    for name, value in result.evaluation.metrics.items():
        assert sent[f"test_{name}", 0] == value
    assert sent["test_accuracy_high", 0] == result.evaluation.intervals["accuracy"][1]
    assert sent["n_parameters", 0] == result.n_parameters
    validation = directory.read_validation().evaluation.metrics
    assert sent["validation_accuracy", 0] == validation["accuracy"]
    assert run.data.params == {**config.format_settings(), "seed": "42"}
    assert run.data.params["training.epochs"] == "3"
    assert run.data.params["model.name"] == "mlp"
    assert run.data.params["training.patience"] == "null"
    tags = run.data.tags
    assert tags["textclf.fingerprint"] == config.fingerprint
    assert tags["version.textclf"] == textclf.__version__
    listed = {path.name for path in smoke_run.iterdir() if path.name != ".lock"}
    assert run.files == listed >= {"model.keras", "evaluation.json", "history.png"}


def test_epochs_have_the_times_at_which_they_ended(client, console, smoke_run):
    send(console, TrackedRun(smoke_run))
    (run,) = client.runs.values()
    rows = RunDirectory(smoke_run).read_history()
    times = {step: time for key, _, time, step in run.metrics if key == "loss"}
    assert times[3] - times[2] == pytest.approx(rows[2].seconds * 1000, abs=1)
    assert times[2] - times[1] == pytest.approx(rows[1].seconds * 1000, abs=1)
    assert run.info.start_time < times[1] < times[3] < run.info.end_time
    finished = RunDirectory(smoke_run).finish_time.timestamp()
    assert run.info.end_time == pytest.approx(finished * 1000, abs=1)


def test_a_run_is_sent_once(client, console, smoke_run, monkeypatch):
    send(console, TrackedRun(smoke_run), TrackedRun(smoke_run))
    before = client.content
    assert send(console, TrackedRun(smoke_run))[-1] == "MLflow: 0 runs sent, 1 already there"
    assert client.content == before
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "other")
    assert send(console, TrackedRun(smoke_run))[-1] == "MLflow: 1 run sent"
    assert len(client.runs) == 2


def test_a_run_that_was_trained_again_is_another_run(client, console, smoke_run, tmp_path):
    copy = shutil.copytree(smoke_run, tmp_path / "copy")
    meta = RunDirectory(copy).read_meta()
    text = (copy / "history.csv").read_text()
    (copy / "history.csv").write_text(text[:-1] + "5\n")  # Another duration.
    meta["checksums"]["history.csv"] = hash_file(copy / "history.csv")
    RunDirectory(copy).write_meta(meta)
    send(console, TrackedRun(smoke_run), TrackedRun(copy))
    assert len(client.runs) == 2


def test_a_run_that_was_sent_in_part_is_completed(client, console, smoke_run):
    send(console, TrackedRun(smoke_run))
    whole, n_calls = client.content, client.n_calls
    for n_done in range(n_calls):
        client.__init__()
        client.failures = {n_done + 1: ConnectionResetError("reset")}
        assert "1 run not sent" in send(console, TrackedRun(smoke_run))[-1]
        assert client.n_calls == n_done + 1  # It does not try again.
        assert send(console, TrackedRun(smoke_run))[-1] == "MLflow: 1 run sent"
        assert client.content == whole


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (requests.ConnectionError(f"Max retries: {ADDRESS}"), "does not answer"),
        (RuntimeError(f"API request to {ADDRESS} failed: 403"), "API request to http://tracking"),
    ],
)
def test_a_failing_server_is_one_warning_without_the_password(
    client, console, smoke_run, error, reason
):
    wrapped = RuntimeError("wrapped")
    wrapped.__cause__ = error
    client.failures = {1: wrapped if "Max" in str(error) else error}
    lines = send(console, TrackedRun(smoke_run))
    (warning,) = (line for line in lines if line.startswith("WARNING"))
    assert warning.startswith("WARNING: MLflow at http://tracking.example:5000/path, experiment")
    assert reason in warning
    assert warning.endswith("; 1 run not sent: the same command sends the rest later")
    assert "s3cret" not in "".join(lines)


def test_a_server_that_never_answers_is_given_up(client, console, smoke_run, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    monkeypatch.setenv(TIMEOUT_VARIABLE, "1")
    answered = threading.Event()
    monkeypatch.setattr(client, "create_experiment", lambda name: answered.wait(60))
    began = time.monotonic()
    with tracking("mlflow", Reporter(console=console)) as tracker:
        tracker.add(TrackedRun(smoke_run))
    assert time.monotonic() - began < 10
    assert "does not answer; 1 run not sent" in console.export_text().splitlines()[-1]
    answered.set()
    tracker._thread.join(60)
    assert not client.runs  # What it has given up, it does not do later.


@pytest.fixture
def losing_server(monkeypatch):
    """A server that creates runs and never responds; return the paths of its requests."""
    paths, is_ending = [], threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            paths.append(self.path.rpartition("mlflow/")[2])
            if self.path.endswith("/create"):
                is_ending.wait(60)
            body = b"{}" if self.command == "POST" else b'{"experiment": {"experiment_id": "1"}}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST  # noqa: N815

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.server_port}")
        yield paths
        is_ending.set()
        server.shutdown()


def test_a_run_is_created_once_if_the_response_is_lost(
    losing_server, console, smoke_run, monkeypatch
):
    monkeypatch.setenv(TIMEOUT_VARIABLE, "1")
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    assert "does not answer; 1 run not sent" in send(console, TrackedRun(smoke_run))[-1]
    assert losing_server[-1] == "runs/create"
    assert losing_server.count("runs/create") == 1


def test_a_slow_server_that_answers_gets_everything(client, console, smoke_run, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    monkeypatch.setenv(TIMEOUT_VARIABLE, "1")
    log = client.log_artifact

    def log_slowly(*arguments):
        time.sleep(0.05)
        log(*arguments)

    monkeypatch.setattr(client, "log_artifact", log_slowly)
    began = time.monotonic()
    assert send(console, TrackedRun(smoke_run))[-1] == "MLflow: 1 run sent"
    assert time.monotonic() - began > 0.2  # Longer than it waits for one answer.


def test_a_run_is_sent_while_others_are_trained(client, console, smoke_run, tmp_path):
    copy = shutil.copytree(smoke_run, tmp_path / "copy")
    (copy / "evaluation.json").rename(tmp_path / "evaluation.json")
    with tracking("mlflow", Reporter(console=console)) as tracker:
        tracker.add(TrackedRun(tmp_path / "missing"), TrackedRun(copy))
        assert not client.written.wait(0.05)
        (tmp_path / "evaluation.json").rename(copy / "evaluation.json")
        assert client.written.wait(60)
    assert console.export_text().splitlines()[-1] == "MLflow: 1 run sent"


def test_a_damaged_run_does_not_stop_the_others(client, console, smoke_run, tmp_path):
    copy = shutil.copytree(smoke_run, tmp_path / "copy")
    (copy / "history.csv").write_text("damaged")
    lines = send(console, TrackedRun(copy), TrackedRun(smoke_run))
    assert lines[-1] == "MLflow: 1 run sent"


def test_what_has_finished_is_sent_after_an_error_but_not_after_an_interrupt(
    client, console, smoke_run
):

    def fail(error):
        with tracking("mlflow", Reporter(console=console)) as tracker:
            tracker.add(TrackedRun(smoke_run))
            raise error

    with pytest.raises(DataError):
        fail(DataError("another dataset"))
    assert len(client.runs) == 1
    answered = threading.Event()
    client.get_experiment_by_name = lambda name: answered.wait(60)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        fail(KeyboardInterrupt())
    assert time.monotonic() - began < 5
    answered.set()


def test_environment_is_set_for_the_block_only(client, console, monkeypatch):
    monkeypatch.setenv(TIMEOUT_VARIABLE, "7")
    with tracking("mlflow", Reporter(console=console)):
        assert os.environ[TIMEOUT_VARIABLE] == "7"
        assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "0"
    assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ


def test_trials_are_below_their_study(client, console, smoke_run, tmp_path):
    config = RunDirectory(smoke_run).read_config()
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "trials.csv").write_text("number\n0\n")
    (tmp_path / "study" / ".lock").touch()

    def describe(n_trials):
        params = {"search.model.units": {"choices": [8, 16]}}
        metrics = {"n_trials": n_trials, "best_validation_accuracy": 0.5}
        return TrackedStudy(tmp_path / "study", config, "0 1.5", params, metrics)

    pruned = tmp_path / "pruned"
    pruned.mkdir()
    for name in ("config.yaml", "history.csv", "meta.json"):
        shutil.copy(smoke_run / name, pruned / name)
    rows = (smoke_run / "history.csv").read_text().splitlines(keepends=True)
    (pruned / "history.csv").write_text("".join(rows[:-1]))
    trials = [TrackedRun(smoke_run, describe(1), 0), TrackedRun(pruned, describe(2), 1)]
    for _ in range(2):
        last = send(console, *trials, TrackedRun(smoke_run), describe(2))[-1]
    assert last == "MLflow: 0 runs sent, 3 already there"
    by_name = {run.name: run for run in client.runs.values()}
    assert set(by_name) == {"study", "trial-0-seed-42", "trial-1-seed-42"}
    study = by_name["study"]
    assert study.data.params["search.model.units"] == '{"choices": [8, 16]}'
    assert {(key, value) for key, value, *_ in study.metrics} >= {("n_trials", 2)}
    assert study.files == {"trials.csv"}
    statuses = {"trial-0-seed-42": "FINISHED", "trial-1-seed-42": "KILLED"}
    for name, status in statuses.items():
        tags = by_name[name].data.tags
        assert tags["mlflow.parentRunId"] == study.info.run_id
        assert (tags["textclf.study"], by_name[name].info.status) == ("study", status)


def test_limits_of_mlflow_are_kept(client, console, smoke_run, tmp_path):
    config = RunDirectory(smoke_run).read_config()
    (tmp_path / "trials.csv").touch()
    params = {f"search.model.key{i}": "x" * 10_000 for i in range(150)}
    metrics = {f"metric{i}": i for i in range(1_200)}
    assert "WARNING" not in send(console, TrackedStudy(tmp_path, config, "", params, metrics))[-1]
    (run,) = client.runs.values()
    assert len(run.metrics) == 1_200
    assert {len(run.data.params[key]) for key in params} == {6_000}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (ADDRESS, "http://tracking.example:5000/path?token=abc"),
        ("at 'postgresql://u:p@ss@host/db'", "at 'postgresql://host/db'"),
        ("sqlite:////home/a@b/mlflow.db", "sqlite:////home/a@b/mlflow.db"),
    ],
)
def test_credentials_are_hidden(text, shown):
    assert hide_credentials(text) == shown


def test_requests_that_cannot_be_met_are_refused_before_training(monkeypatch, console):
    with pytest.raises(RequestError, match="unknown tracker 'mlfow': did you mean 'mlflow'"):
        textclf.train("majority", "bbc", track="mlfow")
    monkeypatch.setenv(TIMEOUT_VARIABLE, "soon")
    with pytest.raises(RequestError, match="'soon': expected a positive number of seconds"):
        send(console)
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(RequestError, match=r"pip install 'textclf-keras\[mlflow\]'"):
        textclf.train("majority", "bbc", track="mlflow")


def test_commands_send_runs(client, cli, smoke_run):
    answer = cli("compare", smoke_run, "--track", "mlflow")
    assert answer.code == 0
    assert "MLflow: 1 run sent" in answer.err
    options = ["--model", "majority", "--dataset", "bbc", "--smoke", "--track", "mlflow"]
    answer = cli("train", *options)
    assert "MLflow: 1 run sent" in answer.err, answer.err
    assert "MLflow: 0 runs sent, 1 already there" in cli("train", *options).err
    assert {run.name for run in client.runs.values()} == {"bbc-mlp-seed-42", "bbc-majority-seed-42"}


@pytest.mark.slow
def test_tune_sends_trials_and_the_comparison(client, cli):
    options = ["--model", "tfidf-svc", "--dataset", "bbc", "--smoke", "--trials", "3"]
    answer = cli("tune", *options, "--track", "mlflow")
    assert answer.code == 0, answer.err
    trials = [run for run in client.runs.values() if "textclf.trial" in run.data.tags]
    assert len(trials) >= 2
    tested = [run for run in trials if any(key == "test_accuracy" for key, *_ in run.metrics)]
    assert tested
    assert len({run.data.tags["mlflow.parentRunId"] for run in trials}) == 1
    n_runs = len(client.runs)
    assert "MLflow: 0 runs sent" in cli("tune", *options, "--track", "mlflow").err
    assert len(client.runs) == n_runs


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_mlflow_keeps_what_is_sent(console, smoke_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    for n_there in range(2):
        last = send(console, TrackedRun(smoke_run))[-1]
        assert last == f"MLflow: {1 - n_there} run{'s' * n_there} sent" + (
            ", 1 already there" if n_there else ""
        )
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("textclf")
    (run,) = client.search_runs([experiment.experiment_id])
    rows = RunDirectory(smoke_run).read_history()
    for name in ("loss", "val_accuracy", "seconds"):
        history = client.get_metric_history(run.info.run_id, name)
        assert [(m.step, m.value) for m in history] == [(r.epoch, getattr(r, name)) for r in rows]
    config = RunDirectory(smoke_run).read_config()
    assert run.data.params == {**config.format_settings(), "seed": "42"}
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert files == {path.name for path in RunDirectory(smoke_run).list_results()}
