"""Compares exported files with the model of a run, and measures how fast they are."""

import contextlib
import importlib.util
import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from textclf.runtime.machine import count_processors

EXAMPLE = "example.py"
"""The program beside the exported model."""

N_SINGLE_TEXTS = 100
"""Texts that are classified one by one."""

TOKENIZER = "tokenizer"
"""Module that the program imports from its own folder."""


@dataclass(frozen=True)
class Parity:
    """How far exported files and the model of the run differ on the test examples.

    Attributes:
        n_examples: Number of test examples.
        largest_difference: Largest difference of a probability; 1 if one is not a number.
        n_labels_different: Number of examples whose most probable label differs.
        bound: Largest difference that is allowed.
        passed: Whether all probabilities are numbers and the difference is within the bound.
    """

    n_examples: int
    largest_difference: float
    n_labels_different: int
    bound: float
    passed: bool

    @classmethod
    def of(cls, expected: Any, predicted: Any, bound: float) -> "Parity":
        """Compare probabilities, <float32>[examples, labels] each."""
        if predicted.shape != expected.shape:
            raise ValueError(f"expected shape {expected.shape}, got {predicted.shape}")
        differences = np.nan_to_num(np.abs(predicted - expected), nan=1.0)
        different = predicted.argmax(axis=1) != expected.argmax(axis=1)
        largest = float(differences.max(initial=0.0))
        passed = largest <= bound and not np.isnan(predicted).any()
        return cls(len(expected), largest, int(different.sum()), bound, passed=bool(passed))


@dataclass(frozen=True)
class Speed:
    """How fast ``example.py`` classifies test examples on this machine, without tuning.

    Attributes:
        one_text_ms_p50: Median of the milliseconds for one text, after a warm-up.
        texts_per_second: Texts per second if all of them are given at once.
        n_processors: Number of processors that the process could use.
    """

    one_text_ms_p50: float
    texts_per_second: float
    n_processors: int


def load_example(folder: Path) -> Any:
    """Return the classifier of ``example.py`` in a folder of exported files."""
    with _importing_from_its_folder():
        spec = importlib.util.spec_from_file_location("textclf_example", folder / EXAMPLE)
        if spec is None or spec.loader is None:
            raise ValueError(f"{folder / EXAMPLE} is not a Python file")
        example = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(example)
        return example.Classifier(folder)


@contextlib.contextmanager
def _importing_from_its_folder() -> Iterator[None]:
    """Let the block import another `TOKENIZER`, and then forget it."""
    path, loaded = [*sys.path], sys.modules.pop(TOKENIZER, None)
    writes_no_bytecode = sys.dont_write_bytecode
    sys.dont_write_bytecode = True  # It would be among the exported files.
    try:
        yield
    finally:
        sys.path[:] = path
        sys.dont_write_bytecode = writes_no_bytecode
        sys.modules.pop(TOKENIZER, None)
        if loaded is not None:
            sys.modules[TOKENIZER] = loaded


def predict_and_measure(example: Any, texts: Sequence[str]) -> tuple[Any, Speed]:
    """Return the probabilities of all texts by ``example.py``, and how fast it was."""
    singles = [*itertools.islice(itertools.cycle(texts), N_SINGLE_TEXTS)]
    for text in singles[:10]:
        example.predict([text])
    milliseconds = []
    for text in singles:
        started = time.perf_counter()
        example.predict([text])
        milliseconds.append(1000 * (time.perf_counter() - started))
    started = time.perf_counter()
    probabilities = example.predict(texts)
    seconds = time.perf_counter() - started
    median = float(np.median(milliseconds))
    return probabilities, Speed(median, len(texts) / seconds, count_processors())
