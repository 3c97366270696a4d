"""Times textclf against plain Keras, scikit-learn, fastText and Ludwig, and prints tables.

Runs whole processes, one at a time, on the data in the caches of Keras and tensorflow-datasets;
each process of textclf starts with an empty cache unless the row says otherwise.

Example: python scripts/benchmarks/benchmark.py --rounds 3 --json benchmark.json > tables.md
"""

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TEXTCLF = Path(sys.executable).with_name("textclf")
MODELS = ("mlp", "cnn", "lstm", "cnn-lstm")
STEPS_PER_EPOCH, BATCH_SIZE = 110, 64
FORWARD_MFLOP = {
    "mlp": 2 * 120 * 128 * 256 / 1e6,
    "cnn": 2 * (118 * 384 * 256 + 256 * 128) / 1e6,
    "lstm": 2 * 120 * 256 * 512 / 1e6,
    "cnn-lstm": 2 * (118 * 384 * 256 + 29 * 384 * 512) / 1e6,
}
"""Matrix products of the forward pass of one text; a training step needs three times as many."""

PEERS = {
    "textclf": ("cnn", "ngram", "tfidf-svc"),
    "keras": ("cnn",),
    "ludwig": ("parallel_cnn",),
    "fasttext": ("fasttext",),
    "scikit-learn": ("linear SVC",),
}
"""Tools and their models, which are compared on the same CSV files."""
STARTS = (
    "`textclf --help`",
    "`textclf models`",
    "`import tensorflow` alone",
    "`textclf predict RUN TEXT`, `cnn`",
    "`textclf predict RUN TEXT`, `tfidf-svc`",
)
"""Processes whose start is measured."""
SEQUENCES = ("text.num_words=20000", "text.sequence_length=200", "training.epochs=10")
"""Settings of ``cnn`` that the network in plain Keras has too."""
ACCURACY = {"bbc": 0.9, "reuters": 0.7}
"""Validation accuracy to which the time is taken."""
EPOCH = re.compile(r"^epoch .*\(val ([\d.]+)\)[^(]*$")
"""A line of standard error with the validation accuracy of an epoch."""

Measurement = dict[str, Any]
"""What was measured of one process: ``wall`` seconds, ``peak`` memory in MB, ``epochs`` as pairs of
seconds and validation accuracy, and its own values."""


