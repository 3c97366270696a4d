"""Untrusted files: no code from them is run, and nothing is written outside their folder."""

import io
import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

import textclf
from textclf import registry
from textclf.config.loading import read_yaml
from textclf.config.resolve import resolve
from textclf.errors import LimitError, RequestError, RunError
from textclf.registry import hash_code
from textclf.runs.directory import RunDirectory
from textclf.runs.model_file import check_model_file
from textclf.tables import Column, format_table


@pytest.fixture
def run(smoke_run, tmp_path):
    return RunDirectory(shutil.copytree(smoke_run, tmp_path / "copy"))


def rewrite(run, change=lambda config: config, extra=()):
    """Change the model of a run and its checksums, like an attacker."""
    path = run.path / "model.keras"
    result, meta = run.read_result(), run.read_meta()
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files["config.json"] = json.dumps(change(json.loads(files["config.json"]))).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in [*files.items(), *extra]:
            archive.writestr(name, content)
    run.finish(result, meta)
    assert run.find_damage() == []


def test_models_of_this_project_are_accepted(run):
    check_model_file(run.path / "model.keras")
    rewrite(run)
    assert run.read_model().label_names[0] == "business"


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"class_name": "Lambda", "module": "keras.layers"}, "its Lambda layer can run any code"),
        ({"class_name": "TFSMLayer", "module": "keras.layers"}, "its TFSMLayer layer can run any"),
        ({"class_name": "system", "module": "os"}, "it names system of os, and only classes of"),
        ({"class_name": "Evil", "module": "kerasevil"}, "it names Evil of kerasevil, and only"),
        ({"class_name": "Evil", "module": "textclf_evil.x"}, "it names Evil of textclf_evil.x"),
    ],
)
def test_model_that_would_run_code_is_refused(cli, run, layer, message):
    def hide(config):
        layers = config["config"]["network"]["config"]["layers"]
        layers[1]["config"] = {"deeper": [{"inside": {**layer, "config": {}}}]}
        return config

    rewrite(run, hide)
    for arguments in (["predict", run.path, "some text"], ["evaluate", run.path]):
        answer = cli(*arguments)
        assert answer.code == 1
        assert f"model.keras is refused: {message}" in answer.error_line


def test_model_that_is_not_a_text_classifier_is_refused(run):
    import keras

    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    network.save(run.path / "model.keras")
    run.finish(run.read_result(), run.read_meta())
    with pytest.raises(RunError, match="it contains a Sequential, not a text classifier"):
        run.read_model()


def enlarge(config):
    config["config"]["network"]["config"]["layers"][3]["config"]["units"] = 2**40
    return config


def change_a_type(config):
    layer = config["config"]["network"]["config"]["layers"][3]
    layer["class_name"], layer["module"] = "__typespec__", "keras.layers"
    return config


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(enlarge, marks=pytest.mark.slow),
        change_a_type,
        lambda config: [],
        lambda config: 1,
    ],
)
def test_damaged_model_with_matching_checksums_is_refused_in_one_line(run, change):
    rewrite(run, change)
    with pytest.raises(RunError) as info:
        run.read_model()
    assert "model.keras is damaged" in str(info.value)
    assert "\n" not in str(info.value)


@pytest.mark.parametrize("checksums", [None, 5, []])
def test_record_without_checksums_is_refused_in_one_line(run, checksums):
    run.write_meta({**run.read_meta(), "checksums": checksums})
    for read in (run.read_result, run.read_model):
        with pytest.raises(RunError, match=r"meta\.json has no checksums; run: textclf train"):
            read()
    assert run.find_damage()[0].startswith(f"{run.path / 'meta.json'} has no checksums")


def test_lambda_layer_is_refused_before_keras_reads_it(run):
    import keras

    network = keras.Sequential([keras.Input((3,)), keras.layers.Lambda(lambda x: x + 1)])
    network.save(run.path / "model.keras")
    run.finish(run.read_result(), run.read_meta())
    with pytest.raises(RunError, match="its Lambda layer can run any code"):
        run.read_model()


@pytest.mark.parametrize(
    "name", ["../evil", "assets/../../evil", "/tmp/evil", "assets\\..\\..\\evil"]
)
def test_model_with_a_file_outside_its_folder_is_refused(run, name):
    rewrite(run, extra=[(name, b"x")])
    with pytest.raises(
        RunError, match=r"model\.keras is refused: it contains .*, outside its folder"
    ):
        run.read_model()
    assert not (run.path.parent / "evil").exists()


def test_yaml_does_not_create_python_objects(tmp_path):
    path = tmp_path / "config.yaml"
    target = tmp_path / "target"
    path.write_text(f"!!python/object/apply:os.system ['touch {target}']")
    with pytest.raises(RequestError) as info:
        read_yaml(path)
    assert str(path) in str(info.value)
    assert "\n" not in str(info.value)
    assert not target.exists()


