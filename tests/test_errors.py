"""Suggestions for names and paths that do not exist."""

from pathlib import Path

import pytest

from textclf.errors import format_nearest, format_nearest_path, format_unknown


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("epoch", "did you mean 'training.epochs'? Choose from"),
        ("EPOCHS", "did you mean 'training.epochs'? Choose from"),
        ("name", "did you mean 'dataset.name' or 'model.name'? Choose from"),
        ("seeds", "did you mean 'seed'? Choose from"),
        ("x", "choose from"),
    ],
)
def test_name_of_another_place_is_suggested(given, hint):
    elsewhere = {
        "epochs": ["training.epochs"],
        "name": ["dataset.name", "model.name"],
        "seed": ["training.seed"],  # An allowed name wins.
    }
    message = format_unknown("key", given, ["seed", "model"], elsewhere=elsewhere)
    assert message == f"unknown key '{given}': {hint} model, seed"


def test_nothing_is_suggested_without_a_near_name():
    assert format_nearest("lstm", {"cnn": ["cnn"]}) == ""


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("reviws.csv", "reviews.csv"),
        ("Reviews.CSV", "reviews.csv"),
        ("reviews", "reviews.csv"),
        ("reviews.csv ", "reviews.csv"),
        ("'reviews.csv'", "reviews.csv"),
        ("ag.csv", "AG.CSV"),
        ("emails.csv", "emails.csv.gz"),
        ("data/trian.csv", "data/Train.csv"),
        ("reviews.json", "reviews.csv"),
        ("dta/train.csv", "data"),
        ("dta/more/train.csv", "data"),
        ("spam.csv", None),
        ("reviews.csv", None),
        ("x" * 5_000 + "/train.csv", None),
        ("data/x", None),
    ],
)
def test_nearest_path_is_suggested(tmp_path, monkeypatch, given, meant):
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    for name in ("reviews.csv", "data/Train.csv", "AG.CSV", "emails.csv.gz"):
        Path(name).touch()
    question = f"did you mean '{Path(meant)}'?" if meant else ""
    assert format_nearest_path(Path(given)) == question
    absolute = f"did you mean '{tmp_path / meant}'?" if meant else ""
    assert format_nearest_path(tmp_path / given) == absolute
