"""Plain Keras scripts for the recipes, as a competent user would write them.

The speed of textclf is compared with theirs. Each subcommand runs in a new process, and prints its
seconds as JSON. Only ``predict-texts`` uses textclf; ``predict-ids`` is compared with it.

Example: python scripts/benchmarks/plain_scripts.py reuters --model cnn --epochs 10
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

MODELS = ("mlp", "lstm", "cnn", "cnn-lstm")

SECONDS: dict[str, float] = {}
"""Seconds of each step."""


@contextmanager
def timed(name: str) -> Iterator[None]:
    """Store the seconds of the block in `SECONDS`."""
    started = time.perf_counter()
    yield
    SECONDS[name] = time.perf_counter() - started


def build(model: str, *, num_words: int, length: int, n_labels: int) -> Any:
    """Build one of the four networks of the Reuters recipes."""
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
    """Train and evaluate a network on Reuters."""
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
    """Read the 50,000 reviews of IMDB, and encode them as token ids."""
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
    """Predict the test reviews with the model of a run; save its network and the token ids."""
    import numpy as np

    from textclf.data.loading import load_dataset
    from textclf.runs.directory import RunDirectory
    from textclf.runtime import backend
    from textclf.text.input_pipeline import encode_batches

    backend.start("cpu")
    run = RunDirectory(Path(run_path))
    classifier = run.read_model()
    config = run.read_config().dataset.model_copy(update={"limit": None})
    texts = list(load_dataset(config).test.texts)
    classifier.predict_texts(texts[:64])
    with timed("predict"):
        classifier.predict_texts(texts)
    classifier.network.save(model_path)
    np.save(ids_path, np.concatenate(list(encode_batches(classifier.encoder, texts))))
    return {"texts": len(texts)}


def predict_ids(model_path: str, ids_path: str) -> dict[str, Any]:
    """Predict with a saved network from saved token ids."""
    import keras
    import numpy as np

    network, ids = keras.models.load_model(model_path), np.load(ids_path)
    network.predict(ids[:64], verbose=0)
    with timed("predict"):
        network.predict(ids, batch_size=256, verbose=0)
    return {"texts": len(ids)}


def main() -> None:
    """Run a subcommand, and print its results and seconds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    commands = parser.add_subparsers(dest="command", required=True)
    reuters = commands.add_parser("reuters", help="Train and evaluate a network on Reuters.")
    reuters.add_argument("--model", required=True, choices=MODELS, help="Network to train.")
    reuters.add_argument(
        "--epochs", type=int, default=10, metavar="N", help="Number of epochs.  [default: 10]"
    )
    commands.add_parser("imdb", help="Read IMDB, and encode it as token ids.")
    texts = commands.add_parser("predict-texts", help="Predict IMDB's test texts with textclf.")
    texts.add_argument("run_path", metavar="RUN", help="Finished run on IMDB.")
    ids = commands.add_parser("predict-ids", help="Predict the same texts with Keras, from ids.")
    for command, verb in ((texts, "write"), (ids, "read")):
        command.add_argument("model_path", metavar="MODEL", help=f"Network to {verb} (.keras).")
        command.add_argument("ids_path", metavar="IDS", help=f"Token ids to {verb} (.npy).")
    options = vars(parser.parse_args())
    functions: dict[str, Callable[..., dict[str, Any]]] = {
        "reuters": train_on_reuters,
        "imdb": encode_imdb,
        "predict-texts": predict_texts,
        "predict-ids": predict_ids,
    }
    results = functions[options.pop("command")](**options)
    print(json.dumps({**results, "seconds": SECONDS}))


if __name__ == "__main__":
    main()
