"""The rules of the design: imports between packages, lazy imports, length of functions."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import textclf
from textclf.registry import list_names, load_module

SOURCE = Path(textclf.__file__).parent

LAYERS = """
errors, tables | registry, storage, runtime | config | data | datasets, sources | text |
hub, encoders | models, training | evaluation | auditing | runs |
experiment, comparison, explanation | executors | exporting, tuning | reporting, serving | api |
commands, testing | cli | __main__
"""
"""A package imports only from packages to the left of its bar."""

LAYER = {
    name.strip(): number
    for number, names in enumerate(LAYERS.split("|"))
    for name in names.split(",")
}

HEAVY = {"tensorflow", "keras", "sklearn", "scipy", "matplotlib", "skops", "pyarrow"}
HEAVY |= {"tensorflow_datasets", "tensorflow_hub", "joblib"}

MAX_FUNCTION_LINES = 50
USUAL_FUNCTION_LINES = 40


def list_imports(tree):
    """Yield the full name of every import, including lazy and type-checking ones."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def find_package(name):
    """Return the package of this project that an import names; None for others."""
    parts = name.split(".")
    if parts[0] != "textclf" or parts[1:] == ["__version__"]:
        return None
    return parts[1] if len(parts) > 1 else "textclf"


@pytest.mark.parametrize(
    "path", sorted(SOURCE.rglob("*.py")), ids=lambda path: path.relative_to(SOURCE).as_posix()
)
def test_packages_import_only_from_the_left(path):
    relative = path.relative_to(SOURCE)
    own = relative.parts[0].removesuffix(".py")
    if own == "__init__":
        own = "api"  # Offers the public names of api.
    for name in list_imports(ast.parse(path.read_text())):
        package = find_package(name)
        if package not in {None, own}:
            assert package in LAYER, f"{relative}: {name} is in no layer"
            assert LAYER[package] < LAYER[own], f"{relative} must not import {name}"


def test_every_package_has_a_layer():
    packages = {path.stem for path in SOURCE.iterdir() if path.suffix == ".py"}
    packages |= {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    assert packages - {"__init__"} <= set(LAYER)


def test_modules_have_no_import_cycles():
    modules = {}
    for path in SOURCE.rglob("*.py"):
        parts = ("textclf", *path.relative_to(SOURCE).with_suffix("").parts)
        modules[".".join(parts).removesuffix(".__init__")] = path
    imports = {}
    for module, path in modules.items():
        found = set()
        for name in list_imports(ast.parse(path.read_text())):
            found |= {name, name.rpartition(".")[0]} & set(modules)
        imports[module] = found - {"textclf"}
    done, path = set(), []

    def visit(module):
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module not in done:
            path.append(module)
            for name in sorted(imports[module] - {module}):
                visit(name)
            path.pop()
            done.add(module)

    for module in modules:
        visit(module)
    assert len(done) > 80


@pytest.mark.parametrize("path", sorted(SOURCE.glob("*/__init__.py")), ids=lambda p: p.parent.name)
def test_packages_contain_a_docstring_only(path):
    body = ast.parse(path.read_text()).body
    assert len(body) == 1
    assert ast.get_docstring(ast.Module(body, []))


def count_docstring_lines(node):
    """Return the number of lines of a function's docstring."""
    first = node.body[0]
    has_docstring = ast.get_docstring(node) is not None
    return first.end_lineno - first.lineno + 1 if has_docstring else 0


def test_functions_are_short():
    lengths = {}
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                name = f"{path.relative_to(SOURCE)}: {node.name}"
                lengths[name] = node.end_lineno - node.lineno + 1 - count_docstring_lines(node)
    assert {name: n for name, n in lengths.items() if n > MAX_FUNCTION_LINES} == {}
    long = [name for name, n in lengths.items() if n > USUAL_FUNCTION_LINES]
    assert len(long) <= 0.02 * len(lengths), long


def loaded_by(*arguments, cwd):
    """Run the command line in a new process, and return the heavy packages that it loaded."""
    code = (
        "import sys\nfrom textclf.cli import main\ntry:\n    main(sys.argv[1:])\n"
        f"except SystemExit as end:\n    loaded = sorted({HEAVY!r} & set(sys.modules))\n"
        "    print(loaded, file=sys.stderr)\n    sys.exit(end.code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
    )
    assert done.returncode == 0, done.stderr
    return ast.literal_eval(done.stderr.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["models"], ["datasets"]])
def test_lists_and_help_load_nothing_heavy(arguments, tmp_path):
    assert loaded_by(*arguments, cwd=tmp_path) == []


@pytest.mark.parametrize("name", list_names("commands"))
def test_help_of_every_command_loads_nothing_heavy(name, tmp_path):
    assert loaded_by(name, "--help", cwd=tmp_path) == []


def test_comparing_finished_runs_does_not_load_tensorflow(smoke_run, tmp_path):
    assert not {"tensorflow", "keras"} & set(loaded_by("compare", str(smoke_run), cwd=tmp_path))


def test_only_one_module_knows_the_names_of_run_files():
    from textclf.runs.directory import FILES

    for path in SOURCE.rglob("*.py"):
        # Whole strings only, because a message or a docstring may name a file.
        strings = {
            node.value
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        assert path.name == "directory.py" or not strings & set(FILES), path


@pytest.mark.parametrize("kind", ["commands", "datasets", "executors", "models", "sources"])
def test_registry_lists_every_file(kind):
    names = list_names(kind)
    files = {path.stem for path in (SOURCE / kind).glob("*.py")}
    assert names == sorted(f.replace("_", "-") for f in files if not f.startswith("_"))
    assert len(names) >= 2
    for name in names:
        assert (load_module(kind, name).__doc__ or "").split("\n")[0].endswith(".")
