"""The tokenizer that is exported reads texts as the model does."""

# ruff: noqa: RUF001 - characters that look like others on purpose

import itertools
import json
import random
import subprocess
import sys
import unicodedata
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.pipeline import make_pipeline

from textclf.exporting.portable import tokenizer as portable
from textclf.exporting.portable.tokenizer import Tokenizer
from textclf.exporting.tokenizer import describe_tokenizer, find_problem
from textclf.models._sklearn import SklearnClassifier
from textclf.text.encoder import TextEncoder
from textclf.text.ngrams import NgramEncoder
from textclf.text.tokens import TOKENS, normalize_text, split_text

TEXTS = [
    *(
        "",
        " ",
        "<br/>",
        "A good film, a good plot",
        "Don’t “stop”… İı ﬁne ＦＵＬＬ ΟΔΟΣ",
        "x " * 30,
    ),
    *(
        "新しいiPhone15を買った👍🏽👍🏽",
        "e\u0301te\u0301 et été",
        "हिन्दी हिन्दी",
        "n’importe ‘où’ l´été",
    ),
    "<BR>THE film\n\tthe\u00a0plot\u2028was good good",
]

PIECES = [*"aZé1 '’.<>/\n\t#", "<br />", "<BR>", "e\u0301", "\u200d", "\u200c", "\ufe0f", "\u20e3"]
PIECES += [
    *"👨👩👍🏽©🇩🇪日本ーサ々ไทยที่ကိုहिßİΣﬁ½…´\x00\x85",
    "ｱﾞ",
    "\U000e0067",
    "\U00020000",
    "\uffff",
]
PIECES += ["\u1100", "\u1161", "\u11a8", "\u0378", "ΑΣ"]


def make_text(rng):
    """Return a short text of pieces that change each other or of any characters, or a long run."""

    def choose():
        highest = rng.choice([0x80, 0x600, 0x3000, 0xD800, 0x20000, 0x110000])
        code = rng.randrange(highest)
        return chr(code) if not 0xD800 <= code < 0xE000 else "\ufffd"

    kind = rng.random()
    if kind < 0.6:
        return "".join(rng.choices(PIECES, k=rng.randrange(20)))
    if kind < 0.95:
        return "".join(choose() for _ in range(rng.randrange(20)))
    return rng.choice([*PIECES, choose()]) * rng.randrange(300)


def load(path, description):
    """Write tokenizer.json and read it."""
    path.write_text(json.dumps(description, ensure_ascii=False), encoding="utf-8")
    return Tokenizer.load(path)


def make_ids(path, **settings):
    """Return an encoder and the tokenizer that is exported with it."""
    encoder = TextEncoder(**{"num_words": 50, "sequence_length": 5, "split": "auto", **settings})
    return encoder, load(path, describe_tokenizer(SimpleNamespace(encoder=encoder)))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "tokenizer.json"


@pytest.mark.parametrize("split", TOKENS)
@pytest.mark.parametrize(
    ("padding", "truncating"), [("pre", "pre"), ("post", "post"), ("pre", "post"), ("post", "pre")]
)
def test_ids_equal_those_of_the_graph(split, padding, truncating, path):
    encoder, tokenizer = make_ids(
        path,
        padding=padding,
        truncating=truncating,
        split=split,
        vocabulary=["x", "film", "a", "don't", "fine", "full", "新", "👍🏽", "g", "été", "οδος"],
    )
    ids = encoder(tf.constant([*map(normalize_text, TEXTS)])).numpy()
    assert tokenizer.encode(TEXTS) == ids.tolist()
    assert len(np.unique(ids)) > 5


def check_tokens(path, texts):
    tokenizers = {split: make_ids(path, split=split)[1] for split in TOKENS}
    for text, (split, tokenizer) in zip(texts, itertools.cycle(tokenizers.items())):
        normalized = normalize_text(text)
        assert tokenizer.normalize(text) == normalized
        assert tokenizer.split(text) == split_text(normalized, split)


def test_random_texts_have_the_same_tokens(path):
    rng = random.Random(8)
    check_tokens(path, (make_text(rng) for _ in range(2_000)))


@pytest.mark.slow
def test_every_character_and_many_random_texts_have_the_same_tokens(path):
    rng = random.Random(9)
    check_tokens(path, (make_text(rng) for _ in range(60_000)))
    # Planes 4 to 13 are unassigned, and 15 and 16 are for private use.
    codes = [*range(0xD800), *range(0xE000, 0x40000), *range(0xE0000, 0xE1000), sys.maxunicode]
    check_tokens(path, (f"A{c}b Σ{c} {c}’s" for c in map(chr, codes)))


