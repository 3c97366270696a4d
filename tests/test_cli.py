"""The program as a whole: exit codes, signals, errors of one line, help, output formats."""

import csv
import errno
import io
import os
import re
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec

import pytest
from support import load_script, skip_if_gpu, write_csv, write_runs

from textclf import cli as program

NO_SUCH_FILE = os.strerror(errno.ENOENT)

MISTAKES = {
    "unknown command": (["trian"], 2, ["unknown command 'trian': did you mean 'train'? Choose"]),
    "unknown option": (
        ["train", "--modle", "cnn"],
        2,
        ["--modle", "(see textclf train --help)"],
    ),
    "unknown model": (
        ["train", "--model", "cn", "--dataset", "bbc"],
        2,
        ["unknown model 'cn': did you mean 'cnn'? Choose from "],
    ),
    "unknown dataset": (
        ["train", "--model", "cnn", "--dataset", "imbd"],
        2,
        ["unknown dataset 'imbd': did you mean 'imdb'?"],
    ),
    "no model": (["train", "--dataset", "bbc"], 2, ["no model given: use --model NAME"]),
    "unknown key": (
        ["train", "--model", "mlp", "--dataset", "bbc", "--set", "training.epoch=1"],
        2,
        ["--set training.epoch=1: training.epoch: unknown key 'epoch': did you mean 'epochs'?"],
    ),
    "key of a section": (
        ["train", "--model", "mlp", "--dataset", "bbc", "--set", "epochs=1"],
        2,
        ["--set epochs=1: unknown key 'epochs': did you mean 'training.epochs'? Choose from "],
    ),
    "unknown column": (
        ["compare", "RUN", "--columns", "model,acuracy"],
        2,
        ["--columns: unknown column 'acuracy': did you mean 'accuracy'? Choose from "],
    ),
    "negative epochs": (
        ["train", "--model", "mlp", "--dataset", "bbc", "--set", "training.epochs=-1"],
        2,
        ["--set training.epochs=-1: training.epochs: should ", " 0", ", got -1"],
    ),
    "seed out of range": (
        ["train", "--model", "mlp", "--dataset", "bbc", "--seed", "-1"],
        2,
        ["--seed -1: seed: should ", " 0", ", got -1"],
    ),
    "missing configuration": (
        ["train", "--config", "absent.yaml"],
        2,
        [f"cannot read configuration absent.yaml: {NO_SUCH_FILE}"],
    ),
    "missing run": (["evaluate", "absent"], 1, ["absent does not exist"]),
    "folder without a run": (["compare", "."], 1, ["no run below ."]),
    "missing run root": (["compare"], 1, ["runs does not exist"]),
    "text that begins with a hyphen": (
        ["predict", "absent", "-5 degrees"],
        2,
        [
            "unknown option '-5': choose from --column-names, --device, --format, --help, --output,"
            " --probabilities, --quiet, --set, --text-column, --threshold, --top, --trust-code,"
            " --unknown;"
            " put -- before a text that begins with - (see textclf predict --help)"
        ],
    ),
    "unknown option of predict": (
        ["predict", "absent", "good", "--tpo", "2"],
        2,
        ["unknown option '--tpo': did you mean '--top'?", "; put -- before a text"],
    ),
    "dataset without an option": (
        ["train", "--model", "mlp", "my reviews.csv"],
        2,
        ["unexpected argument 'my reviews.csv'; use --dataset 'my reviews.csv' (see textclf tr"],
    ),
    "values without options": (
        ["train", "cnn", "./mine.py", "my.yaml", "bbc"],
        2,
        ["'cnn'; use --model cnn --model ./mine.py --config my.yaml --dataset bbc (see"],
    ),
    "path with a space": (
        ["train", "--model", "mlp", "--dataset", "my", "reviews.csv"],
        2,
        ["unexpected argument 'reviews.csv'; put a value that contains spaces in quotes (see"],
    ),
    "setting without an equals sign": (
        ["train", "--model", "mlp", "--dataset", "bbc", "--set", "training.epochs", "3"],
        2,
        ["--set training.epochs: expected KEY=VALUE, such as training.epochs=3"],
    ),
    "dataset as a run": (["compare", "bbc"], 1, ["runs, or train with --dataset bbc"]),
    "all labels of no dataset": (["datasets", "--all"], 2, ["options need NAME"]),
    "missing text": (["predict", "RUN"], 2, ["TEXT...", "(see textclf predict --help)"]),
    "seeds without a dataset": (["compare", "--seeds", "2"], 2, ["--seeds needs --dataset"]),
    "runs and a dataset": (
        ["compare", ".", "--dataset", "bbc"],
        2,
        ["give either RUN or --dataset", "(see textclf compare --help)"],
    ),
    "unknown model in a list": (["compare", "RUN", "--model", "cn"], 2, ["unknown model 'cn'"]),
    "unknown format": (
        ["models", "--format", "xml"],
        2,
        ["--format", "xml", "(see textclf models --help)"],
    ),
    "missing model file": (
        ["train", "--model", "./absent.py", "--dataset", "bbc"],
        2,
        ["cannot read ", "/absent.py: ", NO_SUCH_FILE, "; check the path"],
    ),
    "missing dataset file": (
        ["audit", "absent.py"],
        2,
        ["cannot read ", "/absent.py: ", NO_SUCH_FILE, "; check the path"],
    ),
    "model file without .py": (
        ["models", "./average"],
        2,
        ["unknown model './average': choose from ", "; or give a path, such as ./my_model.py"],
    ),
    "folder as a model": (["models", ".."], 2, ["unknown model '..': choose from "]),
    "recorded code of a built-in model": (
        ["train", "--model", "mlp", "--dataset", "bbc", "--set", "model.code=3"],
        2,
        ["--set model.code=3: the key code is set automatically; leave it out"],
    ),
    "no GPU": (
        ["train", "--model", "mlp", "--dataset", "bbc", "--device", "gpu"],
        2,
        ["--device gpu: TensorFlow finds no GPU; use --device cpu"],
    ),
    "no TensorBoard": (
        ["train", "--model", "mlp", "--dataset", "bbc", "--tensorboard"],
        2,
        ["--tensorboard needs TensorBoard: pip install 'textclf-keras[tensorboard]'"],
    ),
}
"""Arguments, exit code, and our own parts of the message in their order."""


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_one_line(cli, name, request):
    if name == "no GPU":
        skip_if_gpu()
    if name == "no TensorBoard" and find_spec("tensorboard"):
        pytest.skip("TensorBoard is installed")
    arguments, code, parts = MISTAKES[name]
    if "RUN" in arguments:
        run = request.getfixturevalue("smoke_run")
        arguments = [run if argument == "RUN" else argument for argument in arguments]
    result = cli(*arguments)
    assert re.search(".*".join(map(re.escape, parts)), result.error_line), result.error_line
    assert result.code == code
    assert result.out == ""


