"""Reads rows of different lengths from an .npz file without running code from its pickle.

NumPy stores such rows as a pickled array of objects. The unpickler accepts arrays and plain Python
values only, so that no other class or function can be named or run.

Keras's own reader is only available through ``load_data``, which falls back to ``/tmp`` if the
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
    """Accepts only the classes that an array of lists needs."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"refused to load {module}.{name}")
        return ALLOWED[module, name]


def read_rows(path: Path, member: str) -> npt.NDArray[Any]:
    """Return one array of an .npz file, [n] of int64 or of lists.

    Raises:
        ValueError, zipfile.BadZipFile, pickle.UnpicklingError: The file is damaged or malicious.
    """
    with zipfile.ZipFile(path) as archive, archive.open(f"{member}.npy") as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f"{member}.npy is not in format 1.0")
        _, _, dtype = np.lib.format.read_array_header_1_0(file)
        if dtype.hasobject:
            rows: npt.NDArray[Any] = _ArrayUnpickler(file).load()
            return rows
    with np.load(path) as arrays:
        return np.asarray(arrays[member])
