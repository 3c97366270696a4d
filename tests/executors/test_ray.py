"""Runs on Ray: what is handed out, lost, brought back, and said; a real Ray in processes beside."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from textclf.commands.compare import _make_configs
from textclf.config.resolve import resolve
from textclf.data.loading import pack_dataset, unpack_dataset
from textclf.errors import DataError, RequestError, RunError
from textclf.executors import _ray_cluster as _cluster
from textclf.executors import _ray_worker as _remote
from textclf.executors import ray as executor
from textclf.executors._base import ExecutorOptions
from textclf.experiment.run import Settings
from textclf.runs import transfer
from textclf.runs.directory import FILES, RunDirectory
from textclf.runtime.progress import Reporter

WORDS = ["compare", "--dataset", "bbc", "--smoke", "--executor", "ray"]


def make_config(**sections):
    return resolve({"dataset": {"name": "bbc"}, "model": {"name": "majority"}, **sections})


def run_python(code, folder, *words):
    """Run code in a Python of its own, where Ray leaves no threads behind."""
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_ray_the_install_command_is_named(cli, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    answer = cli(*WORDS)
    assert answer.code == 2
    assert answer.error_line.startswith("--executor ray needs Ray: pip install 'textclf[ray]' (")


def test_where_no_cluster_answers_it_is_one_line(cli, monkeypatch):
    monkeypatch.setattr(_cluster, "CONNECT_SECONDS", 1)
    started = time.monotonic()
    with socket.socket() as listening:  # Something that is no Ray, and says nothing.
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        answer = cli(*WORDS, "--ray-address", address)
    assert answer.code == 2
    assert answer.error_line.startswith(f"no Ray cluster at {address}: no answer in 1 s;")
    assert time.monotonic() - started < 15


def test_what_ray_says_of_an_address_is_repeated(cli):
    answer = cli(*WORDS, "--ray-address", "nonsense")
    assert answer.code == 2
    assert answer.error_line.startswith(
        "no Ray cluster at nonsense: ValueError: Invalid address format: nonsense;"
    )


def test_an_address_is_for_ray_only():
    with pytest.raises(RequestError, match=r"^--ray-address needs --executor ray$"):
        ExecutorOptions("local", ray_address="auto")
    with pytest.raises(RequestError, match=r"^--ray-address is empty: give ray://HOST:10001"):
        ExecutorOptions("ray", ray_address="")


def test_a_machine_refuses_another_version_and_asks_for_a_parcel(tmp_path):
    order = _remote.Order(make_config(), tmp_path, tmp_path / "none", {}, {}, None, again=False)
    assert _remote.carry_out(order, None) == _remote.Answer(needs_parcel=True)
    other = _remote.Order(**{**vars(order), "version": "0.0.1"})
    error = _remote.carry_out(other, None).error
    assert str(error).startswith("a machine of the cluster has textclf ")
    assert "0.0.1" in str(error)


def test_a_dataset_that_a_machine_cannot_read_is_asked_for(tmp_path, monkeypatch):
    def fail(options):
        raise DataError("not here")

    monkeypatch.setattr("textclf.data.loading.load_dataset", fail)
    mark = tmp_path / "mark"
    mark.touch()
    board = type("Board", (), {"put": type("Put", (), {"remote": lambda *words: None})})
    order = _remote.Order(
        make_config(), tmp_path, mark, {"device": "cpu"}, {"KERAS_HOME": "x"}, None, again=False
    )
    monkeypatch.setattr(signal, "signal", lambda *words: None)
    monkeypatch.setattr(_remote.os, "environ", {})
    assert _remote.carry_out(order, board) == _remote.Answer(needs_parcel=True)
    assert _remote.os.environ["KERAS_HOME"] == "x"


def test_a_packed_dataset_is_the_same_one(dataset):
    there = unpack_dataset(pack_dataset(dataset))
    assert there.digest == dataset.digest
    assert there.vocabulary == dataset.vocabulary
    for name, split in dataset.splits.items():
        assert list(there.splits[name].texts) == list(split.texts)
        assert np.array_equal(there.splits[name].labels, split.labels)
        assert np.array_equal(there.splits[name].index, split.index)


def test_a_packed_run_is_written_whole_its_result_last(smoke_run, tmp_path, monkeypatch):
    there = RunDirectory(tmp_path / "run")
    files = transfer.pack_run(RunDirectory(smoke_run))
    assert set(files) == {path.name for path in Path(smoke_run).iterdir() if path.name in FILES}
    there.path.mkdir()
    (there.path / "checkpoint.npz").write_bytes(b"of an earlier part")
    real, written = transfer.write_whole, []

    def note(path):
        written.append(path.name)
        if path.name == "evaluation.json":
            raise RunError("no space")
        return real(path)

    monkeypatch.setattr(transfer, "write_whole", note)
    with pytest.raises(RunError, match="no space"):
        transfer.unpack_run(there, files)
    assert sorted(written) == sorted(files)
    assert not there.is_finished
    monkeypatch.undo()
    transfer.unpack_run(there, files)
    assert there.find_damage() == []
    assert transfer.pack_run(there) == files


def make_parcel_order(tmp_path):
    """Return an order that no dataset is needed for, as it is interrupted before."""
    parcel = _remote.Parcel(None, {"config.yaml": b"", "checkpoint.npz": b"of ten epochs"})
    words = (make_config(), tmp_path, tmp_path / "none", {"device": "cpu"}, {}, parcel)
    return _remote.Order(*words, again=False)


@pytest.mark.parametrize("interrupted", ["unpack_run", "run_here"])
def test_an_interrupt_brings_back_a_checkpoint_or_nothing(tmp_path, monkeypatch, interrupted):
    def interrupt(*words):
        raise KeyboardInterrupt

    monkeypatch.setattr(_remote.signal, "signal", lambda *words: None)
    monkeypatch.setattr(_remote, interrupted, interrupt)
    answer = _remote.carry_out(make_parcel_order(tmp_path), None)
    assert answer.error is None
    if interrupted == "unpack_run":  # Half of what was sent must not replace all of it.
        assert answer.files is None
    else:
        assert answer.files["checkpoint.npz"] == b"of ten epochs"


def test_places_are_sent_absolute_and_limits_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in executor.SHARED_PLACES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KERAS_HOME", "data/keras")
    monkeypatch.setenv("TEXTCLF_MAX_TEXT_MB", "3")
    expected = {"KERAS_HOME": str(tmp_path / "data/keras"), "TEXTCLF_MAX_TEXT_MB": "3"}
    assert executor._list_variables() == expected


def test_floors_ask_for_the_processors_of_networks_and_for_no_gpu():
    asked = ("resources.gpus=2", "resources.cpus=3")
    options = {"config_path": None, "assignments": asked, "smoke": True}
    configs = _make_configs(dataset="bbc", models=("mlp",), seeds=(), n_seeds=2, **options)
    asked = {(c.model.name, c.resources.cpus, c.resources.gpus) for c in configs}
    assert asked == {("mlp", 3, 2), ("majority", 3, 0), ("tfidf-svc", 3, 0)}


def test_options_of_executors_need_something_to_run(cli):
    for words, option in (
        (["--executor", "ray"], "--executor"),
        (["--jobs", "2"], "--jobs"),
        (["--ray-address", "auto"], "--ray-address"),
    ):
        answer = cli("compare", *words)
        assert answer.code == 2
        assert answer.error_line.startswith(f"{option} needs --dataset or --config")


def test_what_no_machine_has_is_refused_or_waited_for(monkeypatch, capsys):
    ray = pytest.importorskip("ray", reason="the extra ray is not installed")
    machines = [{"CPU": 2.0, "memory": 4e9}, {"CPU": 4.0, "GPU": 1.0, "memory": 4e9}, {"CPU": 64.0}]
    nodes = [{"Alive": "64" not in str(m), "Resources": m} for m in machines]
    monkeypatch.setattr(ray, "nodes", lambda: nodes)

    def check(device="auto", address=None, **wanted):
        settings = Settings(Reporter(), device)
        _cluster.check_room(make_config(resources=wanted).resources, settings, address)
        return capsys.readouterr().err

    fitting = check(cpus=4, gpus=1)
    assert fitting.splitlines() == [
        "Ray at this machine: 2 machine(s) with 6 CPUs and 1 GPUs; runs ask for up to 4 CPUs,"
        " 1 GPUs and 1.5 GB"
    ]
    for wanted in ({"cpus": 5}, {"gpus": 2}, {"memory": 5}):
        with pytest.raises(RequestError, match=r"^no machine has .*, which a run asks for"):
            check(**wanted)
    assert "waiting for one that has: Ctrl-C ends it" in check(address="auto", cpus=5)
    with pytest.raises(RequestError, match=r"^--device gpu with --executor ray needs --set"):
        check("gpu")


DRIVER = """
import contextlib, os, sys
from pathlib import Path
from textclf.commands.compare import _make_configs
from textclf.config.resolve import resolve
from textclf.errors import TextclfError
from textclf.executors import ray as executor
from textclf.executors._base import ExecutorOptions
from textclf.executors._ray_worker import Answer
from textclf.experiment.run import Settings
from textclf.runtime.progress import Reporter

