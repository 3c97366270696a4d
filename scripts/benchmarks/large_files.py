"""Trains on generated CSV files of growing size, and prints the time and the peak memory of each.

Four classes; each word of a text hints at its class. The cache of the runs is in the folder too,
and has to be large enough for the texts and their ids.

Example: python scripts/benchmarks/large_files.py --megabytes 100 1000
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

TEXTCLF = Path(sys.executable).with_name("textclf")
CLASSES = ("arts", "business", "science", "sports")
N_WORDS, WORDS_PER_TEXT = 50_000, 120
BLOCK = 1_000


def write_csv(path: Path, megabytes: int) -> int:
    """Write rows until a file is large enough; return how many."""
    rng = np.random.default_rng(megabytes)
    words = np.array([f"word{i:05}" for i in range(N_WORDS)])
    n_rows = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        while file.tell() < megabytes * 1_000_000:
            ranks = rng.zipf(1.2, size=(BLOCK, WORDS_PER_TEXT)) % (N_WORDS // 4)
            labels = rng.integers(0, 4, BLOCK)
            # A quarter of the words are of the class; the others say nothing.
            own = rng.random((BLOCK, WORDS_PER_TEXT)) < 0.25
            numbers = ranks * 4 + np.where(own, labels[:, None], rng.integers(0, 4, ranks.shape))
            for place, (row, label) in enumerate(zip(words[numbers], labels, strict=True)):
                # And one word that no other text has, as the vocabulary of a language never ends.
                writer.writerow([f"{' '.join(row)} rare{n_rows + place}", CLASSES[label]])
            n_rows += BLOCK
    return n_rows


def train(path: Path, folder: Path) -> dict[str, float]:
    """Train one epoch of the mlp in a process; return its seconds, memory and accuracy."""
    os.environ["TEXTCLF_CACHE_DIR"] = str(folder / "cache")
    os.environ["TEXTCLF_MAX_CACHE_MB"] = "10000"
    run = folder / f"run-{path.stem}"
    words = ["train", "--model", "mlp", "--dataset", str(path), "--set", "training.epochs=1"]
    started = time.perf_counter()
    subprocess.run([TEXTCLF, *words, "--run-dir", run, "--quiet"], check=True)
    seconds = time.perf_counter() - started
    meta = json.loads((run / "meta.json").read_text())
    evaluation = json.loads((run / "evaluation.json").read_text())
    names = [row["name"] for row in evaluation["per_class"]]
    if names != list(CLASSES):
        raise SystemExit(f"wrong classes: {names}")
    return {
        "seconds": seconds,
        "peak_mb": meta["peak_memory_bytes"] / 1e6,
        "accuracy": evaluation["metrics"]["accuracy"],
        **{f"{name}_seconds": value for name, value in meta["seconds"].items()},
    }


def main() -> None:
    """Run each size, the smaller first, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--megabytes", type=int, nargs="+", default=[100, 1_000])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        print("| MB | rows | seconds | seconds a 100 MB | peak memory, MB | accuracy |")
        print("| ---: | ---: | ---: | ---: | ---: | ---: |")
        for megabytes in options.megabytes:
            path = folder / f"{megabytes}.csv"
            n_rows = write_csv(path, megabytes)
            found = train(path, folder)
            print(
                f"| {megabytes:,} | {n_rows:,} | {found['seconds']:.1f} |"
                f" {100 * found['seconds'] / megabytes:.1f} | {found['peak_mb']:,.0f} |"
                f" {found['accuracy']:.4f} |",
                flush=True,
            )
            print(json.dumps(found), file=sys.stderr)
            path.unlink()


if __name__ == "__main__":
    main()
