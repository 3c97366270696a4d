"""Fixtures that all tests share: the command line, a small dataset, TensorFlow, a finished run.

Nothing here starts TensorFlow unless a test asks for the fixture ``tensorflow``, ``hub_cache`` or
``smoke_run``.
"""

import gc
import hashlib
import importlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

# Before a test imports TensorFlow, whose messages would be among those of textclf.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest
from support import PLUGINS, Answer, serving, write_preset

from textclf import registry
from textclf.cli import main
from textclf.data.dataset import TextDataset
from textclf.testing import WORDS, make_dataset

# Before a test imports huggingface_hub, which reads it only then.
PRESETS = tempfile.TemporaryDirectory(prefix="textclf-presets-")
os.environ["HF_HUB_CACHE"] = os.environ["KAGGLEHUB_CACHE"] = PRESETS.name

REAL_DATA = os.environ.get("TEXTCLF_REAL_DATA") == "1"
CI = bool(os.environ.get("CI"))


def uses_encoder(item) -> bool:
    """Return whether a test uses the model ``encoder``."""
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return (
        item.path.parent.name == "encoders"
        or item.path.name == "test_encoder_runs.py"
        or any(isinstance(value, str) and value == "encoder" for value in parameters)
    )


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("real_data") and not REAL_DATA:
            reason = "needs the real Reuters and IMDB files; set TEXTCLF_REAL_DATA=1"
            item.add_marker(pytest.mark.skip(reason=reason))
        if item.get_closest_marker("posix") and sys.platform == "win32":
            reason = "needs signals, links, devices or a shell that Windows lacks"
            item.add_marker(pytest.mark.skip(reason=reason))
        if sys.platform == "win32" and uses_encoder(item):
            reason = "needs TensorFlow Text, which has no release for Windows"
            item.add_marker(pytest.mark.skip(reason=reason))
        if item.get_closest_marker("slow") and not CI:
            item.add_marker(pytest.mark.skip(reason="takes seconds; set CI=true"))