root = Path("root").absolute()

def work(order, board):
    with (root / f"tries-{order.config.seed}").open("a") as file:
        file.write("again " if order.again else "first ")
    tries = len((root / f"tries-{order.config.seed}").read_text().split())
    board.put.remote("say", f"try {tries} of {order.config.seed}")
    if order.config.seed == 0:
        import ray
        ray.kill(board, no_restart=False)
    if order.config.seed == 1 or (order.config.seed == 2 and tries == 1):
        os.kill(os.getpid(), 9)
    if order.config.seed == 3:
        raise LookupError("a bug\\nof somebody")
    if order.config.seed == 4:
        return Answer(TextclfError("expected"))
    return Answer()

config = resolve({"dataset": {"name": "bbc"}, "model": {"name": "majority"}})
configs = [config.model_copy(update={"seed": seed}) for seed in range(6)]
for failure in executor.execute(
    configs, root, Settings(Reporter()), ExecutorOptions("ray", jobs=2), work=work
):
    print(failure.config.seed, failure.error)
print(sorted(path.name for path in root.iterdir() if path.name.startswith(".")))
"""


def test_lost_runs_begin_again_and_failing_ones_stop_no_other(tmp_path):
    answer = run_python(DRIVER, tmp_path)
    assert answer.returncode == 0, answer.stderr
    failures = dict(line.split(" ", 1) for line in answer.stdout.splitlines()[:-1])
    assert set(failures) == {"1", "3", "4"}
    assert failures["1"].startswith("lost 3 times with its machine or process (WorkerCrashedError)")
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
    assert "6 of 6 runs done, 0 s left" in answer.stderr
    assert "majority seed 2: lost, to be started again (WorkerCrashedError" in answer.stderr
    assert "try 1 of 5" in answer.stderr  # After its board was lost and made again.
    assert answer.stdout.splitlines()[-1] == "[]"  # No mark of the run root is left.


UNSHARED = """
import contextlib
from pathlib import Path
from textclf.executors import ray as executor

