"""Contains one executor of many runs per file, found by its name.

An executor module has a docstring whose first line is its summary, and defines ``execute(configs,
root, context, executor)``, which runs each configuration below ``root`` and returns the failures.
`make_failure` makes them, and raises the error of a dataset that cannot be loaded, which stops all
runs. The run directories are the same for every executor.
"""
