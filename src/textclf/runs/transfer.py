"""A run directory as bytes, for machines that share no disk."""

from collections.abc import Mapping

from textclf.runs.directory import FILES, RunDirectory
from textclf.storage.files import remove_leftovers, write_whole


def pack_run(run: RunDirectory) -> dict[str, bytes]:
    """Return the content of all files that a run has, finished or not; its lock must be held."""
    paths = {name: run.path / name for name in FILES}
    return {name: path.read_bytes() for name, path in paths.items() if path.is_file()}


def unpack_run(run: RunDirectory, files: Mapping[str, bytes]) -> None:
    """Write the files of a run that was packed elsewhere; its lock must be held.

    As where it was made, the last one is ``evaluation.json``: killed before, it is not finished.
    """
    for name in reversed(FILES):
        remove_leftovers(run.path / name)
        if name in files:
            with write_whole(run.path / name) as temporary:
                temporary.write_bytes(files[name])
    for name in FILES:
        if name not in files:  # Such as the checkpoint of a run that is finished now.
            (run.path / name).unlink(missing_ok=True)
