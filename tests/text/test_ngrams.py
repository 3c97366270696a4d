"""N-grams of texts and their values, against a few lines of plain Python."""

import numpy as np
import pytest
import tensorflow as tf

from textclf.data.dataset import Split
from textclf.errors import RequestError
from textclf.text import ngram_vocabulary
from textclf.text.input_pipeline import encode_batches, write_rows
from textclf.text.ngram_vocabulary import count_ngrams, load_ngrams
from textclf.text.ngrams import NgramEncoder

pytestmark = pytest.mark.usefixtures("tensorflow")

TEXTS = [
    "the cat sat on the mat",
    "The cat sat, the dog ran",
    "the dog sat on the cat",
    "a bird sang on the mat",
]
LABELS = [0, 1, 1, 0]


def list_ngrams(text):
    """Return the n-grams of one to three tokens, those of one token first."""
    tokens = text.lower().replace(",", "").split()
    starts = range(len(tokens))
    return [" ".join(tokens[i : i + n]) for n in (1, 2, 3) for i in starts if i + n <= len(tokens)]


def count(texts=TEXTS, labels=LABELS, **options):
    defaults = {"n_labels": 2, "split": "words", "max_ngram": 3, "min_count": 2}
    given = {**defaults, "max_features": 1_000, **options}
    return count_ngrams(Split.from_lists(texts, labels), **given)


def spell(known):
    """Return the n-grams as strings, in the order of their features."""
    listed = shorter = [*known.words]
    for keys in known.keys:
        pairs = zip(*np.divmod(keys, len(known.words)), strict=True)
        shorter = [f"{shorter[prefix]} {known.words[last]}" for prefix, last in pairs]
        listed = [*listed, *shorter]
    return listed


def make_encoder(known, **options):
    idf = np.arange(1, known.document_counts.shape[1] + 1) / 7
    return NgramEncoder(split="words", words=known.words, keys=known.keys, idf=idf, **options)


def encode(encoder, texts):
    """Return the rows of texts as a dense array."""
    encoded = {name: array.numpy() for name, array in encoder(tf.constant(texts)).items()}
    rows = np.zeros((len(texts), encoder.n_features), np.float32)
    for row, features, values in zip(rows, encoded["features"], encoded["values"], strict=True):
        row[features[values > 0]] = values[values > 0]
    return rows


def compute_rows(known, weigh=lambda position: 1.0):
    """Return what an encoder should return."""
    names, idf = spell(known), np.arange(1, known.document_counts.shape[1] + 1) / 7
    sums = np.zeros((len(TEXTS), len(names)))
    for row, text in zip(sums, TEXTS, strict=True):
        tokens = text.lower().replace(",", "").split()
        for column, name in enumerate(names):
            n = len(name.split())
            starts = [i for i in range(len(tokens)) if " ".join(tokens[i : i + n]) == name]
            row[column] = sum(map(weigh, starts))
    rows = np.log1p(sums) * idf
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("block_size", [1, 8, 1_000])
def test_texts_of_each_label_are_counted(monkeypatch, block_size):
    monkeypatch.setattr(ngram_vocabulary, "BLOCK_SIZE", block_size)
    known = count(min_count=1)
    assert sorted(spell(known)) == sorted({name for text in TEXTS for name in list_ngrams(text)})
    for label in (0, 1):
        texts = [text for text, own in zip(TEXTS, LABELS, strict=True) if own == label]
        expected = [sum(name in list_ngrams(text) for text in texts) for name in spell(known)]
        assert known.document_counts[label].tolist() == expected


@pytest.mark.parametrize("max_features", [1, 2, 5, 6, 7, 10, 14, 100])
def test_the_most_frequent_ngrams_are_kept_and_shorter_ones_first(max_features):
    everything = [name for text in TEXTS for name in list_ngrams(text)]
    frequent = [name for name in spell(count()) if everything.count(name) >= 2]
    ranked = sorted(frequent, key=lambda name: -everything.count(name))  # Stable.
    assert len(ranked) == 15
    known = count(max_features=max_features)
    assert sorted(spell(known)) == sorted(ranked[:max_features])
    assert known.document_counts.sum(axis=0).tolist() == [
        sum(name in list_ngrams(text) for text in TEXTS) for name in spell(known)
    ]


def test_ngrams_that_are_forgotten_leave_no_gaps(monkeypatch):
    monkeypatch.setattr(ngram_vocabulary, "MAX_COUNTED", 6)
    monkeypatch.setattr(ngram_vocabulary, "BLOCK_SIZE", 12)
    names = spell(count(max_features=9))
    assert 6 < len(names) <= 9
    for name in names:
        prefix, _, last = name.rpartition(" ")
        assert last in names
        assert not prefix or prefix in names


def test_texts_without_a_frequent_token_are_refused():
    with pytest.raises(RequestError) as error:
        count(["sea wave", "bread oven"], [0, 1])
    assert str(error.value) == (
        "no token occurs 2 times in the training texts; use more of them, or set model.min_count=1"
    )
    with pytest.raises(RequestError) as error:
        count(["", "?"], [0, 1], min_count=1)
    assert str(error.value) == "all training texts are empty; check the column of the text"


