"""A run becomes files that classify text without textclf, or nothing is written."""

import json
import shutil
import signal
import subprocess
import sys
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import textclf
from textclf import api
from textclf.config.resolve import resolve
from textclf.errors import GateError, RequestError, RunError
from textclf.exporting import export as module
from textclf.exporting.formats import FORMATS, QUANTIZATIONS
from textclf.runs.directory import RunDirectory
from textclf.runtime.progress import Reporter

TEXTS = [
    "Shares fell as oil prices rose",
    "The striker scored twice",
    "",
    "Ünïcode ﬁlm\u2019s 👍🏽",
    "x " * 50_000,
]


@pytest.fixture(scope="module")
def exported(smoke_run, tmp_path_factory):
    """The smoke run as a SavedModel, which tests must not change."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "dont_write_bytecode", False)  # As without PYTHONDONTWRITEBYTECODE.
        return api.export(smoke_run, tmp_path_factory.mktemp("exports") / "new" / "out", quiet=True)


@pytest.fixture
def sklearn_run(tmp_path):
    """A finished run of a scikit-learn model, whose files are not read."""
    from support import draw_correct, write_run

    run, _ = write_run(tmp_path / "runs", "majority", draw_correct(0.5, 9))
    (run.path / "model.skops").touch()
    meta = run.read_meta()
    run.write_meta({**meta, "checksums": {**meta["checksums"], "model.skops": "0"}})
    return run.path


@pytest.mark.slow
def test_the_saved_model_is_exactly_the_model_of_the_run(exported, smoke_run):
    assert exported.format == "saved-model"
    assert exported.parity.largest_difference == 0
    assert exported.parity.n_labels_different == 0
    assert exported.parity.n_examples == 64
    assert exported.parity.passed
    assert exported.speed.one_text_ms_p50 > 0
    assert exported.speed.texts_per_second > 0
    example = module.load_example(exported.path)
    expected = textclf.load_run(smoke_run).predict_proba(TEXTS)
    assert np.array_equal(example.predict(TEXTS), expected)
    assert example.predict([]).shape == (0, 5)


def test_signatures_take_texts_and_return_probabilities_and_label_names(exported, smoke_run):
    import tensorflow as tf

    model = tf.saved_model.load(str(exported.path / "1"))
    run = textclf.load_run(smoke_run)
    assert set(model.signatures) == {"serving_default", "serve"}
    outputs = model.signatures["serving_default"](texts=tf.constant(TEXTS[:2]))
    assert outputs["probabilities"].shape == (2, 5)
    names = [[name.decode() for name in row] for row in outputs["label_names"].numpy()]
    assert names == [list(run.label_names)] * 2


def test_export_json_describes_the_files_and_the_run(exported, smoke_run):
    run = textclf.load_run(smoke_run)
    document = json.loads((exported.path / "export.json").read_text())
    assert document["schema_version"] == 1
    assert (document["model"], document["dataset"], document["seed"]) == ("mlp", "bbc", 42)
    assert document["fingerprint"] == run.config.fingerprint
    assert document["label_names"] == list(run.label_names)
    assert document["packages"] == ["tensorflow"]
    assert (
        document["model_checksum"] == sha256((smoke_run / "model.keras").read_bytes()).hexdigest()
    )
    assert {"python", "textclf", "tensorflow"} <= set(document["versions"])
    for name, file in document["files"].items():
        content = (exported.path / name).read_bytes()
        assert file == {"bytes": len(content), "sha256": sha256(content).hexdigest()}
    assert {"example.py", "1/saved_model.pb"} <= set(document["files"])
    written = {path.relative_to(exported.path) for path in exported.path.rglob("*.*")}
    assert {*map(str, written)} == {*document["files"], "export.json"}
    n_bytes = {name: file["bytes"] for name, file in document["files"].items()}
    assert n_bytes.pop("README.md") > 0
    assert sum(n_bytes.values()) == exported.n_bytes
    assert document["parity"] == vars(exported.parity)


def test_every_variable_is_written_once(exported, smoke_run):
    n_bytes = (exported.path / "1" / "variables" / "variables.data-00000-of-00001").stat().st_size
    n_parameters = textclf.load_run(smoke_run).result.n_parameters
    assert 0 <= n_bytes - 4 * n_parameters < 10_000


def check_refused(run, output, match, **options):
    """Check that an export is refused on one line, and that nothing is written."""
    before = sorted(output.parent.glob("*"))
    with pytest.raises(RequestError, match=match) as info:
        api.export(run, output, quiet=True, **options)
    assert "\n" not in str(info.value)
    assert sorted(output.parent.glob("*")) == before


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"format": "onxn"}, "unknown format 'onxn': did you mean 'onnx'"),
        ({"format": "litert", "quantize": "int4"}, "unknown quantization 'int4'"),
        ({"format": "onnx", "quantize": "int8"}, "--quantize int8 needs --format litert, not onnx"),
        ({"quantize": "int8"}, "--quantize int8 needs --format litert, not saved-model"),
        ({"max_difference": float("nan")}, "max_difference=nan: expected a number from 0 to 1"),
        ({"max_difference": 2}, "max_difference=2: expected a number from 0 to 1"),
    ],
)
def test_options_that_do_not_fit_are_refused(smoke_run, tmp_path, options, match):
    check_refused(smoke_run, tmp_path / "out", match, **options)


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "numpy"])
def test_formats_for_networks_refuse_scikit_learn(sklearn_run, tmp_path, name):
    match = f"--format {name} is for networks: export a scikit-learn model with --format numpy"
    check_refused(sklearn_run, tmp_path / "out", match, format=name)


@pytest.mark.parametrize("name", [name for name, each in FORMATS.items() if each.extra])
def test_missing_extra_is_named(smoke_run, tmp_path, monkeypatch, name):
    missing = FORMATS[name].imports[-1]
    found = lambda package: None if package == missing else find_spec(package)  # noqa: E731
    monkeypatch.setattr(module, "find_spec", found)
    package = {"onnx": "tf2onnx", "litert": "ai-edge-litert"}[name]
    match = rf"--format {name} needs the package {package}: pip install 'textclf-keras\[{name}\]'"
    check_refused(smoke_run, tmp_path / "out", match, format=name)


@pytest.mark.posix
def test_a_folder_in_a_run_directory_is_refused(smoke_run, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(smoke_run)
    for folder in (smoke_run, smoke_run / "new" / "out", link / "out"):
        check_refused(smoke_run, folder, "is in the run directory")
    assert not (smoke_run / "new").exists()


@pytest.mark.posix
def test_a_path_that_exists_is_refused(smoke_run, exported, tmp_path):
    for path in (tmp_path / "folder", tmp_path / "file", tmp_path / "link"):
        {"folder": Path.mkdir, "file": Path.touch}.get(
            path.name, lambda link: link.symlink_to("nowhere")
        )(path)
        check_refused(smoke_run, path, "exists and is not an export", force=True)
    (tmp_path / "folder" / "export.json").touch()
    check_refused(smoke_run, tmp_path / "folder", "exists and is not an export", force=True)
    output = shutil.copytree(exported.path, tmp_path / "out")
    check_refused(smoke_run, output, "exists; replace it with --force")


def test_a_folder_that_contains_the_run_or_the_current_folder_is_refused(
    smoke_run, exported, tmp_path, monkeypatch
):
    output = shutil.copytree(exported.path, tmp_path / "out")
    run = shutil.copytree(smoke_run, output / "run")
    check_refused(run, output, "out contains .*/run; choose another folder", force=True)
    monkeypatch.chdir(output / "1")
    for path in (Path(), output):
        check_refused(smoke_run, path, "contains .*/1; choose another folder", force=True)


@pytest.mark.slow
def test_an_earlier_export_is_replaced_by_force(smoke_run, exported, tmp_path, monkeypatch, capsys):
    def audit(*arguments, phases):
        phases.reporter.note("tfidf-svc uses n-grams of characters")
        return original(*arguments, phases=phases)

    original = module.audit
    monkeypatch.setattr(module, "audit", audit)
    output = shutil.copytree(exported.path, tmp_path / "out")
    (output / "README.md").write_text("license: mit")
    (output / "example.py").write_text("")
    (output / "leftover").touch()
    assert api.export(smoke_run, output, force=True).parity.passed
    assert (output / "README-previous.md").read_text() == "license: mit"
    err = capsys.readouterr().err
    assert "texts for the model card" in err
    assert "n-grams" not in err  # The audit's notes are not about the model.
    assert (output / "example.py").read_bytes() == (exported.path / "example.py").read_bytes()
    assert not (output / "leftover").exists()


def test_a_model_card_that_was_edited_is_kept(exported, tmp_path, capsys):
    def keep(earlier):
        folder = tmp_path / f"after-{earlier.name}"
        folder.mkdir()
        module._keep_card(earlier, folder, Reporter())
        found = [(path.name, path.read_text()) for path in folder.iterdir()]
        return found, capsys.readouterr().err

    output = shutil.copytree(exported.path, tmp_path / "out")
    assert keep(output) == ([], "")
    (output / "README.md").write_text("license: mit")
    kept = [("README-previous.md", "license: mit")]
    assert keep(output.rename(tmp_path / "edited")) == (
        kept,
        f"kept your model card as {tmp_path / 'edited' / 'README-previous.md'}\n",
    )
    # The card of the next export is not edited, but this one is still there.
    again = shutil.copytree(exported.path, tmp_path / "again")
    (again / "README-previous.md").write_text("license: mit")
    assert keep(again) == (kept, "")
    for content in ("{", "[]", '{"files": {}}'):
        damaged = tmp_path / f"damaged{len(content)}"
        damaged.mkdir()
        (damaged / "README.md").write_text("license: mit")
        (damaged / "export.json").write_text(content)
        assert keep(damaged)[0] == kept


def test_export_json_has_no_folder_of_the_dataset(smoke_run, tmp_path):
    path = tmp_path / "secret" / "mine.csv"
    path.parent.mkdir()
    path.write_text("text,label\nx,a\n")
    run = textclf.load_run(smoke_run)
    run.config = resolve({"dataset": {"name": str(path)}, "model": {"name": "mlp"}})
    assert module.describe_model(run, "saved-model", None)["dataset"] == "mine.csv"


@pytest.mark.slow
def test_a_failed_comparison_writes_everything_and_exits_with_3(
    cli, smoke_run, tmp_path, monkeypatch
):
    from textclf.text import normalizer

    def cut(texts):
        import tensorflow as tf

        return tf.strings.substr(texts, 0, 10)

    monkeypatch.setattr(normalizer, "normalize", cut)
    answer = cli("export", smoke_run, "out")
    assert answer.code == 3
    assert "out differs from the run: the largest difference" in answer.error_line
    assert "allow more with --max-difference" in answer.error_line
    document = json.loads((tmp_path / "out" / "export.json").read_text())
    assert document["parity"]["largest_difference"] > 0
    assert document["parity"]["passed"] is False


def test_probabilities_that_are_not_numbers_fail():
    for bound in (0.1, 1):
        parity = module.Parity.of(np.full((2, 3), 0.5), np.full((2, 3), np.nan), bound)
        assert parity.largest_difference == 1
        assert not parity.passed


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_export_that_is_stopped_leaves_nothing(smoke_run, tmp_path, monkeypatch, error):
    def write_half(classifier, folder, *_):
        (folder / "model.onnx").touch()
        raise error

    monkeypatch.setattr(module, "_write_files", write_half)
    expected = RunError if isinstance(error, OSError) else error
    with pytest.raises(expected):
        api.export(smoke_run, tmp_path / "new" / "out", quiet=True)
    assert [*tmp_path.iterdir()] == []


KILLED = """
import os, signal, sys
from textclf import api
from textclf.exporting import export

