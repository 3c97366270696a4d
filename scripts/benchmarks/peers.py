"""Other tools on the CSV files of a dataset, as a competent user would write them.

``benchmark.py`` runs each subcommand in a new process. All tools get the same texts, labels and
splits; ``train`` saves a model and prints its test accuracy, ``predict`` loads it and prints how
fast it is. After each epoch, a line with the validation accuracy goes to standard error.

Example: python scripts/benchmarks/peers.py write bbc data
         python scripts/benchmarks/peers.py train scikit-learn data model
         python scripts/benchmarks/peers.py predict scikit-learn data model
"""

import argparse
import csv
import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SPLITS = ("train", "validation", "test")
N_SINGLE = 200
"""Texts that are classified one by one."""

Classify = Callable[[Sequence[str]], Sequence[str]]
"""Returns the label of each text."""


def write_splits(dataset: str, folder: Path) -> None:
    """Write a dataset of textclf as a CSV file for each split."""
    import textclf

    data = textclf.load_dataset(dataset)
    folder.mkdir(parents=True, exist_ok=True)
    for name in SPLITS:
        split = getattr(data, name)
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "label"])
            for text, label in zip(split.texts, split.labels, strict=True):
                writer.writerow([text, data.label_names[label]])


def read_split(folder: Path, name: str) -> tuple[list[str], list[str]]:
    """Return the texts and the labels of a split."""
    with (folder / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [row["label"] for row in rows]


def report_epoch(accuracy: float) -> None:
    """Print the validation accuracy of an epoch, where `benchmark.py` takes the time."""
    print(f"epoch (val {accuracy:.4f})", file=sys.stderr, flush=True)


def measure_accuracy(classify: Classify, folder: Path) -> float:
    """Return the accuracy on the test split."""
    texts, labels = read_split(folder, "test")
    n_correct = sum(a == b for a, b in zip(classify(texts), labels, strict=True))
    return n_correct / len(labels)


class ScikitLearn:
    """TF-IDF and a linear support vector machine, with the settings of ``tfidf-svc``."""

    def train(self, folder: Path, path: Path) -> Classify:
        """Fit the pipeline and save it."""
        import joblib
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import make_pipeline
        from sklearn.svm import LinearSVC

        model = make_pipeline(TfidfVectorizer(sublinear_tf=True, min_df=2), LinearSVC(C=0.5))
        model.fit(*read_split(folder, "train"))
        joblib.dump(model, path)
        return self.load(path)

    def load(self, path: Path) -> Classify:
        """Return the classifier that `train` saved."""
        import joblib

        model = joblib.load(path)
        return lambda texts: list(model.predict(texts))


class FastText:
    """fastText for 50 epochs with the rate 1; needs a package that contains it."""

    def train(self, folder: Path, path: Path) -> Classify:
        """Train on a file of labeled lines and save the model."""
        fasttext = importlib.import_module("fasttext")
        lines = folder / "fasttext.txt"
        with lines.open("w", encoding="utf-8") as file:
            for text, label in zip(*read_split(folder, "train"), strict=True):
                words = " ".join(text.split())
                file.write(f"__label__{label.replace(' ', '_')} {words}\n")
        fasttext.train_supervised(str(lines), epoch=50, lr=1.0, verbose=0).save_model(str(path))
        return self.load(path)

    def load(self, path: Path) -> Classify:
        """Return the classifier that `train` saved."""
        model = importlib.import_module("fasttext").load_model(str(path))

        def classify(texts: Sequence[str]) -> list[str]:
            # `predict` of the wrapper fails with NumPy 2; the function below it does not.
            lines = [" ".join(text.split()) + "\n" for text in texts]
            found = [model.f.predict(line, 1, 0.0, "strict") for line in lines]
            return [
                label[0][1].removeprefix("__label__").replace("_", " ") if label else ""
                for label in found
            ]

        return classify


class Keras:
    """The network ``cnn`` in plain Keras, with a `TextVectorization` inside the saved model."""

    def train(self, folder: Path, path: Path) -> Classify:
        """Fit the network for ten epochs and save it with its vocabulary."""
        import keras
        import tensorflow as tf
        from plain_scripts import build

        keras.utils.set_random_seed(1)
        splits = {name: read_split(folder, name) for name in SPLITS[:2]}
        names = sorted(set(splits["train"][1]))
        encode = keras.layers.TextVectorization(20_000, output_sequence_length=200)
        encode.adapt(splits["train"][0])
        data = {
            name: tf.data.Dataset.from_tensor_slices(
                (encode(texts), [names.index(label) for label in labels])
            )
            for name, (texts, labels) in splits.items()
        }
        network = build("cnn", num_words=20_000, length=200, n_labels=len(names))
        network.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        epoch = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda _, logs: report_epoch(logs["val_accuracy"])
        )
        train = data["train"].shuffle(10_000, seed=1).batch(64)
        validation = data["validation"].batch(64)
        network.fit(train, validation_data=validation, epochs=10, callbacks=[epoch], verbose=0)
        keras.Sequential([keras.Input((), dtype="string"), encode, network]).save(path)
        path.with_suffix(".json").write_text(json.dumps(names))
        return self.load(path)

    def load(self, path: Path) -> Classify:
        """Return the classifier that `train` saved."""
        import keras
        import tensorflow as tf

        model = keras.models.load_model(path)
        names = json.loads(path.with_suffix(".json").read_text())

        def classify(texts: Sequence[str]) -> list[str]:
            probabilities = model.predict(tf.constant(texts), batch_size=256, verbose=0)
            return [names[index] for index in probabilities.argmax(1)]

        return classify


