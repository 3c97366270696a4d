"""Runs the command line, as ``textclf`` or with ``python -m textclf``."""

import sys


def main() -> None:
    """Import and run the command line; Ctrl-C during the import is one line as well."""
    try:
        from textclf import cli

        cli.main()
    except KeyboardInterrupt:
        sys.stderr.write("textclf: interrupted\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
