"""Damages every file of a finished run in many ways, and checks how the commands react.

Bits are flipped; files are cut, emptied, doubled and removed. Then `compare`, `evaluate`, `predict`
and `runs check` read the run. Each must report the damage, or print the same as before.

Example: python scripts/stress/damage_runs.py --cases 21
"""

import argparse
import contextlib
import io
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from textclf.cli import main as run_textclf

TRAIN = "train --model mlp --dataset bbc --smoke --set text.num_words=500 --quiet"
COMMANDS = {
    "compare": "compare {root} --format json",
    "evaluate": "evaluate {run} --format json",
    "predict": "predict {run} some|text --format json",
    "runs check": "runs check {root} --format json",
}

REPORTED, UNCHANGED, WRONG = "reported", "unchanged", "WRONG"
"""Reactions: the command names the run, prints the same as before, or anything else."""


def call(command: str, **paths: Path) -> tuple[int, str, str]:
    """Run a command in this process; return its exit code, standard output and standard error."""
    out, err = io.StringIO(), io.StringIO()
    arguments = [part.format(**paths).replace("|", " ") for part in command.split()]
    code = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            run_textclf(arguments)
        except SystemExit as end:
            code = int(end.code or 0)
    return code, out.getvalue(), err.getvalue()


def damage(content: bytes, cases: int, rng: random.Random) -> Iterator[bytes | None]:
    """Yield damaged contents; None stands for a missing file."""
    size = len(content)
    yield from (None, b"", content[:1], content[: size // 2], content[:-1], content + content)
    for _ in range(cases - 6):
        changed = bytearray(content)
        changed[rng.randrange(size)] ^= 1 << rng.randrange(8)
        yield bytes(changed)


def classify(before: tuple[int, str, str], now: tuple[int, str, str], run: Path) -> str:
    """Return how a command reacted to a damaged run."""
    code, out, err = now
    lines = [line for line in err.splitlines() if line.startswith("textclf: ")]
    if "Traceback" in err or len(lines) > 1:
        return WRONG
    if code != 0 and lines:
        return REPORTED
    if f"left out: {run}" in err or '"unfinished"' in out:
        return REPORTED
    return UNCHANGED if (code, out) == before[:2] else WRONG


def check_file(name: str, root: Path, cases: int) -> dict[str, Counter[str]]:
    """Damage one file of the first run repeatedly; count the reactions of each command."""
    run, intact = root / "one", root.parent / "intact"
    before = {key: call(command, root=root, run=run) for key, command in COMMANDS.items()}
    counts: dict[str, Counter[str]] = {key: Counter() for key in COMMANDS}
    rng = random.Random(name)  # noqa: S311 - not for cryptography
    for content in damage((intact / name).read_bytes(), cases, rng):
        for key, command in COMMANDS.items():
            shutil.rmtree(run)
            shutil.copytree(intact, run)
            if content is None:
                (run / name).unlink()
            else:
                (run / name).write_bytes(content)
            reaction = classify(before[key], call(command, root=root, run=run), run)
            counts[key][reaction] += 1
    shutil.rmtree(run)
    shutil.copytree(intact, run)
    return counts


def main() -> None:
    """Print a row for each file, and exit with 1 if a reaction is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument(
        "--cases",
        type=int,
        default=21,
        metavar="N",
        help="Damaged versions of each file, at least the six without flipped bits.  [default: 21]",
    )
    cases = max(6, parser.parse_args().cases)
    n_wrong = 0
    with tempfile.TemporaryDirectory(prefix="textclf-") as folder:
        root = Path(folder) / "runs"
        for seed, name in ((1, "one"), (2, "two")):
            code, _, err = call(f"{TRAIN} --seed {seed} --run-dir {root / name}")
            if code:
                sys.exit(err)
        shutil.copytree(root / "one", root.parent / "intact")
        print(
            f"| file | cases | {' | '.join(COMMANDS)} |\n| --- | ---: |{' --- |' * len(COMMANDS)}"
        )
        for path in sorted((root / "one").glob("[a-z]*")):
            counts = check_file(path.name, root, cases)
            n_wrong += sum(count[WRONG] for count in counts.values())
            cells = [
                ", ".join(f"{reaction} {n}" for reaction, n in sorted(count.items()))
                for count in counts.values()
            ]
            print(f"| {path.name} | {cases} | {' | '.join(cells)} |", flush=True)
    sys.exit(1 if n_wrong else 0)


if __name__ == "__main__":
    main()