class Benchmark:
    """Runs processes in a temporary folder, and keeps their measurements by name."""

    def __init__(self, folder: Path, epochs: int) -> None:
        self.folder = folder
        self.epochs = epochs
        self.measurements: dict[str, list[Measurement]] = defaultdict(list)
        self.n_caches = 0

    def run(self, name: str, command: list[Any], *, cache: str | None = None) -> Measurement:
        """Run a command, and keep its measurement under ``name``."""
        self.n_caches += 1
        cache_folder = self.folder / (cache or f"cache-{self.n_caches}")
        environment = {
            **os.environ,
            "TEXTCLF_CACHE_DIR": str(cache_folder),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        started = time.perf_counter()
        with (
            (self.folder / "output").open("w+") as output,
            subprocess.Popen(
                [str(argument) for argument in command],
                stdout=output,
                stderr=subprocess.PIPE,
                env=environment,
                text=True,
            ) as process,
        ):
            epochs = [
                (time.perf_counter() - started, float(found[1]))
                for line in process.stderr or ()
                if (found := EPOCH.match(line))
            ]
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            seconds = time.perf_counter() - started
            output.seek(0)
            text = output.read()
        if process.returncode:
            raise SystemExit(f"{name}: exit code {process.returncode}: {command}")
        measurement: Measurement = {"wall": seconds, "peak": usage.ru_maxrss / 1000}
        measurement["epochs"] = epochs
        lines = text.strip().splitlines()
        if lines and lines[-1].startswith("{"):
            measurement |= json.loads(lines[-1])
        self.measurements[name].append(measurement)
        print(f"{name}: {seconds:.1f} s", file=sys.stderr, flush=True)
        return measurement

    def run_plain(self, name: str, *arguments: Any) -> Measurement:
        """Run a subcommand of the plain scripts."""
        return self.run(name, [sys.executable, HERE / "plain_scripts.py", *arguments])

    def train(
        self, name: str, model: str, dataset: str, *arguments: Any, cache: str | None = None
    ) -> Path:
        """Train with textclf, and add the seconds of its phases; return the run directory."""
        run = self.folder / f"run-{time.monotonic_ns()}"
        options = ["--model", model, "--dataset", dataset, "--run-dir", run, *arguments]
        measurement = self.run(name, [TEXTCLF, "train", *options], cache=cache)
        measurement["seconds"] = json.loads((run / "meta.json").read_text())["seconds"]
        evaluation = json.loads((run / "evaluation.json").read_text())
        measurement["accuracy"] = evaluation["metrics"]["accuracy"]
        return run

    def median(self, name: str, value: Callable[[Measurement], float]) -> float:
        """Return the median of a value over the rounds."""
        return statistics.median(value(measurement) for measurement in self.measurements[name])


def run_round(benchmark: Benchmark) -> None:
    """Run each benchmark once, next to what it is compared with."""
    epochs = f"training.epochs={benchmark.epochs}"
    for model in MODELS:
        benchmark.run_plain(
            f"plain {model}", "reuters", "--model", model, "--epochs", benchmark.epochs
        )
        benchmark.train(f"textclf {model}", model, "reuters", "--set", epochs, "--seed", 1)
    arguments = [argument for model in MODELS for argument in ("--model", model)]
    root = benchmark.folder / f"runs-{time.monotonic_ns()}"
    arguments += ["--dataset", "reuters", "--seed", "1", "--set", epochs, "--jobs", "auto"]
    benchmark.run("compare", [TEXTCLF, "compare", *arguments, "--run-root", root, "--quiet"])
    for _ in range(2):  # The second run reads the cache.
        benchmark.train("cached", "mlp", "reuters", "--set", "training.epochs=1", cache="cached")
    benchmark.measurements["cached"].pop(-2)
    benchmark.run_plain("plain imdb", "imdb")
    benchmark.train("textclf imdb", "mlp", "imdb", "--set", "training.epochs=1")
    for model in MODELS:
        run = benchmark.train("smoke", model, "imdb", "--smoke", cache="smoke")
        files = benchmark.folder / f"network-{model}.keras", benchmark.folder / "ids.npy"
        benchmark.run_plain(f"predict texts {model}", "predict-texts", run, *files)
        benchmark.run_plain(f"predict ids {model}", "predict-ids", *files)


def find_interpreters(ludwig: Path | None) -> dict[str, Path | str]:
    """Return the Python of each tool that is installed."""
    interpreters: dict[str, Path | str] = dict.fromkeys(
        ("textclf", "keras", "scikit-learn"), sys.executable
    )
    if importlib.util.find_spec("fasttext"):
        interpreters["fasttext"] = sys.executable
    if ludwig:
        interpreters["ludwig"] = ludwig
    return interpreters


def find_versions() -> dict[str, str]:
    """Return the versions of the packages that are installed here; Ludwig has its own Python."""
    names = ("textclf-keras", "tensorflow", "keras", "scikit-learn", "fasttext-wheel", "numpy")
    installed = {found.name for found in importlib.metadata.distributions()}
    return {name: importlib.metadata.version(name) for name in names if name in installed}


def run_peers(benchmark: Benchmark, dataset: str, interpreters: dict[str, Path | str]) -> None:
    """Train and load models of each tool on the CSV files of a dataset.

    Args:
        benchmark: Where measurements are kept.
        dataset: Dataset of textclf.
        interpreters: Python of each tool that is installed.
    """
    data = benchmark.folder / dataset
    if not data.exists():
        benchmark.run("write", [sys.executable, HERE / "peers.py", "write", dataset, data])
    for tool, interpreter in interpreters.items():
        for model in PEERS[tool]:
            name = f"{dataset}: {tool} {model}"
            saved = benchmark.folder / f"{tool}-{time.monotonic_ns()}.keras"
            if tool == "textclf":
                settings = SEQUENCES if model == "cnn" else ()
                options = [option for value in settings for option in ("--set", value)]
                saved = benchmark.train(name, model, str(data), "--seed", 1, *options)
            else:
                benchmark.run(name, [interpreter, HERE / "peers.py", "train", tool, data, saved])
            predict = [interpreter, HERE / "peers.py", "predict", tool, data, saved]
            benchmark.run(f"predict {name}", predict)


def run_starts(benchmark: Benchmark) -> None:
    """Start processes that do little, as users of a command line do."""
    network, linear = (
        benchmark.train("smoke", model, "bbc", "--smoke", cache="start")
        for model in ("cnn", "tfidf-svc")
    )
    commands: tuple[list[Any], ...] = (
        [TEXTCLF, "--help"],
        [TEXTCLF, "models"],
        [sys.executable, "-c", "import tensorflow"],
        [TEXTCLF, "predict", network, "a text"],
        [TEXTCLF, "predict", linear, "a text"],
    )
    for name, command in zip(STARTS, commands, strict=True):
        benchmark.run(name, command, cache="start")


def measure_matrix_product() -> float:
    """Return the GFLOP/s of a product of two float32 matrices, the best of 20."""
    import numpy as np

    size = 2_048
    a, b = np.ones((2, size, size), np.float32)
    best = min(_time(lambda: a @ b) for _ in range(20))
    return 2 * size**3 / best / 1e9


def _time(action: Callable[[], Any]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def format_tables(benchmark: Benchmark, gflops: float) -> str:
    """Return the medians as Markdown tables."""
    sections = [
        _format_times(benchmark),
        _format_predictions(benchmark),
        _format_memory(benchmark),
        _format_accuracies(benchmark),
        _format_roofline(benchmark, gflops),
        *(_format_peers(benchmark, dataset) for dataset in ACCURACY),
        _format_starts(benchmark),
    ]
    return "\n\n".join("\n".join(lines) for lines in sections)


def _get(benchmark: Benchmark, name: str, key: str) -> float:
    return benchmark.median(name, lambda measurement: measurement[key])


def _phases(benchmark: Benchmark, name: str, *phases: str) -> float:
    """Return the median seconds of phases."""
    return benchmark.median(
        name, lambda measurement: sum(measurement["seconds"][phase] for phase in phases)
    )


def _format_times(benchmark: Benchmark) -> list[str]:
    def row(name: str, plain: float, textclf: float) -> str:
        return f"| {name} | {plain:.2f} | {textclf:.2f} | {textclf / plain:.2f} |"

    lines = ["| seconds | plain Keras | textclf | ratio |", "| --- | ---: | ---: | ---: |"]
    for model in MODELS:
        plain, textclf = (
            _get(benchmark, f"{kind} {model}", "wall") for kind in ("plain", "textclf")
        )
        lines.append(row(model, plain, textclf))
    all_plain = sum(_get(benchmark, f"plain {model}", "wall") for model in MODELS)
    return [
        *lines,
        row("all four, `compare --jobs auto`", all_plain, _get(benchmark, "compare", "wall")),
        row(
            "Reuters to token ids, from the cache",
            _phases(benchmark, "plain mlp", "data"),
            _phases(benchmark, "cached", "data", "text"),
        ),
        row(
            "IMDB to token ids",
            _phases(benchmark, "plain imdb", "data", "text"),
            _phases(benchmark, "textclf imdb", "data", "text"),
        ),
    ]


def _format_predictions(benchmark: Benchmark) -> list[str]:
    lines = ["| texts per second | Keras, token ids | textclf, raw texts | ratio |"]
    lines.append("| --- | ---: | ---: | ---: |")
    for model in MODELS:
        ids, texts = (
            25_000 / _phases(benchmark, f"predict {kind} {model}", "predict")
            for kind in ("ids", "texts")
        )
        lines.append(f"| {model} | {ids:,.0f} | {texts:,.0f} | {texts / ids:.2f} |")
    return lines


def _format_memory(benchmark: Benchmark) -> list[str]:
    lines = ["| peak memory, MB | plain Keras | textclf | ratio |", "| --- | ---: | ---: | ---: |"]
    for model in MODELS:
        plain, textclf = (
            _get(benchmark, f"{kind} {model}", "peak") for kind in ("plain", "textclf")
        )
        lines.append(f"| {model} | {plain:,.0f} | {textclf:,.0f} | {textclf / plain:.2f} |")
    return lines


def _format_accuracies(benchmark: Benchmark) -> list[str]:
    lines = ["| Reuters | test accuracy | seconds |", "| --- | ---: | ---: |"]
    names = [f"{kind} {model}" for model in MODELS for kind in ("plain", "textclf")]
    for name in names:
        accuracy = _get(benchmark, name, "accuracy")
        lines.append(f"| {name} | {accuracy:.4f} | {_get(benchmark, name, 'wall'):.1f} |")
    return lines


def _format_peers(benchmark: Benchmark, dataset: str) -> list[str]:
    lines = [
        f"| {dataset} | test accuracy | s | s to validation accuracy {ACCURACY[dataset]} | MB |"
        " ms for one text | texts/s |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name in [name for name in benchmark.measurements if name.startswith(f"{dataset}: ")]:
        cells = [
            f"{_get(benchmark, name, 'accuracy'):.4f}",
            f"{_get(benchmark, name, 'wall'):.1f}",
            _format_time_to_accuracy(benchmark.measurements[name], ACCURACY[dataset]),
            f"{_get(benchmark, name, 'peak'):,.0f}",
            f"{_get(benchmark, f'predict {name}', 'one_text_ms'):,.2f}",
            f"{_get(benchmark, f'predict {name}', 'texts_per_second'):,.0f}",
        ]
        lines.append(f"| {name.partition(': ')[2]} | {' | '.join(cells)} |")
    return lines


def _format_time_to_accuracy(measurements: list[Measurement], accuracy: float) -> str:
    """Return the median seconds to an accuracy; nothing if a measurement did not reach it."""
    reached = [
        next((seconds for seconds, value in measured["epochs"] if value >= accuracy), None)
        for measured in measurements
    ]
    times = [seconds for seconds in reached if seconds is not None]
    return f"{statistics.median(times):.1f}" if len(times) == len(reached) else ""


def _format_starts(benchmark: Benchmark) -> list[str]:
    lines = ["| process | s | MB |", "| --- | ---: | ---: |"]
    for name in STARTS:
        seconds, peak = (_get(benchmark, name, key) for key in ("wall", "peak"))
        lines.append(f"| {name} | {seconds:.2f} | {peak:,.0f} |")
    return lines


def _format_roofline(benchmark: Benchmark, gflops: float) -> list[str]:
    lines = [
        f"Matrix products in float32 reach {gflops:.0f} GFLOP/s. Milliseconds per step of"
        f" {BATCH_SIZE} texts:",
        "",
        "| model | matrix products alone | textclf | plain Keras | textclf / products |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    n_steps = STEPS_PER_EPOCH * benchmark.epochs
    for model in MODELS:
        alone = 3 * BATCH_SIZE * FORWARD_MFLOP[model] / gflops
        textclf = 1000 * _phases(benchmark, f"textclf {model}", "train") / n_steps
        plain = 1000 * _phases(benchmark, f"plain {model}", "fit") / n_steps
        lines.append(
            f"| {model} | {alone:.1f} | {textclf:.1f} | {plain:.1f} | {textclf / alone:.1f} |"
        )
    return lines


def main() -> None:
    """Run all rounds, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument(
        "--rounds",
        type=int,
        default=3,
        metavar="N",
        help="Number of rounds; their medians are printed.  [default: 3]",
    )
    parser.add_argument(
        "--epochs",
        type=int,
        default=10,
        metavar="N",
        help="Epochs of each network.  [default: 10, about 20 minutes per round]",
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="Write the measurements of all rounds to FILE."
    )
    parser.add_argument(
        "--ludwig", type=Path, metavar="PYTHON", help="Python of an environment with Ludwig."
    )
    options = parser.parse_args()
    machine = f"{platform.platform()}, {os.cpu_count()} processors"
    with tempfile.TemporaryDirectory(prefix="textclf-") as folder:
        benchmark = Benchmark(Path(folder), options.epochs)
        gflops = measure_matrix_product()
        for _ in range(options.rounds):
            run_round(benchmark)
            run_peers(benchmark, "bbc", find_interpreters(options.ludwig))
            run_peers(benchmark, "reuters", find_interpreters(None))
            run_starts(benchmark)
            if options.json:
                document = {
                    "machine": machine,
                    "packages": find_versions(),
                    "matrix_product_gflops": gflops,
                    "measurements": benchmark.measurements,
                }
                options.json.write_text(json.dumps(document, indent=2) + "\n")
    print(f"{options.rounds} rounds of {options.epochs} epochs on {machine}.\n")
    print(format_tables(benchmark, gflops))


if __name__ == "__main__":
    main()
