"""Finds commands, datasets, models and executors, and imports only the one needed.

``models/cnn_lstm.py`` is the model ``cnn-lstm``; files that start with ``_`` are private. Installed
packages add models and datasets by the entry points ``textclf.models`` and ``textclf.datasets``,
and a path such as ``./my_model.py`` names a Python file of the user. A dataset such as
``tfds:ag_news_subset`` is served by ``sources/tfds.py``, and a path such as ``reviews.csv`` by
``sources/path.py``.
"""

import contextlib
import functools
import hashlib
import os
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from textclf.errors import (
    ADD_TRUST,
    RequestError,
    TextclfError,
    find_paths_beside,
    format_error,
    format_unknown,
)

PLUGIN_KINDS = ("datasets", "models")
"""What installed packages and Python files may add."""

TAKES = ("token_ids", "text")
"""What a network can take."""

CODE_PREFIX = "textclf_code_"
"""Start of the module name of a Python file; the rest depends on its content."""


def list_built_in(kind: str) -> list[str]:
    """Return the sorted names of all modules of a kind, such as ``models``, importing none."""
    folder = Path(__file__).parent / kind
    files = (path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))
    return sorted(stem.replace("_", "-") for stem in files)


def list_names(kind: str) -> list[str]:
    """Return the sorted names of a kind, including those of installed packages."""
    return sorted({*list_built_in(kind), *_find_entry_points(kind)})


def shorten_name(name: str) -> str:
    """Return a name for paths and tables: without the folder of a Python file, colons, slashes."""
    return Path(name).name if name.endswith(".py") else name.replace(":", "-").replace("/", "-")


def check_name(kind: str, name: str) -> None:
    """Raise RequestError, with the nearest name, if a name does not exist."""
    if name not in list_names(kind):
        hints = {"datasets": "./reviews.csv", "models": "./my_model.py"}
        hint = f"; or give a path, such as {hints[kind]}" if kind in hints else ""
        pattern = "*.py" if kind == "models" else "*"
        paths = find_paths_beside(Path(name), pattern) if kind in hints else {}
        problem = format_unknown(kind.removesuffix("s"), name, list_names(kind), elsewhere=paths)
        raise RequestError(problem + hint)


def load_module(kind: str, name: str, code: str | None = None) -> ModuleType:
    """Import the module of a name.

    Args:
        kind: Such as ``models``.
        name: Name or path.
        code: What `execute_code` returned, if the name is the path of a Python file.

    Raises:
        RequestError: The name does not exist, with the nearest one; or the file was not executed.
    """
    if is_code(kind, name):
        if code not in _loaded:
            raise RequestError(format_untrusted(name))
        return _check_contract(kind, name, _loaded[code].module)
    if kind == "datasets" and (source := _find_source(name)):
        return import_module(f"textclf.sources.{source}")
    if name in list_built_in(kind):
        return import_module(f"textclf.{kind}.{name.replace('-', '_')}")
    check_name(kind, name)
    return _check_contract(kind, name, _load_entry_point(_find_entry_points(kind)[name]))


def format_untrusted(path: object) -> str:
    """Return the message for a Python file that must not be executed."""
    return (
        f"{path} is Python code, which is executed only if you name it yourself; if you trust it,"
        f" {ADD_TRUST}"
    )


def find_packages(kind: str, name: str, code: str | None) -> list[str]:
    """Return the package that defines a name, in a list that is empty if it is built in."""
    return [load_module(kind, name, code).__name__.split(".")[0]] if code else []


def _check_contract(kind: str, name: str, module: ModuleType) -> ModuleType:
    """Raise RequestError if a module that is not built in lacks what its kind needs."""
    is_network, is_fitted = hasattr(module, "build"), hasattr(module, "fit")
    missing = None
    if kind == "datasets" and not hasattr(module, "load"):
        missing = "load(config)"
    elif kind == "models" and is_network == is_fitted:
        missing = "either build(config, text, n_labels) or fit(config, dataset, seed)"
    elif kind == "models" and is_network and getattr(module, "TAKES", None) not in TAKES:
        missing = f"TAKES, one of {', '.join(TAKES)}"
    if missing:
        raise RequestError(f"{name} is not a {kind.removesuffix('s')}: it must define {missing}")
    return module


def _find_source(name: str) -> str | None:
    """Return the source that serves a dataset; None for a built-in dataset."""
    prefix, colon, _ = name.partition(":")
    if colon and prefix in list_names("sources"):
        return prefix
    is_path = any(mark in name for mark in "./\\~") or os.path.exists(name)  # noqa: PTH110
    return "path" if is_path and name not in list_names("datasets") else None


