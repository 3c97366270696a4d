"""Without KerasHub, or with a broken one, everything else works; nothing else imports it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import textclf

ENCODER_PACKAGES = {"keras_hub", "tensorflow_text", "kagglehub", "huggingface_hub", "safetensors"}

MAIN = """
import sys
from textclf.cli import main
try:
    main(sys.argv[1:])
finally:
    loaded = {"keras_hub", "tensorflow_text", "kagglehub"} & set(sys.modules)
    print("loaded", sorted(loaded), file=sys.stderr)
"""


def run(*arguments, folder, broken=None, check=True):
    """Run a command in a process without a package, or with this source as its KerasHub."""
    start = f"import sys; sys.path.insert(0, {str(folder / 'stubs')!r})\n"
    if broken in ENCODER_PACKAGES:
        start += f"sys.modules[{broken!r}] = None\n"
    elif broken:
        (folder / "stubs" / "keras_hub").mkdir(parents=True, exist_ok=True)
        (folder / "stubs" / "keras_hub" / "__init__.py").write_text(broken)
    done = subprocess.run(
        [sys.executable, "-c", start + MAIN, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    assert "Traceback" not in done.stderr
    if check:
        assert done.returncode == 0, done.stderr
    return done


def test_only_the_package_encoders_imports_kerashub():
    source = Path(textclf.__file__).parent
    for path in source.rglob("*.py"):
        imported = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(str(node.module).split(".")[0])
        # Both import it only for a model that contains an encoder.
        is_export = path.name in {"word_pieces.py", "example_saved_model.py"}
        allowed = {"tensorflow_text"} if is_export else set()
        if "encoders" not in path.parts:
            assert imported & ENCODER_PACKAGES <= allowed, path


@pytest.mark.parametrize("arguments", [["--help"], ["models"], ["datasets"], ["runs", "list"]])
def test_lists_work_with_a_broken_kerashub(arguments, tmp_path):
    is_empty = arguments[0] == "runs"  # It exits with 1, because there is no run.
    broken = "raise AttributeError('broken')"
    done = run(*arguments, folder=tmp_path, broken=broken, check=not is_empty)
    assert done.stderr.splitlines()[-1] == "loaded []"


@pytest.mark.slow
def test_other_models_never_import_kerashub(tmp_path):
    models = ("--model", "mlp", "--model", "tfidf-svc")
    done = run("compare", *models, "--dataset", "bbc", "--smoke", folder=tmp_path)
    assert done.stderr.splitlines()[-1] == "loaded []"


REINSTALL = "; install it again: pip install --force-reinstall 'textclf-keras[encoder]'"
NEEDS = "the model encoder needs KerasHub: pip install 'textclf-keras[encoder]' ({} is"
BROKEN = {
    "keras_hub": NEEDS.format("keras_hub"),
    "tensorflow_text": NEEDS.format("tensorflow_text"),
    "raise AttributeError('broken')": "KerasHub cannot be imported (AttributeError: broken)"
    + REINSTALL,
    "raise ImportError('no such symbol')": "KerasHub cannot be imported (ImportError: no such"
    " symbol)" + REINSTALL,
}
"""Missing packages and sources of KerasHub, and how the message begins."""

TRAIN = """
import sys
from pathlib import Path
from textclf.cli import main
from textclf.encoders import presets

stub = Path("stubs/keras_hub/__init__.py")
stub.parent.mkdir(parents=True)
for broken in sys.argv[1:]:
    presets._errors.clear()  # It remembers errors for a while.
    is_name = broken.isidentifier()
    if is_name:
        sys.modules[broken] = None
    else:
        stub.write_text(broken)
        sys.path.insert(0, "stubs")
    try:
        main(["train", "--model", "encoder", "--dataset", "bbc", "--smoke"])
    except SystemExit as end:
        assert end.code == 1
    if is_name:
        del sys.modules[broken]
    else:
        sys.path.remove("stubs")
"""


@pytest.mark.slow
def test_encoder_says_how_to_install_kerashub(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, *BROKEN],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("textclf: ")]
    for line, message in zip(lines, BROKEN.values(), strict=True):
        assert line.removeprefix("textclf: ").startswith(message)
