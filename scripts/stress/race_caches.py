"""Lets many processes need the same absent files at once, and counts how often these are made.

A local server stands for the internet. In each round, all processes begin at the same moment with
empty caches; each file must be downloaded or built once, and all must get the same content.

Example: python scripts/stress/race_caches.py --processes 10 --rounds 20
"""

import argparse
import contextlib
import functools
import hashlib
import http.server
import json
import multiprocessing
import os
import sys
import tarfile
import tempfile
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from textclf.runtime import backend

CACHES = ("KERAS_HOME", "TEXTCLF_CACHE_DIR", "TFHUB_CACHE_DIR")
EMBEDDING = "embedding/1"
N_FACTS = 11  # Three things needed and as many that could differ, four made, and an end.


def write_served(folder: Path) -> None:
    """Make what the server offers: wires of random words, and a text embedding."""
    backend.import_tensorflow()
    from textclf.hub.word_vectors import Vectors, write_text_embedding

    random = np.random.default_rng(0)
    rows = np.empty(11_228, object)
    rows[:] = [random.integers(1, 500, 5).tolist() for _ in rows]
    np.savez(folder / "reuters.npz", x=rows, y=random.integers(0, 46, len(rows)))
    index = {f"word{i}": i for i in range(1, 501)}
    (folder / "reuters_word_index.json").write_text(json.dumps(index))
    matrix = random.normal(size=(500, 8)).astype(np.float32)
    write_text_embedding(Vectors(tuple(index), matrix), folder / "module")
    (folder / EMBEDDING).parent.mkdir()
    with tarfile.open(folder / EMBEDDING, "w:gz") as archive:
        archive.add(folder / "module", ".")


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[tuple[str, Counter[str]]]:
    """Serve a folder; give its address, and how often each file was asked for."""
    asked: Counter[str] = Counter()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            asked[self.path.split("?")[0].strip("/")] += 1
            super().do_GET()

        def log_message(self, *words: object) -> None:
            """Print nothing."""

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", asked
        server.shutdown()
        thread.join()


def need_reuters() -> str:
    """Return what the dataset has in it."""
    from textclf.config.schema import DatasetOptions
    from textclf.data.loading import load_dataset

    return load_dataset(DatasetOptions(name="reuters")).digest


def need_embedding(handle: str) -> str:
    """Return what a text embedding has in it."""
    from textclf.hub import handles as hub

    return hub.hash_embedding(hub.resolve(handle))


def work(address: str, served: Path, barrier: Any, tasks: Any, answers: Any) -> None:
    """In each round, wait for the others, and need everything at once."""
    from textclf.datasets import reuters
    from textclf.hub import handles as hub

    backend.import_tensorflow()
    sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - progress of downloads, until the end
    reuters.ORIGIN = address
    for name in reuters.FILES:
        digest = hashlib.sha256((served / name).read_bytes()).hexdigest()
        reuters.FILES[name] = ("sha256", digest)
    build = hub.build

    def build_and_say(*words: Any, **options: Any) -> None:
        answers.put(("built", hub.GLOVE))
        build(*words, **options)

    hub.build = build_and_say
    needs: dict[str, Callable[[], str]] = {
        "reuters": need_reuters,
        "glove": lambda: need_embedding(hub.GLOVE),
        EMBEDDING: lambda: need_embedding(address + EMBEDDING),
    }
    for folder in iter(tasks.get, None):
        os.environ.update({name: str(Path(folder) / name) for name in CACHES})
        barrier.wait()
        for what, need in needs.items():
            try:
                answers.put((what, need()))
            except Exception as error:
                answers.put((f"error: {error}", what))
        answers.put(("done", what))


def race(n_processes: int, n_rounds: int, root: Path) -> Counter[str]:
    """Run all rounds; return how often each thing was made, needed, and differed in a round."""
    (root / "served").mkdir()
    write_served(root / "served")
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(n_processes), context.Queue()
    tasks = [context.Queue() for _ in range(n_processes)]
    said: Counter[str] = Counter()
    with serve(root / "served") as (address, asked):
        words = (address, root / "served", barrier)
        workers = [context.Process(target=work, args=(*words, task, answers)) for task in tasks]
        for worker in workers:
            worker.start()
        for number in range(n_rounds):
            for task in tasks:
                task.put(str(root / f"round-{number}"))
            found: dict[str, list[str]] = defaultdict(list)
            while len(found["done"]) < n_processes:
                what, answer = answers.get(timeout=300)
                found[what].append(answer)
            said["done"] += len(found.pop("done"))
            said["built glove"] += len(found.pop("built", []))
            for what, some in found.items():
                said[f"needed {what}"] += len(some)
                # Only within a round: what TensorFlow writes depends on what it wrote before.
                said[f"differing {what}"] += len(set(some)) - 1
            print(f"round {number + 1} of {n_rounds}", file=sys.stderr, flush=True)
        for task, worker in zip(tasks, workers, strict=True):
            task.put(None)
            worker.join()
    said.update({f"downloaded {path}": count for path, count in asked.items()})
    return said


def main() -> None:
    """Print what was counted, and exit with 1 where it is not what it should be."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--processes", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="textclf-") as folder:
        said = race(options.processes, options.rounds, Path(folder))
    print("| what | times |\n| --- | ---: |")
    for what, count in sorted(said.items()):
        print(f"| {what} | {count} |")
    once, each = options.rounds, options.processes * options.rounds
    allowed = {"built": once, "downloaded": once, "needed": each, "done": each, "differing": 0}
    right = all(count == allowed.get(what.split()[0]) for what, count in said.items())
    sys.exit(0 if right and len(said) == N_FACTS else 1)


if __name__ == "__main__":
    main()