def describe(kind: str, name: str, code: str | None = None) -> str:
    """Return the first line of a module's docstring.

    Of an installed package, whose ``code`` is not given, it is the name and version, so that a list
    imports no package.
    """
    distribution = find_distribution(kind, name)
    if distribution and code is None:
        return f"From the package {distribution}."
    try:
        text = load_module(kind, name, code).__doc__ or "not described"
    except TextclfError as error:  # One broken package must not hide the others from a list.
        return str(error)
    except Exception as error:
        return f"cannot be imported: {format_error(error)}"
    return text.strip().split("\n")[0].replace("``", "")


@functools.cache
def _find_entry_points(kind: str) -> dict[str, EntryPoint]:
    """Return the entry points of installed packages by name; built-in names are not replaced."""
    if kind not in PLUGIN_KINDS:
        return {}
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=f"textclf.{kind}"):
        if point.name in found and point.dist and found[point.name].dist:
            names = sorted({found[point.name].dist.name, point.dist.name})  # type: ignore[union-attr]
            raise RequestError(
                f"{' and '.join(names)} both add the {kind.removesuffix('s')} '{point.name}';"
                " uninstall one of them"
            )
        if point.name not in list_built_in(kind):
            found[point.name] = point
    return found


def find_distribution(kind: str, name: str) -> str | None:
    """Return the name and version of the package that adds a name; None if it is built in."""
    point = _find_entry_points(kind).get(name)
    return f"{point.dist.name} {point.dist.version}" if point and point.dist else None


def _load_entry_point(point: EntryPoint) -> ModuleType:
    try:
        module: ModuleType = point.load()
    except Exception as error:
        package = f"{point.dist.name} {point.dist.version}" if point.dist else point.value
        raise RequestError(
            f"'{point.name}' of {package} cannot be imported: {format_error(error)}; update or"
            " uninstall that package"
        ) from error
    return module


@dataclass(frozen=True)
class _Code:
    """A Python file that was executed: its module and its content."""

    module: ModuleType
    content: bytes


_loaded: dict[str | None, _Code] = {}
"""Executed Python files by the SHA-256 of their content."""


def is_code(kind: str, name: str) -> bool:
    """Return whether a name is the path of a Python file with a dataset or a model."""
    return kind in PLUGIN_KINDS and name.endswith(".py")


def is_loaded(code: str | None) -> bool:
    """Return whether a Python file with this SHA-256 was executed."""
    return code in _loaded


def hash_code(content: bytes) -> str:
    """Return the SHA-256 of a Python file."""
    return hashlib.sha256(content).hexdigest()


def execute_code(content: bytes, path: Path) -> str:
    """Execute a Python file, unless the same content was executed before.

    Args:
        content: Content of the file.
        path: Its path, for messages and tracebacks.

    Returns:
        The SHA-256 of the content.

    Raises:
        RequestError: The code fails; the message names the line.
    """
    code = hash_code(content)
    if code not in _loaded:
        module = ModuleType(name_code_module(code))
        module.__file__ = str(path)
        sys.modules[module.__name__] = module  # Keras and skops find classes by their module.
        try:
            with contextlib.redirect_stdout(sys.stderr):  # Results alone are on standard output.
                exec(compile(content, str(path), "exec"), vars(module))  # noqa: S102
        except BaseException as error:
            del sys.modules[module.__name__]
            if isinstance(error, TextclfError | KeyboardInterrupt):
                raise
            raise RequestError(_locate(error, path)) from error
        _loaded[code] = _Code(module, content)
    return code


def read_code(code: str) -> bytes:
    """Return the content of a Python file that was executed."""
    return _loaded[code].content


def name_code_module(code: str) -> str:
    """Return the module name of a Python file with a SHA-256; saved models contain it."""
    return f"{CODE_PREFIX}{code[:16]}"


@contextlib.contextmanager
def guard_code(module: ModuleType, kind: type[TextclfError] = RequestError) -> Iterator[None]:
    """Call code that is not built in: what it prints goes to standard error.

    Args:
        module: Module that defines it.
        kind: Class of the error with one line, which names the line of the file.

    Raises:
        TextclfError: The code fails, or exits.
    """
    if module.__name__.startswith("textclf."):
        yield
        return
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except (TextclfError, OSError):
        raise
    except (Exception, SystemExit) as error:
        if find_line(error, module.__file__) is None:
            raise
        raise kind(_locate(error, module.__file__)) from error


def find_line(error: BaseException, path: object) -> int | None:
    """Return the line of a Python file in which an error was raised; None if in none."""
    if isinstance(error, SyntaxError) and error.filename == str(path) and error.lineno:
        return error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    return next((f.lineno for f in reversed(frames) if f.filename == str(path)), None)


def _locate(error: BaseException, path: object) -> str:
    """Return the message for code that fails, with the line of the file."""
    line = find_line(error, path)
    position = f" line {line}" if line else ""
    hint = "; it can import installed packages only" if isinstance(error, ImportError) else ""
    problem = "it calls sys.exit" if isinstance(error, SystemExit) else format_error(error)
    return f"{path}{position}: {problem}{hint}"
