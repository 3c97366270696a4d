"""What tests of several packages share: a small dataset, the result of a command, scripts."""

import contextlib
import datetime
import functools
import http.server
import importlib.util
import json
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

from textclf.config.loading import Override
from textclf.config.resolve import resolve
from textclf.data.dataset import Split, TextDataset
from textclf.data.file_formats import read_rows
from textclf.data.loading import load_dataset
from textclf.data.tabular import FileConfig
from textclf.evaluation.metrics import evaluate
from textclf.registry import list_names, load_module
from textclf.runs.directory import RunDirectory
from textclf.runs.result import Fit, Predictions, Result
from textclf.runtime.progress import Reporter
from textclf.testing import WORDS

ROOT = Path(__file__).parent.parent

PLUGINS = Path(__file__).parent / "plugins"
"""Models and datasets in Python files."""


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


def list_commands() -> list[str]:
    """Return the name of each command, and of the subcommands of groups, such as ``runs list``."""
    names = []
    for name in list_names("commands"):
        subcommands = getattr(load_module("commands", name).command, "commands", ())
        names += [name, *(f"{name} {subcommand}" for subcommand in subcommands)]
    return names


def load_script(name: str) -> Any:
    """Import ``scripts/<name>.py``, such as ``stress/kill_runs``."""
    path = ROOT / "scripts" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves the files of a folder without logging."""

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve the files of a folder on this machine; yield the address."""
    handler = functools.partial(QuietHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


ROWS = [(f"{word} number {i}", word) for i in range(10) for word in ("good", "bad")]


def load(path, **options):
    """Load a file or folder as a dataset."""
    tree = {"dataset": {"name": str(path), **options}, "model": {"name": "mlp"}}
    return load_dataset(resolve(tree).dataset)


def read(path, **options):
    """Return the texts, labels and positions of a file, and what is reported about it."""
    notes: list[str] = []
    rows = list(read_rows(path, FileConfig(name=str(path), **options), notes))
    return rows, notes


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


OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
SPREADSHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def write_xlsx(path, sheets):
    """Write sheets of rows: strings, numbers, booleans and dates; None leaves a cell empty."""

    def relate(**targets):
        items = [
            f"<Relationship Id='{name}' Type='{OFFICE}/{name.rstrip('0123456789')}' Target='{to}'/>"
            for name, to in targets.items()
        ]
        return f"<Relationships xmlns='{PACKAGE}/relationships'>{''.join(items)}</Relationships>"

    members = {
        "[Content_Types].xml": f"<Types xmlns='{PACKAGE}/content-types'/>",
        "_rels/.rels": relate(officeDocument="xl/workbook.xml"),
        # The second style, number 1, is that of a date.
        "xl/styles.xml": f"<styleSheet xmlns='{SPREADSHEET}'><cellXfs><xf/><xf numFmtId='14'/>"
        "</cellXfs></styleSheet>",
    }
    listed = ""
    for number, (name, rows) in enumerate(sheets.items()):
        listed += f"<sheet name='{name}' sheetId='{number + 1}' r:id='worksheet{number}'/>"
        lines = "".join(f"<row>{''.join(map(_format_cell, row))}</row>" for row in rows)
        members[f"xl/{number}.xml"] = (
            f"<worksheet xmlns='{SPREADSHEET}'><sheetData>{lines}</sheetData></worksheet>"
        )
    members["xl/_rels/workbook.xml.rels"] = relate(
        **{f"worksheet{number}": f"{number}.xml" for number in range(len(sheets))}
    )
    members["xl/workbook.xml"] = (
        f"<workbook xmlns='{SPREADSHEET}' xmlns:r='{OFFICE}'><sheets>{listed}</sheets></workbook>"
    )
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def _format_cell(value):
    if value is None:
        return "<c/>"
    if isinstance(value, str):
        return f"<c t='inlineStr'><is><t xml:space='preserve'>{escape(value)}</t></is></c>"
    if isinstance(value, datetime.date):
        return f"<c s='1'><v>{(value - datetime.date(1899, 12, 30)).days}</v></c>"
    kind = " t='b'" if isinstance(value, bool) else ""
    return f"<c{kind}><v>{value:g}</v></c>"


# Texts and labels that repeat within a split, between splits, or with conflicting labels.
OVERLAPPING = {
    "train": [("apple pear", 0), ("Saw  nail", 1), ("apple pear", 0), ("fig fig fig", 1), ("", 0)],
    "validation": [("saw nail", 1), ("plum plum plum", 0)],
    "test": [("APPLE pear", 0), ("fig fig fig", 0), ("axe axe axe", 1), ("plum plum plum", 0)],
}


def make_overlapping_dataset() -> TextDataset:
    """Return a dataset whose splits are `OVERLAPPING`."""
    splits = (Split.from_lists(*zip(*rows, strict=True)) for rows in OVERLAPPING.values())
    return TextDataset("overlapping", ("fruit", "tool"), *splits)


def write_run(
    root,
    model,
    correct,
    *,
    seed=1,
    labels=None,
    names=("a", "b", "c"),
    digest="d",
    dataset="bbc",
    settings=None,
    n_train=200,
):
    """Write a finished run whose predictions are correct where ``correct`` is, without training."""
    correct = np.asarray(correct, bool)
    labels = np.arange(len(correct)) % 3 if labels is None else labels
    probabilities = np.full((len(correct), 3), 0.1, np.float32)
    probabilities[np.arange(len(correct)), np.where(correct, labels, (labels + 1) % 3)] = 0.8
    tree = {"dataset": {"name": dataset}, "model": {"name": model}, "seed": seed}
    config = resolve(
        tree, [Override(key, value, "test") for key, value in (settings or {}).items()]
    )
    run = RunDirectory.of(config, root)
    run.path.mkdir(parents=True)
    run.prepare(config, force=False)
    run.write_predictions(Predictions(np.arange(len(correct)), labels, probabilities))
    result = Result(
        dataset=config.dataset.short_name,
        model=model,
        fingerprint=config.fingerprint,
        seed=seed,
        split="test",
        split_digest=digest,
        best_epoch=1,
        n_epochs=1,
        n_parameters=10,
        train_seconds=1.0,
        examples_per_second=1.0,
        evaluation=evaluate(labels, probabilities, names, majority_label=0),
        fits=(Fit(("train", "validation"), 10, 1),) if config.training.refit else None,
        n_train_examples=n_train,
        train_fraction=config.dataset.train_fraction,
        train_per_label=config.dataset.train_per_label,
        folds=config.dataset.folds,
        fold=config.dataset.fold,
    )
    run.finish(result, {})
    return run, result


def draw_correct(accuracy, n=300, seed=0):
    """Draw which of ``n`` predictions are correct, <bool>[n], for an expected accuracy."""
    return np.random.default_rng(seed).random(n) < accuracy


def write_runs(root, accuracies, n_seeds=3, **options):
    """Write runs of several models, with different predictions for each model and seed."""
    return [
        write_run(root, model, draw_correct(accuracy, seed=100 * i + seed), seed=seed, **options)
        for i, (model, accuracy) in enumerate(accuracies.items())
        for seed in range(1, n_seeds + 1)
    ]


def write_folds(root, model, n_correct, *, n=100, seeds=(1,), **options):
    """Write a run for each fold and seed, of which the first ``n_correct`` of ``n`` are correct."""
    return [
        write_run(
            root,
            model,
            np.arange(n) < correct,
            seed=seed,
            digest=f"fold {fold}",
            settings={"dataset.folds": len(n_correct), "dataset.fold": fold},
            **options,
        )
        for fold, correct in enumerate(n_correct, start=1)
        for seed in seeds
    ]


SIZES = {0.1: 100, 0.2: 200, 0.4: 400, 1: 1_000}
"""Number of training examples of each fraction, for `write_curve`."""


def write_curve(root, model, accuracies, *, n_seeds=3, n=2_000, settings=None, **options):
    """Write runs of a model with each of the first `SIZES`, with about the given accuracies."""
    return [
        write_run(
            root,
            model,
            draw_correct(accuracy, n, seed=1_000 * i + 10 * sum(map(ord, model)) + seed),
            seed=seed,
            settings={"dataset.train_fraction": fraction, **(settings or {})},
            n_train=n_train,
            **options,
        )
        for i, ((fraction, n_train), accuracy) in enumerate(
            zip(SIZES.items(), accuracies, strict=False)
        )
        for seed in range(1, n_seeds + 1)
    ]


def skip_if_gpu() -> None:
    """Skip a test of what happens without a GPU."""
    import pytest
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        pytest.skip("this machine has a GPU")


QUIET = Reporter(quiet=True)


def encode(encoder, texts):
    """Return the output of a Keras layer for all texts, [texts, ...]."""
    from textclf.text.input_pipeline import encode_batches

    return np.concatenate(list(encode_batches(encoder, texts)))


PRESET_WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "good", "bad", "##s", "number")
"""Words of the preset that `write_preset` writes, besides those of `textclf.testing`."""


