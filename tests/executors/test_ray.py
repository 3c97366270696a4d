"""Runs on Ray: jobs, lost runs, files that are sent back, and messages.

A real Ray is started in other processes, where it leaves no threads behind.
"""

import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

from textclf.comparison.plan import ComparisonPlan
from textclf.config.loading import Override
from textclf.config.resolve import PackedConfig, resolve
from textclf.errors import DataError, LimitError, RequestError
from textclf.executors import _ray_cluster as cluster
from textclf.executors import _ray_worker as worker
from textclf.executors import ray as executor
from textclf.experiment.run import RunContext
from textclf.runs.directory import RunDirectory
from textclf.runs.transfer import unpack_run
from textclf.runtime.progress import LogMessage, Reporter

ARGUMENTS = ["compare", "--dataset", "bbc", "--smoke", "--executor", "ray"]


def make_config(**sections):
    return resolve({"dataset": {"name": "bbc"}, "model": {"name": "majority"}, **sections})


def make_job(tmp_path, **options):
    """Return a job for a machine that does not share the driver's disk."""
    fields = {
        "name": "majority seed 42",
        "packed": PackedConfig.of(make_config()),
        "root": tmp_path,
        "marker": tmp_path / "none",
        "context": {"device": "cpu"},
        "environment": {},
        "inputs": None,
    }
    return worker.Job(**{**fields, **options})


