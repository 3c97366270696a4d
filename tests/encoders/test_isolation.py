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
@pytest.mark.parametrize("model", ["mlp", "tfidf-svc"])
def test_other_models_never_import_kerashub(model, tmp_path):
    done = run("train", "--model", model, "--dataset", "bbc", "--smoke", folder=tmp_path)
    assert done.stderr.splitlines()[-1] == "loaded []"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("broken", "message"),
    [
        *(
            (name, f"the model encoder needs KerasHub: pip install 'textclf[encoder]' ({name} is")
            for name in ("keras_hub", "tensorflow_text")
        ),
        (
            "raise AttributeError('broken')",
            "KerasHub cannot be imported (AttributeError: broken); install it again: pip install"
            " --force-reinstall 'textclf[encoder]'",
        ),
        (
            "raise ImportError('no such symbol')",
            "KerasHub cannot be imported (ImportError: no such symbol); install it again",
        ),
    ],
)
def test_encoder_says_how_to_install_kerashub(broken, message, tmp_path):
    done = run(
        *("train", "--model", "encoder", "--dataset", "bbc", "--smoke"),
        folder=tmp_path,
        broken=broken,
        check=False,
    )
    assert done.returncode == 1
    [line] = [line for line in done.stderr.splitlines() if line.startswith("textclf: ")]
    assert line.removeprefix("textclf: ").startswith(message)
