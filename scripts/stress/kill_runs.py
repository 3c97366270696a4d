"""Kills training runs at random moments, starts them again, and compares them to undisturbed ones.

Every network is killed (SIGKILL) in its phases one after the other, and then trained to its end by
the same command. Weights, history, predictions and evaluation must be those of a run that was
never killed, to the last byte; seconds aside. With --replace, it is finished runs that are killed
while train --force replaces them.

Example: python scripts/stress/kill_runs.py --kills 30 --jobs 2
"""

import argparse
import collections
import csv
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from textclf.models._build import find_fit
from textclf.registry import list_names
from textclf.runs.directory import RunDirectory

COMMAND = Path(sys.executable).with_name("textclf")
OPTIONS = ["--dataset", "bbc", "--set", "dataset.subset=128", "--set", "training.epochs=4"]
OPTIONS += ["--set", "training.keep_best=true", "--set", "training.schedule=cosine"]
NETWORKS = [name for name in list_names("models") if find_fit(name) is None]
TIMED = ("train_seconds", "examples_per_second")


def start(model: str, folder: Path, *options: str) -> subprocess.Popen[str]:
    """Start the training of a model into a run directory."""
    extra = ["--set", "model.handle=glove"] if model == "hub" else []
    words = [str(COMMAND), "train", "--model", model, *OPTIONS, *extra, *options]
    words += ["--run-dir", str(folder)]
    return subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, bufsize=1
    )


def finish(model: str, folder: Path) -> list[tuple[str, float]]:
    """Train to the end; return each phase with the seconds that it took."""
    phases: list[tuple[str, float]] = []
    with start(model, folder) as process:
        for line, moment in read_lines(process.stderr):
            phases.append((line, moment))
    if process.returncode:
        raise SystemExit(f"{model}: exit code {process.returncode}: {phases[-1][0]}")
    ends = [moment for _, moment in phases[1:]] + [time.monotonic()]
    return [(line, end - moment) for (line, moment), end in zip(phases, ends, strict=True)]


def read_lines(stream: IO[str] | None) -> Any:
    """Yield each line with the moment at which it came."""
    for line in stream or ():
        yield line.strip(), time.monotonic()


def kill(model: str, folder: Path, place: int, delay: float, *options: str) -> str:
    """Kill a run ``delay`` seconds after its line number ``place``; return that line.

    Where it came to its end before, say so: such a run was not killed.
    """
    last = "before its first line"
    with start(model, folder, *options) as process:
        for i, (line, _) in enumerate(read_lines(process.stderr)):
            last = line
            if i == place:
                break
        time.sleep(delay)
        process.kill()
    return last if process.returncode == -signal.SIGKILL else "ended before"


def read_outcome(folder: Path) -> dict[str, Any]:
    """Return all that a run decided, without its seconds."""
    run = RunDirectory(folder)
    damage = run.find_damage()
    if damage:
        raise SystemExit(f"{folder}: {damage[0]}")
    evaluation = json.loads((folder / "evaluation.json").read_text())
    with (folder / "history.csv").open() as file:
        history = [{**row, "seconds": None} for row in csv.DictReader(file)]
    with zipfile.ZipFile(folder / "model.keras") as archive:
        weights = archive.read("model.weights.h5")
    return {
        "evaluation": {**evaluation, **dict.fromkeys(TIMED)},
        "history": history,
        "predictions": (folder / "predictions.npz").read_bytes(),
        "weights": weights,
        "leftovers": sorted(path.name for path in folder.glob(".*") if path.name != ".lock"),
    }


def check_model(
    model: str, root: Path, *, kills: int, jobs: int, seed: int, replace: bool = False
) -> int:
    """Kill a model ``kills`` times; print and return how many runs came out differently."""
    undisturbed = root / model / "undisturbed"
    phases = finish(model, undisturbed)
    expected = read_outcome(undisturbed)
    chooser = random.Random(f"{seed} {model}")  # noqa: S311 - nothing is kept secret
    places = [i * len(phases) // kills for i in range(kills)]
    cases = [(place, chooser.uniform(0, phases[place][1])) for place in places]

    def disturb(i: int) -> tuple[str, list[str]]:
        folder = root / model / f"killed-{i}"
        if replace:
            shutil.copytree(undisturbed, folder)
        phase = kill(model, folder, *cases[i], *(["--force"] if replace else []))
        finish(model, folder)
        found = read_outcome(folder)
        return phase, [name for name, value in expected.items() if found[name] != value]

    with ThreadPoolExecutor(jobs) as pool:
        outcomes = list(pool.map(disturb, range(kills)))
    words = (phase.split() for phase, _ in outcomes)
    counts = collections.Counter(" ".join(w[: 2 if w[0] == "epoch" else 1]) for w in words)
    broken = [(phase, names) for phase, names in outcomes if names]
    where = ", ".join(f"{phase} {count}" for phase, count in sorted(counts.items()))
    print(f"| {model} | {kills} | {len(broken)} | {where} |", flush=True)
    for phase, names in broken:
        print(f"{model} killed in {phase!r}: other {', '.join(names)}", file=sys.stderr, flush=True)
    return len(broken)


def main() -> None:
    """Check the models that are asked for, and exit with 1 where a run came out differently."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--model", action="append", choices=NETWORKS, help="default: all")
    parser.add_argument("--kills", type=int, default=30, help="of each model")
    parser.add_argument("--jobs", type=int, default=1, help="runs at once")
    parser.add_argument("--replace", action="store_true", help="kill runs that replace others")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = vars(parser.parse_args())
    models = options.pop("model") or NETWORKS
    print("| model | kills | different | killed in |\n| --- | ---: | ---: | --- |", flush=True)
    with tempfile.TemporaryDirectory(prefix="textclf-") as root:
        broken = [check_model(model, Path(root), **options) for model in models]
    sys.exit(1 if sum(broken) else 0)


if __name__ == "__main__":
    main()