@contextlib.contextmanager
def mark_nothing(root):
    yield Path("/nowhere/mark")

executor._mark = mark_nothing
from textclf.cli import main
main()
"""


@pytest.mark.skipif(not os.environ.get("CI"), reason="takes half a minute: runs where CI is set")
def test_without_a_shared_disk_runs_are_brought_back_and_go_on_after_an_interrupt(tmp_path):
    rows = "text,label\n" + "".join(f"{word} text {i},{word}\n" for i in range(40) for word in "ab")
    (tmp_path / "own.csv").write_text(rows)
    words = ["compare", "--dataset", "own.csv", "--model", "mlp", "--set", "text.num_words=100"]
    words += ["--set", "model.embedding_dim=4", "--set", "training.epochs=60", "--jobs", "1"]
    command = [sys.executable, "-c", UNSHARED, *words, "--executor", "ray"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if "mlp seed 42: epoch 3/" in line:
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
    assert process.returncode == 130, rest
    assert rest.splitlines()[-1] == "textclf: interrupted"
    assert "Traceback" not in rest
    [run] = [r for r in RunDirectory.list_below(tmp_path / "runs") if "mlp" in str(r.path)]
    assert not run.is_finished
    n_done = len(run.read_checkpoint().rows)
    assert n_done >= 2
    again = run_python(UNSHARED, tmp_path, *words, "--executor", "ray", "--format", "json")
    assert again.returncode == 0, again.stderr
    assert f"mlp seed 42: epoch {n_done + 1}/60" in again.stderr
    assert f"mlp seed 42: epoch {n_done}/60" not in again.stderr
    assert again.stderr.count("own.csv for the cluster") == 1  # Of three runs.
    assert {found.read_result().model for found in RunDirectory.list_below(tmp_path / "runs")} == {
        "majority",
        "mlp",
        "tfidf-svc",
    }
    assert run.find_damage() == []
    assert run.read_config().dataset == load_path_options(tmp_path / "own.csv")


def load_path_options(path):
    return resolve({"dataset": {"name": str(path)}, "model": {"name": "mlp"}}).dataset
