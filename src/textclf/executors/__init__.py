"""Contains one executor of many runs per file, found by its name.

An executor module has a docstring whose first line is its summary, and defines ``execute(configs,
root, context, executor)``, which runs each configuration below ``root`` and returns the failures.
The run directories are the same for every executor.
"""
