"""Run directories: files, results, search."""