def test_mistake_in_a_configuration_file_names_the_file(cli, tmp_path):
    (tmp_path / "my.yaml").write_text("model: {name: mlp}\ndataset: {name: bbc\n")
    result = cli("train", "--config", "my.yaml")
    assert result.code == 2
    assert re.fullmatch(r"my\.yaml:3:1: .+; correct the YAML", result.error_line)
    (tmp_path / "my.yaml").write_text("model: {name: mlp}\ndataset: {name: bbc, size: 3}\n")
    result = cli("train", "--config", "my.yaml")
    assert result.error_line.startswith("my.yaml: dataset.size: unknown key 'size'")
    assert result.code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--config", "my.yml"], "configuration my.yml: {}; did you mean 'my.yaml'?"),
        (["models", "./mime.py"], "/mime.py: {}; did you mean '{folder}/mine.py'?"),
        (["models", "mime"], "unknown model 'mime': did you mean 'mine.py'? Choose from "),
        (["datasets", "reviws"], "unknown dataset 'reviws': did you mean 'reviews.csv'? Choose"),
        (["compare", "reviews.csv"], "reviews.csv is a file; give a run directory or a folder of"),
        (["predict", "reviews.cv", "x"], "does not exist: did you mean 'reviews.csv'? Or give a"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_nearest_file_is_suggested(cli, tmp_path, arguments, message):
    for name in ("my.yaml", "mine.py", "reviews.csv"):
        (tmp_path / name).touch()
    result = cli(*arguments)
    assert message.format(NO_SUCH_FILE, folder=tmp_path) in result.error_line
    assert result.out == ""


@pytest.mark.usefixtures("plugins", "tensorflow")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--model", "plugins/words.py", "--dataset", "bbc"],
            "plugins/words.py is not a model: it must define either build(config, text, n_labels)",
        ),
        (
            ["--model", "mlp", "--dataset", "plugins/average.py"],
            "plugins/average.py is not a dataset: it must define load(config)",
        ),
        (
            ["--model", "plugins/broken.py", "--dataset", "bbc"],
            "plugins/broken.py line 2: ZeroDivisionError: division by zero",
        ),
        (
            ["--config", "my.yaml"],
            "plugins/average.py is Python code, which is executed only if you name it yourself; if"
            " you trust it, add --trust-code (in Python, trust_code=True)",
        ),
        (
            ["--model", "plugins/average.py", "--dataset", "bbc", "--set", "model.units=3"],
            "--set model.units=3: model.units: unknown key 'units': ",
        ),
    ],
)
def test_mistake_with_a_python_file_is_one_line(cli, tmp_path, arguments, message):
    (tmp_path / "plugins" / "broken.py").write_text("x = 1\nx / 0\n")
    (tmp_path / "my.yaml").write_text("model: {name: plugins/average.py}\ndataset: {name: bbc}\n")
    result = cli("train", *arguments)
    assert message in result.error_line
    assert result.code == 2
    assert result.out == ""
    assert not (tmp_path / "runs").exists()


