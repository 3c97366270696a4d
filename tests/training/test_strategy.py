"""One run on several devices: two logical processors stand for two GPUs."""

import csv
import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

from textclf.config.resolve import resolve
from textclf.errors import RequestError
from textclf.experiment.fit import _check_shares
from textclf.runs.directory import RunDirectory

TWO_DEVICES = """
import json, sys
import tensorflow as tf

[cpu] = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from textclf.cli import main
for words in json.loads(sys.argv[1]):
    try:
        main(words)
    except SystemExit as end:
        if end.code:
            raise
"""
WORDS = ["--dataset", "bbc", "--set", "text.num_words=500", "--set", "training.epochs=2"]
WORDS += ["--set", "model.embedding_dim=8", "--set", "training.batch_size=16"]


def read_history(root, model):
    [run] = RunDirectory.list_below(root / "bbc" / model)
    with (run.path / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [{key: float(row[key]) for key in row if key != "seconds"} for row in rows]


def test_two_devices_come_to_the_results_of_one(cli, tmp_path):
    even = ["train", *WORDS, "--model", "lstm", "--set", "dataset.subset=64"]
    even += ["--set", "training.schedule=cosine", "--set", "training.class_weight=balanced"]
    even += ["--set", "training.keep_best=true", "--run-root", "one"]
    # Another model in the same process; of 65 texts in batches of 16, one has no share.
    odd = ["train", *WORDS, "--model", "cnn", "--set", "dataset.subset=65", "--run-root", "one"]
    commands = [
        [*words[:-1], "two", "--set", "training.strategy=mirrored"] for words in (even, odd)
    ]
    answer = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES, json.dumps(commands)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr.count("each batch is shared among 2 device(s)") == 2
    assert cli(*even).code == 0
    histories = [read_history(tmp_path / name, "lstm") for name in ("one", "two")]
    for one, two in zip(*histories, strict=True):
        assert one == pytest.approx(two, abs=1e-5)
    [run] = RunDirectory.list_below(tmp_path / "two" / "bbc" / "cnn")
    assert run.find_damage() == []
    assert run.read_meta()["devices"] == 2
    assert cli("evaluate", str(run.path)).code == 0  # It needs no second device.


@pytest.mark.parametrize(
    ("batch_size", "n_texts", "dtype", "n_devices", "expected"),
    [
        (16, 1336, "int32", 1, "there is one device, and nothing to share"),
        (15, 1336, "int32", 2, "training.batch_size 15, of 1,336 texts, has no equal shares for 2"),
        (16, 1, "int32", 2, "training.batch_size 16, of 1 texts, has no equal shares for 2"),
        (16, 1336, "string", 2, "mlp takes raw texts, which stay on one device"),
    ],
)
def test_what_cannot_be_shared_is_refused(batch_size, n_texts, dtype, n_devices, expected):
    training = {"strategy": "mirrored", "batch_size": batch_size}
    config = resolve({"dataset": {"name": "bbc"}, "model": {"name": "mlp"}, "training": training})
    network = SimpleNamespace(inputs=[SimpleNamespace(dtype=dtype)])
    with pytest.raises(RequestError, match=f"^training.strategy mirrored: {expected}"):
        _check_shares(config, network, n_devices, n_texts=n_texts)


def test_many_machines_for_one_run_are_refused(cli):
    answer = cli(
        "train", *WORDS, "--model", "mlp", "--set", "training.strategy=MultiWorkerMirrored"
    )
    assert answer.code == 2
    assert "training.strategy: should be mirrored (Keras 3 fails with" in answer.error_line
