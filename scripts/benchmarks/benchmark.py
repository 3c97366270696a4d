"""Times textclf against plain Keras, scikit-learn and fastText, and prints tables with ratios.

Runs whole processes, one at a time, on the data in the caches of Keras and tensorflow-datasets;
each process of textclf starts with an empty cache unless the row says otherwise.

Example: python scripts/benchmarks/benchmark.py --rounds 3 --json benchmark.json > tables.md
"""

import argparse
import importlib.util
import json
import os
import platform
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
TARGETS = {"mlp": "0.45", "cnn": "0.75", "lstm": "0.75", "cnn-lstm": "0.75"}
"""Ratios of training times that the project aims at."""
STEPS_PER_EPOCH, BATCH_SIZE = 110, 64
FORWARD_MFLOP = {
    "mlp": 2 * 120 * 128 * 256 / 1e6,
    "cnn": 2 * (118 * 384 * 256 + 256 * 128) / 1e6,
    "lstm": 2 * 120 * 256 * 512 / 1e6,
    "cnn-lstm": 2 * (118 * 384 * 256 + 29 * 384 * 512) / 1e6,
}
"""Matrix products of the forward pass of one text; a training step needs three times as many."""

Measurement = dict[str, Any]
"""What was measured of one process: ``wall`` seconds, ``peak`` memory in MB, and its own values."""


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
                stderr=subprocess.DEVNULL,
                env=environment,
            ) as process,
        ):
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            seconds = time.perf_counter() - started
            output.seek(0)
            text = output.read()
        if process.returncode:
            raise SystemExit(f"{name}: exit code {process.returncode}: {command}")
        measurement = {"wall": seconds, "peak": usage.ru_maxrss / 1000}
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
        options = ["--model", model, "--dataset", dataset, "--run-dir", run, "--quiet", *arguments]
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
    benchmark.train("tfidf-svc", "tfidf-svc", "reuters")
    if importlib.util.find_spec("fasttext"):
        benchmark.run_plain("fasttext", "fasttext")
    else:
        print("fastText is not installed, and is left out", file=sys.stderr)


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
    ]
    return "\n\n".join("\n".join(lines) for lines in sections)


def _wall(benchmark: Benchmark, name: str) -> float:
    return benchmark.median(name, lambda measurement: measurement["wall"])


def _phases(benchmark: Benchmark, name: str, *phases: str) -> float:
    """Return the median seconds of phases."""
    return benchmark.median(
        name, lambda measurement: sum(measurement["seconds"][phase] for phase in phases)
    )


def _format_times(benchmark: Benchmark) -> list[str]:
    def row(name: str, plain: float, textclf: float, target: str) -> str:
        return f"| {name} | {plain:.2f} | {textclf:.2f} | {textclf / plain:.2f} | {target} |"

    lines = [
        "| seconds | plain Keras | textclf | ratio | target |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for model in MODELS:
        plain, textclf = (_wall(benchmark, f"{kind} {model}") for kind in ("plain", "textclf"))
        lines.append(row(model, plain, textclf, TARGETS[model]))
    all_plain = sum(_wall(benchmark, f"plain {model}") for model in MODELS)
    return [
        *lines,
        row("all four, `compare --jobs auto`", all_plain, _wall(benchmark, "compare"), "0.45"),
        row(
            "Reuters to token ids, from the cache",
            _phases(benchmark, "plain mlp", "data"),
            _phases(benchmark, "cached", "data", "text"),
            "0.1",
        ),
        row(
            "IMDB to token ids",
            _phases(benchmark, "plain imdb", "data", "text"),
            _phases(benchmark, "textclf imdb", "data", "text"),
            "0.7",
        ),
    ]


def _format_predictions(benchmark: Benchmark) -> list[str]:
    lines = ["| texts per second | Keras, token ids | textclf, raw texts | ratio | target |"]
    lines.append("| --- | ---: | ---: | ---: | ---: |")
    for model in MODELS:
        ids, texts = (
            25_000 / _phases(benchmark, f"predict {kind} {model}", "predict")
            for kind in ("ids", "texts")
        )
        lines.append(f"| {model} | {ids:,.0f} | {texts:,.0f} | {texts / ids:.2f} | 0.8 |")
    return lines


def _format_memory(benchmark: Benchmark) -> list[str]:
    lines = ["| peak memory, MB | plain Keras | textclf | ratio |", "| --- | ---: | ---: | ---: |"]
    for model in MODELS:
        plain, textclf = (
            benchmark.median(f"{kind} {model}", lambda measurement: measurement["peak"])
            for kind in ("plain", "textclf")
        )
        lines.append(f"| {model} | {plain:,.0f} | {textclf:,.0f} | {textclf / plain:.2f} |")
    return lines


def _format_accuracies(benchmark: Benchmark) -> list[str]:
    lines = ["| Reuters | test accuracy | seconds |", "| --- | ---: | ---: |"]
    names = [f"{kind} {model}" for model in MODELS for kind in ("plain", "textclf")]
    names += [name for name in ("tfidf-svc", "fasttext") if name in benchmark.measurements]
    for name in names:
        accuracy = benchmark.median(name, lambda measurement: measurement["accuracy"])
        lines.append(f"| {name} | {accuracy:.4f} | {_wall(benchmark, name):.1f} |")
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
    options = parser.parse_args()
    machine = f"{platform.platform()}, {os.cpu_count()} processors"
    with tempfile.TemporaryDirectory(prefix="textclf-") as folder:
        benchmark = Benchmark(Path(folder), options.epochs)
        gflops = measure_matrix_product()
        for _ in range(options.rounds):
            run_round(benchmark)
            if options.json:
                document = {
                    "machine": machine,
                    "matrix_product_gflops": gflops,
                    "measurements": benchmark.measurements,
                }
                options.json.write_text(json.dumps(document, indent=2) + "\n")
    print(f"{options.rounds} rounds of {options.epochs} epochs on {machine}.\n")
    print(format_tables(benchmark, gflops))


if __name__ == "__main__":
    main()
