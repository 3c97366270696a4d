"""Linear support vector machine over weighted n-grams.

It is a Keras network. With the squared hinge loss, it is the L2-regularized linear support vector
machine of scikit-learn's ``LinearSVC``, on the rows of `textclf.text.ngrams`. With ``ratio:
naive-bayes``, the kernel is scaled as in the NB-SVM of Wang and Manning (2012), "Baselines and
Bigrams".
"""

from typing import Any, Literal

import numpy as np
from pydantic import Field, PositiveFloat, ValidationInfo, field_validator

from textclf.config.schema import Count, ModelConfig, TextConfig
from textclf.data.dataset import IntArray, Split
from textclf.models._naive_bayes import log_count_ratios

TAKES = "text"
DEFAULTS = {
    "training": {"optimizer": "lazy-adam", "learning_rate": 0.05, "schedule": "cosine"},
    "evaluation": {"calibration": "temperature-prior"},
}
SEARCH = {
    "training.learning_rate": {"low": 0.01, "high": 0.2, "log": True},
    "model.max_ngram": {"low": 1, "high": 2},
    "model.position_decay": {"choices": [None, 20, 40, 80, 160]},
    "model.ratio": {"choices": ["ones", "naive-bayes"]},
    "model.C": {"low": 0.1, "high": 5.0, "log": True},
}


class Config(ModelConfig):
    """Hyperparameters; docs/how-to/ngrams.md says how the defaults were chosen."""

    max_ngram: int = Field(
        default=1, ge=1, le=5, description="maximum length of an n-gram, in tokens"
    )
    min_count: Count = Field(
        default=2, description="ignore n-grams that occur less often in the training texts"
    )
    max_features: int = Field(
        default=1_000_000,
        ge=1,
        le=100_000_000,
        description="maximum number of n-grams, the most frequent",
    )
    position_decay: float | None = Field(
        default=None,
        gt=0,
        le=1_000_000,
        description="number of tokens over which the weight of an n-gram falls, by"
        " exp(-position / decay); null gives all positions the same weight",
    )
    position_min_weight: float = Field(
        default=0.1, ge=0, le=1, description="weight of an n-gram at the end of a long text"
    )
    ratio: Literal["ones", "naive-bayes"] = Field(
        default="ones",
        description="fixed factor of each weight: 1, or the log-count ratio of naive Bayes",
    )
    loss: Literal["squared-hinge", "cross-entropy"] = Field(
        default="squared-hinge", description="loss that is minimized"
    )
    C: PositiveFloat = Field(default=0.5, description="inverse of the regularization strength")
    units: Count | None = Field(
        default=None, description="size of a hidden layer; null for a linear network"
    )

    @field_validator("position_min_weight")
    @classmethod
    def _refuse_unused_weight(cls, value: float, info: ValidationInfo) -> float:
        default = cls.model_fields["position_min_weight"].default
        if value != default and info.data.get("position_decay") is None:
            raise ValueError("needs model.position_decay, without which all n-grams count alike")
        return value

    @field_validator("units")
    @classmethod
    def _refuse_hidden_ratio(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and info.data.get("ratio") == "naive-bayes":
            raise ValueError(
                "needs model.ratio ones, because a ratio belongs to a label and hidden units do not"
            )
        return value


def make_loss(config: Config) -> Any:
    """Return the loss of the scores; None for the cross-entropy of the probabilities."""
    from textclf.models._losses import SquaredHinge

    return SquaredHinge() if config.loss == "squared-hinge" else None


def build(config: Config, *, text: TextConfig, n_labels: int, train: Split) -> tuple[Any, Any]:
    """Build the encoder, from the n-grams of the training texts, and the network.

    The network takes ``features`` <int32>[batch, n] and ``values`` <float32>[batch, n].
    """
    import keras

    from textclf.models._layers import convert_scores
    from textclf.text.ngram_vocabulary import load_ngrams
    from textclf.text.ngrams import NgramEncoder

    known = load_ngrams(
        train,
        n_labels=n_labels,
        split=text.split,
        max_ngram=config.max_ngram,
        min_count=config.min_count,
        max_features=config.max_features,
    )
    in_texts = known.document_counts.sum(axis=0)
    encoder = NgramEncoder(
        split=text.split,
        position_decay=config.position_decay,
        position_min_weight=config.position_min_weight,
        words=known.words,
        keys=known.keys,
        idf=np.log((1 + len(train)) / (1 + in_texts)) + 1,  # As in scikit-learn.
        name="ngrams",
    )
    inputs = {
        "features": keras.Input((None,), dtype="int32", name="features"),
        "values": keras.Input((None,), dtype="float32", name="values"),
    }
    n_scores = 1 if n_labels == 2 else n_labels
    scores = _make_first_layer(config, known.document_counts, n_scores)(inputs)
    if config.units:
        scores = keras.layers.Dense(n_scores, dtype="float32", name="scores")(scores)
    return encoder, keras.Model(inputs, convert_scores(scores), name="ngram")


def _make_first_layer(config: Config, document_counts: IntArray, n_scores: int) -> Any:
    """Return the layer that takes features, with its penalties and its fixed factors.

    Args:
        config: Hyperparameters.
        document_counts: <int64>[labels, n-grams], see `NgramVocabulary`.
        n_scores: Number of labels; 1 for two labels, of which the second has a score.
    """
    from textclf.text.sparse_dense import SparseDense

    in_texts = document_counts.sum(axis=0)
    layer = SparseDense(
        config.units or n_scores,
        n_features=len(in_texts),
        activation="relu" if config.units else None,
        kernel_initializer="glorot_uniform" if config.units else "zeros",
        is_scaled=config.ratio == "naive-bayes",
        # Summed over the training examples, the squared norm of the kernel divided by 2 C.
        penalties=1 / (2 * config.C * np.maximum(in_texts, 1)),
        name="hidden" if config.units else "scores",
        dtype=None if config.units else "float32",  # Scores and probabilities are float32.
    )
    if config.ratio == "naive-bayes":
        layer.build(None)
        ratios = log_count_ratios(document_counts, in_texts - document_counts)
        layer.scale.assign(ratios[-n_scores:].T)
    return layer
