"""What tokenizer.json can describe."""

from types import SimpleNamespace

import pytest
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.pipeline import make_pipeline

from textclf.exporting.tokenizer import find_problem
from textclf.models._sklearn import SklearnClassifier
from textclf.text.encoder import TextEncoder


@pytest.mark.parametrize(
    ("vectorizer", "problem"),
    [
        (HashingVectorizer(), "the pipeline begins with HashingVectorizer; expected CountVect"),
        (TfidfVectorizer(analyzer=str.split), "TfidfVectorizer has analyzer=<method 'split'"),
        (CountVectorizer(tokenizer=str.split), "CountVectorizer has tokenizer=<method 'split'"),
        (CountVectorizer(preprocessor=str.lower), "CountVectorizer has preprocessor=<method"),
        (TfidfVectorizer(strip_accents="ascii"), "TfidfVectorizer has strip_accents='ascii'"),
        (CountVectorizer(input="filename"), "CountVectorizer has input='filename'"),
    ],
)
def test_other_vectorizers_are_refused_by_name(vectorizer, problem):
    classifier = SklearnClassifier(make_pipeline(vectorizer, None), ["a"])
    assert find_problem(classifier).startswith(problem)


def test_other_encoders_are_refused():
    earlier = TextEncoder(num_words=9, sequence_length=3)
    assert find_problem(SimpleNamespace(encoder=earlier)) == (
        "the model was trained by an earlier version, which split texts differently"
    )
    assert find_problem(SimpleNamespace(encoder=object())) == (
        "the network has a layer that reads raw text, which needs TensorFlow"
    )
