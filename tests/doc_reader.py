"""A reader who follows a page from top to bottom: executes its blocks, and compares the output.

What is not done as written, so that a page takes seconds:

- one seed, or two on a page that is followed from top to bottom, at most `MAX_TRIALS` trials, the
  first and the last of several fractions or numbers of training examples, and one process;
- ``textclf serve`` returns when it serves, at a free port that replaces the one in the text;
- ``pip install`` only checks that the extras exist;
- the address of an MLflow server is replaced by that of a database in the folder.

The output that a page shows comes from long runs on the real data. Only the columns of its tables
are compared, and for Python what is printed except numbers.
"""

import configparser
import contextlib
import doctest
import glob
import io
import itertools
import json
import re
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from doc_blocks import DATA, OUTPUT, ROOT, RUNNABLE, Block, read_blocks, split_session
from doc_shell import Output, Shell

from textclf.cli import main
from textclf.config.resolve import resolve

MAX_TRIALS = 2
SERVE_SECONDS = 120
WIDTH = 100
MLFLOW = "http://127.0.0.1:5000"
SERVERS = re.compile(r"(?<=127\.0\.0\.1:)\d+|(?<=localhost:)\d+|(?<=--port )\d+")
DEFAULT_PORT = "8501"

RUN = re.compile(
    r"(?P<root>runs|gate)/(?P<dataset>bbc|reuters|imdb)"
    r"(?:/(?P<model>[a-z-]+)(?:/[^/\s]+/seed-(?P<seed>\d+))?)?/?(?=[\s\"',)]|\Z)"
)
STUDY = re.compile(r"runs/_studies/(?P<dataset>bbc|reuters|imdb)-(?P<model>[a-z-]+)-[0-9a-f]{6}")
EXTRAS = re.compile(r"textclf-keras(?:\[(?P<extras>[\w,]+)\])?")
NUMBER = re.compile(r"-?\d+(?:[.,]\d+)*(?:e[-+]?\d+)?")


