"""Checkpoints and histories as files."""

import csv
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from textclf.files import open_arrays, write_whole
from textclf.history import Checkpoint, EpochRow


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
    with write_whole(path) as temporary:
        np.savez(temporary, rows=np.array(json.dumps(rows)), **arrays)  # type: ignore[arg-type]


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; ValueError, KeyError or BadZipFile where it is damaged."""
    with open_arrays(path) as arrays:
        names = sorted(arrays.files)
        rows = [EpochRow(**row) for row in json.loads(str(arrays["rows"]))]
        return Checkpoint(
            rows,
            [arrays[name] for name in names if name.startswith("variable_")],
            [arrays[name] for name in names if name.startswith("best_")],
        )
