"""Checks that a Ray cluster gives the same runs as this machine alone.

Runs a comparison with ``--executor local``, and with ``--executor ray`` on a cluster of several
nodes on this machine, and compares each file of each run. With ``--kill``, the processes of one
node are killed (SIGKILL) while a run trains there; still, each run must be finished once, with the
same files.

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

from textclf.runs.directory import FILES, SMOKE_FOLDER, RunDirectory
from textclf.runtime.machine import ENVIRONMENT_FIELDS

COMMAND = Path(sys.executable).with_name("textclf")
SMOKE = ("--dataset", "bbc", "--smoke")
MEASURED = {"train_seconds", "examples_per_second", "seconds"}
"""Fields that differ between two runs of the same command."""


@contextlib.contextmanager
def start_cluster(n_nodes: int, client_port: int) -> Iterator[Any]:
    """Start nodes with one processor each, of which one is the head; stop them at the end."""
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


def compare(arguments: Sequence[str], root: Path, *options: str) -> None:
    """Run ``textclf compare`` with one thread per run, as on the nodes."""
    one_thread = ("--set", "resources.cpus=1")
    command = [str(COMMAND), "compare", *arguments, "--run-root", str(root), *one_thread, *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def read_files(run: RunDirectory) -> dict[str, Any]:
    """Return the content of each file of a run, without measured times and ids of objects."""
    found: dict[str, Any] = {}
    for path in (run.path / name for name in FILES if (run.path / name).is_file()):
        if path.name in {"evaluation.json", "validation.json"}:
            content = json.loads(path.read_text())
            found[path.name] = {k: v for k, v in content.items() if k not in MEASURED}
        elif path.name == "history.csv":
            with path.open() as file:
                rows = list(csv.DictReader(file))
            found[path.name] = [{k: v for k, v in row.items() if k not in MEASURED} for row in rows]
        elif path.name == "meta.json":
            content = json.loads(path.read_text())
            found[path.name] = [
                content[key] for key in ("config", "dataset_digest", *ENVIRONMENT_FIELDS)
            ]
        elif path.suffix in {".keras", ".skops"}:
            found |= {f"{path.name} {name}": data for name, data in read_members(path)}
        else:
            found[path.name] = path.read_bytes()
    return found


def read_members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the files in a model file, without times and without ids of Python objects."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name not in {"metadata.json", "schema.json"}:
                data = archive.read(name)
                # skops names each array by the id of its object.
                stable_name = name if path.suffix == ".keras" else hashlib.sha256(data).hexdigest()
                yield stable_name, re.sub(rb'"shared_object_id": \d+', b"", data)


def find_runs(root: Path) -> dict[Path, RunDirectory]:
    """Return all runs of a run root, also those of --smoke, by their relative paths."""
    found = [*RunDirectory.list_below(root), *RunDirectory.list_below(root / SMOKE_FOLDER)]
    return {run.path.relative_to(root): run for run in found}


def count_differences(expected_root: Path, found_root: Path) -> int:
    """Print the differences of two run roots; return their number."""
    expected, found = find_runs(expected_root), find_runs(found_root)
    problems = [f"{path} is in one run root only" for path in sorted(set(expected) ^ set(found))]
    n_files = 0
    for path in sorted(set(expected) & set(found)):
        problems += [f"{path}: {damage}" for damage in found[path].find_damage()]
        if (n_evaluations := found[path].read_meta()["test_evaluations"]) != 1:
            problems.append(f"{path} was evaluated {n_evaluations} times")
        one, two = read_files(expected[path]), read_files(found[path])
        different = [name for name in {**one, **two} if one.get(name) != two.get(name)]
        problems += [f"{path}: {name} differs" for name in different]
        n_files += len(two)
    leftovers = [path for path in found_root.rglob(".*") if path.name != ".lock"]
    problems += [f"{path} is left over" for path in leftovers]
    print("\n".join([*problems, f"{len(found)} runs, {n_files} files, {len(problems)} problems"]))
    return len(problems)


def kill_node(cluster: Any, killed: list[str]) -> None:
    """Kill all processes of a node when a run on it has trained an epoch."""
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


def find_free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def main() -> int:
    """Run both comparisons; return 0 if all files are the same."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--nodes", type=int, default=2, metavar="N", help="Number of nodes.  [default: 2]"
    )
    parser.add_argument("--kill", action="store_true", help="Kill a node while a run trains on it.")
    parser.add_argument("--client", action="store_true", help="Connect through ray://.")
    parser.add_argument(
        "arguments",
        nargs="*",
        default=SMOKE,
        metavar="ARGUMENT",
        help="Arguments of textclf compare, after --.  [default: --dataset bbc --smoke]",
    )
    options = parser.parse_args()
    port = find_free_port()
    with tempfile.TemporaryDirectory() as folder, start_cluster(options.nodes, port) as cluster:
        local_root, ray_root = Path(folder) / "local", Path(folder) / "ray"
        compare(options.arguments, local_root)
        killed: list[str] = []
        if options.kill:
            threading.Thread(target=kill_node, args=(cluster, killed), daemon=True).start()
        address = f"ray://127.0.0.1:{port}" if options.client else cluster.address
        compare(options.arguments, ray_root, "--executor", "ray", "--ray-address", address)
        if options.kill:
            print(f"killed the node of {killed[0]}" if killed else "no node was killed")
        return int(count_differences(local_root, ray_root) > 0 or options.kill != bool(killed))


if __name__ == "__main__":
    sys.exit(main())
