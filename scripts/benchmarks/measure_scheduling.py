"""Measures what it costs to hand out runs to Ray: runs that do nothing, in growing numbers.

Prints a Markdown table: the time of a run at the beginning, a little later, and at the end, when
the driver has handed out all others; and the most memory that the driver has held, in a process of
its own for each row. With ``--bring-back``, each run leaves eleven files of 100 kB, as without a
shared disk.

Example: python scripts/benchmarks/measure_scheduling.py 10 1000 100000
"""

import argparse
import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from textclf.config.resolve import resolve
from textclf.executors import ray as executor
from textclf.executors._base import ExecutorOptions
from textclf.executors._ray_worker import Answer, Order
from textclf.experiment.run import Settings
from textclf.runs.directory import FILES
from textclf.runtime.machine import count_processors, measure_peak_memory
from textclf.runtime.progress import Reporter

SHARE = 10
"""The beginning and the end are a tenth of the runs each."""


class Clock(Reporter):
    """Notes when each run has ended."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.times: list[float] = []

    @contextlib.contextmanager
    def counting(self, total: int) -> Iterator[Callable[[], None]]:
        """Note the time at the start and at each call."""

        def count() -> None:
            self.times.append(time.perf_counter())
            if len(self.times) % max(1, total // 10) == 0:
                done = len(self.times) - 1
                print(f"{done:,} of {total:,} runs done", file=sys.stderr)

        self.times.append(time.perf_counter())
        yield count


def do_nothing(order: Order, board: Any) -> Answer:  # noqa: ARG001 - what Ray calls with
    """Answer as a run that has ended."""
    return Answer()


def bring_back(order: Order, board: Any) -> Answer:  # noqa: ARG001
    """Answer with files."""
    return Answer(files=dict.fromkeys(FILES, bytes(100_000)))


def measure(n_runs: int, address: str | None, work: Callable[[Order, Any], Answer]) -> str:
    """Return a row of the table."""
    config = resolve({"dataset": {"name": "bbc"}, "model": {"name": "majority"}})
    configs = [config.model_copy(update={"seed": seed}) for seed in range(n_runs)]
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        failures = executor.execute(
            configs,
            Path(folder),
            Settings(clock),
            ExecutorOptions("ray", ray_address=address),
            work=work,
        )
    assert not failures  # noqa: S101 - nothing can fail
    times = [1000 * (b - a) for a, b in zip(clock.times, clock.times[1:], strict=False)]
    part = max(1, n_runs // SHARE)
    first, last = statistics.mean(times[:part]), statistics.mean(times[-part:])
    # The first ones wait for Ray's processes to start.
    warm = statistics.mean(times[part : 2 * part])
    total = clock.times[-1] - clock.times[0]
    return (
        f"| {n_runs:,} | {total:,.1f} | {1000 * total / n_runs:,.2f} | {first:,.2f} | {warm:,.2f}"
        f" | {last:,.2f} | {(measure_peak_memory() or 0) / 1e6:,.0f} |"
    )


def main() -> None:
    """Print a row for each number of runs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("numbers", type=int, nargs="+", help="of runs")
    parser.add_argument("--ray-address", help="of a cluster; else a Ray on this machine alone")
    parser.add_argument("--bring-back", action="store_true", help="files too")
    parser.add_argument("--row", action="store_true", help="print a row in this process")
    options = parser.parse_args()
    if options.row:
        work = bring_back if options.bring_back else do_nothing
        print(measure(options.numbers[0], options.ray_address, work))
        return
    print(f"{count_processors()} processors\n")
    print("| runs | s | ms each | first tenth | second tenth | last tenth | driver MB |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for number in options.numbers:
        named = [word for word in sys.argv[1:] if not word.isdigit()]
        words = [sys.executable, __file__, str(number), *named, "--row"]
        subprocess.run(words, check=True)


if __name__ == "__main__":
    main()
