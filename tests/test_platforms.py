"""What Windows and macOS lack is not needed there, or is refused with one line."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import textclf
from textclf.encoders import presets
from textclf.errors import EmbeddingError
from textclf.runs.directory import RunDirectory
from textclf.storage.arrays import write_batches

SOURCE = Path(textclf.__file__).parent
POSIX_MODULES = {
    "fcntl",
    "grp",
    "posix",
    "pty",
    "pwd",
    "readline",
    "resource",
    "syslog",
    "termios",
    "tty",
}
NEEDS_POSIX = "textclf.serving.server"
"""The only module that need not be importable on Windows; `commands/serve.py` refuses there."""

WINDOWS = SimpleNamespace(platform="win32")


def list_modules():
    """Yield the name and path of each module."""
    for path in sorted(SOURCE.rglob("*.py")):
        parts = ("textclf", *path.relative_to(SOURCE).with_suffix("").parts)
        yield ".".join(parts).removesuffix(".__init__"), path


def list_top_imports(body):
    """Yield the modules that are imported by statements that are always executed."""
    for node in body:
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0]


def test_only_the_server_imports_what_windows_lacks():
    found = {
        name
        for name, path in list_modules()
        if POSIX_MODULES & set(list_top_imports(ast.parse(path.read_text(encoding="utf-8")).body))
    }
    assert found == {NEEDS_POSIX}


def opens_text_without_encoding(node):
    """Return whether a call opens a text file, whose encoding would be that of the system."""
    if not isinstance(node, ast.Call) or any(word.arg == "encoding" for word in node.keywords):
        return False
    if isinstance(node.func, ast.Attribute) and node.func.attr in {"read_text", "write_text"}:
        return len(node.args) < (2 if node.func.attr == "write_text" else 1)
    # Members of archives are bytes, and os.open returns a descriptor.
    if not re.fullmatch(r"(.*\.)?(?<!os\.)(?<!archive\.)(fd)?open", ast.unparse(node.func)):
        return False
    modes = [
        argument.value
        for argument in [*node.args, *(word.value for word in node.keywords)]
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    ]
    return not any("b" in mode for mode in modes)


def test_text_files_have_an_encoding():
    found = [
        f"{name}:{node.lineno}"
        for name, path in list_modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if opens_text_without_encoding(node)
    ]
    assert found == []


IMPORT_ALL = """
import builtins, importlib, sys

missing, posix = sys.argv[1].split(","), []
import_module = builtins.__import__

def import_unless_posix(name, scope=None, *rest, **named):
    if name in missing and str((scope or {}).get("__name__")).startswith("textclf"):
        raise ModuleNotFoundError(f"No module named '{name}'", name=name)
    return import_module(name, scope, *rest, **named)

builtins.__import__ = import_unless_posix
for name in sys.argv[2].split(","):
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        posix.append(f"{name} needs {error.name}")
print(posix)
"""


@pytest.mark.slow
def test_modules_can_be_imported_without_posix_modules():
    names = [
        name
        for name, _ in list_modules()
        # Files of exports, and what starts the command.
        if ".portable" not in name and name != "textclf.__main__"
    ]
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, ",".join(sorted(POSIX_MODULES)), ",".join(names)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"['{NEEDS_POSIX} needs resource']"


def test_serve_is_refused_on_windows(cli, smoke_run, monkeypatch):
    monkeypatch.setattr("textclf.commands.serve.sys", WINDOWS)
    answer = cli("serve", smoke_run)
    assert answer.code == 2
    assert answer.error_line == (
        "textclf serve needs Linux or macOS, whose signals stop and reload it; on Windows, use WSL"
        " or the image of docs/how-to/deploy.md"
    )


def test_encoder_is_refused_on_windows(monkeypatch):
    monkeypatch.setattr(presets, "sys", WINDOWS)
    monkeypatch.setattr(presets, "_has", lambda package: package != "tensorflow_text")
    with pytest.raises(EmbeddingError) as caught:
        presets.check_installed()
    assert str(caught.value) == (
        "the model encoder needs TensorFlow Text, which has no release for Windows: use WSL"
        " (tensorflow_text is not installed)"
    )


def refuse_to_remove(monkeypatch, name):
    """Refuse to remove files with a name, as Windows does while they are open."""
    unlink = Path.unlink

    def refuse(path, missing_ok=False):
        if path.name.endswith(name):
            raise PermissionError(13, "being used by another process", str(path))
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)


def test_array_that_cannot_be_removed_yet_is_kept(monkeypatch, capfd):
    import numpy as np

    array = write_batches([np.arange(3)])
    path = Path(array.filename)
    refuse_to_remove(monkeypatch, ".npy")
    del array
    assert path.exists()
    assert capfd.readouterr().err == ""


def test_run_is_removed_although_its_lock_is_open(monkeypatch, tmp_path):
    run = RunDirectory(tmp_path / "run")
    run.path.mkdir()
    (run.path / "config.yaml").touch()
    refuse_to_remove(monkeypatch, ".lock")
    assert run.remove() == []
    assert {path.name for path in run.path.iterdir()} == {".lock"}