@pytest.fixture(scope="session", autouse=True)
def cache_folders(tmp_path_factory) -> Path:
    """Caches of the tests' own, also for the processes that they start; return hub's."""
    os.environ["TEXTCLF_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))
    hub = tmp_path_factory.mktemp("tfhub")
    os.environ["TFHUB_CACHE_DIR"] = str(hub)
    seed_preset_cache(Path(PRESETS.name))
    return hub


def seed_preset_cache(folder: Path) -> None:
    """Write a small preset where Hugging Face's library would store the default of ``encoder``."""
    from textclf.encoders.presets import DEFAULT, HUGGING_FACE

    repository = DEFAULT.removeprefix(HUGGING_FACE).replace("/", "--")
    commit = "0" * 40
    (folder / f"models--{repository}" / "refs").mkdir(parents=True)
    (folder / f"models--{repository}" / "refs" / "main").write_text(commit)
    write_preset(folder / f"models--{repository}" / "snapshots" / commit, n_positions=512)


@pytest.fixture(scope="session")
def tensorflow() -> None:
    """Start TensorFlow, before a test changes KERAS_HOME, which Keras reads when imported."""
    from textclf.runtime import backend

    backend.start("cpu")
    gc.collect()
    gc.freeze()  # Each run collects garbage, which would look at all of TensorFlow again.


@pytest.fixture
def cli(capfd, monkeypatch, tmp_path):
    """Return a function that runs ``textclf`` with arguments in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Answer:
        capfd.readouterr()
        with pytest.raises(SystemExit) as exit_info:
            main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return Answer(int(exit_info.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def doc_folder(tmp_path_factory) -> Path:
    """A folder that all processes of the tests share, for what pages of the docs run on."""
    folder = tmp_path_factory.getbasetemp()
    folder = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "doc-pages"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def dataset() -> TextDataset:
    return make_dataset()


@pytest.fixture
def server(tmp_path):
    """A local web server; return its address and the folder that it serves."""
    folder = tmp_path / "served"
    folder.mkdir()
    with serving(folder) as address:
        yield address, folder


@pytest.fixture(scope="session")
def hub_cache(tensorflow, cache_folders) -> Path:
    """A cache that contains the default text embedding of ``hub``, as if it were downloaded.

    It has the layout of gnews-swivel-20dim, 20,000 words and one row for all others with 20 numbers
    each, and random numbers.
    """
    from textclf.hub.handles import SHORT_NAMES, TFHUB
    from textclf.hub.word_vectors import Vectors, write_text_embedding

    words = [word for words in WORDS.values() for word in words]
    tokens = tuple(words + [f"word{i}" for i in range(20_000 - len(words))])
    matrix = np.random.default_rng(0).normal(size=(len(tokens), 20)).astype(np.float32)
    url = TFHUB + SHORT_NAMES["gnews-swivel-20dim"]
    folder = cache_folders / hashlib.sha1(url.encode()).hexdigest()  # As tensorflow_hub names it.
    write_text_embedding(Vectors(tokens, matrix), folder)
    return cache_folders


@pytest.fixture(scope="session")
def smoke_run(tensorflow, tmp_path_factory) -> Path:
    """A small finished run of ``mlp`` on ``bbc``, which tests must not change."""
    from textclf.config.loading import SMOKE, Override
    from textclf.config.resolve import resolve
    from textclf.experiment.run import RunContext, run_experiment
    from textclf.runs.directory import RunDirectory
    from textclf.runtime.progress import Reporter

    tree = {"dataset": {"name": "bbc"}, "model": {"name": "mlp"}, "text": {"num_words": 500}}
    config = resolve(tree, [*SMOKE, Override("training.epochs", 3, "test")])
    run = RunDirectory.of(config, tmp_path_factory.mktemp("runs"))
    run_experiment(config, run, RunContext(Reporter(quiet=True), device="cpu"))
    return run.path


def forget_executed_code() -> None:
    """Forget the Python files that were executed, as if a new process had begun."""
    registry._loaded.clear()
    for name in [name for name in sys.modules if name.startswith(registry.CODE_PREFIX)]:
        del sys.modules[name]


@pytest.fixture
def forget():
    """Nothing has been executed; return a function that forgets what was executed since."""
    forget_executed_code()
    return forget_executed_code


@pytest.fixture
def plugins(tmp_path, forget) -> Path:
    """A folder with copies of the models and datasets in ``tests/plugins``."""
    return shutil.copytree(PLUGINS, tmp_path / "plugins")


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return a function that installs a package with entry points, as pip does."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)

    def install(
        files: dict[str, str],
        entry_points: dict[str, dict[str, str]],
        *,
        name: str = "my-package",
        version: str = "1.0",
    ) -> Path:
        package, info = name.replace("-", "_"), site / f"{name.replace('-', '_')}.dist-info"
        for folder, contents in ((site / package, {"__init__.py": "", **files}), (info, {})):
            folder.mkdir(exist_ok=True)
            for file_name, content in contents.items():
                (folder / file_name).write_text(content)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        lines = [
            f"[textclf.{kind}]\n" + "".join(f"{key} = {value}\n" for key, value in points.items())
            for kind, points in entry_points.items()
        ]
        (info / "entry_points.txt").write_text("\n".join(lines))
        for module in [m for m in sys.modules if m.split(".")[0] == package]:
            del sys.modules[module]
        importlib.invalidate_caches()
        registry._find_entry_points.cache_clear()
        return site

    yield install
    registry._find_entry_points.cache_clear()


@pytest.fixture(scope="session")
def code_runs(tensorflow, tmp_path_factory) -> dict[str, Path]:
    """Finished runs of files that no longer exist; tests must not change them.

    ``average`` and ``scaled`` are networks, ``scaled`` with a layer of its own, and ``bayes`` is of
    scikit-learn; their dataset is ``words``.
    """
    import textclf

    folder = shutil.copytree(PLUGINS, tmp_path_factory.mktemp("code") / "plugins")
    overrides = {"text.num_words": 50, "text.sequence_length": 8, "training.epochs": 2}
    runs = {
        name: textclf.train(
            folder / f"{name}.py",
            folder / "words.py",
            overrides={**overrides, "dataset.validation_fraction": 0.25},
            run_root=tmp_path_factory.mktemp("runs"),
            device="cpu",
            quiet=True,
        ).path
        for name in ("average", "scaled", "bayes")
    }
    shutil.rmtree(folder)
    return runs