@pytest.mark.parametrize(("decay", "least"), [(None, 0.0), (2.5, 0.1), (1.3, 0.0)])
@pytest.mark.parametrize("split", ["words", "characters"])
def test_values_of_ngrams_equal_those_of_the_graph(decay, least, split, path):
    words = ["good", "film", "x", "a", "plot"] if split == "words" else [*"odxa"]
    n_words = len(words)
    keys = [np.array([0, 1, 3 * n_words, 3 * n_words + 1]), np.array([1, 2 * n_words])]
    encoder = NgramEncoder(
        split=split,
        position_decay=decay,
        position_min_weight=least,
        words=words,
        keys=keys,
        idf=np.linspace(0.3, 4, n_words + 6),
    )
    tokenizer = load(path, describe_tokenizer(SimpleNamespace(encoder=encoder)))
    # The square of the value of the last word is not a normal float32.
    texts = [*TEXTS, "y " * 60 + "film"]
    encoded = encoder(tf.constant([*map(normalize_text, texts)]))
    features, values = encoded["features"].numpy(), encoded["values"].numpy()
    expected, found = np.zeros((2, len(texts), encoder.n_features))
    for row in range(len(texts)):
        np.add.at(expected[row], features[row], values[row])
    for row, (positions, weights) in enumerate(tokenizer.encode(texts)):
        found[row, positions] = weights
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert (expected.max(axis=0) > 0).sum() >= 6


VECTORIZERS = {
    "tfidf-svc": TfidfVectorizer(sublinear_tf=True, stop_words=["br"]),
    "nb-svm": TfidfVectorizer(
        ngram_range=(1, 3),
        token_pattern=r"(?u)\w+",
        binary=True,
        use_idf=False,
        stop_words=["good"],
    ),
    "characters in words": TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 3)),
    "long n-grams": TfidfVectorizer(analyzer="char_wb", ngram_range=(4, 6), smooth_idf=False),
    "characters": TfidfVectorizer(analyzer="char", ngram_range=(2, 4), norm="l1"),
    "group": CountVectorizer(ngram_range=(2, 2), token_pattern=r"(?u)[a-z]*([^\W\d])"),
    "empty words": CountVectorizer(token_pattern=r"\S+|x*", lowercase=False),
    "no norm": TfidfVectorizer(norm=None, stop_words="english", dtype=np.float32),
}


@pytest.mark.parametrize("is_normalized", [True, False])
@pytest.mark.parametrize("vectorizer", VECTORIZERS.values(), ids=VECTORIZERS)
def test_values_equal_those_of_scikit_learn(vectorizer, is_normalized, path):
    rng = random.Random(10)
    texts = [*TEXTS, *(make_text(rng) for _ in range(200))]
    prepared = [*map(normalize_text, texts)] if is_normalized else texts
    expected = vectorizer.fit(prepared[:100]).transform(prepared).toarray()
    pipeline = make_pipeline(vectorizer, None)
    classifier = SklearnClassifier(pipeline, ["a"], takes_normalized_text=is_normalized)
    encoded = load(path, describe_tokenizer(classifier)).encode(texts)
    found = np.zeros_like(expected)
    for row, (features, values) in enumerate(encoded):
        found[row, features] = values
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert (expected > 0).any(axis=1).sum() > 30


def test_code_points_that_were_unassigned_are_neither_changed_nor_parts_of_words(path):
    """As a Python does that knows them not yet: here, it is a Python without é, Σ and the acute."""
    vectorizer = TfidfVectorizer(token_pattern=r"(?u)[\w👍]+").fit(["été ete σ"])
    classifier = SklearnClassifier(make_pipeline(vectorizer, None), ["a"])
    descriptions = [
        describe_tokenizer(SimpleNamespace(encoder=make_ids(path)[0])),
        describe_tokenizer(classifier),
    ]
    newer = [load(path, description) for description in descriptions]
    older = [load(path, {**given, "unassigned": "[ÉéΣ\u0301👍]"}) for given in descriptions]
    text = "ÉTÉ ΟΔΟΣ E\u0301Á d’É’É d’e"
    assert newer[0].normalize(text) == "été οδος éá d'é'é d'e"
    assert older[0].normalize(text) == "ÉtÉ οδοΣ e\u0301á d’É’É d'e"
    assert newer[1]._find_words("été οδοΣ 👍") == ["été", "οδοΣ", "👍"]
    assert older[1]._find_words("été οδοΣ 👍") == ["t", "οδο", "👍"]


