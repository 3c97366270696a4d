"""Reads and writes checkpoints and histories as files."""

import csv
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from textclf.storage.arrays import open_npz, write_npz
from textclf.storage.files import write_atomically
from textclf.training.history import Checkpoint, EpochRow


def write_checkpoint(path: Path, history_path: Path | None, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, and its history as CSV unless the path of the latter is None."""
    rows = [asdict(row) for row in checkpoint.rows]
    arrays = {f"variable_{i:04}": array for i, array in enumerate(checkpoint.variables)}
    arrays |= {f"best_{i:04}": array for i, array in enumerate(checkpoint.best_weights)}
    # The history first, because training that resumes from the checkpoint does not write it again.
    if history_path is not None:
        _write_history(history_path, rows)
    # With the names of all arrays, because a damaged zip directory may lose some.
    head = json.dumps({"rows": rows, "names": list(arrays)})
    with write_atomically(path) as temporary:
        write_npz(temporary, {"head": np.array(head), **arrays})


def _write_history(path: Path, rows: list[dict[str, Any]]) -> None:
    with (
        write_atomically(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def read_history(path: Path) -> list[EpochRow]:
    """Read the CSV of a history; raises one of `files.DAMAGE_ERRORS` if it is damaged."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            EpochRow(epoch=int(row.pop("epoch")), **{key: float(row[key]) for key in row})
            for row in csv.DictReader(file)
        ]


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; raises one of `files.DAMAGE_ERRORS` if it is damaged."""
    with open_npz(path) as arrays:
        head = json.loads(str(arrays["head"]))
        return Checkpoint(
            [EpochRow(**row) for row in head["rows"]],
            [arrays[name] for name in head["names"] if name.startswith("variable_")],
            [arrays[name] for name in head["names"] if name.startswith("best_")],
        )
