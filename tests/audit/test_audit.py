"""What an audit finds is what is there, counted a second time by other means."""

import itertools
import json
import random
from collections import Counter, defaultdict
from dataclasses import fields

import numpy as np
import pytest
from support import ROOT, WORDS, Answer, load_script

from textclf.audit.audit import FINDINGS, Audit, Item, Whole, audit, find_copies
from textclf.audit.label_issues import cross_validate, find_suspects
from textclf.audit.near_duplicates import SIMILARITY, Words, find_near_copies, measure_similarity
from textclf.config.resolve import resolve
from textclf.data.dataset import Split, TextDataset
from textclf.data.loading import load_dataset
from textclf.data.overlap import Places, drop_leaked, hash_texts, select_clean
from textclf.runtime.progress import Phases, Reporter

TRAIN = [("apple pear", 0), ("Saw  nail", 1), ("apple pear", 0), ("fig fig fig", 1), ("", 0)]
VALIDATION = [("saw nail", 1), ("plum plum plum", 0)]
TEST = [("APPLE pear", 0), ("fig fig fig", 0), ("axe axe axe", 1), ("plum plum plum", 0)]


def make(*parts):
    splits = [Split.from_lists([t for t, _ in part], [n for _, n in part]) for part in parts]
    return TextDataset("made", ("fruit", "tool"), *splits)


@pytest.fixture
def small():
    return make(TRAIN, VALIDATION, TEST)


def count(found):
    rows = {row["finding"]: row for row in found.findings}
    return {name: [rows[name][s] for s in ("train", "validation", "test")] for name in rows}


def test_leaks_and_contradictions(small):
    places = Places.of(small)
    assert places.find_leaked("test").tolist() == [True, True, False, True]
    assert places.find_leaked("validation").tolist() == [True, True]
    assert places.find_leaked("train").tolist() == [True, True, True, True, False]
    contradictory = places.find_contradictory()
    assert contradictory["test"].tolist() == [False, True, False, False]
    assert contradictory["train"].tolist() == [False, False, False, True, False]
    masks = select_clean(small, "test")
    assert {name: int(mask.sum()) for name, mask in masks.items()} == {
        "all": 4,
        "not_leaked": 1,
        "not_contradictory": 3,
        "clean": 1,
    }
    assert list(drop_leaked(small).train.texts) == [""]
    assert drop_leaked(small).test is small.test


def test_what_counts_as_the_same_text():
    same = ["One two", "one  TWO\n", " one two"]
    assert len(set(hash_texts(same).tolist())) == 1
    assert len(set(hash_texts(["one two", "onetwo", "one two.", "\ud800", ""]).tolist())) == 5


def test_an_audit_counts_what_is_there(small):
    config = resolve({"dataset": {"name": "bbc"}, "model": {"name": "mlp"}})
    found = audit(small, config, phases=Phases(Reporter(quiet=True)))
    assert found.texts == {"train": 5, "validation": 2, "test": 4}
    counts = count(found)
    del counts["label_suspect"]
    assert counts == {
        "repeated": [1, 0, 0],
        "leaked": [4, 2, 3],
        "contradictory": [1, 0, 1],
        "near_copy": [0, 0, 0],
        "empty": [1, 0, 0],
        "very_short": [3, 1, 1],
    }
    for item in found.items:
        assert (item.finding != "leaked") or item.other_split != item.split
        assert (item.finding != "contradictory") or item.other_label != item.label
    item = next(i for i in found.items if i.finding == "contradictory" and i.split == "test")
    assert (item.index, item.label, item.text) == (1, "fruit", "fig fig fig")
    assert (item.other_split, item.other_index, item.other_label) == ("train", 3, "tool")
    assert found.labels == [
        {"label": "fruit", "train": 3, "validation": 1, "test": 3},
        {"label": "tool", "train": 2, "validation": 1, "test": 1},
    ]
    lengths = sorted(len(text.split()) for text, _ in TRAIN + VALIDATION + TEST)
    assert found.lengths[0]["words"] == lengths[0]
    assert found.lengths[-1]["words"] == lengths[-1]
    cut = {row["sequence_length"]: row for row in found.cut_off}
    assert set(cut) == {50, 100, 200, 400, 800}  # bbc's own 200 among them.
    assert cut[50]["texts_cut"] == 0


