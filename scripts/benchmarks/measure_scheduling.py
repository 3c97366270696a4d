"""Measures the cost of scheduling runs on Ray: runs that do nothing, in growing numbers.

Prints a Markdown table: the mean time per run in the first, second and last tenth of the runs, and
the peak memory of the driver, which is a new process for each row. With ``--return-files``, each
run returns eleven files of 100 kB, as without a shared disk.

Example: python scripts/benchmarks/measure_scheduling.py 10 1000 100000
"""

import argparse
import contextlib
import itertools
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
from textclf.executors._base import ExecutorConfig
from textclf.executors._ray_worker import Job, JobResult
from textclf.experiment.run import RunContext
from textclf.runs.directory import FILES
from textclf.runtime.machine import count_processors, measure_peak_memory
from textclf.runtime.progress import Reporter

N_PARTS = 10
"""Equal parts of the runs, of which the first, the second and the last are shown."""


class TimingReporter(Reporter):
    """Records when the runs begin, and when each has ended."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.times: list[float] = []

    @contextlib.contextmanager
    def counting(self, total: int) -> Iterator[Callable[[], None]]:
        """Record the time at the start and at each call."""

        def count() -> None:
            self.times.append(time.perf_counter())
            n_done = len(self.times) - 1
            if n_done % max(1, total // N_PARTS) == 0:
                print(f"{n_done:,} of {total:,} runs done", file=sys.stderr)

        self.times.append(time.perf_counter())
        yield count


def do_nothing(job: Job, log_queue: Any) -> JobResult:  # noqa: ARG001 - Ray passes both
    """Return the result of a finished run."""
    return JobResult()


def return_files(job: Job, log_queue: Any) -> JobResult:  # noqa: ARG001 - Ray passes both
    """Return the result of a finished run with its files."""
    return JobResult(files=dict.fromkeys(FILES, bytes(100_000)))


def measure(n_runs: int, address: str | None, work: Callable[[Job, Any], JobResult]) -> str:
    """Return a row of the table."""
    config = resolve({"dataset": {"name": "bbc"}, "model": {"name": "majority"}})
    configs = [config.model_copy(update={"seed": seed}) for seed in range(n_runs)]
    reporter = TimingReporter()
    with tempfile.TemporaryDirectory() as folder:
        on_ray = ExecutorConfig("ray", ray_address=address)
        with executor.opened(Path(folder), on_ray, work=work) as opened:
            failures = opened.execute(configs, RunContext(reporter))
    assert not failures  # noqa: S101 - runs that do nothing cannot fail
    moments = reporter.times
    times = [1000 * (b - a) for a, b in itertools.pairwise(moments)]
    size = max(1, n_runs // N_PARTS)
    first, last = statistics.mean(times[:size]), statistics.mean(times[-size:])
    # The first runs wait until Ray's processes have started.
    second = statistics.mean(times[size : 2 * size] or times[:size])
    total = moments[-1] - moments[0]
    return (
        f"| {n_runs:,} | {total:,.1f} | {1000 * total / n_runs:,.2f} | {first:,.2f} | {second:,.2f}"
        f" | {last:,.2f} | {(measure_peak_memory() or 0) / 1e6:,.0f} |"
    )


def main() -> None:
    """Print a row for each number of runs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "numbers", type=int, nargs="+", metavar="N", help="Number of runs; a row for each."
    )
    parser.add_argument(
        "--ray-address", help="Address of a cluster; by default, a Ray on this machine alone."
    )
    parser.add_argument(
        "--return-files", action="store_true", help="Return files, as without a shared disk."
    )
    parser.add_argument("--only-row", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only_row:
        work = return_files if options.return_files else do_nothing
        print(measure(options.numbers[0], options.ray_address, work))
        return
    shared = ["--return-files"] if options.return_files else []
    shared += ["--ray-address", options.ray_address] if options.ray_address else []
    print(f"{count_processors()} processors\n")
    print("| runs | s | ms per run | first tenth | second tenth | last tenth | driver MB |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |", flush=True)
    for number in options.numbers:
        command = [sys.executable, __file__, str(number), *shared, "--only-row"]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
