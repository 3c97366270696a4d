"""Labels that are likely to be wrong: confident learning on out-of-fold probabilities."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.data.dataset import IntArray, stratified_quantiles
from textclf.models._sklearn import decide, fit_temperature, softmax

N_FOLDS = 5


@dataclass(frozen=True)
class Suspects:
    """Texts whose label is likely to be wrong, the most suspect first.

    Attributes:
        places: <int64>[suspects].
        guesses: <int64>[suspects], the label that fits better.
        margins: <float64>[suspects], probability of the guess less that of the given label.
    """

    places: IntArray
    guesses: IntArray
    margins: npt.NDArray[np.float64]


def find_suspects(labels: IntArray, probabilities: npt.NDArray[np.float64]) -> Suspects:
    """Find labels that other labels fit better (Northcutt et al. 2021, confident learning).

    A text is confidently of a label if that label's probability is at least the mean of it over the
    texts that have the label. Suspect is what is confidently of another label than its own, and not
    of its own with a higher probability.

    Args:
        labels: <int64>[n].
        probabilities: <float64>[n, labels], of a classifier that has not seen the text.
    """
    n_labels = probabilities.shape[1]
    thresholds = np.array(
        [
            probabilities[labels == k, k].mean() if (labels == k).any() else 2
            for k in range(n_labels)
        ]
    )
    confident = np.where(probabilities >= thresholds - 1e-6, probabilities, -1)
    guesses = confident.argmax(axis=1)
    places = np.flatnonzero((confident.max(axis=1) >= 0) & (guesses != labels))
    margins = probabilities[places, guesses[places]] - probabilities[places, labels[places]]
    places, margins = places[margins > 0], margins[margins > 0]
    order = np.argsort(-margins, kind="stable")
    return Suspects(places[order], guesses[places][order], margins[order])


def cross_validate(texts: Iterable[str], labels: IntArray, n_labels: int) -> Any:
    """Return probabilities of each text's labels by a linear model fitted on other texts.

    Word frequencies of all texts weigh the words; labels of a text's own fold are not seen. The
    model is that of `tfidf-svc`.

    Returns:
        <float64>[n, labels].
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

    try:
        features = TfidfVectorizer(sublinear_tf=True, min_df=2, stop_words=["br"]).fit_transform(
            texts
        )
    except ValueError:  # No word stands in two texts: there is nothing to doubt a label by.
        return np.eye(n_labels)[labels]
    folds = np.minimum(stratified_quantiles(labels) * N_FOLDS, N_FOLDS - 1).astype(int)
    # A label that no other fold has cannot be answered; of no label at all, none is likelier.
    decisions = np.full((len(labels), n_labels), -1e9)
    for fold in range(N_FOLDS):
        seen, unseen = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        if not len(unseen) or len(np.unique(labels[seen])) < 2:
            continue
        model = LinearSVC(C=0.5, random_state=0).fit(features[seen], labels[seen])
        decisions[np.ix_(unseen, model.classes_)] = decide(model, features[unseen])
    return softmax(fit_temperature(decisions, labels) * decisions)