export._compare = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
api.export(sys.argv[1], sys.argv[2], quiet=True)
"""


@pytest.mark.posix
@pytest.mark.slow
def test_a_killed_export_leaves_no_folder(smoke_run, tmp_path):
    output = tmp_path / "out"
    killed = subprocess.run([sys.executable, "-c", KILLED, smoke_run, output], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not output.exists()
    assert api.export(smoke_run, output, quiet=True).parity.passed


def test_a_run_whose_dataset_has_changed_is_refused(smoke_run, tmp_path, monkeypatch):
    run = shutil.copytree(smoke_run, tmp_path / "run")
    directory = RunDirectory(run)
    directory.write_meta({**directory.read_meta(), "dataset_digest": "other"})
    with pytest.raises(RunError, match="the dataset has changed"):
        api.export(run, tmp_path / "out", quiet=True)
    assert not (tmp_path / "out").exists()


def test_bounds_are_those_of_the_format_unless_given():
    options = module.ExportOptions
    assert module.find_bound("saved-model", options()) == 0
    assert module.find_bound("litert", options(quantize="int8")) == QUANTIZATIONS["int8"]
    assert module.find_bound("litert", options(quantize="int8", max_difference=0)) == 0
    exported = module.Export(
        Path("out"), "onnx", None, 1, module.Parity(9, 0.2, 1, 0.1, False), None
    )
    with pytest.raises(GateError, match=r"0\.2, above 0\.1, and 1 predicted label of 9 differ"):
        module.check_parity(exported)
