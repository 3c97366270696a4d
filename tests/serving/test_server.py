"""A server process for a real run: its predictions, signals and log."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

import textclf
from textclf.serving.options import ServerOptions

if sys.platform == "win32":
    pytest.skip("textclf serve needs Linux or macOS", allow_module_level=True)

from textclf.serving import server as module

COMMAND = Path(sys.executable).with_name("textclf")
TEXTS = ["Shares fell as oil prices rose", "The striker scored twice \U0001f600", "a" * 1_000]


@pytest.fixture
def start(smoke_run, tmp_path):
    """Return a function that starts a server, and returns the process and a client."""
    processes, clients = [], []

    def start(*arguments, **environment):
        with (tmp_path / "log").open("w") as log:
            process = subprocess.Popen(
                [COMMAND, "serve", f"m={smoke_run}", "--port=0", "--device=cpu", *arguments],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, **environment},
            )
        processes.append(process)
        line = process.stdout.readline()
        url = re.fullmatch(r"serving m at (http://\S+) \(Ctrl-C ends it\)\n", line)[1]
        clients.append(httpx.Client(base_url=url.replace("0.0.0.0", "127.0.0.1"), timeout=20))
        return process, clients[-1]

    yield start
    for process, client in zip(processes, clients, strict=True):
        client.close()
        process.kill()
        process.communicate()


def read_log(tmp_path):
    """Return the JSON lines; the last line after Ctrl-C is that of the command."""
    lines = (tmp_path / "log").read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


@pytest.mark.slow
def test_a_real_server(start, smoke_run, tmp_path):
    process, client = start(TEXTCLF_TOKEN="t0ken")
    assert client.get("/v1/models").status_code == 401
    client.headers["Authorization"] = "Bearer t0ken"
    predictions = []
    for text in TEXTS:
        response = client.post("/v1/models/m:predict", json={"instances": [text]})
        predictions += response.json()["predictions"]
    expected = [textclf.load_run(smoke_run).predict_proba([text])[0].tolist() for text in TEXTS]
    assert [[*row["probabilities"].values()] for row in predictions] == expected
    response = client.post("/v1/models/m:explain", json={"instances": [TEXTS[1]]})
    [explanation] = response.json()["explanations"]
    own = textclf.explain(smoke_run, [TEXTS[1]], quiet=True)[0]
    assert [token["weight"] for token in explanation["tokens"]] == [
        pytest.approx(token.weight, abs=1e-6) for token in own.tokens
    ]
    process.terminate()
    assert process.wait(20) == 0
    log = (tmp_path / "log").read_text()
    assert "striker" not in log
    assert "t0ken" not in log
    assert [line["event"] for line in read_log(tmp_path) if line["event"] != "request"] == [
        "loaded",
        "started",
        "stopped",
    ]


@pytest.mark.slow
def test_a_public_address_is_warned_of_and_ctrl_c_gives_130(start, tmp_path):
    process, client = start("--host=0.0.0.0")
    assert client.get("/healthz", headers={"Host": "example.com"}).status_code == 200
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    [line] = [line for line in read_log(tmp_path) if line["level"] == "warning"]
    assert line["message"] == (
        "0.0.0.0 is reachable from other machines, and whoever reaches it can use the models: set"
        " --token or TEXTCLF_TOKEN, or use --host 127.0.0.1"
    )


def test_an_address_that_cannot_be_used_is_an_error():
    with module._bind("127.0.0.1", 0) as listener:
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(textclf.errors.TextclfError) as caught:
            module._bind("127.0.0.1", port)
    assert str(caught.value) == (
        f"cannot listen on 127.0.0.1 port {port}: Address already in use; choose another --host or"
        " --port"
    )


@pytest.fixture
def fail_to_load(monkeypatch):
    """Return a function that starts a server whose models cannot be loaded; it calls `on_load`."""

    def start(on_load, host="127.0.0.1"):
        def load_all(models):
            on_load()
            raise textclf.errors.RunError("the model is damaged")

        monkeypatch.setattr(module, "name_runs", lambda runs: {"m": Path("run")})
        monkeypatch.setattr(module.ServedModels, "load_all", load_all)
        before, interval = signal.getsignal(signal.SIGHUP), sys.getswitchinterval()
        options = {"host": host, "port": 0, "device": "cpu", "trust_code": False}
        try:
            with pytest.raises(textclf.errors.RunError, match="damaged"):
                module.serve([], ServerOptions(), on_start=print, **options)
        finally:
            signal.signal(signal.SIGHUP, before)
            sys.setswitchinterval(interval)

    return start


def test_a_reload_signal_while_models_are_loaded_is_ignored(fail_to_load):
    found = []
    fail_to_load(lambda: found.append(signal.getsignal(signal.SIGHUP)))
    assert found == [signal.SIG_IGN]


@pytest.mark.parametrize(("host", "expected"), [("0.0.0.0", ["public_address"]), ("127.0.0.1", [])])
def test_a_public_address_is_warned_of_before_models_are_loaded(
    fail_to_load, monkeypatch, host, expected
):
    found = []

    class FakeLog:
        def write(self, level, event, **fields):
            found.append(event)

        def close(self):
            pass

    monkeypatch.setattr(module, "JsonLog", FakeLog)
    fail_to_load(lambda: found.append("loading"), host)
    assert found == [*expected, "loading"]
