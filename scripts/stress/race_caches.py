"""Lets many processes need the same missing files at once, and counts how often each is made.

A local server stands for the internet. In each round, all processes start at the same time with
empty caches; each file must be downloaded or built once, and all processes must get the same
content.

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
N_COUNTS = 11
"""Three needs, with as many counts of different contents; one file built, three downloaded; and
the processes that are done."""


def write_served(folder: Path) -> None:
    """Write the files of the server: Reuters with random words, and a text embedding."""
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
    """Serve a folder; yield its address, and the number of requests of each file."""
    n_requests: Counter[str] = Counter()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            n_requests[self.path.split("?")[0].strip("/")] += 1
            super().do_GET()

        def log_message(self, *args: object) -> None:
            """Print nothing."""

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", n_requests
        server.shutdown()
        thread.join()


def hash_reuters() -> str:
    """Load Reuters; return a digest of its content."""
    from textclf.config.schema import DatasetConfig
    from textclf.data.loading import load_dataset

    return load_dataset(DatasetConfig(name="reuters")).digest


def hash_embedding(handle: str) -> str:
    """Download or build a text embedding; return a digest of its content."""
    from textclf.hub import handles

    return handles.hash_embedding(handles.resolve(handle))


def work(address: str, served: Path, barrier: Any, tasks: Any, events: Any) -> None:
    """In each round, wait for the other processes, and need every file at once.

    Args:
        address: Address of the server.
        served: Folder of the server.
        barrier: Starts all processes of a round at the same time.
        tasks: Queue of the folder of each round; None ends the process.
        events: Queue of pairs: what happened, and to what or with which content.
    """
    from textclf.datasets import reuters
    from textclf.hub import handles

    backend.import_tensorflow()
    sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - hides downloads until the process ends
    reuters.ORIGIN = address
    for name in reuters.FILES:
        digest = hashlib.sha256((served / name).read_bytes()).hexdigest()
        reuters.FILES[name] = ("sha256", digest)
    build = handles.build

    def build_and_count(*args: Any, **options: Any) -> None:
        events.put(("built", handles.GLOVE))
        build(*args, **options)

    handles.build = build_and_count
    needs: dict[str, Callable[[], str]] = {
        "reuters": hash_reuters,
        "glove": lambda: hash_embedding(handles.GLOVE),
        EMBEDDING: lambda: hash_embedding(address + EMBEDDING),
    }
    for folder in iter(tasks.get, None):
        os.environ.update({name: str(Path(folder) / name) for name in CACHES})
        barrier.wait()
        for name, get_digest in needs.items():
            try:
                events.put((name, get_digest()))
            except Exception as error:
                events.put((f"error: {error}", name))
        events.put(("done", ""))


def race(n_processes: int, n_rounds: int, root: Path) -> Counter[str]:
    """Run all rounds; count how often each file was made, needed, and different in a round."""
    (root / "served").mkdir()
    write_served(root / "served")
    context = multiprocessing.get_context("spawn")
    barrier, events = context.Barrier(n_processes), context.Queue()
    tasks = [context.Queue() for _ in range(n_processes)]
    counts: Counter[str] = Counter()
    with serve(root / "served") as (address, n_requests):
        shared = (address, root / "served", barrier)
        workers = [context.Process(target=work, args=(*shared, task, events)) for task in tasks]
        for worker in workers:
            worker.start()
        for number in range(n_rounds):
            for task in tasks:
                task.put(str(root / f"round-{number}"))
            found: dict[str, list[str]] = defaultdict(list)
            while len(found["done"]) < n_processes:
                name, detail = events.get(timeout=300)
                found[name].append(detail)
            counts["done"] += len(found.pop("done"))
            counts["built glove"] += len(found.pop("built", []))
            for name, digests in found.items():
                counts[f"needed {name}"] += len(digests)
                # Only within a round, because TensorFlow's files depend on what it wrote before.
                counts[f"different {name}"] += len(set(digests)) - 1
            print(f"round {number + 1} of {n_rounds}", file=sys.stderr, flush=True)
        for task, worker in zip(tasks, workers, strict=True):
            task.put(None)
            worker.join()
    counts.update({f"downloaded {path}": count for path, count in n_requests.items()})
    return counts


def main() -> None:
    """Print the counts, and exit with 1 if one of them is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument(
        "--processes", type=int, default=10, metavar="N", help="Number of processes.  [default: 10]"
    )
    parser.add_argument(
        "--rounds", type=int, default=20, metavar="N", help="Number of rounds.  [default: 20]"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="textclf-") as folder:
        counts = race(options.processes, options.rounds, Path(folder))
    print("| event | count |\n| --- | ---: |")
    for event, count in sorted(counts.items()):
        print(f"| {event} | {count} |")
    once, each = options.rounds, options.processes * options.rounds
    expected = {"built": once, "downloaded": once, "needed": each, "done": each, "different": 0}
    is_correct = all(count == expected.get(event.split()[0]) for event, count in counts.items())
    sys.exit(0 if is_correct and len(counts) == N_COUNTS else 1)


if __name__ == "__main__":
    main()
