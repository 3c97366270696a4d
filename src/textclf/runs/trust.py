"""Decides whether the code of runs is what the user named, and so may be executed."""

from collections.abc import Iterable

from textclf.config.schema import ExperimentConfig
from textclf.errors import RunError
from textclf.runs.directory import RunDirectory


def have_same_code(runs: Iterable[tuple[RunDirectory, ExperimentConfig]]) -> bool:
    """Return whether finished runs have the code of their configurations, and not that of others.

    Args:
        runs: Run directories, each with the configuration that the user named. If none of the
            configurations names code, the result is False.
    """
    finished = [(run, config) for run, config in runs if run.is_finished]
    named = [_list_code(config) for _, config in finished]
    if not any(code for pairs in named for _, code in pairs):
        return False
    try:
        return [_list_code(run.read_config()) for run, _ in finished] == named
    except RunError:  # Reported when the configuration is needed.
        return False


def _list_code(config: ExperimentConfig) -> list[tuple[bool, str | None]]:
    """Return whether the dataset and the model are Python files, and the code that defines each."""
    # A run of somebody else may name a file without recording its code.
    sections = config.dataset, config.model
    return [(section.name.endswith(".py"), section.code) for section in sections]