def run_in_folder(arguments, folder, **options):
    """Run the program in another process, whose caches are those of this one."""
    command = [sys.executable, "-m", "textclf", *arguments]
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}  # Python flushes at exit, as for users.
    return subprocess.run(command, cwd=folder, text=True, check=False, env=environment, **options)


def run_without_reader(arguments, folder, *, errors):
    """Run the program with a closed pipe as output, and with ``errors`` also for its messages."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return run_in_folder(
            arguments, folder, stdout=writer, stderr=writer if errors else subprocess.PIPE
        )
    finally:
        os.close(writer)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows reports a closed pipe otherwise")
@pytest.mark.parametrize(
    "arguments", [["datasets"], ["--help"], ["models", "--help"], ["datasets", "a.csv"]], ids=str
)
def test_reader_that_closes_the_pipe_is_not_an_error(arguments, tmp_path):
    write_csv(tmp_path / "a.csv")
    done = run_without_reader(arguments, tmp_path, errors=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert run_without_reader(arguments, tmp_path, errors=True).returncode == 0


@pytest.mark.skipif(os.name == "nt", reason="Windows reports a closed pipe otherwise")
def test_error_that_nobody_reads_keeps_its_exit_code(tmp_path):
    assert run_without_reader(["trian"], tmp_path, errors=True).returncode == 2


@pytest.mark.skipif(os.name == "nt", reason="Windows reports a closed pipe otherwise")
def test_verdict_that_nobody_reads_keeps_its_exit_code(smoke_run, tmp_path):
    damaged = shutil.copytree(smoke_run, tmp_path / "run")
    (damaged / "predictions.npz").write_bytes(b"")
    assert run_without_reader(["runs", "check", damaged], tmp_path, errors=False).returncode == 3


@pytest.mark.skipif(os.name == "nt", reason="Windows reports a closed pipe otherwise")
def test_gate_that_nobody_reads_keeps_its_exit_code(tmp_path):
    write_runs(tmp_path / "base", {"cnn": 0.9}, n_seeds=1)
    write_runs(tmp_path / "new", {"mlp": 0.6}, n_seeds=1)
    done = run_without_reader(["compare", "new", "--gate", "base"], tmp_path, errors=False)
    assert done.returncode == 3
    assert "significantly less accurate than cnn: mlp dropped by 0." in done.stderr


@pytest.fixture
def removed_folder(tmp_path, cli):
    """Change into a folder, and remove it."""
    folder = tmp_path / "removed"
    folder.mkdir()
    os.chdir(folder)  # The fixture `cli` changes back.
    folder.rmdir()


no_removal = pytest.mark.skipif(os.name == "nt", reason="Windows keeps the current folder")


@no_removal
@pytest.mark.usefixtures("removed_folder")
@pytest.mark.parametrize(
    "arguments",
    [
        ["compare"],
        ["datasets", "reviews.csv"],
        ["predict", "runs/bbc/cnn", "good"],
        ["train", "--config", "my.yaml"],
        ["compare", "--dataset", "bbc", "--model", "majority"],
    ],
    ids=str,
)
def test_removed_current_folder_is_the_error(cli, arguments):
    result = cli(*arguments)
    assert result.error_line == (
        "the current folder was removed, or removed and created again: cd to a folder that exists"
    )
    assert (result.code, result.out) == (1, "")


@no_removal
@pytest.mark.usefixtures("removed_folder")
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["models"], ["datasets", "bbc"]])
def test_command_without_files_works_in_a_removed_folder(cli, arguments):
    result = cli(*arguments)
    assert (result.code, bool(result.out)) == (0, True)


def test_every_format_contains_the_same_values(cli, smoke_run):
    accuracy = cli("compare", smoke_run, "--format", "json").json[0]["accuracy"]
    shown = f"{accuracy:.4f}"
    assert shown in cli("compare", smoke_run).out
    assert f"| {shown} |" in cli("compare", smoke_run, "--format", "markdown").out
    rows = list(csv.DictReader(io.StringIO(cli("compare", smoke_run, "--format", "csv").out)))
    assert float(rows[0]["accuracy"]) == accuracy
    chosen = cli("compare", smoke_run, "--format", "csv", "--columns", "accuracy,model").out
    assert chosen == f"accuracy,model\n{accuracy},mlp\n"


def test_help_is_shown_without_a_command(cli):
    result = cli()
    assert result.code == 2
    assert "Commands:" in result.err


@pytest.mark.parametrize("width", [80, 100])
def test_help_shows_whole_summaries_and_fits_the_terminal(cli, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    names = [name for name, _ in load_script("write_reference").list_commands()]
    assert {"train", "runs", "runs remove"} <= set(names)
    for name in ["", *names]:
        usage, _, rest = cli(*name.split(), "--help").out.partition("\n\n")
        assert usage.startswith("Usage: textclf")
        assert [line for line in rest.splitlines() if line.endswith("...")] == [], name
        assert max(map(len, rest.splitlines())) <= 80, name


@pytest.fixture
def sigterm():
    """Restore the handler of SIGTERM, which is ignored after the first."""
    before = signal.getsignal(signal.SIGTERM)
    yield before
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def sigint():
    """Handle SIGINT as in the foreground, also if the tests run in the background of a script."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def run_instead(monkeypatch):
    """Return a function that replaces what the command line runs."""
    return lambda function: monkeypatch.setattr(program.cli, "main", lambda *_, **__: function())