def test_a_sequence_length_cuts_off_what_the_encoder_cuts_off():
    from textclf.text.encoder import TextEncoder

    texts = [" ".join(f"w{i}" for i in range(n)) for n in (1, 48, 49, 50, 51, 300)]
    made = make([(text, i % 2) for i, text in enumerate(texts)], VALIDATION[1:], TEST[2:3])
    config = resolve({"dataset": {"name": "bbc"}, "model": {"name": "mlp"}})
    found = audit(made, config, phases=Phases(Reporter(quiet=True)))
    encoder = TextEncoder(num_words=5, sequence_length=50, truncating="post")
    kept = (np.asarray(encoder(np.array(texts, object))) == 2).sum(axis=1)
    lost = np.array([1, 48, 49, 50, 51, 300]) - kept
    cut = next(row for row in found.cut_off if row["sequence_length"] == 50)
    assert cut["texts_cut"] == (lost > 0).sum() / 8
    assert cut["words_lost"] == pytest.approx(lost.sum() / (1 + 48 + 49 + 50 + 51 + 300 + 6))


def test_planted_near_copies_are_found():
    """Of 500 texts of 10 to 200 words, in which a tenth of the words were exchanged."""
    rng = random.Random(0)
    vocabulary = [f"word{i}" for i in range(2_000)]
    texts = [" ".join(rng.choices(vocabulary, k=rng.randrange(10, 200))) for _ in range(2_000)]
    exchange_words = load_script("benchmarks/plant_copies").exchange_words
    copies = [exchange_words(text, vocabulary, rng) for text in texts[:500]]
    for text, copy in zip(texts, copies, strict=False):
        pairs = list(zip(text.split(), copy.split(), strict=True))
        assert 0 < sum(a != b for a, b in pairs) <= max(1, round(len(pairs) / 10))
    words = Words.of(texts + copies)
    found = {
        copy.place: copy.other
        for copy in find_near_copies(words.shingles, hash_texts(texts + copies))
    }
    right = sum(found.get(2_000 + number) == number for number in range(500))
    assert right >= 475
    assert set(found) <= set(range(2_000, 2_500))


def test_similarity_is_that_of_sets_of_pairs():
    one, other = ["a", "b", "c", "d", "e", "f"], ["a", "b", "c", "x", "e", "f"]
    pairs = [set(itertools.pairwise(words)) for words in (one, other)]
    expected = len(pairs[0] & pairs[1]) / len(pairs[0] | pairs[1])
    words = Words.of([" ".join(one), " ".join(other), "b a"])
    assert measure_similarity(words.shingles[0], words.shingles[1]) == pytest.approx(expected)
    assert measure_similarity(words.shingles[0], words.shingles[2]) == 0
    assert words.lengths.tolist() == [6, 6, 2]


def test_a_form_used_a_thousand_times_takes_no_million_pairs():
    texts = [
        f"dear customer number {i} your parcel is on its way to you today" for i in range(1_000)
    ]
    words = Words.of(texts)
    found = find_near_copies(words.shingles, hash_texts(texts))
    assert len(found) == 999
    assert all(copy.similarity >= SIMILARITY for copy in found)
    assert {copy.other for copy in found} == {0}  # All are as similar, and the first is looked at.
    assert find_near_copies(words.shingles[:1], hash_texts(texts[:1])) == []


def test_exchanged_labels_are_suspect():
    rng = np.random.default_rng(0)
    names = list(WORDS)
    labels = np.arange(300) % 3
    texts = [" ".join(rng.choice(WORDS[names[label]], 6)) for label in labels]
    given = labels.copy()
    wrong = rng.choice(300, 15, replace=False)
    given[wrong] = (given[wrong] + 1) % 3
    found = find_suspects(given, cross_validate(texts, given, 3))
    assert set(found.places.tolist()) == set(wrong.tolist())
    assert found.guesses.tolist() == labels[found.places].tolist()
    assert (np.diff(found.margins) <= 0).all()


