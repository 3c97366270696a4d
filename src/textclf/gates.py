"""Gates for continuous integration: a drop that is both too large and no noise."""

from collections.abc import Iterable, Sequence

from textclf.entries import Entry, check_comparable, compare_all, make_entries
from textclf.errors import GateError, RequestError
from textclf.results import Result
from textclf.runs import RunDirectory


def check_gate(
    entries: Sequence[Entry],
    baseline_runs: Iterable[tuple[RunDirectory, Result]],
    *,
    max_drop: float,
    alpha: float,
) -> None:
    """Compare every entry with a baseline, text by text.

    Args:
        entries: what is checked; the baseline's own runs among them are left out.
        baseline_runs: seeds of one configuration.
        max_drop: how much accuracy an entry may lose, in [0, 1].
        alpha: rate of false alarms over all entries together, in (0, 1).

    Raises:
        RequestError: the baseline is several configurations.
        RunError: an entry must not be compared with the baseline.
        GateError: an entry lost more than is allowed, and more than noise explains.
    """
    baselines = make_entries(baseline_runs)
    if len(baselines) != 1:
        names = ", ".join(f"{b.first.dataset}/{b.first.model}" for b in baselines)
        raise RequestError(f"--baseline has to be one configuration, got {len(baselines)}: {names}")
    baseline = baselines[0]
    checked = [e for e in entries if e.first.fingerprint != baseline.first.fingerprint]
    for entry in checked:
        check_comparable(entry.first, baseline.first)
    alarms = [
        f"{entry.first.model} lost {-difference.estimate.mean:.4f} (p = {p_value:.2g})"
        for entry, difference, p_value in compare_all(
            checked, baseline, p_of=lambda difference: difference.p_below
        )
        if -difference.estimate.mean > max_drop and p_value < alpha
    ]
    if alarms:
        raise GateError(
            f"worse than {baseline.first.model} by more than {max_drop:g} and by more than noise"
            f" explains: {'; '.join(alarms)}"
        )
