"""Files of a checkpoint and of the history."""

import numpy as np
import pytest

from textclf.training import checkpoint as checkpoint_module
from textclf.training.checkpoint import read_checkpoint, write_checkpoint
from textclf.training.history import Checkpoint, EpochRow

ROWS = [EpochRow(i, 0.1, 0.2, 0.3, 0.4, 0.001, 1 / 3) for i in (1, 2)]
ARRAYS = [np.arange(6.0).reshape(2, 3), np.array(7, np.int64), np.array([1, 2], np.uint32)]


@pytest.fixture
def paths(tmp_path):
    return tmp_path / "checkpoint.npz", tmp_path / "history.csv"


@pytest.mark.parametrize("best_weights", [[], ARRAYS[:2]])
def test_checkpoint_is_read_as_it_was_written(paths, best_weights):
    write_checkpoint(*paths, Checkpoint(ROWS, ARRAYS, best_weights))
    found = read_checkpoint(paths[0])
    assert found.rows == ROWS
    for read, written in ((found.variables, ARRAYS), (found.best_weights, best_weights)):
        assert [array.dtype for array in read] == [array.dtype for array in written]
        assert all(np.array_equal(a, b) for a, b in zip(read, written, strict=True))


def test_history_is_complete_when_the_last_checkpoint_was_not_written(paths, monkeypatch):
    path, history_path = paths
    write_checkpoint(path, history_path, Checkpoint(ROWS[:1], [], []))
    monkeypatch.setattr(checkpoint_module, "write_npz", lambda *args, **options: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_checkpoint(path, history_path, Checkpoint(ROWS, [], []))
    assert len(history_path.read_text().splitlines()) == 3
    assert read_checkpoint(path).rows == ROWS[:1]
