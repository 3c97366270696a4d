"""Runs in processes of this machine: the same results, and one failure stops no other run."""

import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from textclf.config.resolve import resolve
from textclf.errors import RequestError
from textclf.executors import _local_worker, local
from textclf.executors._base import ExecutorConfig
from textclf.experiment.run import RunContext
from textclf.runs.directory import RunDirectory
from textclf.runtime.machine import count_processors
from textclf.runtime.progress import LogMessage, Reporter

COMMAND = Path(sys.executable).with_name("textclf")
ARGUMENTS = ["compare", "--dataset", "bbc", "--smoke", "--set", "text.num_words=500"]
MODELS = ["--model", "mlp", "--model", "lstm"]


def make_config(**sections):
    return resolve({"dataset": {"name": "bbc"}, "model": {"name": "mlp"}, **sections})


@pytest.mark.slow
@pytest.mark.usefixtures("tensorflow")
def test_processes_give_the_results_of_one_and_a_failure_stops_no_other_run(cli, tmp_path):
    arguments = [*ARGUMENTS, "--model", "cnn", "--model", "mlp", "--set", "text.sequence_length=2"]
    result = cli(*arguments, "--jobs", "2", "--run-root", "two", "--format", "json")
    assert result.code == 1
    threads = max(1, count_processors() // 2)
    assert f"4 runs, 2 at once with {threads} thread{'s' * (threads > 1)} each" in result.err
    assert "mlp seed 42: epoch 1/1" in result.err
    assert "4 of 4 runs done, 0 s left" in result.err
    assert "Traceback" not in result.err
    assert {row["model"] for row in result.json} == {"cnn", "mlp", "majority", "tfidf-svc"}
    assert [row["model"] for row in result.json if row.get("error")] == ["cnn"]
    # No run here has a convolution, whose last digits depend on the number of threads.
    assert cli(*arguments, "--run-root", "one", "--quiet").code == 1
    pairs = [RunDirectory.list_below(tmp_path / name / "_smoke") for name in ("one", "two")]
    assert len(pairs[0]) == 3
    for one, two in zip(*pairs, strict=True):
        assert two.find_damage() == []
        assert two.read_meta()["n_threads"] == threads
        assert one.read_meta()["n_threads"] == count_processors()
        for name in ("predictions.npz", "config.yaml"):
            assert (one.path / name).read_bytes() == (two.path / name).read_bytes()


@pytest.mark.slow
@pytest.mark.usefixtures("tensorflow")
def test_python_files_are_executed_in_processes_where_they_do_not_exist(cli, tmp_path, plugins):
    for name in ("bayes.py", "words.py"):
        with (plugins / name).open("a") as file:
            file.write("\nimport pathlib\npathlib.Path(__file__).unlink(missing_ok=True)\n")
    arguments = ["compare", "--dataset", "plugins/words.py", "--model", "plugins/bayes.py"]
    result = cli(*arguments, "--jobs", "2", "--format", "json")
    assert result.code == 0, result.err
    assert {row["model"] for row in result.json} == {"bayes.py", "majority", "tfidf-svc"}
    assert not (plugins / "bayes.py").exists()
    [run] = (tmp_path / "runs" / "words.py" / "bayes.py").glob("*/*")
    assert (run / "model.py").read_text().startswith('"""Naive Bayes')


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("gpus", 1.5, "should be a whole number, or a fraction of one GPU from 0.01"),
        ("gpus", 0.0001, "should be a whole number, or a fraction of one GPU from 0.01"),
        ("gpus", -1, "should be greater than or equal to 0"),
        ("cpus", 0, "should be greater than 0"),
        ("memory", 0, "should be greater than or equal to 0.1"),
    ],
)
def test_resources_out_of_range_are_refused(key, value, problem):
    with pytest.raises(RequestError, match=problem):
        make_config(resources={key: value})


def test_resources_do_not_change_the_fingerprint():
    wanted = {"cpus": 3, "gpus": 0.5, "memory": 20}
    assert make_config(resources=wanted).fingerprint == make_config().fingerprint


def test_a_worker_reports_a_failed_start_of_tensorflow_and_ends(monkeypatch):
    error = RequestError("TensorFlow finds no GPU")
    started = []

    def fail(device, *, threads):
        started.append((device, threads))
        raise error

    monkeypatch.setattr(local.backend, "start", fail)
    parent, child = multiprocessing.Pipe()
    _local_worker.work(child, Path("runs"), ("gpu", 3))
    assert started == [("gpu", 3)]
    message = parent.recv()
    assert isinstance(message, _local_worker.StartFailed)
    assert str(message.error) == str(error)
    assert not parent.poll()


