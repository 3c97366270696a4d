"""Many experiments in processes: the same results, and one failure stops no other."""

import inspect
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from textclf.config.resolve import resolve
from textclf.errors import RequestError
from textclf.executors import local
from textclf.registry import list_names, load_module
from textclf.runs.directory import RunDirectory
from textclf.runtime import machine as environment
from textclf.runtime.machine import count_processors
from textclf.runtime.progress import Reporter

COMMAND = Path(sys.executable).with_name("textclf")
WORDS = ["compare", "--dataset", "bbc", "--smoke", "--set", "text.num_words=500"]
MODELS = ["--model", "mlp", "--model", "lstm"]


def make_config(**sections):
    return resolve({"dataset": {"name": "bbc"}, "model": {"name": "mlp"}, **sections})


def test_runs_in_processes_are_those_of_one_process_and_a_failure_stops_no_other(cli, tmp_path):
    words = [*WORDS, "--model", "cnn", "--model", "mlp", "--set", "text.sequence_length=2"]
    answer = cli(*words, "--jobs", "2", "--run-root", "two", "--format", "json")
    assert answer.code == 1
    threads = max(1, count_processors() // 2)
    assert f"4 runs, 2 at once with {threads} thread(s) each" in answer.err
    assert "mlp seed 42: epoch 1/1" in answer.err
    assert "4 of 4 runs done, 0 s left" in answer.err
    assert "Traceback" not in answer.err
    assert {row["model"] for row in answer.json} == {"cnn", "mlp", "majority", "tfidf-svc"}
    assert [row["model"] for row in answer.json if row.get("error")] == ["cnn"]
    # None of these has a convolution, whose last digits depend on the number of threads.
    assert cli(*words, "--run-root", "one", "--quiet").code == 1
    pairs = [RunDirectory.list_below(tmp_path / name) for name in ("one", "two")]
    assert len(pairs[0]) == 3
    for one, two in zip(*pairs, strict=True):
        assert two.find_damage() == []
        assert two.read_meta()["threads"] == threads
        assert one.read_meta()["threads"] == count_processors()
        for name in ("predictions.npz", "config.yaml"):
            assert (one.path / name).read_bytes() == (two.path / name).read_bytes()


@pytest.mark.parametrize("name", list_names("executors"))
def test_executors_keep_their_contract(name):
    module = load_module("executors", name)
    assert (module.__doc__ or "").split("\n")[0].endswith(".")
    required = [
        parameter.name
        for parameter in inspect.signature(module.execute).parameters.values()
        if parameter.default is parameter.empty
    ]
    assert required == ["configs", "root", "settings", "options"]


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("gpus", 1.5, "should be a whole number, or a share of one GPU from 0.01"),
        ("gpus", 0.0001, "should be a whole number, or a share of one GPU from 0.01"),
        ("gpus", -1, "should be greater than or equal to 0"),
        ("cpus", 0, "should be greater than 0"),
        ("memory", 0, "should be greater than or equal to 0.1"),
    ],
)
def test_what_a_run_cannot_ask_for_is_refused(key, value, problem):
    with pytest.raises(RequestError, match=problem):
        make_config(resources={key: value})


def test_what_a_run_asks_for_is_not_in_its_fingerprint():
    wanted = {"cpus": 3, "gpus": 0.5, "memory": 20}
    assert make_config(resources=wanted).fingerprint == make_config().fingerprint


def test_what_is_wrong_for_all_runs_is_said_once():
    parent, child = multiprocessing.Pipe()
    local._work(child, Path("runs"), {"device": "gpu"})
    word, error = parent.recv()
    assert word == "unable"
    assert str(error).startswith("--device gpu: TensorFlow sees no GPU")


def find_workers(process):
    """Return the processes below one that have a run, once there are two of them."""
    for line in process.stderr:
        if "epoch 1/" in line:
            break
    children = psutil.Process(process.pid).children()
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def start(folder, *words):
    words = [COMMAND, *WORDS, *MODELS, *words, "--set", "training.epochs=300", "--jobs", "2"]
    return subprocess.Popen(words, cwd=folder, stderr=subprocess.PIPE, text=True)


