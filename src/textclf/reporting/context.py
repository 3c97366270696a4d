"""How a report is made."""

from dataclasses import dataclass

from textclf.runtime.progress import Reporter


@dataclass(frozen=True)
class ReportContext:
    """How a report is made, and what it may contain.

    Attributes:
        reporter: Prints progress.
        texts: Whether the page contains texts of the dataset.
        device: ``auto``, ``cpu`` or ``gpu``, for the predictions that explanations need.
        trust_code: Whether to execute the Python files of the runs.
    """

    reporter: Reporter
    texts: bool = True
    device: str = "auto"
    trust_code: bool = False
