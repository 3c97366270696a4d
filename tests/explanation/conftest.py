"""Runs on texts in which one word decides the label."""

import pytest
from planted import OVERRIDES, PLANTED, make_planted_rows
from support import write_csv


@pytest.fixture(scope="session")
def train_planted(hub_cache, tmp_path_factory):
    """Return a function that trains a model on such texts, and returns its run, once."""
    import textclf

    folder, runs = tmp_path_factory.mktemp("planted"), {}

    def train(model, n_labels=4, **settings):
        key = str(model), n_labels, *settings.items()
        if key not in runs:
            path = folder / f"{n_labels}.csv"
            planted = dict([*PLANTED.items()][: n_labels - 1])
            write_csv(path, make_planted_rows(160 * n_labels, planted))
            overrides = {} if model in {"tfidf-svc", "nb-svm"} else OVERRIDES
            overrides = {
                **overrides,
                **{f"model.{name}": value for name, value in settings.items()},
            }
            run_dir = folder / f"run-{len(runs)}"
            runs[key] = textclf.train(
                model, path, overrides=overrides, run_dir=run_dir, device="cpu", quiet=True
            )
        return runs[key]

    return train


@pytest.fixture(scope="session")
def planted_texts():
    """Texts that no model has been trained on, with the word that decides the label of each."""
    rows = make_planted_rows(4_000)[-80:]
    words = {label: word for word, label in PLANTED.items()}
    return [(text, label, words[label]) for text, label in rows if label in words]