def test_sigterm_is_one_interrupt_and_later_ones_are_ignored(cli, run_instead, sigterm):
    interrupts = []

    def run():
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt:
            interrupts.append("first")
            signal.raise_signal(signal.SIGTERM)
            raise

    run_instead(run)
    result = cli()
    assert (result.code, result.error_line) == (143, "terminated")
    assert interrupts == ["first"]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN


@pytest.mark.parametrize(
    ("handler", "is_raised"), [(signal.SIG_IGN, True), (signal.SIG_DFL, False)]
)
def test_sigterm_interrupts_unless_ctrl_c_has_come_before(
    cli, run_instead, monkeypatch, sigterm, handler, is_raised
):
    # Python itself never leaves SIG_DFL; `stop_after_step` sets it at the first Ctrl-C.
    before = signal.signal(signal.SIGINT, handler)
    run_instead(lambda: signal.raise_signal(signal.SIGTERM))
    try:
        assert cli().code == (143 if is_raised else 0)
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("sigint")
def test_ctrl_c_is_not_called_terminated(cli, run_instead, sigterm):
    run_instead(lambda: signal.raise_signal(signal.SIGINT))
    result = cli()
    assert (result.code, result.error_line) == (130, "interrupted")
    assert signal.getsignal(signal.SIGTERM) is sigterm


INTERRUPTED_IMPORT = """
import signal, sys

class Finder:
    def find_spec(name, path=None, target=None):
        if name == "click":
            signal.raise_signal(signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Finder)
from textclf.__main__ import main
main()
"""


def test_ctrl_c_while_the_program_is_imported_is_one_line():
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_IMPORT], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "textclf: interrupted\n")