def run_python(code, folder, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_ray_the_install_command_is_named(cli, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    result = cli(*ARGUMENTS)
    assert result.code == 2
    assert result.error_line.startswith(
        "--executor ray needs Ray: pip install 'textclf-keras[ray]' ("
    )


def test_an_address_where_nothing_answers_is_one_line(cli, monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    started = time.monotonic()
    with socket.socket() as listening:  # A server that is not Ray, and sends nothing.
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        result = cli(*ARGUMENTS, "--ray-address", address)
    assert result.code == 2
    assert result.error_line.startswith(f"no Ray cluster at {address}: no answer in 1 s;")
    assert time.monotonic() - started < 15


def test_the_reason_that_ray_gives_for_an_invalid_address_is_in_the_one_line(cli):
    result = cli(*ARGUMENTS, "--ray-address", "nonsense")
    assert result.code == 2
    start = "no Ray cluster at nonsense: "
    reason, advice, _ = result.error_line.partition("; give ray://HOST:10001, or auto on a")
    assert reason.startswith(start)
    assert advice
    assert reason.removeprefix(start) not in {"", "no reason given"}


def test_another_version_on_a_machine_is_refused(tmp_path):
    error = worker.run_job(make_job(tmp_path, version="0.0.1"), None).error
    assert isinstance(error, RequestError)
    assert str(error).startswith("a machine of the cluster has textclf ")
    assert "0.0.1" in str(error)


def test_a_machine_without_the_disk_of_the_driver_asks_for_inputs(tmp_path):
    assert worker.run_job(make_job(tmp_path), None) == worker.JobResult(needs_inputs=True)


def test_a_machine_that_cannot_read_the_dataset_asks_for_inputs(tmp_path, monkeypatch):
    def fail(config):
        raise DataError("not here")

    monkeypatch.setattr(worker, "load_dataset", fail)
    monkeypatch.setattr("textclf.runtime.backend.start", lambda *args, **options: "cpu")
    marker = tmp_path / "marker"
    marker.touch()
    put = type("Put", (), {"remote": lambda *messages: None})
    log_queue = type("LogQueue", (), {"put": put})
    monkeypatch.setattr(signal, "signal", lambda *args: None)
    monkeypatch.setenv("KERAS_HOME", "of this machine")
    job = make_job(tmp_path, marker=marker, environment={"KERAS_HOME": "x"})
    assert worker.run_job(job, log_queue) == worker.JobResult(needs_inputs=True)
    assert os.environ["KERAS_HOME"] == "x"


def test_a_job_carries_the_python_files_of_its_configuration(
    tmp_path, plugins, forget, tensorflow, monkeypatch
):
    """On a machine without the disk of the driver, with the dataset from Ray's object store."""
    pytest.importorskip("ray", reason="the extra ray is not installed")
    names = {"dataset.name": plugins / "words.py", "model.name": plugins / "bayes.py"}
    config = resolve({}, [Override(key, str(path), key) for key, path in names.items()])
    inputs = worker.JobInputs(executor._pack_for_transfer(config), {})
    job = make_job(tmp_path / "driver", packed=PackedConfig.of(config), inputs=inputs)
    job = pickle.loads(pickle.dumps(job))
    shutil.rmtree(plugins)
    forget()
    monkeypatch.setattr("ray.get", lambda reference: reference)
    monkeypatch.setattr(signal, "signal", lambda *args: None)
    put = type("Put", (), {"remote": lambda *messages: None})
    result = worker.run_job(job, type("LogQueue", (), {"put": put}))
    assert result.error is None
    assert {"model.py", "dataset.py", "model.skops", "evaluation.json"} <= set(result.files)
    run = RunDirectory(tmp_path / "received")
    run.path.mkdir()
    unpack_run(run, result.files)
    assert run.read_result().fingerprint == config.fingerprint
    assert run.read_config(trust_code=True).model_dump() == config.model_dump()


@pytest.mark.parametrize("interrupted", ["unpack_run", "run_here"])
def test_an_interrupted_job_returns_its_checkpoint_or_nothing(tmp_path, monkeypatch, interrupted):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(signal, "signal", lambda *args: None)
    monkeypatch.setattr(worker, interrupted, interrupt)
    files = {"config.yaml": b"", "checkpoint.npz": b"of ten epochs"}
    result = worker.run_job(make_job(tmp_path, inputs=worker.JobInputs(None, files)), None)
    assert result.error is None
    if interrupted == "unpack_run":  # The driver has more than was unpacked.
        assert result.files is None
    else:
        assert result.files["checkpoint.npz"] == b"of ten epochs"


def test_the_log_queue_returns_each_message_once():
    log_queue = worker.LogQueue()
    messages = [LogMessage("one"), LogMessage("two", is_warning=True)]
    for message in messages:
        log_queue.put(message)
    assert log_queue.take() == messages
    assert log_queue.take() == []


def test_folders_are_sent_as_absolute_paths_and_limits_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in executor.FOLDER_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KERAS_HOME", "data/keras")
    monkeypatch.setenv("TEXTCLF_MAX_TEXT_MB", "3")
    expected = {"KERAS_HOME": str(tmp_path / "data/keras"), "TEXTCLF_MAX_TEXT_MB": "3"}
    assert executor._list_environment() == expected


def test_baseline_models_reserve_the_processors_of_networks_but_no_gpu():
    asked = (("resources.gpus", 2), ("resources.cpus", 3), ("dataset.name", "bbc"))
    overrides = [Override(key, value, "test") for key, value in asked]
    configs = ComparisonPlan(overrides=overrides, models=["mlp"], seeds=[1, 2]).make_configs()
    reserved = {(c.model.name, c.resources.cpus, c.resources.gpus) for c in configs}
    assert reserved == {("mlp", 3, 2), ("majority", 3, 0), ("tfidf-svc", 3, 0)}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--executor", "ray"], "--executor needs --dataset or --config"),
        (["--jobs", "2"], "--jobs needs --dataset or --config"),
        (["--ray-address", "auto"], "--ray-address needs --dataset or --config"),
        (["--dataset", "bbc", "--ray-address", "auto"], "--ray-address needs --executor ray"),
        (["--executor", "ray", "--ray-address", "auto"], "--executor needs --dataset or --config"),
    ],
)
def test_options_of_executors_need_something_to_run(cli, arguments, problem):
    result = cli("compare", *arguments)
    assert result.code == 2
    assert result.error_line.startswith(problem)


def test_the_resources_that_are_checked_are_those_of_the_largest_run():
    overrides = [Override("dataset.name", "bbc", "test"), Override("resources.gpus", 1, "test")]
    configs = [
        *ComparisonPlan(overrides=overrides, models=["mlp"]).make_configs(),
        make_config(model={"name": "encoder", "trainable_layers": 1, "digest": "d"}),
    ]
    assert {config.resources.memory for config in configs} == {1.5, 3.5}
    largest = cluster.find_largest(configs)
    assert (largest.cpus, largest.gpus, largest.memory) == (1, 1, 3.5)


def test_resources_that_no_machine_has_are_refused_or_waited_for(monkeypatch, capsys):
    ray = pytest.importorskip("ray", reason="the extra ray is not installed")
    machines = [{"CPU": 2.0, "memory": 4e9}, {"CPU": 4.0, "GPU": 1.0, "memory": 4e9}, {"CPU": 64.0}]
    nodes = [{"Alive": "64" not in str(m), "Resources": m} for m in machines]
    monkeypatch.setattr(ray, "nodes", lambda: nodes)

    def check(device="auto", address=None, **wanted):
        context = RunContext(Reporter(), device)
        cluster.check_resources(make_config(resources=wanted).resources, context, address)
        return capsys.readouterr().err

    fitting = check(cpus=4, gpus=1)
    assert fitting.splitlines() == [
        "Ray at this machine: machines 2, CPUs 6, GPUs 1; each run needs up to: CPUs 4, GPUs 1,"
        " memory 1.5 GB"
    ]
    for wanted in ({"cpus": 5}, {"gpus": 2}, {"memory": 5}):
        with pytest.raises(RequestError, match=r"^no machine has what a run needs"):
            check(**wanted)
    assert "waiting for one to join; press Ctrl-C to stop" in check(address="auto", cpus=5)
    with pytest.raises(RequestError, match=r"^--device gpu with --executor ray needs --set"):
        check("gpu")


DRIVER = """
import os
from pathlib import Path
from textclf.config.resolve import PackedConfig, resolve
from textclf.errors import TextclfError
from textclf.executors import ray as executor
from textclf.executors._base import ExecutorConfig
from textclf.executors._ray_worker import JobResult
from textclf.experiment.run import RunContext
from textclf.runtime.progress import LogMessage, Reporter

root = Path("root").absolute()

def work(job, log_queue):
    seed = job.packed.tree["seed"]
    with (root / f"tries-{seed}").open("a") as file:
        file.write("again " if job.context["lock_timeout_seconds"] else "first ")
    n_tries = len((root / f"tries-{seed}").read_text().split())
    sent = log_queue.put.remote(LogMessage(f"try {n_tries} of {seed}"))
    import ray
    if seed == 5:  # The message must have arrived when the run ends.
        ray.get(sent)
    if seed == 0:
        ray.kill(log_queue, no_restart=False)
    if seed == 1 or (seed == 2 and n_tries == 1):
        os.kill(os.getpid(), 9)
    if seed == 3:
        raise LookupError("a bug\\nof somebody")
    if seed == 4:
        return JobResult(TextclfError("expected"))
    return JobResult()

config = resolve({"dataset": {"name": "bbc"}, "model": {"name": "majority"}})
configs = [config.model_copy(update={"seed": seed}) for seed in range(6)]
with executor.opened(root, ExecutorConfig("ray", jobs=2), work=work) as opened:
    failures = opened.execute(configs, RunContext(Reporter()))  # Standard output is Ray's.
for failure in failures:
    print(failure.config.seed, failure.error)
print(sorted(path.name for path in root.iterdir() if path.name.startswith(".")))
"""


@pytest.mark.slow
def test_lost_runs_start_again_and_failed_ones_stop_no_other(tmp_path):
    done = run_python(DRIVER, tmp_path)
    assert done.returncode == 0, done.stderr
    failures = dict(line.split(" ", 1) for line in done.stdout.splitlines()[:-1])
    assert set(failures) == {"1", "3", "4"}
    assert failures["1"].startswith("lost 3 times with its machine or process (")
    assert failures["3"] == "LookupError on its machine: a bug"
    assert failures["4"] == "expected"
    tries = {path.name: path.read_text() for path in (tmp_path / "root").glob("tries-*")}
    assert tries == {
        "tries-0": "first ",
        "tries-1": "first again again ",
        "tries-2": "first again ",
        "tries-3": "first ",
        "tries-4": "first ",
        "tries-5": "first ",
    }
    assert "6 of 6 runs done, 0 s left" in done.stderr
    assert "majority seed 2: lost; starting again (" in done.stderr
    assert "try 1 of 5" in done.stderr  # After the log queue was lost and made again.
    assert done.stdout.splitlines()[-1] == "[]"  # The marker is removed from the run root.


BROKEN_DATASET = """
import time
from pathlib import Path
from textclf.config.resolve import resolve
from textclf.errors import DataError
from textclf.executors import ray as executor
from textclf.executors._base import ExecutorConfig
from textclf.executors._ray_worker import JobResult
from textclf.experiment.run import RunContext
from textclf.runtime.progress import Reporter

root = Path("root").absolute()

def work(job, log_queue):
    (root / f"begun-{job.packed.tree['seed']}").touch()
    try:
        while not all((root / f"begun-{seed}").exists() for seed in range(2)):
            time.sleep(0.01)
        if job.packed.tree["seed"] == 1:
            return JobResult(DataError("no such dataset"))
        while True:
            time.sleep(0.01)
    except KeyboardInterrupt:
        (root / f"interrupted-{job.packed.tree['seed']}").touch()
        return JobResult()

config = resolve({"dataset": {"name": "bbc"}, "model": {"name": "majority"}})
configs = [config.model_copy(update={"seed": seed}) for seed in range(6)]
try:
    context, two = RunContext(Reporter()), ExecutorConfig("ray", jobs=2)
    with executor.opened(root, two, work=work) as opened:
        opened.execute(configs, context)
except DataError as error:
    print(error)
"""


@pytest.mark.slow
def test_a_dataset_that_cannot_be_loaded_stops_all_runs(tmp_path):
    done = run_python(BROKEN_DATASET, tmp_path)
    assert (done.returncode, done.stdout) == (0, "no such dataset\n"), done.stderr
    found = {path.name for path in (tmp_path / "root").glob("[!.]*")}
    assert found == {"begun-0", "begun-1", "interrupted-0"}


def test_a_dataset_that_the_driver_cannot_load_either_is_a_data_error(tmp_path, monkeypatch):
    def fail(config):
        raise LimitError("too large")

    monkeypatch.setattr(executor, "load_dataset", fail)
    dispatcher = object.__new__(executor._RayExecutor)
    dispatcher.context, dispatcher.datasets = RunContext(Reporter(quiet=True)), {}
    for _ in range(2):
        with pytest.raises(DataError, match=r"^too large$"):
            dispatcher._make_inputs(make_config())
    assert len(dispatcher.datasets) == 1


UNSHARED = """
import contextlib
from pathlib import Path
from textclf.executors import ray as executor

@contextlib.contextmanager
def yield_missing_marker(root):
    yield Path("/nowhere/marker")

executor._marker = yield_missing_marker
from textclf.cli import main
main()
"""


@pytest.mark.slow
def test_without_a_shared_disk_files_are_sent_back_and_an_interrupted_run_resumes(tmp_path):
    rows = "text,label\n" + "".join(f"{word} text {i},{word}\n" for i in range(40) for word in "ab")
    (tmp_path / "own.csv").write_text(rows)
    arguments = ["compare", "--dataset", "own.csv", "--model", "mlp", "--set", "text.num_words=100"]
    arguments += ["--set", "model.embedding_dim=4", "--set", "training.epochs=60", "--jobs", "1"]
    command = [sys.executable, "-c", UNSHARED, *arguments, "--executor", "ray"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if "mlp seed 42: epoch 3/" in line:
                process.terminate()  # Handled like Ctrl-C, although Ray has a handler of its own.
                break
        rest = process.stderr.read()
    assert process.returncode == 143, rest
    assert rest.splitlines()[-1] == "textclf: terminated"
    assert "Traceback" not in rest
    [run] = [r for r in RunDirectory.list_below(tmp_path / "runs") if "mlp" in str(r.path)]
    assert not run.is_finished
    n_done = len(run.read_checkpoint().rows)
    assert n_done >= 2
    again = run_python(UNSHARED, tmp_path, *arguments, "--executor", "ray", "--format", "json")
    assert again.returncode == 0, again.stderr
    assert f"mlp seed 42: epoch {n_done + 1}/60" in again.stderr
    assert f"mlp seed 42: epoch {n_done}/60" not in again.stderr
    assert again.stderr.count("own.csv for the cluster") == 1  # Once for three runs.
    assert {found.read_result().model for found in RunDirectory.list_below(tmp_path / "runs")} == {
        "majority",
        "mlp",
        "tfidf-svc",
    }
    assert run.find_damage() == []
    expected = resolve({"dataset": {"name": str(tmp_path / "own.csv")}, "model": {"name": "mlp"}})
    assert run.read_config().dataset == expected.dataset
