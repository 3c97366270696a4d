"""Reads ragged rows out of an .npz file without running what a pickle may hold.

NumPy stores rows of different lengths as a pickled array of objects. Unpickling is limited to
arrays and plain Python values: nothing else can be named, so nothing else can run.

Keras has such a reader too, but only behind ``load_data``, which reads from ``/tmp`` where the
user's folder is read-only.
"""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

RECONSTRUCT = np.empty(0).__reduce__()[0]
ALLOWED = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): RECONSTRUCT,
}


class _ArrayUnpickler(pickle.Unpickler):
    """Knows the names that an array of lists needs, and no others."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"refused to load {module}.{name}")
        return ALLOWED[module, name]


def read_rows(path: Path, member: str) -> npt.NDArray[Any]:
    """Return one array of an .npz file, [n] of int64 or of lists.

    Raises:
        ValueError, zipfile.BadZipFile, pickle.UnpicklingError: the file is damaged or hostile.
    """
    with zipfile.ZipFile(path) as archive, archive.open(f"{member}.npy") as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f"{member}.npy has another format than 1.0")
        _, _, dtype = np.lib.format.read_array_header_1_0(file)
        if dtype.hasobject:
            rows: npt.NDArray[Any] = _ArrayUnpickler(file).load()
            return rows
    with np.load(path) as arrays:
        return np.asarray(arrays[member])
