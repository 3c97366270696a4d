"""Checkpoints and histories as files."""

import csv
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from textclf.storage.files import open_arrays, write_arrays, write_whole
from textclf.training.history import Checkpoint, EpochRow


def write_checkpoint(path: Path, history_path: Path, checkpoint: Checkpoint) -> None:
    """Write what training needs to go on, and a table of the history so far."""
    rows = [asdict(row) for row in checkpoint.rows]
    arrays = {f"variable_{i:04}": array for i, array in enumerate(checkpoint.variables)}
    arrays |= {f"best_{i:04}": array for i, array in enumerate(checkpoint.best)}
    # The history first: training that goes on from the checkpoint does not write it again.
    with write_whole(history_path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    # With the names of all arrays: where the directory of the file is damaged, some could be lost.
    head = json.dumps({"rows": rows, "names": list(arrays)})
    with write_whole(path) as temporary:
        write_arrays(temporary, {"head": np.array(head), **arrays})


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; ValueError or another error of `files.DAMAGE` where it is damaged."""
    with open_arrays(path) as arrays:
        head = json.loads(str(arrays["head"]))
        return Checkpoint(
            [EpochRow(**row) for row in head["rows"]],
            [arrays[name] for name in head["names"] if name.startswith("variable_")],
            [arrays[name] for name in head["names"] if name.startswith("best_")],
        )
