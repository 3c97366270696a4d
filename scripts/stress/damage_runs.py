"""Damages every file of a finished run in many ways, and sees what the commands make of it.

Bits are flipped, files are cut, emptied, doubled and removed; then `compare`, `evaluate`, `predict`
and `runs check` read the run. Each has to say what is wrong, or to give the same figures as before.

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


def call(words: str, **places: Path) -> tuple[int, str, str]:
    """Run a command in this process; return its exit code and what it printed."""
    out, err = io.StringIO(), io.StringIO()
    given = [word.format(**places).replace("|", " ") for word in words.split()]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            run_textclf(given)
        except SystemExit as end:
            code = int(end.code or 0)
    return code, out.getvalue(), err.getvalue()


def damage(content: bytes, cases: int, chooser: random.Random) -> Iterator[bytes | None]:
    """Yield so many damaged contents; None stands for a file that is not there."""
    size = len(content)
    yield from (None, b"", content[:1], content[: size // 2], content[:-1], content + content)
    for _ in range(cases - 6):
        changed = bytearray(content)
        changed[chooser.randrange(size)] ^= 1 << chooser.randrange(8)
        yield bytes(changed)


def judge(before: tuple[int, str, str], now: tuple[int, str, str], run: Path) -> str:
    """Return whether a damaged run was named, made no difference, or gave a wrong answer."""
    code, out, err = now
    lines = [line for line in err.splitlines() if line.startswith("textclf: ")]
    if "Traceback" in err or len(lines) > 1:
        return "WRONG"
    if code != 0 and lines:
        return "said"
    if f"left out: {run}" in err or '"unfinished"' in out:
        return "said"
    return "right" if (code, out) == before[:2] else "WRONG"


def check_file(name: str, root: Path, cases: int) -> dict[str, Counter[str]]:
    """Damage one file of the first run again and again; count what each command made of it."""
    run, whole = root / "one", root.parent / "whole"
    before = {command: call(words, root=root, run=run) for command, words in COMMANDS.items()}
    counts: dict[str, Counter[str]] = {command: Counter() for command in COMMANDS}
    chooser = random.Random(name)  # noqa: S311 - nothing is kept secret
    for content in damage((whole / name).read_bytes(), cases, chooser):
        for command, words in COMMANDS.items():
            shutil.rmtree(run)
            shutil.copytree(whole, run)
            if content is None:
                (run / name).unlink()
            else:
                (run / name).write_bytes(content)
            verdict = judge(before[command], call(words, root=root, run=run), run)
            counts[command][verdict] += 1
    shutil.rmtree(run)
    shutil.copytree(whole, run)
    return counts


def main() -> None:
    """Print a row for each file, and exit with 1 where a command gave a wrong answer."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--cases", type=int, default=21, help="of each file")
    cases = parser.parse_args().cases
    n_wrong = 0
    with tempfile.TemporaryDirectory(prefix="textclf-") as folder:
        root = Path(folder) / "runs"
        for seed, name in ((1, "one"), (2, "two")):
            code, _, err = call(f"{TRAIN} --seed {seed} --run-dir {root / name}")
            if code:
                sys.exit(err)
        shutil.copytree(root / "one", root.parent / "whole")
        print(
            f"| file | cases | {' | '.join(COMMANDS)} |\n| --- | ---: |{' --- |' * len(COMMANDS)}"
        )
        for path in sorted((root / "one").glob("[a-z]*")):
            counts = check_file(path.name, root, cases)
            n_wrong += sum(count["WRONG"] for count in counts.values())
            shown = (", ".join(f"{k} {n}" for k, n in sorted(c.items())) for c in counts.values())
            print(f"| {path.name} | {cases} | {' | '.join(shown)} |", flush=True)
    sys.exit(1 if n_wrong else 0)


if __name__ == "__main__":
    main()
