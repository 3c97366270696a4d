"""The recipes as plain scripts: what a competent user would write, and the measure of speed.

Each part runs as a process of its own and prints its seconds as JSON. Only ``predict-texts`` uses
textclf: it is what ``predict-ids`` is compared with.

Example: python scripts/benchmarks/plain_scripts.py reuters --model cnn --epochs 10
"""

import argparse
import importlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

SECONDS: dict[str, float] = {}


@contextmanager
def timed(name: str) -> Iterator[None]:
    """Keep the seconds of what is done inside."""
    started = time.perf_counter()
    yield
    SECONDS[name] = time.perf_counter() - started


def build(model: str, *, num_words: int, length: int, n_labels: int) -> Any:
    """Build one of the four networks of the Reuters tutorial."""
    from keras import Sequential, layers

    body = {
        "mlp": lambda: [layers.Flatten(), layers.Dense(256, activation="relu")],
        "lstm": lambda: [layers.LSTM(128)],
        "cnn": lambda: [
            layers.Dropout(0.2),
            layers.Conv1D(256, 3, activation="relu"),
            layers.GlobalMaxPooling1D(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.2),
        ],
        "cnn-lstm": lambda: [
            layers.Dropout(0.2),
            layers.Conv1D(256, 3, activation="relu"),
            layers.MaxPooling1D(4),
            layers.LSTM(128),
        ],
    }[model]()
    return Sequential(
        [
            layers.Input((length,), dtype="int32"),
            layers.Embedding(num_words, 128),
            *body,
            layers.Dense(n_labels, activation="softmax"),
        ]
    )


def train_on_reuters(model: str, epochs: int) -> dict[str, Any]:
    """Train and test a network on Reuters."""
    with timed("import"):
        import keras
    with timed("data"):
        (x, y), (x_test, y_test) = keras.datasets.reuters.load_data(num_words=15_000)
        x = keras.utils.pad_sequences(x, maxlen=120)
        x_test = keras.utils.pad_sequences(x_test, maxlen=120)
        y, y_test = keras.utils.to_categorical(y, 46), keras.utils.to_categorical(y_test, 46)
    keras.utils.set_random_seed(1)
    network = build(model, num_words=15_000, length=120, n_labels=46)
    network.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    with timed("fit"):
        network.fit(
            x[:7_000],
            y[:7_000],
            batch_size=64,
            epochs=epochs,
            validation_data=(x[7_000:], y[7_000:]),
            verbose=0,
        )
    with timed("evaluate"):
        _, accuracy = network.evaluate(x_test, y_test, verbose=0)
    return {"accuracy": accuracy}


def encode_imdb() -> dict[str, Any]:
    """Read the 50,000 reviews of IMDB, and turn them into ids."""
    with timed("import"):
        import keras
        import tensorflow as tf
        import tensorflow_datasets as tfds
    with timed("data"):
        splits = ["train[:60%]", "train[60%:]", "test"]
        data = tfds.load("imdb_reviews", split=splits, as_supervised=True)
        batches = [split.batch(512).cache() for split in data]
        n_texts = sum(len(labels) for split in batches for _, labels in split)
    with timed("text"):
        encode = keras.layers.TextVectorization(20_000, output_sequence_length=200)
        encode.adapt(batches[0].map(lambda texts, _: texts))
        for split in batches:
            ids = split.map(lambda texts, labels: (encode(texts), labels), tf.data.AUTOTUNE)
            for _ in ids:
                pass
    return {"texts": n_texts}


def predict_texts(run_path: str, model_path: str, ids_path: str) -> dict[str, Any]:
    """Predict the test reviews with the model of a run; leave its network and ids for others."""
    import numpy as np

    from textclf.data.loading import load_dataset
    from textclf.runs.directory import RunDirectory
    from textclf.runtime import backend
    from textclf.text.encoder import encode

    backend.start("cpu")
    run = RunDirectory(Path(run_path))
    classifier = run.read_model()
    options = run.read_config().dataset.model_copy(update={"subset": None})
    texts = list(load_dataset(options).test.texts)
    classifier.predict_texts(texts[:64])
    with timed("predict"):
        classifier.predict_texts(texts)
    classifier.network.save(model_path)
    np.save(ids_path, encode(classifier.encoder, texts))
    return {"texts": len(texts)}


def predict_ids(model_path: str, ids_path: str) -> dict[str, Any]:
    """Predict with a saved network from ids that are ready."""
    import keras
    import numpy as np

    network, ids = keras.models.load_model(model_path), np.load(ids_path)
    network.predict(ids[:64], verbose=0)
    with timed("predict"):
        network.predict(ids, batch_size=256, verbose=0)
    return {"texts": len(ids)}


def run_fasttext() -> dict[str, Any]:
    """Train and test fastText on Reuters, 25 epochs; needs a package that has it."""
    fasttext = importlib.import_module("fasttext")
    from keras.datasets import reuters

    (x, y), (x_test, y_test) = reuters.load_data()
    words = {rank + 3: word for word, rank in reuters.get_word_index().items()}
    lines = [
        f"__label__{label} " + " ".join(words.get(rank, "") for rank in row)
        for row, label in zip([*x, *x_test], [*y, *y_test], strict=True)
    ]
    with tempfile.TemporaryDirectory() as folder:
        train, test = Path(folder) / "train.txt", Path(folder) / "test.txt"
        train.write_text("\n".join(lines[: len(x)]) + "\n")
        test.write_text("\n".join(lines[len(x) :]) + "\n")
        with timed("fit"):
            model = fasttext.train_supervised(str(train), epoch=25, lr=0.5, verbose=0)
        _, accuracy, _ = model.test(str(test))
    return {"accuracy": accuracy}


def main() -> None:
    """Run one part, and print what it measured."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parts = parser.add_subparsers(dest="part", required=True)
    reuters = parts.add_parser("reuters")
    reuters.add_argument("--model", required=True)
    reuters.add_argument("--epochs", type=int, default=10)
    parts.add_parser("imdb")
    parts.add_parser("fasttext")
    texts = parts.add_parser("predict-texts")
    texts.add_argument("run_path")
    ids = parts.add_parser("predict-ids")
    for part in (texts, ids):
        part.add_argument("model_path")
        part.add_argument("ids_path")
    options = vars(parser.parse_args())
    acts: dict[str, Callable[..., dict[str, Any]]] = {
        "reuters": train_on_reuters,
        "imdb": encode_imdb,
        "fasttext": run_fasttext,
        "predict-texts": predict_texts,
        "predict-ids": predict_ids,
    }
    found = acts[options.pop("part")](**options)
    print(json.dumps({**found, "seconds": SECONDS}))


if __name__ == "__main__":
    main()
