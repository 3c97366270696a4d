"""Where the files of a preset are: folders, caches, and a server that speaks Hugging Face's API."""

import hashlib
import http.server
import json
import multiprocessing
import shutil
import threading
import time
from pathlib import Path

import pytest
from support import write_preset

from textclf.encoders import presets
from textclf.encoders.presets import DEFAULT, find_digest, hash_preset, is_preset, resolve
from textclf.errors import EmbeddingError, RequestError

COMMIT = "1" * 40


@pytest.fixture(autouse=True)
def no_errors(monkeypatch):
    monkeypatch.setattr(presets, "_errors", {})


@pytest.fixture
def preset(tmp_path):
    return write_preset(tmp_path / "preset")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of Hugging Face."""
    from huggingface_hub import constants

    folder = tmp_path / "hugging-face"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    return folder


def connect(monkeypatch, endpoint):
    """Let Hugging Face's library ask another server, as HF_ENDPOINT does in a new process."""
    from huggingface_hub import constants

    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)


class HuggingFace(http.server.BaseHTTPRequestHandler):
    """Serves a folder as user/tiny; user/gated needs access, and others do not exist."""

    def log_message(self, *args):
        pass

    def answer(self, status, content=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = self.path.partition("?")[0].strip("/")
        if self.command == "GET":
            self.server.paths.append(path)
        files = {file.name: file.read_bytes() for file in self.server.folder.iterdir()}
        if "user/gated" in path:
            self.answer(403, X_Error_Code="GatedRepo", X_Error_Message="Access is restricted")
        elif path in {"", "api/models/user/tiny"}:
            self.answer(200 if path else 405)
        elif path in {f"api/models/user/tiny/revision/{name}" for name in ("main", "v1", COMMIT)}:
            siblings = [{"rfilename": name} for name in files]
            info = {"id": "user/tiny", "sha": COMMIT, "siblings": siblings}
            self.answer(200, json.dumps(info).encode(), Content_Type="application/json")
        elif path == f"api/models/user/tiny/tree/{COMMIT}":
            tree = [
                {"type": "file", "path": name, "size": len(content), "oid": "2" * 40}
                for name, content in files.items()
            ]
            self.answer(200, json.dumps(tree).encode(), Content_Type="application/json")
        elif path.startswith("api/models/user/tiny/revision/"):
            self.answer(404, X_Error_Code="RevisionNotFound")
        elif path.startswith(f"user/tiny/resolve/{COMMIT}/") and path.split("/")[-1] in files:
            content = files[path.split("/")[-1]]
            etag = f'"{hashlib.sha1(content).hexdigest()}"'
            if path.endswith(self.server.broken) and self.command == "GET":
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[:100])
                self.close_connection = True
            else:
                self.answer(200, content, ETag=etag, X_Repo_Commit=COMMIT)
        else:
            self.answer(401, X_Error_Code="RepoNotFound")


@pytest.fixture
def hugging_face(preset, cache, monkeypatch):
    """A server with one model, which Hugging Face's library asks."""
    (preset / "pytorch_model.bin").write_bytes(b"pickle")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), HuggingFace) as server:
        server.folder, server.paths, server.broken = preset, [], "\0"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        connect(monkeypatch, f"http://127.0.0.1:{server.server_port}")
        yield server
        server.shutdown()
        thread.join()


def find_error(name, error_class=EmbeddingError, **options):
    with pytest.raises(error_class) as info:
        resolve(name, **options)
    assert "\n" not in str(info.value)
    return str(info.value)