def test_a_killed_worker_is_replaced_and_an_interrupt_reaches_all(tmp_path):
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
        for run in RunDirectory.list_below(tmp_path / "runs")
        if "majority" not in str(run.path) and "svc" not in str(run.path)
    ]
    assert networks
    assert not any(run.is_finished for run in networks)
    assert any((run.path / "checkpoint.npz").is_file() for run in networks)


@pytest.mark.parametrize("unread", [False, True])
def test_a_worker_that_is_gone_is_a_failure_with_what_to_try(unread):
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=os._exit, args=(9,))
    process.start()
    parent, child = multiprocessing.Pipe()
    if unread:  # It has died before it took its configuration.
        parent.send("a configuration")
    child.close()
    config = make_config()
    worker = SimpleNamespace(config=config, connection=parent, process=process)
    [failure] = local._listen([worker], Reporter(quiet=True))
    assert (worker.config, failure.config) == (None, config)
    assert str(failure.error) == "its process ended with exit code 9"
    killed = str(local._explain(-signal.SIGKILL))
    assert (
        killed == "its process ended with exit code -9; perhaps memory was short: try fewer --jobs"
    )


def test_workers_end_with_the_process_that_began_them(tmp_path):
    with start(tmp_path) as process:
        workers = find_workers(process)
        process.kill()
    psutil.wait_procs(workers, timeout=60)
    assert not any(worker.is_running() for worker in workers)


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
def test_auto_takes_what_processors_and_memory_allow(
    monkeypatch, n_processors, gigabytes, device, wanted, expected
):
    config = make_config(resources=wanted)
    monkeypatch.setattr(local, "measure_free_memory", lambda: gigabytes * 10**9)
    monkeypatch.setattr(local, "count_processors", lambda: n_processors)
    assert local.choose_jobs(device, [config]) == expected


class FakeWorker:
    """Takes configurations, and is told whether it lives."""

    def __init__(self):
        self.config, self.is_silent, self.closed = None, True, False
        self.connection, self.process, self.alive = self, self, True

    def is_alive(self):
        return self.alive

    def begin(self, config):
        if not self.alive:
            raise BrokenPipeError
        self.config = config

    def close(self):
        self.closed = True


def hand_out(waiting, workers):
    local._hand_out(waiting, workers, 3, 10**9, FakeWorker)
    return [worker.config for worker in workers]


def test_without_memory_one_run_goes_on_alone(monkeypatch):
    monkeypatch.setattr(local, "measure_free_memory", lambda: 0)
    waiting, workers = local.deque("abc"), []
    assert hand_out(waiting, workers) == ["a"]
    idle = FakeWorker()
    workers.append(idle)
    assert hand_out(waiting, workers) == ["a"]
    assert idle.closed  # What it holds is needed elsewhere.
    # A worker that has said nothing yet has still to take its memory.
    monkeypatch.setattr(local, "measure_free_memory", lambda: 2 * 10**9 - 1)
    assert hand_out(waiting, workers) == ["a"]
    workers[0].is_silent = False
    assert hand_out(waiting, workers) == ["a", "b"]
    monkeypatch.setattr(local, "measure_free_memory", lambda: 10**11)
    assert hand_out(waiting, workers) == ["a", "b", "c"]
    assert not waiting


def test_a_worker_that_died_while_idle_is_replaced(monkeypatch):
    monkeypatch.setattr(local, "measure_free_memory", lambda: 10**11)
    waiting, dead = local.deque("a"), FakeWorker()
    dead.alive = False
    workers = [dead]
    assert hand_out(waiting, workers) == ["a"]
    assert dead not in workers
    dying = FakeWorker()
    dying.begin = dead.begin  # It dies between the look and the task.
    waiting, workers = local.deque("b"), [dying]
    assert hand_out(waiting, workers) == ["b"]
    assert dying not in workers


def test_containers_are_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "CONTAINER", tmp_path)
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    (tmp_path / "memory.max").write_text("3000\n")
    (tmp_path / "memory.current").write_text("1000\n")
    assert environment.count_processors() == 1
    assert environment.measure_free_memory() == 2000
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert environment.count_processors() == len(os.sched_getaffinity(0))
    assert environment.measure_free_memory() > 10**8


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5", ""])
def test_jobs_that_are_no_number_are_refused(cli, value):
    answer = cli(*WORDS, "--jobs", value)
    assert answer.code == 2
    assert "--jobs" in answer.error_line
