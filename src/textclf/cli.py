"""The ``textclf`` command: finds its subcommands by file name, and turns errors into one line."""

import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import click

from textclf import __version__, registry
from textclf.errors import RequestError, TextclfError, format_reason
from textclf.storage.limits import LIMITS
from textclf.tables import escape_control

INTERRUPTED = 130
TERMINATED = 143


class RegistryGroup(click.Group):
    """A group whose commands are the files in ``commands/``, imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of all commands."""
        return registry.list_names("commands")

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import a command; RequestError with the nearest name if it does not exist."""
        if ctx.resilient_parsing and name not in registry.list_names("commands"):
            return None  # A shell completes a line, where an error would be in the way.
        command: click.Command = registry.load_module("commands", name).command
        return command

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Parse the options of the group, of which some print a text."""
        with _exit_at_broken_pipe():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        with _exit_at_broken_pipe():
            return super().invoke(ctx)


@contextlib.contextmanager
def _exit_at_broken_pipe() -> Iterator[None]:
    """Exit with 0 if the reader of the output, such as `head`, has closed the pipe.

    `click` would exit with 1.
    """
    try:
        yield
        if sys.stdout:
            sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
        raise click.exceptions.Exit(0) from None


@click.command(
    cls=RegistryGroup,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@click.version_option(__version__, prog_name="textclf")
def cli() -> None:
    """Run, evaluate and honestly compare text classification experiments.

    \b
    Example: textclf train --model cnn --dataset bbc
    """
    for limit in LIMITS:
        _ = limit.n_bytes  # An invalid environment variable is refused at once.


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit.

    The exit codes are 0 done, 1 error, 2 usage, 3 failed gate, 130 interrupted, 143 terminated.
    """
    with _interrupted_by_sigterm() as terminated:
        try:
            _run(arguments)
        except (click.Abort, KeyboardInterrupt):
            if terminated.is_set():
                _fail("terminated", TERMINATED)
            _fail("interrupted", INTERRUPTED)


@contextlib.contextmanager
def _interrupted_by_sigterm() -> Iterator[threading.Event]:
    """Handle the first SIGTERM like one Ctrl-C; yield an event that is set when it comes."""
    came = threading.Event()

    def interrupt(number: int, frame: Any) -> None:  # noqa: ARG001 - Python's signature
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # Supervisors repeat it.
        came.set()
        handler = signal.getsignal(signal.SIGINT)
        if callable(handler):
            handler(signal.SIGINT, frame)
        elif handler == signal.SIG_IGN:  # In the background of a shell script.
            raise KeyboardInterrupt
        # Otherwise Ctrl-C came before, and the last step is being completed.

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield came
    finally:
        if not came.is_set():
            signal.signal(signal.SIGTERM, before)


def _run(arguments: list[str] | None) -> NoReturn:
    """Run the command line and exit, unless it is interrupted."""
    try:
        _escape_unencodable_output()
        code = cli.main(arguments, prog_name="textclf", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(RequestError.exit_code)
    except click.UsageError as error:
        help_command = error.ctx.command_path if error.ctx else "textclf"
        _fail(f"{error.format_message()} (see {help_command} --help)", RequestError.exit_code)
    except click.ClickException as error:
        _fail(error.format_message(), error.exit_code)
    except (TextclfError, OSError) as error:
        if isinstance(error, OSError):  # Perhaps of standard output.
            _discard_output()
        _fail(*_describe(error))
    sys.exit(code or 0)


def _describe(error: TextclfError | OSError) -> tuple[str, int]:
    """Return the message of an expected error and the exit code."""
    try:
        Path.cwd()
    except FileNotFoundError:  # Then no relative path exists, whatever the error says.
        message = "the current folder was removed, or removed and created again"
        return f"{message}: cd to a folder that exists", TextclfError.exit_code
    if isinstance(error, TextclfError):
        return str(error), error.exit_code
    # A problem of the environment, such as a full disk, not a bug.
    message = f"{error.filename or 'standard output'}: {format_reason(error)}"
    return message, TextclfError.exit_code


def _escape_unencodable_output() -> None:
    """Print characters that the terminal's encoding lacks as escapes instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _discard_output() -> None:
    """Discard output that cannot be written, so that Python does not fail with it at exit."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _fail(message: str, code: int) -> NoReturn:
    one_line = message.replace("\r", "\\r").replace("\n", "\\n")
    try:
        click.echo(f"textclf: {escape_control(one_line)}", err=True)
    except BrokenPipeError:  # The exit code still says that it failed.
        _discard_output()
    sys.exit(code)