def write_preset(folder, *, dim=8, n_layers=2, n_positions=64, seed=0, **settings):
    """Write a small BERT with random weights as a preset in the layout of Hugging Face.

    Args:
        folder: Folder to write.
        dim: Size of a vector.
        n_layers: Number of layers.
        n_positions: Tokens of the longest text that it takes.
        seed: Seed of the weights.
        settings: More values of ``config.json``.
    """
    from safetensors.numpy import save_file

    words = [*PRESET_WORDS, *(word for words in WORDS.values() for word in words)]
    random = np.random.default_rng(seed)
    config = {"model_type": "bert", "vocab_size": len(words), "num_hidden_layers": n_layers}
    config |= {"num_attention_heads": 2, "hidden_size": dim, "intermediate_size": 2 * dim}
    config |= {"max_position_embeddings": n_positions, "type_vocab_size": 2, "hidden_act": "gelu"}
    shapes = {
        "embeddings.word_embeddings.weight": (len(words), dim),
        "embeddings.position_embeddings.weight": (n_positions, dim),
        "embeddings.token_type_embeddings.weight": (2, dim),
        "pooler.dense.weight": (dim, dim),
        "pooler.dense.bias": (dim,),
    }
    norms = ["embeddings.LayerNorm"]
    for layer in range(n_layers):
        start = f"encoder.layer.{layer}"
        sizes = {f"attention.self.{name}": (dim, dim) for name in ("query", "key", "value")}
        sizes |= {"attention.output.dense": (dim, dim)}
        sizes |= {"intermediate.dense": (2 * dim, dim), "output.dense": (dim, 2 * dim)}
        for name, shape in sizes.items():
            shapes |= {f"{start}.{name}.weight": shape, f"{start}.{name}.bias": shape[:1]}
        norms += [f"{start}.attention.output.LayerNorm", f"{start}.output.LayerNorm"]
    weights = {name: random.normal(size=shape, scale=0.5) for name, shape in shapes.items()}
    for name in norms:
        weights |= {f"{name}.weight": np.ones(dim), f"{name}.bias": np.zeros(dim)}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({**config, **settings}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True}))
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    single = {name: np.float32(weight) for name, weight in weights.items()}
    save_file(single, folder / "model.safetensors")
    return folder
