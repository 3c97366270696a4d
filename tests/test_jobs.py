"""Many experiments in processes: the same results, and one failure stops no other."""

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from textclf import jobs
from textclf.config import resolve
from textclf.progress import Reporter
from textclf.runs import RunDirectory

COMMAND = Path(sys.executable).with_name("textclf")
WORDS = ["compare", "--dataset", "bbc", "--smoke", "--set", "text.num_words=500"]
MODELS = ["--model", "mlp", "--model", "lstm"]


def test_runs_in_processes_are_those_of_one_process_and_a_failure_stops_no_other(cli, tmp_path):
    words = [*WORDS, "--model", "cnn", "--model", "mlp", "--set", "text.sequence_length=2"]
    answer = cli(*words, "--jobs", "2", "--run-root", "two", "--format", "json")
    assert answer.code == 1
    threads = max(1, os.cpu_count() // 2)
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
        assert one.read_meta()["threads"] == os.cpu_count()
        for name in ("predictions.npz", "config.yaml"):
            assert (one.path / name).read_bytes() == (two.path / name).read_bytes()


def test_what_is_wrong_for_all_runs_is_said_once():
    parent, child = multiprocessing.Pipe()
    jobs._work(child, Path("runs"), {"device": "gpu"})
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


def test_a_worker_that_is_gone_is_a_failure_with_what_to_try():
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=os._exit, args=(9,))
    process.start()
    parent, child = multiprocessing.Pipe()
    child.close()
    config = resolve({"dataset": {"name": "bbc"}, "model": {"name": "mlp"}})
    worker = SimpleNamespace(config=config, connection=parent, process=process)
    [(ended, failure)] = jobs._listen([worker], Reporter(quiet=True))
    assert (ended, ended.config, failure.config) == (worker, None, config)
    assert str(failure.error) == (
        "its process ended with exit code 9; if memory is short, use fewer --jobs"
    )


def test_workers_end_with_the_process_that_began_them(tmp_path):
    with start(tmp_path) as process:
        workers = find_workers(process)
        process.kill()
    psutil.wait_procs(workers, timeout=60)
    assert not any(worker.is_running() for worker in workers)


@pytest.mark.parametrize(
    ("n_processors", "gigabytes", "device", "expected"),
    [(8, 64, "cpu", 8), (8, 5, "cpu", 3), (8, 1, "cpu", 1), (8, 64, "gpu", 1), (1, 64, "cpu", 1)],
)
def test_auto_takes_what_processors_and_memory_allow(
    monkeypatch, n_processors, gigabytes, device, expected
):
    class Memory:
        available = gigabytes * 10**9

    monkeypatch.setattr(jobs.psutil, "virtual_memory", Memory)
    monkeypatch.setattr(jobs.backend, "count_processors", lambda: n_processors)
    assert jobs.choose_jobs(device) == expected


def test_without_memory_one_run_goes_on_alone(monkeypatch):
    class Memory:
        available = 0

    class Worker:
        config = None

        def begin(self, config):
            self.config = config

    monkeypatch.setattr(jobs.psutil, "virtual_memory", Memory)
    waiting, workers = jobs.deque("abc"), []
    jobs._hand_out(waiting, workers, 3, Worker)
    assert [worker.config for worker in workers] == ["a"]
    jobs._hand_out(waiting, workers, 3, Worker)
    assert len(workers) == 1
    Memory.available = 10**10
    jobs._hand_out(waiting, workers, 3, Worker)
    assert [worker.config for worker in workers] == ["a", "b", "c"]


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5", ""])
def test_jobs_that_are_no_number_are_refused(cli, value):
    answer = cli(*WORDS, "--jobs", value)
    assert answer.code == 2
    assert "--jobs" in answer.error_line