@pytest.mark.slow
def test_a_failed_start_of_tensorflow_is_reported_once_for_all_runs(cli, monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")  # Hides the GPUs of a machine that has some.
    result = cli(*ARGUMENTS, *MODELS, "--jobs", "2", "--device", "gpu")
    assert (result.code, result.out) == (2, "")
    assert result.error_line.startswith("--device gpu: TensorFlow finds no GPU;")
    assert result.err.count("finds no GPU") == 1
    assert RunDirectory.list_below(tmp_path) == []


@pytest.mark.slow
@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize("options", [[], ["--jobs", "2"]], ids=["one", "two"])
def test_a_dataset_that_cannot_be_loaded_is_reported_once(cli, tmp_path, options):
    (tmp_path / "one.csv").write_text("text,label\ngood,x\nbad,x\n")
    arguments = ["compare", "--dataset", "one.csv", *MODELS, "--seeds", "3", *options]
    result = cli(*arguments)
    assert (result.code, result.out) == (1, "")
    problem = f"{tmp_path / 'one.csv'} has only one label, 'x'; at least two labels are needed"
    assert result.error_line == problem
    assert result.err.count("only one label") == 1
    assert result.err.count("loading") <= 2  # Of twelve runs.
    assert "runs done" not in result.err


def find_workers(process):
    """Return the worker processes of a comparison, once one of them has trained an epoch."""
    for line in process.stderr:
        if "epoch 1/" in line:
            break
    children = psutil.Process(process.pid).children()
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def start(folder, *arguments):
    """Start a comparison with two workers whose networks train for long."""
    command = [COMMAND, *ARGUMENTS, *MODELS, *arguments, "--set", "training.epochs=300"]
    return subprocess.Popen(
        [*command, "--jobs", "2"], cwd=folder, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.posix
@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_an_interrupt_stops_all(tmp_path):
    with start(tmp_path) as process:
        workers = find_workers(process)
        assert len(workers) == 2
        workers[0].kill()
        lines = iter(process.stderr.readline, "")
        assert any("1 of 4 runs done" in line for line in lines)
        assert any("seed 42: loading" in line for line in lines)  # Another run, in a new process.
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert rest.splitlines()[-1] == "textclf: interrupted"
    assert "Traceback" not in rest
    assert not any(worker.is_running() for worker in workers)
    networks = [
        run
        for run in RunDirectory.list_below(tmp_path / "runs" / "_smoke")
        if "majority" not in str(run.path) and "svc" not in str(run.path)
    ]
    assert networks
    assert not any(run.is_finished for run in networks)
    assert any((run.path / "checkpoint.npz").is_file() for run in networks)


TERMINATED = [*ARGUMENTS, "--model", "mlp", "--seeds", "2", "--jobs", "2", "--format", "json"]
TERMINATED += ["--set", "text.sequence_length=20", "--set", "model.embedding_dim=2"]
TERMINATED += ["--set", "training.epochs=60"]


def terminate(folder, *, reaches_all):
    """Send SIGTERM to a comparison; return the number of epochs of each run with a checkpoint."""
    with subprocess.Popen(
        [COMMAND, *TERMINATED], cwd=folder, stderr=subprocess.PIPE, text=True
    ) as process:
        assert len(find_workers(process)) == 2
        others = psutil.Process(process.pid).children(recursive=True)
        if reaches_all:
            for other in others:
                other.terminate()
            # More lines than were sent before the signal.
            lines = (line for line in process.stderr if ": epoch " in line)
            assert len(list(itertools.islice(lines, 10))) == 10
        process.terminate()
        rest = process.stderr.read()
    assert process.returncode == 143, rest
    assert "run the same command again to resume each run" in rest
    assert rest.splitlines()[-1] == "textclf: terminated"
    assert "Traceback" not in rest
    assert psutil.wait_procs(others, timeout=60)[1] == []
    runs = RunDirectory.list_below(folder / "runs" / "_smoke")
    checkpoints = {run.path: run.read_checkpoint() for run in runs}
    return {path: len(found.rows) for path, found in checkpoints.items() if found}


@pytest.mark.posix
@pytest.mark.slow
def test_sigterm_lets_workers_complete_their_step(tmp_path):
    assert terminate(tmp_path, reaches_all=False)


@pytest.mark.posix
@pytest.mark.slow
def test_workers_leave_sigterm_to_their_parent_and_the_runs_resume(cli, tmp_path):
    # As from a supervisor, which sends it to all processes of a service.
    n_epochs = terminate(tmp_path, reaches_all=True)
    assert n_epochs
    result = cli(*TERMINATED)
    assert result.code == 0
    assert {row["model"]: row["n_seeds"] for row in result.json}["mlp"] == 2
    for path, n_done in n_epochs.items():
        seed = path.name.removeprefix("seed-")
        assert f"mlp seed {seed}: epoch {n_done + 1}/60" in result.err
        assert f"mlp seed {seed}: epoch {n_done}/60" not in result.err
        assert RunDirectory(path).find_damage() == []


@pytest.mark.slow
def test_workers_end_with_their_parent_process(tmp_path):
    with start(tmp_path) as process:
        workers = find_workers(process)
        process.kill()
    psutil.wait_procs(workers, timeout=60)
    assert not any(worker.is_running() for worker in workers)


def make_worker(process, connection, config):
    """Return a worker that is running a configuration, without starting its process."""
    worker = object.__new__(_local_worker.Worker)
    worker.process, worker.connection, worker.config = process, connection, config
    worker.is_silent, worker.name = True, "mlp seed 42"
    return worker


def make_pool(*workers, kind=local._WorkerPool, jobs=3, memory=10**9):
    pool = kind(Path("runs"))
    pool.jobs, pool.memory = jobs, memory
    pool.workers.extend(workers)
    return pool


CONTEXT = RunContext(Reporter(quiet=True))


def make_configs(n):
    return [make_config(seed=seed, resources={"memory": 1}) for seed in range(n)]


@pytest.mark.posix
@pytest.mark.parametrize("unread", [False, True])
def test_the_death_of_a_worker_is_a_failure_with_advice(unread):
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=os._exit, args=(9,))
    process.start()
    parent, child = multiprocessing.Pipe()
    if unread:  # It died before it received its configuration.
        parent.send("a configuration")
    child.close()
    config = make_config()
    worker = make_worker(process, parent, config)
    [failure] = make_pool(worker)._listen(Reporter(quiet=True))
    assert (worker.config, failure.config) == (None, config)
    assert str(failure.error) == "its process exited with code 9"
    killed = str(_local_worker._explain_exit(-signal.SIGKILL))
    assert (
        killed == "its process exited with code -9; it may have run out of memory: try fewer --jobs"
    )


def test_messages_of_a_worker_are_printed_with_the_name_of_its_run(capsys):
    parent, child = multiprocessing.Pipe()
    worker = make_worker(None, parent, make_config())
    pool = make_pool(worker)
    child.send(LogMessage("epoch 1/1"))
    assert list(pool._listen(Reporter())) == []
    assert capsys.readouterr().err == "mlp seed 42: epoch 1/1\n"
    assert not worker.is_silent  # It has allocated its memory.
    child.send(_local_worker.RunEnded(None))
    assert list(pool._listen(Reporter())) == [None]
    assert worker.config is None
    child.send(_local_worker.StartFailed(RequestError("no GPU")))
    worker.config = make_config()
    with pytest.raises(RequestError, match=r"^no GPU$"):
        list(pool._listen(Reporter()))


@pytest.mark.parametrize(
    ("n_processors", "gigabytes", "device", "wanted", "expected"),
    [
        (8, 64, "cpu", {}, 8),
        (8, 5, "cpu", {}, 3),
        (8, 1, "cpu", {}, 1),
        (8, 64, "gpu", {}, 1),
        (1, 64, "cpu", {}, 1),
        (8, 64, "cpu", {"cpus": 3}, 2),
        (8, 64, "cpu", {"memory": 20}, 3),
    ],
)
def test_auto_is_the_number_of_runs_that_processors_and_memory_allow(
    monkeypatch, n_processors, gigabytes, device, wanted, expected
):
    config = make_config(resources=wanted)
    monkeypatch.setattr(local, "measure_free_memory", lambda: gigabytes * 10**9)
    monkeypatch.setattr(local, "count_processors", lambda: n_processors)
    assert local.choose_jobs(device, [config]) == expected


class FakeWorker:
    """Accepts configurations unless it is broken; is its own process and connection."""

    def __init__(self):
        self.config, self.is_silent, self.closed = None, True, False
        self.connection, self.process, self.is_broken = self, self, False

    def is_alive(self):
        return True

    def begin(self, config, context, name):
        if self.is_broken:
            raise BrokenPipeError
        self.config = config

    def close(self):
        self.closed = True


class FakePool(local._WorkerPool):
    """A pool of fake workers, which pauses when all runs that have room have begun."""

    def _start_worker(self, context, *, start_tensorflow):
        self.workers.append(FakeWorker())
        return self.workers[-1]

    def _listen(self, reporter):
        yield None


def list_running(pool):
    return [worker.config and worker.config.seed for worker in pool.workers]


@pytest.fixture
def set_free_memory(monkeypatch):
    def set_to(n_bytes):
        monkeypatch.setattr(local, "measure_free_memory", lambda: n_bytes)

    return set_to


def test_one_run_always_begins_and_others_when_there_is_memory(set_free_memory):
    set_free_memory(0)
    pool = make_pool(kind=FakePool)
    steps = pool.run(make_configs(3), CONTEXT, 3)
    next(steps)
    assert list_running(pool) == [0]
    # Memory is reserved for a worker that has sent no message, because it will allocate it.
    set_free_memory(2 * 10**9 - 1)
    next(steps)
    assert list_running(pool) == [0]
    pool.workers[0].is_silent = False
    next(steps)
    assert list_running(pool) == [0, 1]
    set_free_memory(10**11)
    next(steps)
    assert list_running(pool) == [0, 1, 2]


def test_memory_is_reserved_for_each_silent_worker(set_free_memory):
    pool = make_pool(*(FakeWorker() for _ in range(2)), kind=FakePool)
    for worker, config in zip(pool.workers, "ab", strict=True):
        worker.begin(config, CONTEXT, "name")
    set_free_memory(3 * 10**9 - 1)
    assert not pool._has_room()
    set_free_memory(3 * 10**9)
    assert pool._has_room()


def test_no_more_runs_begin_than_jobs_allow(set_free_memory):
    set_free_memory(10**11)
    pool = make_pool(kind=FakePool)
    steps = pool.run(make_configs(3), CONTEXT, 2)
    next(steps)
    assert list_running(pool) == [0, 1]
    pool.workers[0].config = None
    next(steps)
    assert list_running(pool) == [2, 1]  # In the idle worker, not in a new one.


def test_idle_workers_are_closed_when_memory_is_short(set_free_memory):
    set_free_memory(10**11)
    busy, idle = FakeWorker(), FakeWorker()
    busy.begin("a", CONTEXT, "name")
    pool = make_pool(busy, idle, kind=FakePool)
    assert pool._has_room()
    assert not idle.closed
    set_free_memory(0)
    assert not pool._has_room()
    assert idle.closed
    assert not busy.closed
    assert pool.workers == [busy]


@pytest.mark.parametrize("is_noticed", [True, False])
def test_a_worker_that_died_while_idle_is_replaced(set_free_memory, is_noticed):
    set_free_memory(10**11)
    dead = FakeWorker()
    if is_noticed:
        dead.is_alive = lambda: False
    else:  # It dies between the check and its configuration.
        dead.is_broken = True
    pool = make_pool(dead, kind=FakePool)
    next(pool.run(make_configs(1), CONTEXT, 3))
    assert list_running(pool) == [0]
    assert dead not in pool.workers


@pytest.mark.slow
def test_workers_stay_for_the_next_call_and_end_with_the_executor(tmp_path):
    config = make_config(model={"name": "majority"})
    context = RunContext(Reporter(quiet=True), command="of this call")
    with local.opened(tmp_path, ExecutorConfig(jobs=2)) as executor:
        first, second = config, config.model_copy(update={"seed": 1})
        assert executor.execute([first], context) == []
        [worker] = executor.pool.workers
        assert executor.execute([second], replace(context, command="of the next")) == []
        assert executor.pool.workers == [worker]
        assert worker.process.is_alive()
    assert not worker.process.is_alive()
    commands = [RunDirectory.of(c, tmp_path).read_meta()["command"] for c in (first, second)]
    assert commands == ["of this call", "of the next"]


def test_threads_of_the_context_come_before_those_of_the_jobs(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(
        local._WorkerPool, "run", lambda self, configs, context, jobs: seen.append(context) or []
    )
    with local.opened(tmp_path, ExecutorConfig(jobs=2)) as executor:
        executor.execute(make_configs(1), replace(CONTEXT, threads=7))
        executor.execute(make_configs(1), CONTEXT)
    assert [context.threads for context in seen] == [7, max(1, count_processors() // 2)]


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5", ""])
def test_jobs_must_be_a_positive_number_or_auto(cli, value):
    result = cli(*ARGUMENTS, "--jobs", value)
    assert result.code == 2
    assert "--jobs" in result.error_line
