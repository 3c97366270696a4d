"""Arrays of lists in .npz files are read without running code from their pickles."""

import os
import pickle

import numpy as np
import pytest

from textclf.datasets._npz import read_rows


def test_rows_of_different_lengths_and_plain_arrays_are_read(tmp_path):
    rows = np.array([[1, 2, 3], [4], []], dtype=object)
    np.savez(tmp_path / "a.npz", x=rows, y=np.arange(3))
    assert [list(row) for row in read_rows(tmp_path / "a.npz", "x")] == [[1, 2, 3], [4], []]
    assert read_rows(tmp_path / "a.npz", "y").tolist() == [0, 1, 2]


class Malicious:
    def __reduce__(self):
        return os.system, ("touch malicious-code-ran",)


def test_malicious_array_runs_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = np.empty(2, dtype=object)
    rows[:] = [[1], Malicious()]
    np.savez("a.npz", x=rows)
    with pytest.raises(pickle.UnpicklingError, match=r"refused to load (posix|nt|os)\.system"):
        read_rows(tmp_path / "a.npz", "x")
    assert not (tmp_path / "malicious-code-ran").exists()
