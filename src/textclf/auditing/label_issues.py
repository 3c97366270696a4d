"""Label issues: confident learning on out-of-fold probabilities of a linear model."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from textclf.data.dataset import IntArray
from textclf.data.splitting import assign_folds
from textclf.evaluation.metrics import accuracy_interval
from textclf.evaluation.temperature import fit_calibration
from textclf.models import tfidf_svc
from textclf.models._sklearn import decide
from textclf.runtime.progress import Reporter
from textclf.text.tokens import normalize_text

N_FOLDS = 5

NEVER_PREDICTED = -1e9
"""Decision for a label that does not occur outside the example's fold."""


@dataclass(frozen=True)
class LabelIssues:
    """Examples whose label is probably incorrect, the most likely issue first.

    Attributes:
        positions: <int64>[issues], position of each example.
        likely_labels: <int64>[issues], the more likely label.
        margins: <float64>[issues], its probability minus that of the given label.
    """

    positions: IntArray
    likely_labels: IntArray
    margins: npt.NDArray[np.float64]


def find_label_issues(labels: IntArray, probabilities: npt.NDArray[np.float64]) -> LabelIssues:
    """Find label issues by confident learning (Northcutt et al. 2021).

    An example confidently has a label if the label's probability is at least its mean over the
    examples with that label. An issue confidently has another label, with a higher probability
    than its given label.

    Args:
        labels: <int64>[n].
        probabilities: <float64>[n, labels], from a classifier that has not seen the example.
    """
    n_labels = probabilities.shape[1]
    thresholds = np.full(n_labels, 2.0)  # Never reached by a label without examples.
    for label in np.unique(labels):
        thresholds[label] = probabilities[labels == label, label].mean()
    confident = np.where(probabilities >= thresholds - 1e-6, probabilities, -1)
    likely = confident.argmax(axis=1)
    positions = np.flatnonzero((confident.max(axis=1) >= 0) & (likely != labels))
    margins = (
        probabilities[positions, likely[positions]] - probabilities[positions, labels[positions]]
    )
    positions, margins = positions[margins > 0], margins[margins > 0]
    order = np.argsort(-margins, kind="stable")
    return LabelIssues(positions[order], likely[positions][order], margins[order])


def cross_validate(
    texts: Sequence[str], labels: IntArray, n_labels: int, *, reporter: Reporter
) -> npt.NDArray[np.float64]:
    """Return out-of-fold probabilities of `tfidf-svc`, <float64>[n, labels].

    Document frequencies come from all texts; the labels of an example's own fold are not seen.
    """
    config = tfidf_svc.Config(name="tfidf-svc")
    _, features, note = tfidf_svc.fit_vectorizer(config, [*map(normalize_text, texts)])
    if note:
        reporter.note(note)
    folds = assign_folds(labels, N_FOLDS)
    decisions = np.full((len(labels), n_labels), NEVER_PREDICTED)
    for fold in range(N_FOLDS):
        seen, unseen = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        if not len(unseen) or len(np.unique(labels[seen])) < 2:
            continue
        model = tfidf_svc.make_svc(config, seed=0).fit(features[seen], labels[seen])
        decisions[np.ix_(unseen, model.classes_)] = decide(model, features[unseen])
    n_correct = int((decisions.argmax(axis=1) == labels).sum())
    chance = np.bincount(labels).max() / len(labels)
    if note and accuracy_interval(n_correct, len(labels))[0] <= chance:
        return np.eye(n_labels)[labels]  # Characters say nothing about any label.
    return fit_calibration(decisions, labels).apply(decisions)