class Reader:
    """Executes the blocks of a page in a folder.

    Args:
        page: Page to read.
        folder: Folder that contains the reader's own files.
        forget: Forgets the Python files that a command executed, as if a process had ended.
        trains_runs: Whether runs that the page uses and does not train are trained for it; a
            reader of a tutorial has none.
    """

    def __init__(
        self, page: Path, folder: Path, forget: Callable[[], None], *, trains_runs: bool
    ) -> None:
        self.page, self.folder, self.trains_runs = page, folder, trains_runs
        self._forget = forget
        self._ports: dict[str, str] = {}
        self._servers: dict[str, subprocess.Popen[bytes]] = {}
        self._names: dict[str, Any] = {"__name__": "__page__"}
        self._shell = Shell(self.execute, {"COLUMNS": str(WIDTH), "NO_COLOR": "1"})

    def close(self) -> None:
        """Stop the servers that the page started."""
        for port in list(self._servers):
            self._stop(port)
        self._shell.close()

    def _stop(self, port: str) -> None:
        server = self._servers.pop(port)
        server.terminate()
        server.wait()

    def read(self) -> int:
        """Execute all blocks; return how many."""
        blocks = read_blocks(self.page)
        n_executed = 0
        for block in blocks if self.trains_runs else []:
            self._save(block)
        for block in blocks:
            check_language(block)
            if block.reason:
                continue
            if block.saved_as:
                self._save(block)
            elif block.language in DATA:
                with contextlib.chdir(self.folder):
                    check_data(block)
            elif block.language in RUNNABLE:
                getattr(self, f"_run_{block.language}")(block)
            n_executed += block.is_executed
        return n_executed

    def _save(self, block: Block) -> None:
        if block.saved_as:
            path = self.folder / block.saved_as
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.code, encoding="utf-8")

    def _run_bash(self, block: Block) -> None:
        output = self._run_lines(block, block.code)
        assert output.code == 0, describe(block, output)
        check_columns(block, block.shown, output)

    def _run_console(self, block: Block) -> None:
        for command, shown in split_session(block.code):
            output = self._run_lines(block, command)
            fails = re.search(r"^textclf: ", shown, re.MULTILINE) is not None
            assert (output.code != 0) == fails, describe(block, output)
            check_columns(block, shown, output)

    def _run_lines(self, block: Block, code: str) -> Output:
        code = SERVERS.sub(
            lambda match: self._find_port(match[0]), code.replace(MLFLOW, "sqlite:///mlflow.db")
        )
        return self._shell.run(code, self.folder / block.folder)

    def _run_python(self, block: Block) -> None:
        printed = io.StringIO()
        with self._in_python(block), contextlib.redirect_stdout(printed):
            before = set(self._names)
            exec(compile(block.code, block.location, "exec"), self._names)
            for name in [name for name in self._names if name.startswith("test_")]:
                if name not in before:
                    self._names[name]()
        if block.shown:
            assert mask_numbers(printed.getvalue()) == mask_numbers(block.shown), block.location

    def _run_pycon(self, block: Block) -> None:
        printed: list[str] = []
        with self._in_python(block):
            parsed = doctest.DocTestParser().get_doctest(
                block.code, self._names, block.location, block.location, block.line
            )
            parsed.globs = self._names  # Which it would copy.
            runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
            runner.run(parsed, out=printed.append, clear_globs=False)
        assert not runner.failures, "".join(printed)

    @contextlib.contextmanager
    def _in_python(self, block: Block) -> Iterator[None]:
        """Be in the folder of the block, from which modules are imported, as in a new process."""
        folder = self.folder / block.folder
        modules = set(sys.modules)
        with contextlib.chdir(self.folder):
            for match in RUN.finditer(block.code) if block.language == "python" else ():
                self._train_missing(match)
        with contextlib.chdir(folder):
            sys.path.insert(0, str(folder))
            try:
                yield
            finally:
                sys.path.remove(str(folder))
                for name in set(sys.modules) - modules:
                    file = getattr(sys.modules[name], "__file__", None)
                    if file and Path(file).is_relative_to(self.folder):
                        del sys.modules[name]

    def execute(self, arguments: Sequence[str]) -> int:
        """Execute a command of a page in this process; return the exit code."""
        name, *rest = arguments
        if name == "pip":
            return check_installed(rest)
        if name == "python":
            sys.argv = ["-c", *rest[2:]]
            exec(compile(rest[1], "-c", "exec"), {"__name__": "__main__"})
            return 0
        for argument in rest:
            self._make_missing(argument.rpartition("=")[2])
        expanded = [path for argument in rest for path in expand(argument)]
        if rest[0] == "serve":
            return self._serve(expanded)
        return self._run_textclf(reduce_work(expanded, n_seeds=1 if self.trains_runs else 2))

    def _run_textclf(self, arguments: Sequence[str]) -> int:
        sys.argv = ["textclf", *arguments]
        try:
            main(list(arguments))
        except SystemExit as done:
            return int(done.code or 0)
        finally:
            self._forget()

    def _make_missing(self, path: str) -> None:
        """Make what an argument names if the page uses it and does not make it itself."""
        if match := RUN.fullmatch(path):
            self._train_missing(match)
        if path == "runs" and self.trains_runs and not Path(path).exists():
            self._make_missing("runs/bbc")
        match = STUDY.fullmatch(path)
        if match and self.trains_runs and not Path(path).exists():
            options = ["--dataset", match["dataset"], "--model", match["model"], "--quiet"]
            assert self._run_textclf(reduce_work(["tune", *options])) == 0

    def _train_missing(self, match: re.Match[str]) -> None:
        """Train a run that the page uses and does not train itself."""
        root, dataset, model, seed = match.group("root", "dataset", "model", "seed")
        if not self.trains_runs or glob.glob(match[0]):  # noqa: PTH207 - a pattern
            return
        for name in [model] if model else ["tfidf-svc", "cnn"]:
            options = ["--model", name, "--dataset", dataset, "--run-root", root, "--quiet"]
            given_seed = ["--seed", seed] if seed else []
            assert self._run_textclf(["train", *options, *given_seed]) == 0

    def _find_port(self, port: str) -> str:
        if port not in self._ports:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self._ports[port] = str(free.getsockname()[1])
        return self._ports[port]

    def _serve(self, arguments: Sequence[str]) -> int:
        """Start a server, and wait until it serves."""
        given = "--port" in arguments
        port = arguments[arguments.index("--port") + 1] if given else self._find_port(DEFAULT_PORT)
        command = [
            sys.executable,
            "-m",
            "textclf",
            *arguments,
            *([] if given else ["--port", port]),
        ]
        if port in self._servers:
            self._stop(port)
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        self._servers[port] = server
        end = time.monotonic() + SERVE_SECONDS
        while time.monotonic() < end:
            if (code := server.poll()) is not None:
                return code or 1
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).close()
                return 0
            time.sleep(0.1)
        return 1


