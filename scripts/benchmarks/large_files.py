"""Trains on generated CSV files of growing size, and prints the time and peak memory of each.

There are four labels, and each word of a text is a hint at its label. The temporary folder also
contains the cache of the runs, and needs space for the texts and their token ids.

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
LABELS = ("arts", "business", "science", "sports")
N_WORDS, WORDS_PER_TEXT = 50_000, 120
BLOCK_SIZE = 1_000


def write_csv(path: Path, megabytes: int) -> int:
    """Write rows until a file has a size; return the number of rows."""
    rng = np.random.default_rng(megabytes)
    words = np.array([f"word{i:05}" for i in range(N_WORDS)])
    n_rows = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        while file.tell() < megabytes * 1_000_000:
            ranks = rng.zipf(1.2, size=(BLOCK_SIZE, WORDS_PER_TEXT)) % (N_WORDS // 4)
            labels = rng.integers(0, 4, BLOCK_SIZE)
            # A quarter of the words depend on the label; the others are random.
            is_hint = rng.random((BLOCK_SIZE, WORDS_PER_TEXT)) < 0.25
            numbers = ranks * 4 + np.where(
                is_hint, labels[:, None], rng.integers(0, 4, ranks.shape)
            )
            for index, (row, label) in enumerate(zip(words[numbers], labels, strict=True)):
                # One word is in no other text, because the vocabulary of a language never ends.
                writer.writerow([f"{' '.join(row)} rare{n_rows + index}", LABELS[label]])
            n_rows += BLOCK_SIZE
    return n_rows


def train(path: Path, folder: Path) -> dict[str, float]:
    """Train one epoch of the mlp in a process; return its seconds, memory and accuracy."""
    os.environ["TEXTCLF_CACHE_DIR"] = str(folder / "cache")
    os.environ["TEXTCLF_MAX_CACHE_MB"] = "10000"
    run = folder / f"run-{path.stem}"
    arguments = ["train", "--model", "mlp", "--dataset", str(path), "--set", "training.epochs=1"]
    started = time.perf_counter()
    subprocess.run([TEXTCLF, *arguments, "--run-dir", run, "--quiet"], check=True)
    seconds = time.perf_counter() - started
    meta = json.loads((run / "meta.json").read_text())
    evaluation = json.loads((run / "evaluation.json").read_text())
    names = [row["name"] for row in evaluation["per_class"]]
    if names != list(LABELS):
        raise SystemExit(f"the labels are {names} instead of {list(LABELS)}")
    return {
        "seconds": seconds,
        "peak_mb": meta["peak_memory_bytes"] / 1e6,
        "accuracy": evaluation["metrics"]["accuracy"],
        **{f"{name}_seconds": value for name, value in meta["seconds"].items()},
    }


def main() -> None:
    """Train on a file of each size, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--megabytes",
        type=int,
        nargs="+",
        default=[100, 1_000],
        metavar="N",
        help="Sizes of the files.  [default: 100 1000]",
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        print("| MB | rows | seconds | seconds per 100 MB | peak memory, MB | test accuracy |")
        print("| ---: | ---: | ---: | ---: | ---: | ---: |")
        for megabytes in options.megabytes:
            path = folder / f"{megabytes}.csv"
            n_rows = write_csv(path, megabytes)
            measured = train(path, folder)
            print(
                f"| {megabytes:,} | {n_rows:,} | {measured['seconds']:.1f} |"
                f" {100 * measured['seconds'] / megabytes:.1f} | {measured['peak_mb']:,.0f} |"
                f" {measured['accuracy']:.4f} |",
                flush=True,
            )
            print(json.dumps(measured), file=sys.stderr)
            path.unlink()


if __name__ == "__main__":
    main()
