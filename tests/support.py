"""What tests of several packages share: a small dataset, the result of a command, scripts."""

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textclf.config.resolve import resolve
from textclf.data.dataset import Split, TextDataset
from textclf.data.loading import load_dataset

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Answer:
    """What a command left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error_line(self) -> str:
        """The message, after checking that it is one line and no traceback."""
        lines = [line for line in self.err.splitlines() if line.startswith("textclf: ")]
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err
        assert self.err.splitlines()[-1] == lines[0]
        return lines[0].removeprefix("textclf: ")


WORDS = {"fruit": ["apple", "pear", "plum", "fig"], "tool": ["saw", "nail", "file", "axe"]}
WORDS["color"] = ["red", "blue", "green", "grey"]


def make_split(n_texts: int, names: tuple[str, ...]) -> Split:
    """Texts whose words give their label away: text i has label i modulo the number of names."""
    labels = [i % len(names) for i in range(n_texts)]
    texts = [
        " ".join(WORDS[names[label]][(i + j) % 4] for j in range(3 + i % 5))
        for i, label in enumerate(labels)
    ]
    return Split.from_lists(texts, labels)


def make_dataset(n_labels: int = 3) -> TextDataset:
    names = tuple(WORDS)[:n_labels]
    splits = (make_split(n, names) for n in (30, 12, 9))
    return TextDataset("words", names, *splits)


def load_script(name: str) -> Any:
    """Import ``scripts/<name>.py``, such as ``stress/kill_runs``."""
    path = ROOT / "scripts" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ROWS = [(f"{word} number {i}", word) for i in range(10) for word in ("good", "bad")]


def load(path, **options):
    """Load a file or folder as a dataset."""
    tree = {"dataset": {"name": str(path), **options}, "model": {"name": "mlp"}}
    return load_dataset(resolve(tree).dataset)


def collect(dataset):
    """Return the sorted pairs of text and label of all splits."""
    names = dataset.label_names
    return sorted(
        (text, names[label])
        for split in dataset.splits.values()
        for text, label in zip(split.texts, split.labels, strict=True)
    )


def write_csv(path, rows=ROWS, header="text,label", end="\n", encoding="utf-8"):
    def quote(value):
        return '"' + value.replace('"', '""') + '"' if set(value) & set('",\n\r') else value

    lines = [header, *(",".join(map(quote, row)) for row in rows)]
    path.write_bytes((end.join(lines) + end).encode(encoding))
    return path


def write_parquet(path, rows=ROWS, metadata=None):
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts, labels = zip(*rows, strict=True)
    table = pa.table({"text": list(texts), "label": list(labels)})
    pq.write_table(table.replace_schema_metadata(metadata), path)
    return path
