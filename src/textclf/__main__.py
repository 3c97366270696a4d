"""Lets ``python -m textclf`` do what the installed command does."""

from textclf.cli import main

if __name__ == "__main__":
    main()
