"""Times textclf against plain Keras, scikit-learn and fastText, in turn, and prints the ratios.

Whole processes, one at a time, on the data in the caches of Keras and tensorflow-datasets; each
process of textclf begins with an empty cache unless the row says otherwise.

Example: python scripts/benchmarks/benchmark.py --rounds 3 --json benchmark.json > table.md
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
STEPS_PER_EPOCH, BATCH = 110, 64
FORWARD_MFLOP = {
    "mlp": 2 * 120 * 128 * 256 / 1e6,
    "cnn": 2 * (118 * 384 * 256 + 256 * 128) / 1e6,
    "lstm": 2 * 120 * 256 * 512 / 1e6,
    "cnn-lstm": 2 * (118 * 384 * 256 + 29 * 384 * 512) / 1e6,
}
"""Matrix products of one text; training takes three times as many, validation as many."""

Facts = dict[str, Any]


class Bench:
    """Runs processes in a folder of its own and keeps what they took."""

    def __init__(self, folder: Path, epochs: int) -> None:
        self.folder = folder
        self.epochs = epochs
        self.found: dict[str, list[Facts]] = defaultdict(list)
        self.n_caches = 0

    def run(self, name: str, words: list[Any], *, cache: str | None = None) -> Facts:
        """Run a command; keep its wall seconds and peak memory under ``name``."""
        self.n_caches += 1
        place = self.folder / (cache or f"cache-{self.n_caches}")
        environment = {**os.environ, "TEXTCLF_CACHE_DIR": str(place), "TF_CPP_MIN_LOG_LEVEL": "3"}
        started = time.perf_counter()
        with (
            (self.folder / "output").open("w+") as output,
            subprocess.Popen(
                [str(word) for word in words],
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
            raise SystemExit(f"{name}: exit code {process.returncode}: {words}")
        facts = {"wall": seconds, "peak": usage.ru_maxrss / 1000}
        lines = text.strip().splitlines()
        if lines and lines[-1].startswith("{"):
            facts |= json.loads(lines[-1])
        self.found[name].append(facts)
        print(f"{name}: {seconds:.1f} s", file=sys.stderr, flush=True)
        return facts

    def plain(self, name: str, *words: Any) -> Facts:
        """Run a part of the plain scripts."""
        return self.run(name, [sys.executable, HERE / "plain_scripts.py", *words])

    def train(
        self, name: str, model: str, dataset: str, *words: Any, cache: str | None = None
    ) -> Path:
        """Train with textclf; add the seconds of its phases."""
        place = self.folder / f"run-{time.monotonic_ns()}"
        options = ["--model", model, "--dataset", dataset, "--run-dir", place, "--quiet", *words]
        facts = self.run(name, [TEXTCLF, "train", *options], cache=cache)
        facts["seconds"] = json.loads((place / "meta.json").read_text())["seconds"]
        evaluation = json.loads((place / "evaluation.json").read_text())
        facts["accuracy"] = evaluation["metrics"]["accuracy"]
        return place

    def median(self, name: str, value: Callable[[Facts], float]) -> float:
        """Return the median over the rounds."""
        return statistics.median(value(facts) for facts in self.found[name])


def measure_round(bench: Bench) -> None:
    """Run everything once, each thing beside what it is compared with."""
    epochs = f"training.epochs={bench.epochs}"
    for model in MODELS:
        bench.plain(f"plain {model}", "reuters", "--model", model, "--epochs", bench.epochs)
        bench.train(f"textclf {model}", model, "reuters", "--set", epochs, "--seed", 1)
    words = [word for model in MODELS for word in ("--model", model)]
    root = bench.folder / f"runs-{time.monotonic_ns()}"
    words += ["--dataset", "reuters", "--seed", "1", "--set", epochs, "--jobs", "auto"]
    bench.run("compare", [TEXTCLF, "compare", *words, "--run-root", root, "--quiet"])
    for _ in range(2):  # The second time from the cache.
        bench.train("again", "mlp", "reuters", "--set", "training.epochs=1", cache="again")
    bench.found["again"].pop(-2)
    bench.plain("plain imdb", "imdb")
    bench.train("textclf imdb", "mlp", "imdb", "--set", "training.epochs=1")
    for model in MODELS:
        run = bench.train("smoke", model, "imdb", "--smoke", cache="smoke")
        parts = bench.folder / f"network-{model}.keras", bench.folder / "ids.npy"
        bench.plain(f"predict texts {model}", "predict-texts", run, *parts)
        bench.plain(f"predict ids {model}", "predict-ids", *parts)
    bench.train("tfidf-svc", "tfidf-svc", "reuters")
    if importlib.util.find_spec("fasttext"):
        bench.plain("fasttext", "fasttext")
    else:
        print("fastText is not installed: left out", file=sys.stderr)


def measure_gemm() -> float:
    """Return the GFLOP/s of a product of two float32 matrices, the best of 20."""
    import numpy as np

    size = 2_048
    a, b = np.ones((2, size, size), np.float32)
    best = min(_time(lambda: a @ b) for _ in range(20))
    return 2 * size**3 / best / 1e9


def _time(act: Callable[[], Any]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def format_tables(bench: Bench, gemm: float) -> str:
    """Return the figures as Markdown."""

    def wall(name: str) -> float:
        return bench.median(name, lambda facts: facts["wall"])

    def phases(name: str, *parts: str) -> float:
        return bench.median(name, lambda facts: sum(facts["seconds"][part] for part in parts))

    def row(what: str, ours: float, theirs: float, goal: str) -> str:
        return f"| {what} | {theirs:.2f} | {ours:.2f} | {ours / theirs:.2f} | {goal} |"

    goals = {"mlp": "0.45", "cnn": "0.75", "lstm": "0.75", "cnn-lstm": "0.75"}
    lines = [
        "| seconds of | plain | textclf | ratio | goal |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    lines += [row(m, wall(f"textclf {m}"), wall(f"plain {m}"), goals[m]) for m in MODELS]
    together = sum(wall(f"plain {model}") for model in MODELS)
    lines.append(row("all four, `compare --jobs auto`", wall("compare"), together, "0.45"))
    reading = phases("plain mlp", "data"), phases("plain imdb", "data", "text")
    lines.append(
        row("Reuters to ids, 2nd time", phases("again", "data", "text"), reading[0], "0.1")
    )
    lines.append(row("IMDB to ids", phases("textclf imdb", "data", "text"), reading[1], "0.7"))
    lines += ["", "| texts a second | ready ids, Keras | raw texts, textclf | ratio | goal |"]
    lines.append("| --- | ---: | ---: | ---: | ---: |")
    for model in MODELS:
        ids, texts = (
            25_000 / phases(f"predict {kind} {model}", "predict") for kind in ("ids", "texts")
        )
        lines.append(f"| {model} | {ids:,.0f} | {texts:,.0f} | {texts / ids:.2f} | 0.8 |")
    lines += ["", "| peak memory, MB | plain | textclf | ratio |", "| --- | ---: | ---: | ---: |"]
    for model in MODELS:
        theirs, ours = (
            bench.median(f"{kind} {model}", lambda facts: facts["peak"])
            for kind in ("plain", "textclf")
        )
        lines.append(f"| {model} | {theirs:,.0f} | {ours:,.0f} | {ours / theirs:.2f} |")
    lines += ["", "| Reuters | test accuracy | seconds |", "| --- | ---: | ---: |"]
    names = [f"{kind} {model}" for model in MODELS for kind in ("plain", "textclf")]
    for name in [*names, *({"tfidf-svc", "fasttext"} & set(bench.found))]:
        accuracy = bench.median(name, lambda facts: facts["accuracy"])
        lines.append(f"| {name} | {accuracy:.4f} | {wall(name):.1f} |")
    return "\n".join([*lines, "", *_format_roofline(bench, gemm)])


def _format_roofline(bench: Bench, gemm: float) -> list[str]:
    lines = [f"Matrix products of float32 at {gemm:.0f} GFLOP/s; a step of {BATCH} texts:", ""]
    lines += ["| model | products alone, ms | textclf, ms | plain, ms | textclf / products |"]
    lines += ["| --- | ---: | ---: | ---: | ---: |"]
    n_steps = STEPS_PER_EPOCH * bench.epochs
    for model in MODELS:
        alone = 3 * BATCH * FORWARD_MFLOP[model] / gemm
        ours = bench.median(f"textclf {model}", lambda facts: facts["seconds"]["train"])
        theirs = bench.median(f"plain {model}", lambda facts: facts["seconds"]["fit"])
        ours, theirs = 1000 * ours / n_steps, 1000 * theirs / n_steps
        lines.append(f"| {model} | {alone:.1f} | {ours:.1f} | {theirs:.1f} | {ours / alone:.1f} |")
    return lines


def main() -> None:
    """Measure all rounds, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument(
        "--rounds", type=int, default=3, help="of which the medians are printed; 3 by default"
    )
    parser.add_argument(
        "--epochs", type=int, default=10, help="of each network; 10 by default, 20 minutes a round"
    )
    parser.add_argument("--json", type=Path, help="where all figures of all rounds go")
    options = parser.parse_args()
    machine = f"{platform.platform()}, {os.cpu_count()} processors"
    with tempfile.TemporaryDirectory(prefix="textclf-") as folder:
        bench = Bench(Path(folder), options.epochs)
        gemm = measure_gemm()
        for _ in range(options.rounds):
            measure_round(bench)
            if options.json:
                facts = {"machine": machine, "gemm_gflops": gemm, "found": bench.found}
                options.json.write_text(json.dumps(facts, indent=2) + "\n")
    print(f"{options.rounds} rounds of {options.epochs} epochs on {machine}.\n")
    print(format_tables(bench, gemm))


if __name__ == "__main__":
    main()