def test_confident_learning_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.4, 0.6], [0.8, 0.2]])
    labels = np.array([0, 0, 0, 1, 1])
    # Thresholds: 0.6 for label 0, 0.4 for label 1.
    found = find_suspects(labels, probabilities)
    assert found.places.tolist() == [2, 4]
    assert not len(find_suspects(labels, np.full((5, 2), 0.5)).places)  # No label fits better.
    assert found.guesses.tolist() == [1, 0]
    assert found.margins == pytest.approx([0.6, 0.6])


def test_a_label_with_one_text_is_no_error():
    probabilities = cross_validate(
        ["aa bb", "bb aa", "cc dd", "dd cc", "ee ff"] * 2,
        np.array([0, 0, 1, 1, 2, 0, 0, 1, 1, 1]),
        4,
    )
    assert probabilities.shape == (10, 4)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(10))


def test_without_words_no_label_is_doubted():
    labels = np.array([0, 1] * 5)
    assert not len(
        find_suspects(labels, cross_validate(["a", "!", ""] * 3 + ["b"], labels, 2)).places
    )


def test_audit_command(cli, tmp_path):
    (tmp_path / "a.csv").mkdir()
    for part, rows in (("train", TRAIN * 3), ("dev", VALIDATION * 2), ("test", TEST)):
        lines = "".join(f"{text},{label}\n" for text, label in rows)
        (tmp_path / "a.csv" / f"{part}.csv").write_text("text,label\n" + lines)
    answer = cli("audit", "a.csv", "--report", "a.md")
    assert answer.code == 0
    assert answer.out.startswith("a.csv: 23 texts (train 15, validation 4, test 4)")
    for finding in ("repeated", "leaked", "contradictory", "empty", "very_short"):
        assert finding in answer.out
    report = (tmp_path / "a.md").read_text()
    assert report.startswith("# Audit of a.csv: 23 texts")
    document = cli("audit", "a.csv", "--format", "json", "--report", "b.json", "--quiet").json
    assert json.loads((tmp_path / "b.json").read_text()) == document
    assert [row["finding"] for row in document["findings"]] == list(FINDINGS)
    for row in document["findings"]:
        of_it = [item["split"] for item in document["items"] if item["finding"] == row["finding"]]
        assert Counter(of_it) == Counter(
            {s: row[s] for s in ("train", "validation", "test") if row[s]}
        )
    table = cli("audit", "a.csv", "--format", "csv", "--quiet").out.splitlines()
    assert len(table) >= 1 + len(document["items"])


def test_every_field_is_documented():
    page = (ROOT / "docs" / "data.md").read_text()
    for name in [f.name for kind in (Audit, Item) for f in fields(kind)] + list(FINDINGS):
        assert f"`{name}`" in page, name


@pytest.mark.parametrize("name", ["report.txt", "nowhere/report.md"])
def test_a_report_that_cannot_be_written_is_refused_at_once(cli, name):
    answer: Answer = cli("audit", "bbc", "--report", name)
    assert answer.code == 2
    assert name in answer.error_line


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["reuters", "imdb"])
def test_counts_of_real_sets_by_other_means(name):
    """A dictionary from each text to where it stands: slow, plain, and nothing of the audit."""
    dataset = load_dataset(resolve({"dataset": {"name": name}, "model": {"name": "mlp"}}).dataset)
    holders = defaultdict(list)
    for split_name, split in dataset.splits.items():
        for text, label in zip(split.texts, split.labels.tolist(), strict=True):
            holders[tuple(text.casefold().split())].append((split_name, label))
    expected = Counter()
    for found in holders.values():
        splits = Counter(split_name for split_name, _ in found)
        for split_name, n_texts in splits.items():
            expected["repeated", split_name] += n_texts - 1
            expected["leaked", split_name] += n_texts * (len(splits) > 1)
            several = len({label for _, label in found}) > 1
            expected["contradictory", split_name] += n_texts * several
    items = list(find_copies(Whole(dataset), Places.of(dataset)))
    assert Counter((item.finding, item.split) for item in items) == +expected
    for item in items[:: len(items) // 50]:
        other = dataset.splits[item.other_split].texts[item.other_index]
        assert other.casefold().split() == item.text.casefold().split()
        assert (item.finding == "contradictory") <= (item.other_label != item.label)
        assert (item.finding == "leaked") == (item.other_split != item.split) or (
            item.finding == "contradictory"
        )