def test_folder_is_found_by_any_path(preset, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert [resolve(name) for name in ("preset", "./preset", "~/preset", str(preset))] == [
        Path("preset"),
        Path("preset"),
        preset,
        preset,
    ]
    digest = find_digest("preset", None)
    preset.rename(tmp_path / "moved")
    assert find_digest("moved", None) == digest
    assert find_digest("preset", digest) == digest


def test_checksum_depends_on_the_files_that_are_read(preset):
    digest = hash_preset(preset)
    (preset / "README.md").write_text("read me")
    (preset / "onnx").mkdir()
    (preset / "onnx" / "model.onnx").write_text("other weights")
    assert hash_preset(preset) == digest
    for name in ("vocab.txt", "tokenizer_config.json", "config.json", "model.safetensors"):
        content = (preset / name).read_bytes()
        (preset / name).write_bytes(content.replace(b" ", b"  ", 1) + b"\n")
        assert hash_preset(preset) != digest
        (preset / name).write_bytes(content)
    assert hash_preset(preset) == digest


def test_default_is_found_in_the_cache_without_a_network(monkeypatch):
    connect(monkeypatch, "http://127.0.0.1:9")
    assert resolve(DEFAULT, may_download=False).name == "0" * 40


def test_download(hugging_face, preset, cache, capfd):
    folder = resolve("hf://user/tiny")
    assert hash_preset(folder) == hash_preset(preset)
    assert folder.is_relative_to(cache)
    assert not (folder / "pytorch_model.bin").exists()
    captured = capfd.readouterr()
    assert captured.out == ""
    hugging_face.paths.clear()
    assert resolve("hf://user/tiny") == folder
    assert hugging_face.paths == []
    assert resolve("hf://user/tiny@v1") == folder
    assert resolve(f"hf://user/tiny@{COMMIT}") == folder


def test_preset_that_another_program_downloaded_in_part_is_completed(hugging_face, cache):
    folder = resolve("hf://user/tiny")
    for name in ("vocab.txt", "model.safetensors"):
        (folder / name).unlink()
        for tree in cache.rglob("trees"):
            shutil.rmtree(tree)
        assert resolve("hf://user/tiny") == folder
        assert (folder / name).is_file()


@pytest.mark.slow
def test_interrupted_download_is_repeated(hugging_face, preset):
    hugging_face.broken = "model.safetensors"
    message = find_error("hf://user/tiny")
    assert message.startswith("cannot get hf://user/tiny: ")
    assert find_error("hf://user/tiny", may_download=False).endswith(
        "is not in the cache, and loading a model downloads nothing: run textclf hub info"
        " hf://user/tiny"
    )
    hugging_face.broken = "\0"
    assert hash_preset(resolve("hf://user/tiny")) == hash_preset(preset)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hf://user/absent", "it does not exist, or is private; check its name, or run: hf auth"),
        ("hf://user/gated", "its authors grant access on its page; ask there, then run: hf auth"),
        ("hf://user/tiny@v2", "it has no such revision"),
    ],
)
def test_what_the_server_refuses_is_explained(hugging_face, name, message):
    assert find_error(name).startswith(f"cannot get {name}: {message}")


@pytest.mark.parametrize(
    "name",
    [
        "hf://",
        "hf://user",
        "hf://a/b/c",
        "hf://a/b@../../x",
        "hf://a/b c",
        "hf://../x",
        "hf://a--b/c",
    ],
)
def test_malformed_name_is_refused(name):
    assert find_error(name, RequestError) == (
        f"{name}: expected hf://USER/MODEL[@REVISION], such as {DEFAULT}"
    )


def test_without_a_network_the_answer_is_quick_and_asked_for_once(cache, monkeypatch):
    connect(monkeypatch, "http://127.0.0.1:9")
    start = time.monotonic()
    assert find_digest("hf://user/tiny", None) is None
    assert time.monotonic() - start < 5
    message = str(presets._errors["hf://user/tiny"][0])
    assert message == (
        "cannot get hf://user/tiny: http://127.0.0.1:9 cannot be reached (ConnectionError); connect"
        " to the network once, or set model.preset to a folder with the files of a preset; see"
        " docs/how-to/encoders.md"
    )
    monkeypatch.setattr(presets, "resolve", None)  # It would be called for a second question.
    assert find_digest("hf://user/tiny", None) is None
    with pytest.raises(EmbeddingError) as info:
        presets.resolve_checked("hf://user/tiny", None)
    assert str(info.value) == message


def test_error_is_forgotten_when_the_network_may_be_back(preset, monkeypatch):
    now = time.monotonic()
    presets._errors[str(preset)] = EmbeddingError("no network"), now
    assert find_digest(str(preset), None) is None
    monkeypatch.setattr(time, "monotonic", lambda: now + 61)
    assert find_digest(str(preset), None) == hash_preset(preset)


