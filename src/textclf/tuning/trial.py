"""One trial of a study: a configuration and how well it does on the validation split."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

TrialState = Literal["complete", "pruned", "failed"]


@dataclass(frozen=True)
class Trial:
    """A finished trial.

    Attributes:
        number: Number, from 0; trial 0 has the defaults.
        state: ``complete``; ``pruned``, stopped because it was worse than earlier ones; or
            ``failed``.
        params: Value of each key of the search space that the trial sets.
        value: Metric on the validation split, the mean over the seeds; None unless complete.
        values: Metric by seed, of the seeds that were trained to the end.
        steps: What pruning looks at: the monitored value by epoch (one seed), from 1, or the metric
            by the position of the seed (several seeds), from 0.
        n_epochs: Epochs of all seeds together; 0 for a scikit-learn model.
        seconds: Seconds of training, all seeds together, including epochs before a resume.
        fingerprint: Fingerprint of the configuration; empty if its values do not fit together.
        error: Why it failed; None unless it failed.
    """

    number: int
    state: TrialState
    params: Mapping[str, Any]
    value: float | None
    values: Mapping[int, float]
    steps: Mapping[int, float]
    n_epochs: int
    seconds: float
    fingerprint: str
    error: str | None = None
