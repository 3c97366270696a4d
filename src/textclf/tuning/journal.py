"""Reads and writes Optuna's journal of a study, which contains finished trials only.

Each trial is added as one line, so that a killed process leaves no trial that is running.
"""

import contextlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from textclf.config.search_space import SearchSpace
from textclf.errors import RequestError, format_install
from textclf.storage.files import reading, write_atomically
from textclf.tuning.distributions import to_distributions
from textclf.tuning.trial import Trial

if TYPE_CHECKING:
    import optuna

SETTINGS = "textclf"
"""User attribute of Optuna's study that contains its settings."""

STATES = {"complete": "COMPLETE", "pruned": "PRUNED", "failed": "FAIL"}
"""Optuna's names of the states of a trial."""

REMEDY = "remove its folder to begin the study again; its runs are reused"


class _NoLock:
    """Optuna's lock of the journal, which the lock of the folder makes unnecessary.

    Optuna's own locks stay for 30 seconds after their process was killed.
    """

    def acquire(self) -> bool:
        """Do nothing."""
        return True

    def release(self) -> None:
        """Do nothing."""


def import_optuna() -> Any:
    """Import Optuna, without its messages.

    Raises:
        RequestError: It is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise RequestError(f"tuning needs Optuna: {format_install('tune')} ({error})") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def create_journal(path: Path, settings: dict[str, Any], *, direction: str) -> None:
    """Write a journal without trials, atomically."""
    optuna = import_optuna()
    with write_atomically(path) as temporary:
        name = path.parent.name
        storage = _open(temporary)
        study = optuna.create_study(storage=storage, study_name=name, direction=direction)
        study.set_user_attr(SETTINGS, settings)


def read_journal(path: Path) -> "tuple[dict[str, Any], list[optuna.trial.FrozenTrial]]":
    """Return the settings and the trials of a journal, without a last line that is cut off.

    Raises:
        RunError: The journal is missing or damaged.
    """
    import_optuna()
    with reading(path, REMEDY):
        study = _load(path)
        return study.user_attrs[SETTINGS], study.trials


def append_trials(path: Path, trials: Sequence[Trial], space: SearchSpace) -> None:
    """Append finished trials to a journal; the caller must hold the lock of its folder."""
    with reading(path, REMEDY):
        study = _load(path)
        for trial in trials:
            study.add_trial(freeze(trial, space))


def cut_torn_line(path: Path) -> bool:
    """Cut off a last line that was not written completely; return whether there was one.

    A file that does not begin like a journal stays as it is.
    """
    content = path.read_bytes()
    kept = content.rfind(b"\n") + 1
    if kept in {0, len(content)} or not content.startswith(b"{"):
        return False
    with write_atomically(path) as temporary:
        temporary.write_bytes(content[:kept])
    return True


def freeze(trial: Trial, space: SearchSpace) -> "optuna.trial.FrozenTrial":
    """Return Optuna's form of a trial, whose values outside the search space are an attribute."""
    optuna = import_optuna()
    distributions = to_distributions(space)
    inside = {key for key, value in trial.params.items() if _contains(distributions[key], value)}
    attributes = {
        "outside": {key: value for key, value in trial.params.items() if key not in inside},
        "values": {str(seed): value for seed, value in trial.values.items()},
        "n_epochs": trial.n_epochs,
        "seconds": trial.seconds,
        "fingerprint": trial.fingerprint,
        "error": trial.error,
    }
    return optuna.trial.create_trial(
        state=optuna.trial.TrialState[STATES[trial.state]],
        value=trial.value,
        params={key: value for key, value in trial.params.items() if key in inside},
        distributions={key: distributions[key] for key in trial.params if key in inside},
        user_attrs=attributes,
        intermediate_values=dict(trial.steps),
    )


def thaw(frozen: "optuna.trial.FrozenTrial", space: SearchSpace) -> Trial:
    """Return the trial that `freeze` was given; KeyError or ValueError if it is not one."""
    attributes = frozen.user_attrs
    params = {**frozen.params, **attributes["outside"]}
    states = {name: state for state, name in STATES.items()}
    if (frozen.state.name == STATES["complete"]) != (frozen.value is not None):
        raise ValueError(f"trial {frozen.number}: {frozen.state.name} with value {frozen.value}")
    content = {
        **attributes,
        "number": frozen.number,
        "state": states[frozen.state.name],
        "params": {key: params[key] for key in space},
        "value": frozen.value,
        "steps": frozen.intermediate_values,
    }
    return _trial_adapter().validate_python(content)


@cache
def _trial_adapter() -> TypeAdapter[Trial]:
    """Return the validator of trials."""
    return TypeAdapter(Trial)


def _contains(distribution: "optuna.distributions.BaseDistribution", value: Any) -> bool:
    """Return whether a distribution can have a value."""
    with contextlib.suppress(ValueError, TypeError):
        return bool(distribution._contains(distribution.to_internal_repr(value)))
    return False


def _load(path: Path) -> "optuna.Study":
    optuna, storage = import_optuna(), _open(path)
    names = optuna.get_all_study_names(storage)
    if len(names) != 1:
        raise ValueError(f"it contains {len(names)} studies")
    return optuna.load_study(study_name=names[0], storage=storage)


def _open(path: Path) -> "optuna.storages.JournalStorage":
    journal = import_optuna().storages.journal
    return journal.JournalStorage(journal.JournalFileBackend(str(path), lock_obj=_NoLock()))