def test_values_are_weighted_and_have_unit_length():
    known = count(min_count=1)
    assert encode(make_encoder(known), TEXTS) == pytest.approx(compute_rows(known), abs=1e-6)


def test_early_ngrams_count_more_with_a_decay():
    known = count(min_count=1)
    encoder = make_encoder(known, position_decay=2.0, position_min_weight=0.25)
    expected = compute_rows(known, lambda position: 0.25 + 0.75 * np.exp(-position / 2))
    assert encode(encoder, TEXTS) == pytest.approx(expected, abs=1e-6)


def test_ngrams_at_positions_without_weight_have_no_values():
    encoder = NgramEncoder(split="words", words=["sea"], idf=[1.0], position_decay=10.0)
    # exp(-70) is a float32, but its square is not; exp(-200) is not either.
    texts = [" ".join(["zebra"] * n + ["sea"]) for n in (0, 700, 2_000)]
    assert encode(encoder, texts).tolist() == [[1], [0], [0]]
    assert np.isfinite(encoder(tf.constant(texts))["values"].numpy()).all()


def test_unknown_and_empty_texts_have_no_values():
    encoder = make_encoder(count())
    rows = encode(encoder, ["zebra quux", "", TEXTS[0]])
    assert not rows[:2].any()
    assert np.array_equal(rows[2:], encode(encoder, TEXTS[:1]))
    empty = encoder(tf.constant(["", "?"]))
    assert empty["values"].shape == empty["features"].shape == (2, 0)
    assert encoder(tf.constant([], tf.string))["values"].shape == (0, 0)


def test_an_ngram_ends_with_its_text():
    encoder = make_encoder(count())
    # Otherwise "the" and "mat" of two texts would be "the mat".
    apart = encode(encoder, ["the", "mat"])
    names = spell(count())
    assert {names[i] for i in np.flatnonzero(apart.any(axis=0))} == {"the", "mat"}


def test_characters_are_tokens_in_scripts_without_spaces():
    texts, labels = ["海很深", "海很蓝", "面包很香", "面包热"], [0, 0, 1, 1]
    assert spell(count(texts, labels, split="auto")) == ["很", "包", "海", "面", "海 很", "面 包"]


def test_batches_are_written_and_read_as_sparse_rows():
    encoder = make_encoder(count())
    texts = [*TEXTS, "", "the", "zebra"]
    batches = [
        {name: array.numpy() for name, array in encoder(tf.constant(texts[i : i + 2])).items()}
        for i in range(0, len(texts), 2)
    ]
    rows = write_rows(batches)
    assert len(rows) == 7
    order = np.array([5, 0, 4, 0])
    features, values = rows.load().read(order)
    whole = encoder(tf.constant([texts[i] for i in order]))
    assert features.tolist() == whole["features"].numpy().tolist()
    assert values.tolist() == whole["values"].numpy().tolist()
    assert rows.read(np.array([4, 6]))[0].shape == (2, 0)


def test_the_encoder_of_the_graph_equals_that_of_python_code():
    encoder = make_encoder(count())
    (batch,) = encode_batches(encoder, TEXTS)
    assert {name: array.tolist() for name, array in batch.items()} == {
        name: array.numpy().tolist() for name, array in encoder(tf.constant(TEXTS)).items()
    }


def test_the_encoder_is_saved_with_its_ngrams(tmp_path):
    encoder = make_encoder(count(), position_decay=3.0)
    encoder.save_assets(str(tmp_path))
    loaded = NgramEncoder.from_config(encoder.get_config())
    loaded.load_assets(str(tmp_path))
    assert loaded.digest == encoder.digest
    assert np.array_equal(encode(loaded, TEXTS), encode(encoder, TEXTS))


def test_the_digest_depends_on_everything_that_decides_the_output():
    known = count()
    encoders = [
        make_encoder(known),
        make_encoder(known, position_decay=3.0),
        make_encoder(known, position_decay=3.0, position_min_weight=0.5),
        make_encoder(count(min_count=1)),
        make_encoder(count(max_ngram=2)),
        NgramEncoder(split="words", words=known.words, keys=known.keys, idf=np.ones(15)),
        NgramEncoder(split="auto", words=known.words, keys=known.keys, idf=np.ones(15)),
    ]
    assert len({encoder.digest for encoder in encoders}) == len(encoders)


def test_ngrams_are_read_from_the_cache(monkeypatch):
    options = {"split": "words", "max_ngram": 2, "min_count": 1, "max_features": 100}
    examples = Split.from_lists(TEXTS, LABELS)
    first = load_ngrams(examples, n_labels=2, **options)
    monkeypatch.setattr(ngram_vocabulary, "count_ngrams", None)
    again = load_ngrams(examples, n_labels=2, **options)
    assert again.words == first.words
    assert np.array_equal(again.keys, first.keys)
    assert np.array_equal(again.document_counts, first.document_counts)
    with pytest.raises(TypeError):  # Other examples are counted.
        load_ngrams(Split.from_lists(TEXTS, [1, 0, 0, 1]), n_labels=2, **options)