def test_offline_mode_is_respected(hugging_face, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "it is not in the cache, and HF_HUB_OFFLINE is set; " in find_error("hf://user/tiny")
    assert hugging_face.paths == []


def test_another_checksum_is_an_error(preset):
    presets.resolve_checked(str(preset), hash_preset(preset))
    with pytest.raises(EmbeddingError) as info:
        presets.resolve_checked(str(preset), "0" * 64)
    assert str(info.value) == (
        f"{preset} is not the preset that the configuration was made with; to use it anyway: --set"
        " model.digest=null"
    )


def test_preset_without_a_checksum_is_not_used(preset):
    with pytest.raises(EmbeddingError, match="has no checksum, because it was not available"):
        presets.resolve_checked(str(preset), None)


def test_incomplete_preset_is_named_as_it_was_given(hugging_face, preset):
    (preset / "vocab.txt").unlink()
    with pytest.raises(EmbeddingError, match=r"^hf://user/tiny has no vocab\.txt, which is a part"):
        find_digest("hf://user/tiny", None)


def download(path, endpoint, cache, own_cache, results):
    """Download in a process of its own."""
    from huggingface_hub import constants

    with pytest.MonkeyPatch.context() as patch:
        connect(patch, endpoint)
        patch.setattr(constants, "HF_HUB_CACHE", cache)
        patch.setenv("TEXTCLF_CACHE_DIR", own_cache)
        results.put(hash_preset(resolve("hf://user/tiny")))


@pytest.mark.slow
def test_two_processes_download_once(hugging_face, preset, cache, tmp_path):
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    endpoint = f"http://127.0.0.1:{hugging_face.server_port}"
    arguments = ("", endpoint, str(cache), str(tmp_path / "own"), results)
    processes = [context.Process(target=download, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    assert [results.get(timeout=120) for _ in processes] == [hash_preset(preset)] * 2
    for process in processes:
        process.join()
    assert hugging_face.paths.count(f"user/tiny/resolve/{COMMIT}/model.safetensors") == 1


def seed_kaggle(handle, preset, folder):
    """Write a preset where Kaggle's library stores it, with the mark of a complete download."""
    where = folder / "models" / handle
    shutil.copytree(preset, where)
    (where.parent / f"{where.name}.complete").touch()
    return where


def test_preset_of_kerashub_is_found_in_kaggles_cache(preset, tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "kaggle"))
    name = "bert_tiny_en_uncased"
    handle = presets.list_presets()[name].removeprefix("kaggle://")
    folder = seed_kaggle(handle, preset, tmp_path / "kaggle")
    assert resolve(name) == resolve(f"kaggle://{handle}") == folder
    (folder.parent / f"{folder.name}.complete").unlink()
    assert find_error(name, may_download=False) == (
        f"{name} is not in the cache, and loading a model downloads nothing: run textclf hub info"
        f" {name}"
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bert_tiny_en_uncase", "unknown preset 'bert_tiny_en_uncase': did you mean 'bert_tiny_en"),
        (
            "user/model",
            "unknown preset 'user/model': did you mean 'hf://user/model'? Or give a folder",
        ),
        (
            "kaggle://keras/bert",
            "kaggle://keras/bert: expected kaggle://USER/MODEL/keras/VARIATION",
        ),
        (
            "gpt2_base_en",
            "unknown preset 'gpt2_base_en': did you mean 'bge_base_en'? Or give a folder,"
            " hf://USER/MODEL, or a preset of KerasHub, such as bert_small_en_uncased, of one of"
            " the families Albert, Bert, ",
        ),
        ("http://x/y", "unknown preset 'http://x/y': "),
        ("a" * 5_000, "unknown preset 'aaaa"),
    ],
    ids=lambda value: value[:24],
)
def test_unknown_name_is_explained(name, message):
    assert find_error(name, RequestError).startswith(message)


def test_names_of_presets_and_of_embeddings(preset, tmp_path):
    for name in ("hf://a/b", "kaggle://a/b/keras/c/1", "bert_tiny_en_uncased", str(preset), "a/b"):
        assert is_preset(name)
    for name in ("glove", "nnlm-en-dim50", "google/nnlm-en-dim50/2", str(tmp_path), "no_such_name"):
        assert not is_preset(name)
