"""Naive Bayes on word counts, after a transformer of its own."""

from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

import textclf


class Config(textclf.ModelConfig):
    alpha: float = 1.0


class Reverse(BaseEstimator, TransformerMixin):
    def fit(self, texts, labels=None):
        self.n_texts_ = len(texts)
        return self

    def transform(self, texts):
        return [text[::-1] for text in texts]


def fit(config, dataset, *, seed):
    pipeline = make_pipeline(Reverse(), CountVectorizer(), MultinomialNB(alpha=config.alpha))
    pipeline.fit(list(dataset.train.texts), dataset.train.labels)
    return textclf.SklearnClassifier(pipeline, dataset.label_names)
