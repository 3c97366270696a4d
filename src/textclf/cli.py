"""The ``textclf`` command: finds its subcommands by file name, turns errors into one line."""

import io
import os
import sys
from typing import NoReturn

import click

from textclf import __version__, registry
from textclf.errors import RequestError, TextclfError
from textclf.storage.limits import LIMITS

INTERRUPTED = 130


class RegistryGroup(click.Group):
    """A group whose commands are the files in ``commands/``, imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of all commands."""
        return registry.list_names("commands")

    def get_command(self, ctx: click.Context, name: str) -> click.Command:  # noqa: ARG002
        """Import a command; an unknown name is an error that gives the nearest one."""
        command: click.Command = registry.load_module("commands", name).command
        return command


@click.command(cls=RegistryGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="textclf")
def cli() -> None:
    """Run, evaluate and honestly compare text classification experiments.

    \b
    Example: textclf train --model cnn --dataset bbc
    """
    for limit in LIMITS:
        _ = limit.n_bytes  # A wrong one is refused at once.


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 done, 1 error, 2 usage, 3 failed gate, 130 interrupted."""
    try:
        # With no arguments at all, click shows the help.
        _tolerate_narrow_encodings()
        code = cli.main(arguments, prog_name="textclf", standalone_mode=False)
        if sys.stdout:
            sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(RequestError.exit_code)
    except click.UsageError as error:
        help_command = error.ctx.command_path if error.ctx else "textclf"
        _fail(f"{error.format_message()} (see {help_command} --help)", RequestError.exit_code)
    except click.ClickException as error:
        _fail(error.format_message(), error.exit_code)
    except TextclfError as error:
        _fail(str(error), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _fail("interrupted", INTERRUPTED)
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough; nothing more can be flushed.
        _drop_output()
        sys.exit(0)
    except OSError as error:
        # The environment, such as a full disk, and not a bug.
        message = f"{error.filename or 'standard output'}: {error.strerror or error}"
        _drop_output()
        _fail(message, TextclfError.exit_code)
    sys.exit(code or 0)


def _tolerate_narrow_encodings() -> None:
    """Print what the terminal's encoding lacks as escapes, and do not fail on it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    """Let what is still buffered go nowhere, so that Python does not fail on it at its end."""
    if sys.stdout:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str, code: int) -> NoReturn:
    one_line = message.replace("\r", "\\r").replace("\n", "\\n")
    click.echo(f"textclf: {one_line}", err=True)
    sys.exit(code)