class Ludwig:
    """Ludwig's ``parallel_cnn`` for ten epochs."""

    def train(self, folder: Path, path: Path) -> Classify:
        """Train on the CSV files and save the model."""
        pd, ludwig = importlib.import_module("pandas"), importlib.import_module("ludwig.api")
        callback: Any = importlib.import_module("ludwig.callbacks").Callback

        class Epochs(callback):  # type: ignore[misc]
            def on_eval_end(self, _: Any, progress_tracker: Any, __: Any) -> None:
                """Report the validation accuracy."""
                metrics = progress_tracker.validation_metrics["label"]["accuracy"]
                report_epoch(float(metrics[-1][-1]))

        config = {
            "input_features": [
                {"name": "text", "type": "text", "encoder": {"type": "parallel_cnn"}}
            ],
            "output_features": [{"name": "label", "type": "category"}],
            "trainer": {"epochs": 10, "early_stop": -1},
        }
        model = ludwig.LudwigModel(config, callbacks=[Epochs()], logging_level=40)
        sets = [pd.read_csv(folder / f"{name}.csv") for name in SPLITS]
        arguments = dict(zip(("training_set", "validation_set", "test_set"), sets, strict=True))
        model.train(**arguments, random_seed=1, output_directory=str(path.parent / "ludwig"))
        model.save(str(path))
        return self.load(path)

    def load(self, path: Path) -> Classify:
        """Return the classifier that `train` saved."""
        pd, ludwig = importlib.import_module("pandas"), importlib.import_module("ludwig.api")
        model = ludwig.LudwigModel.load(str(path), logging_level=40)

        def classify(texts: Sequence[str]) -> list[str]:
            found, _ = model.predict(
                pd.DataFrame({"text": list(texts)}),
                skip_save_unprocessed_output=True,
                skip_save_predictions=True,
            )
            return [str(label) for label in found["label_predictions"]]

        return classify


class Textclf:
    """A run of textclf, which ``textclf train`` wrote."""

    def load(self, path: Path) -> Classify:
        """Return the classifier of a run."""
        import textclf

        return textclf.load_run(path).predict


PEERS: dict[str, Any] = {
    "scikit-learn": ScikitLearn,
    "fasttext": FastText,
    "keras": Keras,
    "ludwig": Ludwig,
    "textclf": Textclf,
}


def measure_predictions(classify: Classify, folder: Path) -> dict[str, float]:
    """Return the median milliseconds of one text, and the texts per second of all test texts."""
    texts, _ = read_split(folder, "test")
    classify(texts[:64])
    classify(texts[:1])
    seconds = []
    for text in texts[:N_SINGLE]:
        started = time.perf_counter()
        classify([text])
        seconds.append(time.perf_counter() - started)
    started = time.perf_counter()
    classify(texts)
    rate = len(texts) / (time.perf_counter() - started)
    return {"one_text_ms": 1000 * sorted(seconds)[len(seconds) // 2], "texts_per_second": rate}


def main() -> None:
    """Run a subcommand, and print its results as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    commands = parser.add_subparsers(dest="command", required=True)
    write = commands.add_parser("write", help="Write a dataset of textclf as CSV files.")
    write.add_argument("dataset", help="Dataset, such as bbc.")
    write.add_argument("folder", type=Path, help="Folder to write.")
    for name, method, text in (
        ("train", "train", "Train and save a model; print its test accuracy."),
        ("predict", "load", "Load a saved model; print how fast it predicts."),
    ):
        command = commands.add_parser(name, help=text)
        peers = [tool for tool, peer in PEERS.items() if hasattr(peer, method)]
        command.add_argument("peer", choices=peers, help="Tool.")
        command.add_argument("folder", type=Path, help="Folder of the CSV files.")
        command.add_argument("model", type=Path, help="Saved model, or run directory of textclf.")
    options = parser.parse_args()
    if options.command == "write":
        write_splits(options.dataset, options.folder)
        return
    started = time.perf_counter()
    peer = PEERS[options.peer]()
    if options.command == "train":
        classify = peer.train(options.folder, options.model)
        results = {"accuracy": measure_accuracy(classify, options.folder)}
    else:
        classify = peer.load(options.model)
        loading = time.perf_counter() - started
        results = {"load": loading, **measure_predictions(classify, options.folder)}
    print(json.dumps(results))


if __name__ == "__main__":
    main()
