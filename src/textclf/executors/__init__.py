"""Contains one executor of many runs per file, found by its name.

An executor module has a docstring whose first line is its summary, and defines ``opened(root,
config)``, a context manager that yields an `Executor`, which runs configurations below ``root`` and
keeps its processes between calls. `make_failure` makes the failures, and raises the error of a
dataset that cannot be loaded, which stops all runs. The run directories are the same for every
executor.
"""
