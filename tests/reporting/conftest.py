"""Predictions of a small test split, and the page of a finished run."""

import numpy as np
import pytest

import textclf
from textclf.data.dataset import Split
from textclf.reporting import run_section
from textclf.reporting.predictions import LabeledPredictions


@pytest.fixture
def make_predictions():
    """Return a function that makes predictions of labels (true, predicted) with confidences."""

    def make(pairs, confidences, label_names=("a", "b", "c")):
        probabilities = np.zeros((len(pairs), len(label_names)), np.float32)
        for row, (_, predicted), confidence in zip(probabilities, pairs, confidences, strict=True):
            row[:] = (1 - confidence) / (len(label_names) - 1)
            row[predicted] = confidence
        texts = [f"text {i}" for i in range(len(pairs))]
        examples = Split.from_lists(texts, [true for true, _ in pairs])
        counts = np.ones(len(label_names), np.int64)
        return LabeledPredictions(tuple(label_names), examples, probabilities, counts)

    return make


@pytest.fixture(scope="session")
def smoke_pages(smoke_run, tmp_path_factory) -> dict[bool, str]:
    """The page of a run, with and without texts."""
    folder = tmp_path_factory.mktemp("pages")
    pages = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_section, "N_EXPLAINED_TOKENS", 2_000)
        for texts in (True, False):
            path = folder / f"{texts}.html"
            textclf.report(smoke_run, path, texts=texts, device="cpu", quiet=True)
            pages[texts] = path.read_text(encoding="utf-8")
    return pages
