"""Checks that a Ray cluster gives what this machine alone gives: real nodes, on the loopback.

A comparison is run by ``--executor local`` and by ``--executor ray`` on a cluster of several nodes,
and each file of each run is compared. With ``--kill``, the processes of one node are ended by
SIGKILL while a run trains there: every run has to be finished, once, and be the same then too.

Example: python scripts/stress/check_cluster.py --nodes 3 --kill -- --dataset reuters --model lstm
"""

import argparse
import contextlib
import csv
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

from textclf.runs.directory import FILES, RunDirectory
from textclf.runtime.machine import COMPARED

COMMAND = Path(sys.executable).with_name("textclf")
SMOKE = ("--dataset", "bbc", "--smoke")
MEASURED = {"train_seconds", "examples_per_second", "seconds"}
"""Fields that differ between two runs on the same machine too."""


@contextlib.contextmanager
def start_cluster(n_nodes: int, client_port: int) -> Iterator[Any]:
    """Start nodes with one processor each, one of them the head; end them all."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "ray_client_server_port": client_port}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(n_nodes - 1):
            cluster.add_node(num_cpus=1)
        yield cluster
    finally:
        cluster.shutdown()


def compare(words: Sequence[str], root: Path, *more: str) -> None:
    """Run ``textclf compare`` with one thread for each run, as on the nodes."""
    one_thread = ("--set", "resources.cpus=1")
    command = [str(COMMAND), "compare", *words, "--run-root", str(root), *one_thread, *more]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def list_files(run: RunDirectory) -> dict[str, Any]:
    """Return what each file of a run holds, but for times and what Python calls its objects."""
    found: dict[str, Any] = {}
    for path in (run.path / name for name in FILES if (run.path / name).is_file()):
        if path.name == "evaluation.json":
            content = json.loads(path.read_text())
            found[path.name] = {k: v for k, v in content.items() if k not in MEASURED}
        elif path.name == "history.csv":
            with path.open() as file:
                rows = list(csv.DictReader(file))
            found[path.name] = [{k: v for k, v in row.items() if k not in MEASURED} for row in rows]
        elif path.name == "meta.json":
            content = json.loads(path.read_text())
            found[path.name] = [content[key] for key in ("config", "dataset_digest", *COMPARED)]
        elif path.suffix in {".keras", ".skops"}:
            found |= {f"{path.name} {name}": data for name, data in list_members(path)}
        else:
            found[path.name] = path.read_bytes()
    return found


def list_members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield what is in a model file, but for times, and numbers that stand for Python's objects."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name not in {"metadata.json", "schema.json"}:
                # skops calls each array by the number of its object.
                data = archive.read(name)
                known_as = name if path.suffix == ".keras" else hashlib.sha256(data).hexdigest()
                yield known_as, re.sub(rb'"shared_object_id": \d+', b"", data)


def find_runs(root: Path) -> dict[Path, RunDirectory]:
    """Return all runs of a run root by their places in it."""
    return {run.path.relative_to(root): run for run in RunDirectory.list_below(root)}


def count_differences(expected: Path, found: Path) -> int:
    """Print what is not the same in two run roots; return how much."""
    wanted, runs = map(find_runs, (expected, found))
    problems = [f"{place} is not in both" for place in set(wanted) ^ set(runs)]
    n_files = 0
    for place in sorted(set(wanted) & set(runs)):
        problems += [f"{place}: {damage}" for damage in runs[place].find_damage()]
        if (n_looks := runs[place].read_meta()["test_evaluations"]) != 1:
            problems.append(f"{place} was evaluated {n_looks} times")
        one, two = list_files(wanted[place]), list_files(runs[place])
        different = [name for name in {**one, **two} if one.get(name) != two.get(name)]
        problems += [f"{place}: {name} is different" for name in different]
        n_files += len(two)
    leftovers = [path for path in found.rglob(".*") if path.name != ".lock"]
    problems += [f"left over: {path}" for path in leftovers]
    print("\n".join([*problems, f"{len(runs)} runs, {n_files} files: {len(problems)} problems"]))
    return len(problems)


def kill_a_node(cluster: Any, killed: list[str]) -> None:
    """End all processes of a node, as soon as a run there has done an epoch."""
    raylets = [node.all_processes["raylet"][0].process.pid for node in cluster.worker_nodes]
    while not killed:
        for raylet in map(psutil.Process, raylets):
            processes = raylet.children(recursive=True)
            for path in find_open_locks(processes):
                if (path.parent / "checkpoint.npz").is_file():
                    for process in [raylet, *processes]:
                        process.kill()
                    killed.append(str(path.parent))
                    return
        time.sleep(0.05)


def find_open_locks(processes: Sequence[psutil.Process]) -> Iterator[Path]:
    """Yield the locks of run directories that processes hold."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            yield from (Path(f.path) for f in process.open_files() if f.path.endswith("/.lock"))


def main() -> int:
    """Return 0 where all is the same."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--kill", action="store_true", help="end a node while a run trains there")
    parser.add_argument("words", nargs="*", default=SMOKE, help="of compare, after --")
    parser.add_argument("--client", action="store_true", help="connect by ray://")
    options = parser.parse_args()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder, start_cluster(options.nodes, port) as cluster:
        alone, together = Path(folder) / "local", Path(folder) / "ray"
        compare(options.words, alone)
        killed: list[str] = []
        if options.kill:
            threading.Thread(target=kill_a_node, args=(cluster, killed), daemon=True).start()
        address = f"ray://127.0.0.1:{port}" if options.client else cluster.address
        compare(options.words, together, "--executor", "ray", "--ray-address", address)
        if options.kill:
            print(f"killed: the node that trained {killed or 'nothing'}")
        return int(count_differences(alone, together) > 0 or options.kill != bool(killed))


if __name__ == "__main__":
    sys.exit(main())