def test_unassigned_code_points_are_those_of_this_python(path):
    _, tokenizer = make_ids(path)
    for code in [*range(0x20, 0xD800, 7), *range(0xE000, 0x30000, 7), 0x10FFFF]:
        is_unassigned = unicodedata.category(chr(code)) == "Cn"
        assert bool(tokenizer._unassigned.match(chr(code))) == is_unassigned, hex(code)


@pytest.mark.parametrize("found", ["13.0.0", "9.0.0"])
def test_an_older_unicode_is_refused(found, path, monkeypatch):
    make_ids(path)
    monkeypatch.setattr(portable.unicodedata, "unidata_version", found)
    with pytest.raises(
        ValueError, match=rf"this Python has Unicode {found}, .* use a newer Python"
    ):
        Tokenizer.load(path)


def test_one_text_is_refused(path):
    _, tokenizer = make_ids(path)
    with pytest.raises(TypeError, match="expected a list of texts, not one text"):
        tokenizer.encode("a text")


def test_it_needs_nothing_but_python(path):
    make_ids(path, vocabulary=["good", "film"])
    code = "import sys; from tokenizer import Tokenizer as T; a = T.load(sys.argv[1])"
    run = subprocess.run(
        [sys.executable, "-S", "-c", f"{code}; print(a.encode(['A good film']))", path],
        cwd=Path(portable.__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.stdout, run.stderr) == ("[[0, 1, 2, 4, 5]]\n", "")


MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = "aezx01é\u0301ßσαfi½新日本ーが\u1100\u1161\u11a8\uac01हि\u093f'’.<>/#ß©\U00020000"


@pytest.fixture(scope="module")
def make_word_pieces(tmp_path_factory):
    """Return a function that returns the tokenizer of a preset, and the one that is exported."""
    import keras_hub

    from textclf.encoders.tokenizer import PresetTokenizer

    pieces = sorted({*LETTERS, "aze", *(f"##{letter}" for letter in LETTERS), "##ze", "##zz"})

    def make(*, length=12, before=(), **settings):
        inner = keras_hub.tokenizers.BertTokenizer(vocabulary=[*MARKS, *pieces], **settings)
        preprocessor = keras_hub.models.BertTextClassifierPreprocessor(
            inner, sequence_length=length
        )
        encoder = PresetTokenizer(preprocessor, **dict.fromkeys(before, True))
        path = tmp_path_factory.mktemp("pieces") / "tokenizer.json"
        return encoder, load(path, describe_tokenizer(SimpleNamespace(encoder=encoder)))

    return make


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"lowercase": True, "strip_accents": True},
        {"lowercase": True, "strip_accents": False},
        {"lowercase": False, "strip_accents": True},
        {"lowercase": False, "strip_accents": False, "length": 2},
        {"before": ["lowercase", "strip_accents"]},
        {"before": ["lowercase"]},
        {"before": ["strip_accents"]},
    ],
)
def test_word_pieces_are_those_of_the_preset(make_word_pieces, settings):
    encoder, tokenizer = make_word_pieces(**settings)
    rng = random.Random(str(settings))
    texts = [*TEXTS, *(make_text(rng) for _ in range(3_000))]
    texts += ["a" * 100, "a" * 101, "é" * 50, "é" * 51, "[CLS] ##a", "azezez", "azq"]
    found = np.array(tokenizer.encode(texts), np.int32)
    expected = encoder(tf.constant(texts)).numpy()
    assert [
        text for text, same in zip(texts, (found == expected).all(1), strict=True) if not same
    ] == []
    assert tokenizer.encode_text("aze")[0] == MARKS.index("[CLS]")


def test_pieces_are_the_longest_ones(make_word_pieces):
    _, tokenizer = make_word_pieces(lowercase=True, strip_accents=True)
    ids = {piece: id_ for id_, piece in enumerate(tokenizer._settings["vocabulary"])}
    expected = ["[CLS]", "aze", "##ze", "[UNK]", "'", "e", "[SEP]", *["[PAD]"] * 5]
    assert tokenizer.encode_text("azeZE qa 'é") == [ids[piece] for piece in expected]


def test_other_tokenizers_of_presets_are_refused():
    class PresetTokenizer:
        has_word_pieces = False
        preprocessor = SimpleNamespace(tokenizer=object())

    assert find_problem(SimpleNamespace(encoder=PresetTokenizer())) == (
        "the tokenizer of the preset is object, and only WordPiece can be exported"
    )