@pytest.mark.parametrize("start", ["dataset", "seed", "training: {epochs", "model: {name"])
def test_nested_aliases_in_yaml_do_not_fill_the_memory(tmp_path, start):
    # Lists of nine lists, 13 levels deep, whose text would have terabytes.
    bomb = "&a0 [lol]"
    for depth in range(1, 14):
        bomb = f"&a{depth} [{bomb}, {', '.join([f'*a{depth - 1}'] * 8)}]"
    path = tmp_path / "config.yaml"
    sections = {"dataset": "{name: bbc}", "model": "{name: mlp}"}
    lines = [f"{key}: {value}" for key, value in sections.items() if not start.startswith(key)]
    path.write_text("\n".join([*lines, f"{start}: {bomb}{'}' if '{' in start else ''}"]))
    with pytest.raises(RequestError) as info:
        resolve(read_yaml(path), source=str(path))
    assert "\n" not in str(info.value)
    assert len(str(info.value)) < 300


READ_WITH_LIMITS = """
import pathlib, resource, sys
from textclf.config.loading import read_yaml
from textclf.errors import RequestError

resource.setrlimit(resource.RLIMIT_AS, (1_000_000_000, 1_000_000_000))
try:
    tree = read_yaml(pathlib.Path(sys.argv[1]))
except RequestError as error:
    print(error)
else:
    print(max(len(mapping) for mapping in tree.values()), "keys")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs limits on the memory of a process")
def test_nested_merges_in_yaml_take_little_time_and_memory(tmp_path):
    """Each mapping merges the one before ten times, which would be 10^11 keys in the end.

    Some versions of PyYAML remove repeated keys, and the configuration is small; with others, it
    is refused.
    """
    lines = [f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}" for i in range(1, 12)]
    path = tmp_path / "config.yaml"
    path.write_text("\n".join(["a0: &a0 {x: 1, y: 2}", *lines]))
    done = subprocess.run(
        [sys.executable, "-c", READ_WITH_LIMITS, path],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-1_000:]
    refused = done.stdout.startswith(f"{path}:") and "more than 1,000 keys" in done.stdout
    assert refused or done.stdout == "2 keys\n"
    assert done.stdout.count("\n") == 1


@pytest.mark.posix
def test_endless_configuration_is_refused():
    with pytest.raises(LimitError, match="/dev/zero is larger than the limit of 1 MB"):
        read_yaml(Path("/dev/zero"))


@pytest.mark.parametrize("name", ["predictions.npz", "model.keras", "evaluation.json"])
def test_file_that_unpacks_to_more_than_the_limit_is_refused(cli, run, name, monkeypatch):
    path = run.path / name
    if path.suffix == ".json":
        path.write_bytes(path.read_bytes() + b" " * 3_500_000)
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("bomb", bytes(3_500_000))
        assert path.stat().st_size < 10_000
    monkeypatch.setenv("TEXTCLF_MAX_FILE_MB", "2")
    command = ["compare", run.path] if name != "model.keras" else ["predict", run.path, "text"]
    answer = cli(*command)
    assert answer.code == 1
    assert answer.error_line == (
        f"{path} is larger than the limit of 2 MB; if you trust it, raise TEXTCLF_MAX_FILE_MB"
    )
    assert cli("runs", "check", run.path).code == 3
    monkeypatch.setenv("TEXTCLF_MAX_FILE_MB", "4")
    assert "it has changed since it was written" in cli(*command).error_line


def test_text_above_the_limit_is_not_classified_and_the_limit_can_be_raised(cli, run, monkeypatch):
    text = "w\N{LATIN SMALL LETTER O WITH DIAERESIS}rd " * 17_000  # 102,000 bytes.
    monkeypatch.setenv("TEXTCLF_MAX_TEXT_MB", "0.1")
    answer = cli("predict", run.path, "short", text, "--format", "json")
    assert [bool(row["label"]) for row in answer.json] == [True, False]
    assert answer.err.endswith("1 of 2 texts is not classified: 1 longer than 0.1 MB\n")
    monkeypatch.setenv("TEXTCLF_MAX_TEXT_MB", "1")
    answer = cli("predict", run.path, "short", text, "--format", "json")
    assert [bool(row["label"]) for row in answer.json] == [True, True]


@pytest.mark.parametrize("value", ["", "many", "0", "-1", "nan", "inf", "1e-9"])
def test_limit_that_is_not_a_positive_number_is_refused_in_one_line(cli, run, monkeypatch, value):
    monkeypatch.setenv("TEXTCLF_MAX_FILE_MB", value)
    answer = cli("compare", run.path)
    assert answer.code == 2
    assert answer.error_line == f"TEXTCLF_MAX_FILE_MB={value}: expected megabytes, such as 100"


def test_arrays_that_claim_to_be_huge_are_refused_in_one_line(run):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (2**50,)}
    )
    with zipfile.ZipFile(run.path / "predictions.npz", "w") as archive:
        for name in ("index", "label", "probabilities"):
            archive.writestr(f"{name}.npy", header.getvalue())
    run.finish(run.read_result(), run.read_meta())
    with pytest.raises(RunError, match=r"predictions\.npz is damaged") as info:
        run.read_predictions()
    assert "\n" not in str(info.value)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_text_in_csv_is_not_a_formula(text):
    rows = [{"text": text, "number": -1.5, "more": [text]}]
    lines = format_table(rows, [Column("text", "text")], "csv")
    cell = lines.split("\n", 1)[1]
    assert cell.lstrip('"').startswith(f"'{text}")
    assert ",-1.5," in cell


@pytest.fixture
def malicious_run(code_runs, tmp_path, forget):
    """A run whose Python files leave a trace when they are executed, with matching checksums."""
    run = RunDirectory(shutil.copytree(code_runs["scaled"], tmp_path / "malicious"))
    result, meta = run.read_result(), run.read_meta()
    config = read_yaml(run.path / "config.yaml")
    for section, name in (("model", "model.py"), ("dataset", "dataset.py")):
        code = (run.path / name).read_text()
        trace = str(tmp_path / "executed")
        code += f"\nwith open({trace!r}, 'a') as file:\n    file.write('{name} ')\n"
        (run.path / name).write_text(code)
        config[section]["code"] = hash_code(code.encode())
    (run.path / "config.yaml").write_text(yaml.safe_dump(config))
    fingerprint = run.read_config(verify=False).fingerprint
    run.finish(replace(result, fingerprint=fingerprint), {**meta, "config": config})
    assert run.find_damage() == []
    return run


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["predict", "RUN", "some text"], 1),
        (["evaluate", "RUN"], 1),
        (["diff", "RUN", "RUN"], 2),
        (["reproduce", "RUN"], 2),
        (["compare", "RUN"], 0),
        (["compare", "RUN", "--model", "scaled.py"], 0),
        (["runs", "check", "RUN"], 0),
        (["train", "--config", "RUN/config.yaml"], 2),
        (["train", "--config", "RUN/config.yaml", "--dry-run"], 2),
        (["compare", "--config", "RUN/config.yaml"], 2),
        (["models", "mlp", "--config", "RUN/config.yaml"], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_python_files_of_a_run_are_not_executed_without_permission(
    cli, malicious_run, tmp_path, arguments, code
):
    result = cli(*(argument.replace("RUN", str(malicious_run.path)) for argument in arguments))
    assert not (tmp_path / "executed").exists()
    assert result.code == code
    if code:
        assert "--trust-code" in result.error_line


def test_python_files_of_a_run_are_executed_with_permission(cli, malicious_run, tmp_path):
    assert cli("diff", malicious_run.path, malicious_run.path, "--trust-code").code == 0
    assert (tmp_path / "executed").read_text() == "dataset.py model.py "


def test_configuration_of_a_run_does_not_name_a_python_file_to_execute(cli, run, tmp_path):
    evil = tmp_path / "evil.py"
    evil.write_text(f"open({str(tmp_path / 'executed')!r}, 'w').close()")
    path = run.path / "config.yaml"
    path.write_text(path.read_text().replace("name: bbc", f"name: {evil}"))
    run.finish(run.read_result(), run.read_meta())
    assert run.find_damage() == []
    for arguments in (["evaluate", run.path], ["diff", run.path, run.path]):
        result = cli(*arguments)
        assert result.code == 1
        assert f"{evil} is Python code, which is executed only if you" in result.error_line
    assert not (tmp_path / "executed").exists()


def test_finished_run_that_claims_to_be_another_is_not_trusted(code_runs, tmp_path, forget):
    run = RunDirectory(shutil.copytree(code_runs["scaled"], tmp_path / "shared"))
    config = resolve({"dataset": {"name": "bbc"}, "model": {"name": "majority"}})
    claim = {"model": "majority", "fingerprint": config.fingerprint, "seed": config.seed}
    run.finish(replace(run.read_result(), **claim), run.read_meta())
    trained = textclf.train("majority", "bbc", run_dir=run.path, quiet=True)
    with pytest.raises(textclf.RunError, match="needs Scale, which the Python file of the model"):
        trained.predict(["apple"])
    assert registry._loaded == {}
