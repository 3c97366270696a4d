"""A shell whose ``textclf`` runs in the process of the test, where TensorFlow is loaded already.

Bash executes the lines of a page: pipes, loops, redirections and patterns are its own. In front of
PATH are small programs that send their arguments, folder, environment and file descriptors to the
test, which runs the command line with them and returns the exit code. A fresh process would import
TensorFlow each time.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

NEEDS_BASH = pytest.mark.skipif(
    sys.platform != "linux" or not Path("/bin/bash").exists(),
    reason="needs /bin/bash of Linux; that of macOS cannot write a trace to a file",
)

CLIENT = """#!{python} -IS
import json, os, socket, sys
name = os.path.basename(sys.argv[0])
if name == "python" and sys.argv[1:2] != ["-c"]:
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
connection = socket.socket(socket.AF_UNIX)
connection.connect({address!r})
request = {{"arguments": [name, *sys.argv[1:]], "cwd": os.getcwd()}}
request["environment"] = dict(os.environ)
socket.send_fds(connection, [b"f"], [0, 1, 2])
connection.sendall(json.dumps(request).encode())
connection.shutdown(socket.SHUT_WR)
sys.exit(int(connection.makefile().read() or 70))
"""

SCRIPT = """
exec 8>"$TEXTCLF_SHELL/trace" 9>"$TEXTCLF_SHELL/environment"
BASH_XTRACEFD=8
set -eo pipefail -x
{code}
{{ set +x; }} 2> /dev/null
env -0 >&9
"""

ACCEPT_SECONDS = 0.05


@dataclass(frozen=True)
class Output:
    """What the lines of a block left.

    Attributes:
        code: Exit code.
        out: Standard output.
        err: Standard error.
        trace: The simple commands that were executed, one per line.
    """

    code: int
    out: str
    err: str
    trace: str


class Shell:
    """Executes blocks of Bash, one after the other, in one environment.

    Args:
        execute: Runs a command in this process, given its name and arguments; returns the exit
            code.
        environment: Environment variables besides those of this process.
    """

    names = ("textclf", "python", "pip")

    def __init__(
        self, execute: Callable[[Sequence[str]], int], environment: dict[str, str]
    ) -> None:
        self._execute = execute
        # The path of a socket has at most 107 characters.
        self._folder = Path(tempfile.mkdtemp(prefix="doc-"))
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._folder / "socket"))
        self._listener.listen()
        self._listener.settimeout(ACCEPT_SECONDS)
        programs = self._folder / "bin"
        programs.mkdir()
        client = CLIENT.format(python=sys.executable, address=str(self._folder / "socket"))
        for name in self.names:
            (programs / name).write_text(client)
            (programs / name).chmod(0o755)
        path = [str(programs), str(Path(sys.executable).parent), os.environ["PATH"]]
        own = {"PATH": os.pathsep.join(path), "TEXTCLF_SHELL": str(self._folder)}
        self.environment = {**os.environ, **environment, **own}

    def close(self) -> None:
        """Remove the programs."""
        self._listener.close()
        shutil.rmtree(self._folder)

    def run(self, code: str, folder: Path) -> Output:
        """Execute lines in a folder; later ones see the variables that they export."""
        script = SCRIPT.format(code=code)
        with (self._folder / "out").open("w+b") as out, (self._folder / "err").open("w+b") as err:
            process = subprocess.Popen(
                ["/bin/bash", "-c", script],
                cwd=folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
            try:
                while process.poll() is None:
                    self._answer_one()
            finally:
                process.kill()
                process.wait()
        self._read_environment()
        texts = [(self._folder / name).read_text("utf-8") for name in ("out", "err", "trace")]
        return Output(process.returncode, *texts)

    def _read_environment(self) -> None:
        content = (self._folder / "environment").read_text("utf-8")
        if content:
            pairs = (pair.partition("=") for pair in content.rstrip("\0").split("\0"))
            self.environment = {name: value for name, _, value in pairs if name != "SHLVL"}

    def _answer_one(self) -> None:
        """Run the command of a program that is connected, if there is one."""
        try:
            connection, _ = self._listener.accept()
        except TimeoutError:
            return
        with connection:
            connection.settimeout(None)
            _, descriptors, _, _ = socket.recv_fds(connection, 1, 3)
            with connection.makefile("rb") as file:
                request = json.loads(file.read())
            try:
                with as_process(descriptors, request["cwd"], request["environment"]):
                    code = self._run(request["arguments"])
            finally:
                for descriptor in descriptors:
                    os.close(descriptor)
            # A program whose reader has gone is killed by Bash.
            with contextlib.suppress(BrokenPipeError):
                connection.sendall(str(code).encode())

    def _run(self, arguments: Sequence[str]) -> int:
        try:
            return self._execute(arguments)
        except Exception:
            traceback.print_exc()
            return 70


@contextlib.contextmanager
def as_process(descriptors: Sequence[int], cwd: str, environment: dict[str, str]) -> Iterator[None]:
    """Use the standard streams, folder and environment variables of another process."""
    streams = (sys.stdin, sys.stdout, sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(descriptor) for descriptor in range(3)]
    here, before = Path.cwd(), dict(os.environ)
    for target, descriptor in enumerate(descriptors):
        os.dup2(descriptor, target)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - a descriptor
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115
    replace_environment(environment)
    os.chdir(cwd)
    try:
        yield
    finally:
        for stream in (sys.stdin, sys.stdout, sys.stderr):
            with contextlib.suppress(BrokenPipeError):
                stream.close()
        sys.stdin, sys.stdout, sys.stderr = streams
        for target, descriptor in enumerate(kept):
            os.dup2(descriptor, target)
            os.close(descriptor)
        replace_environment(before)
        os.chdir(here)


def replace_environment(environment: dict[str, str]) -> None:
    """Set exactly these environment variables."""
    for name in set(os.environ) - set(environment):
        del os.environ[name]
    os.environ.update(environment)
