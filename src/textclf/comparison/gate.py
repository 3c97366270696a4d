"""Gates for continuous integration: a drop that is both too large and no noise."""

from collections.abc import Sequence

from textclf.comparison.model_results import Entry, check_comparable, compare_all
from textclf.errors import GateError


def check_gate(entries: Sequence[Entry], baseline: Entry, *, max_drop: float, alpha: float) -> None:
    """Compare every entry with a baseline, text by text.

    Args:
        entries: what is checked; the very runs of the baseline are left out.
        baseline: one configuration with its seeds.
        max_drop: how much accuracy an entry may lose, in [0, 1].
        alpha: rate of false alarms over all entries together, in (0, 1).

    Raises:
        RunError: an entry must not be compared with the baseline.
        GateError: an entry lost more than is allowed, and more than noise explains.
    """
    own = {run.path.resolve() for run in baseline.runs}
    checked = [e for e in entries if not own & {run.path.resolve() for run in e.runs}]
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
            f"worse than the baseline {baseline.first.model} by more than {max_drop:g} and by more"
            f" than noise explains: {'; '.join(alarms)}"
        )
