"""The rules of the design, held by tests: what imports what, and what --help never loads."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import textclf
from textclf.registry import list_names, load_module

SOURCE = Path(textclf.__file__).parent
HEAVY = {"tensorflow", "keras", "sklearn", "scipy", "matplotlib", "skops", "pyarrow"}
HEAVY |= {"tensorflow_datasets", "tensorflow_hub"}
# They exist to work with TensorFlow or matplotlib, and are imported only where work is done.
WORKERS = {"text.py", "embedding.py", "vectors.py", "training.py", "plots.py", "significance.py"}
WORKERS |= {"encodings.py", "optimizers.py", "batches.py", "duplicates.py"}

MAY_IMPORT = {
    "errors": set(),
    "registry": {"errors"},
    "config": {"errors", "registry", "sections", "sources"},
    "sections": set(),
    "transfer": {"files", "runs"},
    "data": {"stores"},
    "stores": {"downloads", "errors"},
    "batches": {"backend", "stores"},
    "rowfiles": {"errors", "limits"},
    "leaks": {"data", "errors"},
    "duplicates": {"stores", "text"},
    "suspects": {"data", "floors"},
    "audit": {"config", "data", "duplicates", "leaks", "progress", "suspects"},
    "reports": {"audit", "descriptions", "errors", "files", "tables"},
    "caching": {"downloads", "errors", "files", "integrity", "limits", "stores"},
    "encodings": {"batches", "caching", "data", "integrity", "sections", "stores", "text"},
    "optimizers": set(),
    "downloads": {"errors"},
    "embedding": {"errors"},
    "hub": {"downloads", "errors", "files", "integrity", "vectors"},
    "vectors": {"errors", "files", "text"},
    "text": {"backend", "batches", "data", "embedding"},
    "evaluation": set(),
    "history": set(),
    "files": {"errors", "limits"},
    "results": {"errors", "evaluation"},
    "archives": {"errors", "text"},
    "runs": {
        "archives",
        "checkpoints",
        "config",
        "errors",
        "files",
        "history",
        "integrity",
        "results",
        "sources",
    },
    "checkpoints": {"files", "history"},
    "checks": {"runs", "tables"},
    "integrity": {"files"},
    "interrupts": {"progress"},
    "search": {"errors", "progress", "registry", "results", "runs"},
    "sources": {"errors", "limits"},
    "limits": {"errors"},
    "progress": set(),
    "predictions": {"errors", "limits", "tables", "text"},
    "descriptions": {
        "config",
        "datasets",
        "embedding",
        "errors",
        "evaluation",
        "hub",
        "limits",
        "models",
        "registry",
        "sections",
        "tables",
        "vectors",
    },
    "comparison": {"entries", "errors", "evaluation", "models", "significance", "tables"},
    "entries": {"errors", "results", "runs", "significance"},
    "significance": set(),
    "gates": {"entries", "errors"},
    "fitting": {
        "backend",
        "config",
        "data",
        "encodings",
        "errors",
        "floors",
        "history",
        "interrupts",
        "models",
        "progress",
        "runs",
        "text",
        "training",
    },
    "reproduction": {
        "backend",
        "datasets",
        "environment",
        "errors",
        "experiment",
        "results",
        "runs",
    },
    "floors": {"data"},
    "differences": {"data", "datasets", "entries", "results", "runs", "significance"},
    "plots": {"evaluation", "history"},
    "training": {"backend", "batches", "errors", "history", "optimizers", "sections"},
    "tables": set(),
    "backend": {"errors"},
    "environment": set(),
}


def imports(path, *, top_level_only):
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            if node.module == "textclf":
                yield from (f"textclf.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("name", sorted(MAY_IMPORT))
def test_modules_import_only_what_the_design_allows(name):
    found = {
        module.split(".")[1]
        for module in imports(SOURCE / f"{name}.py", top_level_only=False)
        if module.startswith("textclf.")
    }
    # Where a model is loaded, the modules that define it are imported.
    loading = {"floors"} if name == "runs" else set()
    assert found <= MAY_IMPORT[name] | loading


@pytest.mark.parametrize(
    "path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE))
)
def test_heavy_packages_are_imported_only_where_work_is_done(path):
    if path.name in WORKERS:
        pytest.skip("this module is itself imported only where work is done")
    top_level = {module.split(".")[0] for module in imports(path, top_level_only=True)}
    assert not top_level & HEAVY
    modules = set(imports(path, top_level_only=True))
    # significance needs SciPy alone, which comparing runs needs anyway.
    workers = {f"textclf.{name.removesuffix('.py')}" for name in WORKERS - {"significance.py"}}
    assert not modules & workers


def test_files_and_functions_stay_short():
    for path in SOURCE.rglob("*.py"):
        text = path.read_text()
        assert text.count("\n") <= 300, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < 60, f"{path}: {node.name}"


def loaded_by(*words, cwd):
    """Run the command line in a new process and return the heavy packages that it loaded."""
    code = (
        "import sys\nfrom textclf.cli import main\ntry:\n    main(sys.argv[1:])\n"
        f"except SystemExit as end:\n    loaded = sorted({HEAVY!r} & set(sys.modules))\n"
        "    print(loaded, file=sys.stderr)\n    sys.exit(end.code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False, cwd=cwd
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["models"], ["datasets"]])
def test_lists_and_help_load_nothing_heavy(words, tmp_path):
    assert loaded_by(*words, cwd=tmp_path) == "[]"


@pytest.mark.parametrize("name", list_names("commands"))
def test_help_of_every_command_loads_nothing_heavy(name, tmp_path):
    assert loaded_by(name, "--help", cwd=tmp_path) == "[]"


def test_comparing_finished_runs_does_not_load_tensorflow(smoke_run, tmp_path):
    assert not {"tensorflow", "keras"} & set(
        ast.literal_eval(loaded_by("compare", str(smoke_run), cwd=tmp_path))
    )


def test_only_runs_knows_the_names_of_run_files():
    from textclf.runs import FILES

    for path in SOURCE.rglob("*.py"):
        # Whole strings only: a message or a docstring may name a file.
        strings = {
            node.value
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        assert path.name == "runs.py" or not strings & set(FILES), path


@pytest.mark.parametrize("kind", ["collections", "commands", "datasets", "models"])
def test_registry_lists_every_file(kind):
    names = list_names(kind)
    files = {path.stem for path in (SOURCE / kind).glob("*.py")}
    assert names == sorted(f.replace("_", "-") for f in files if not f.startswith("_"))
    assert len(names) >= 3
    for name in names:
        assert (load_module(kind, name).__doc__ or "").split("\n")[0].endswith(".")
