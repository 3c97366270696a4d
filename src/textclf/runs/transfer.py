"""A run directory as bytes, for machines that share no disk."""

from collections.abc import Mapping

from textclf.runs.directory import FILES, RunDirectory
from textclf.storage.files import remove_leftovers, write_atomically


def pack_run(run: RunDirectory) -> dict[str, bytes]:
    """Return the content of all files of a run, finished or not.

    The caller must hold the run's lock.
    """
    paths = {name: run.path / name for name in FILES}
    return {name: path.read_bytes() for name, path in paths.items() if path.is_file()}


def unpack_run(run: RunDirectory, files: Mapping[str, bytes]) -> None:
    """Write the files that `pack_run` returned elsewhere; the caller must hold the lock.

    ``evaluation.json`` is written last, so that a run is not finished if the process is killed.
    """
    for name in reversed(FILES):
        remove_leftovers(run.path / name)
        if name in files:
            with write_atomically(run.path / name) as temporary:
                temporary.write_bytes(files[name])
    for name in FILES:
        if name not in files:  # Such as the checkpoint of a run that is now finished.
            (run.path / name).unlink(missing_ok=True)
