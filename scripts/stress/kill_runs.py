"""Kills training runs at random moments, resumes them, and compares them with undisturbed runs.

Each network is killed (SIGKILL) in each of its phases, and then trained to its end by the same
command. Weights, history, predictions and evaluation must be those of a run that was never killed,
byte by byte, except measured times. With --replace, finished runs are killed while train --force
replaces them.

Example: python scripts/stress/kill_runs.py --kills 30 --jobs 2
Example: python scripts/stress/kill_runs.py --model encoder --set model.preset=FOLDER --kills 10
"""

import argparse
import collections
import csv
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from textclf.registry import list_built_in, load_module
from textclf.runs.directory import RunDirectory

COMMAND = Path(sys.executable).with_name("textclf")
OPTIONS = ["--dataset", "bbc", "--set", "dataset.limit=128", "--set", "training.epochs=4"]
OPTIONS += ["--set", "training.restore_best_weights=true", "--set", "training.schedule=cosine"]
MODEL_OPTIONS = {"hub": ["--set", "model.handle=glove"]}
"""Options that only one model needs."""

NETWORKS = [n for n in list_built_in("models") if hasattr(load_module("models", n), "build")]
MEASURED = ("train_seconds", "examples_per_second")
"""Fields of evaluation.json that differ between two runs of the same command."""


def start(model: str, folder: Path, *options: str) -> subprocess.Popen[str]:
    """Start the training of a model into a run directory."""
    own = MODEL_OPTIONS.get(model, [])
    command = [str(COMMAND), "train", "--model", model, *OPTIONS, *own, *options]
    command += ["--run-dir", str(folder)]
    # The features of another run would leave nothing to compute.
    cache = {"TEXTCLF_CACHE_DIR": f"{folder}-cache"} if model == "encoder" else {}
    return subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
        env={**os.environ, **cache},
    )


def finish(model: str, folder: Path) -> list[tuple[str, float]]:
    """Train to the end; return each line of progress with the seconds until the next one."""
    with start(model, folder) as process:
        lines = list(read_lines(process.stderr))
    if process.returncode:
        reason = lines[-1][0] if lines else "no message"
        raise SystemExit(f"{model}: exit code {process.returncode}: {reason}")
    ends = [moment for _, moment in lines[1:]] + [time.monotonic()]
    return [(line, end - moment) for (line, moment), end in zip(lines, ends, strict=True)]


def read_lines(stream: IO[str] | None) -> Iterator[tuple[str, float]]:
    """Yield each line with the time at which it was read."""
    for line in stream or ():
        yield line.strip(), time.monotonic()


def kill(model: str, folder: Path, n_lines: int, delay: float, *options: str) -> str:
    """Kill a run ``delay`` seconds after its line of progress with index ``n_lines``.

    Returns:
        The last line before the kill; ``finished`` if the run finished before it.
    """
    last = "before the first line"
    with start(model, folder, *options) as process:
        for i, (line, _) in enumerate(read_lines(process.stderr)):
            last = line
            if i == n_lines:
                break
        time.sleep(delay)
        process.kill()
    return last if process.returncode == -signal.SIGKILL else "finished"


def read_outcome(folder: Path) -> dict[str, Any]:
    """Return everything that a run produced, without measured times."""
    run = RunDirectory(folder)
    damage = run.find_damage()
    if damage:
        raise SystemExit(f"{folder}: {damage[0]}")
    evaluation = json.loads((folder / "evaluation.json").read_text())
    with (folder / "history.csv").open() as file:
        history = [{**row, "seconds": None} for row in csv.DictReader(file)]
    with zipfile.ZipFile(folder / "model.keras") as archive:
        model = {name: archive.read(name) for name in archive.namelist()}
    del model["metadata.json"]  # When it was saved.
    # Keras numbers shared objects by their addresses.
    model["config.json"] = re.sub(rb'"shared_object_id": \d+', b"", model["config.json"])
    return {
        "evaluation": {**evaluation, **dict.fromkeys(MEASURED)},
        "history": history,
        "predictions": (folder / "predictions.npz").read_bytes(),
        "model": model,
        "leftovers": sorted(path.name for path in folder.glob(".*") if path.name != ".lock"),
    }


def check_model(
    model: str, root: Path, *, kills: int, jobs: int, seed: int, replace: bool = False
) -> int:
    """Kill runs of a model; print and return how many of them have another outcome."""
    undisturbed = root / model / "undisturbed"
    phases = finish(model, undisturbed)
    expected = read_outcome(undisturbed)
    rng = random.Random(f"{seed} {model}")  # noqa: S311 - not for cryptography
    indices = [i * len(phases) // kills for i in range(kills)]
    moments = [(index, rng.uniform(0, phases[index][1])) for index in indices]

    def disturb(i: int) -> tuple[str, list[str]]:
        folder = root / model / f"killed-{i}"
        if replace:
            shutil.copytree(undisturbed, folder)
        phase = kill(model, folder, *moments[i], *(["--force"] if replace else []))
        finish(model, folder)
        found = read_outcome(folder)
        return phase, [name for name, value in expected.items() if found[name] != value]

    with ThreadPoolExecutor(jobs) as pool:
        outcomes = list(pool.map(disturb, range(kills)))
    counts = collections.Counter(shorten(phase) for phase, _ in outcomes)
    different = [(phase, names) for phase, names in outcomes if names]
    phase_counts = ", ".join(f"{phase} {count}" for phase, count in sorted(counts.items()))
    print(f"| {model} | {kills} | {len(different)} | {phase_counts} |", flush=True)
    for phase, names in different:
        print(f"{model} killed in {phase!r}: {', '.join(names)} differ", file=sys.stderr)
    return len(different)


def shorten(line: str) -> str:
    """Return the first word of a line of progress, such as ``training``, or ``epoch 2/4``."""
    words = line.split()
    return " ".join(words[: 2 if words[0] == "epoch" else 1])


def main() -> None:
    """Check the chosen models, and exit with 1 if a run has another outcome."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument(
        "--model", action="append", choices=NETWORKS, help="Network to kill.  [default: all]"
    )
    parser.add_argument(
        "--kills",
        type=int,
        default=30,
        metavar="N",
        help="Number of kills per model.  [default: 30]",
    )
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="Runs at once.  [default: 1]"
    )
    parser.add_argument(
        "--replace", action="store_true", help="Kill runs that replace finished ones."
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="Setting of all runs, such as model.preset=FOLDER.",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="Seed of the random moments.  [default: 0]"
    )
    options = vars(parser.parse_args())
    for setting in options.pop("set"):
        OPTIONS.extend(["--set", setting])
    models = options.pop("model") or NETWORKS
    print("| model | kills | different | killed in |\n| --- | ---: | ---: | --- |", flush=True)
    with tempfile.TemporaryDirectory(prefix="textclf-") as root:
        n_different = sum(check_model(model, Path(root), **options) for model in models)
    sys.exit(1 if n_different else 0)


if __name__ == "__main__":
    main()
