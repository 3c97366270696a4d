"""The section of a report about a study: what tuning brought, and how that was found."""

from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from textclf.comparison.comparison import Comparison
from textclf.reporting.documents import Document
from textclf.reporting.svg import format_svg
from textclf.tuning.plots import Importance, format_metric, measure_importance, plot_study
from textclf.tuning.study import Study, get_defaults, list_titles
from textclf.tuning.trial import Trial

N_BEST = 10
"""Trials that are listed without opening a list."""

DESCRIPTIONS = {
    "history": "The {} of each trial, and the best one so far; the values are in the table.",
    "importance": "How much of the differences of {} each searched key explains, as bars.",
    "slices": "The {} of each trial against each searched key; the values are in the table.",
}
"""What each plot shows, for readers who do not see it."""

TEST_FIELDS = ("accuracy", "macro_f1", "loss")
"""Metrics on the test split."""


@dataclass(frozen=True)
class StudySection:
    """What the template ``study.html`` shows.

    Attributes:
        documents: ``study``: its trials, its keys, and the best trial and the defaults on test.
        metric: What is plotted, such as ``validation macro F1``.
        titles: Title of each key in the table of trials.
        is_improved: Whether another trial than the defaults is the best on validation.
        plots: Plots by name.
        reason: Why the importance of keys was not measured; None if it was.
        ranked: Positions of the best complete trials, the best first.
    """

    documents: list[Document]
    metric: str
    titles: dict[str, str]
    is_improved: bool
    plots: dict[str, Markup]
    reason: str | None
    ranked: list[int]

    @classmethod
    def of(cls, study: Study, comparison: Comparison) -> "StudySection":
        """Describe a study.

        Args:
            study: Study with one or more trials.
            comparison: Its best trial and the defaults on the test split.
        """
        settings, trials = study.settings, study.trials
        metric = format_metric(settings.metric)
        importance = measure_importance(trials, settings.space, settings.metric)
        figures = plot_study(trials, settings.space, settings.metric, importance, title="")
        content = {
            **_summarize(study),
            "test": _find_test_results(study, comparison),
            "search": _list_keys(study, importance),
            "trials": [_describe(trial, study) for trial in trials],
        }
        sign = 1 if settings.direction == "minimize" else -1
        complete = [i for i, trial in enumerate(trials) if trial.value is not None]
        return cls(
            [Document("study", "The study, from study.journal and evaluation.json", content)],
            metric,
            list_titles(settings.space),
            study.best.fingerprint != study.defaults.fingerprint,
            {
                name: format_svg(figure, DESCRIPTIONS[name].format(metric))
                for name, figure in figures.items()
            },
            importance.reason,
            sorted(complete, key=lambda i: sign * (trials[i].value or 0))[:N_BEST],
        )


def _summarize(study: Study) -> dict[str, Any]:
    """Return what a study is about, and how many trials it has."""
    states = [trial.state for trial in study.trials]
    return {
        "name": study.path.name,
        "metric": study.settings.metric,
        "seeds": [*study.settings.seeds],
        "n_trials": len(states),
        "n_complete": states.count("complete"),
        "n_pruned": states.count("pruned"),
        "n_failed": states.count("failed"),
        "seconds": sum(trial.seconds for trial in study.trials),
        "best": {"number": study.best.number, "value": study.best.value},
        "defaults": {"number": study.defaults.number, "value": study.defaults.value},
    }


def _find_test_results(study: Study, comparison: Comparison) -> dict[str, Any] | None:
    """Return the rows of the best trial and of the defaults; None if one of them has failed."""
    rows = {row["fingerprint"]: row for row in comparison.rows if not row["error"]}
    best = rows.get(study.best.fingerprint)
    defaults = rows.get(study.defaults.fingerprint)
    if not best or not defaults:
        return None
    compared = ("difference", "difference_interval", "p_value", "verdict")
    return {
        "n_examples": defaults["n_examples"],
        "best": {key: best[key] for key in (*TEST_FIELDS, *compared)},
        "defaults": {key: defaults[key] for key in TEST_FIELDS},
    }


def _list_keys(study: Study, importance: Importance) -> list[dict[str, Any]]:
    """Return what was searched for each key, and its values in the defaults and the best trial."""
    defaults = get_defaults(study.settings)
    return [
        {
            "key": key,
            "values": str(domain),
            "defaults": defaults[key],
            "best": study.best.params[key],
            "importance": importance.values.get(key),
        }
        for key, domain in study.settings.space.items()
    ]


def _describe(trial: Trial, study: Study) -> dict[str, Any]:
    """Return a trial, whose values are in the order of the keys."""
    return {
        "number": trial.number,
        "state": trial.state,
        "value": trial.value,
        "params": [trial.params[key] for key in study.settings.space],
        "n_epochs": trial.n_epochs,
        "seconds": trial.seconds,
        "error": trial.error,
    }