def check_language(block: Block) -> None:
    """Check that a test knows what to do with a block."""
    known = RUNNABLE | DATA | OUTPUT
    is_directive = block.language.startswith("{")
    assert is_directive or block.language in known, f"{block.location}: ```{block.language}"


def check_data(block: Block) -> None:
    """Check that a file can be parsed; a configuration must be valid."""
    if block.language == "json":
        for part in [block.code] if block.code.count("\n{") == 0 else block.code.splitlines():
            json.loads(part)
    elif block.language == "yaml":
        tree = yaml.safe_load(block.code)
        if isinstance(tree, dict) and {"dataset", "model"} <= set(tree):
            resolve(tree)
    elif block.language == "toml":
        tomllib.loads(block.code)
    elif block.language == "ini":
        configparser.ConfigParser(strict=False, interpolation=None).read_string(block.code)


def check_installed(arguments: Sequence[str]) -> int:
    """Check that the extras of a ``pip install`` exist; return the exit code."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    command, *requirements = arguments
    for requirement in requirements:
        match = EXTRAS.fullmatch(requirement)
        known = {"", *project["optional-dependencies"]}
        if command != "install" or not match or set((match["extras"] or "").split(",")) - known:
            sys.stderr.write(f"pip {command} {requirement}: mark the block as not executed\n")
            return 1
    return 0


def reduce_work(arguments: Sequence[str], *, n_seeds: int = 1) -> list[str]:
    """Return the arguments with fewer seeds, trials and processes."""
    limits = {"--seeds": n_seeds, "--trials": MAX_TRIALS, "--jobs": 1}
    reduced = [reduce_parts(argument) for argument in arguments]
    for i, argument in enumerate(arguments[:-1]):
        if argument in limits:
            given = arguments[i + 1]
            is_less = given.isdigit() and int(given) < limits[argument]
            reduced[i + 1] = given if is_less else str(limits[argument])
    if arguments[0] == "tune" and "--trials" not in arguments and "--show" not in arguments:
        reduced += ["--trials", str(MAX_TRIALS)]
    return reduced


def reduce_parts(argument: str) -> str:
    """Return the first and the last of several fractions or numbers."""
    parts = argument.split(",")
    is_list = len(parts) > 2 and all(re.fullmatch(r"[\d.]+|all", part) for part in parts)
    return f"{parts[0]},{parts[-1]}" if is_list else argument


def expand(argument: str) -> list[str]:
    """Expand a pattern whose files did not exist when Bash would have expanded it."""
    if "*" not in argument or Path(argument).exists():
        return [argument]
    return sorted(glob.glob(argument)) or [argument]  # noqa: PTH207 - a pattern


def list_tables(text: str) -> list[list[str]]:
    """Return the columns of each table in an output: the line above a line of dashes."""
    lines = text.splitlines()
    return [
        re.split(r"\s{2,}", above.strip())
        for above, line in itertools.pairwise(lines)
        if re.fullmatch(r"-+(?: +-+)*", line.strip()) and "  " in line
    ]


def check_columns(block: Block, shown: str, output: Output) -> None:
    """Check that the output has the columns of the tables, or the keys of the JSON, of the page."""
    if shown.startswith("{"):
        assert set(json.loads(output.out)) == set(json.loads(shown)), describe(block, output)
        return
    printed = list_tables(output.out)
    for columns in list_tables(shown):
        assert any(set(columns) <= set(found) for found in printed), (
            f"{block.location}: the page shows a table with {columns}, printed were {printed}"
        )


def mask_numbers(text: str) -> list[str]:
    """Return the words of an output with N instead of each number."""
    return NUMBER.sub("N", text).replace("[", "[ ").split()


def describe(block: Block, output: Output) -> str:
    """Return what failed: the last command of the trace, and the end of its messages."""
    last = output.trace.strip().splitlines()[-1:] or ["?"]
    return f"{block.location}: exit code {output.code}: {last[0]}\n{output.err[-2_000:]}"
