"""The only reader and writer of run directories; nothing else knows the names of their files.

``evaluation.json`` is written last: a run is finished when it is there.
"""

import contextlib
import json
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textclf.config.loading import read_yaml
from textclf.config.resolve import ExperimentConfig, resolve
from textclf.errors import RequestError, RunError
from textclf.runs.model_file import load_model
from textclf.runs.result import Predictions, Result
from textclf.storage.checksums import (
    find_changes,
    format_sealed,
    hash_bytes,
    hash_file,
    read_sealed,
)
from textclf.storage.files import (
    format_json,
    lock_folder,
    open_arrays,
    reading,
    remove_leftovers,
    write_text,
    write_whole,
)
from textclf.training.checkpoint import read_checkpoint, write_checkpoint
from textclf.training.history import Checkpoint

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FILES = (
    "evaluation.json",  # First, so that nothing half removed looks finished.
    "checkpoint.npz",
    "config.yaml",
    "meta.json",
    "history.csv",
    "history.png",
    "model.keras",
    "model.skops",
    "predictions.npz",
    "confusion.png",
    "calibration.png",
)

LAST = ("evaluation.json", "checkpoint.npz", "meta.json")
SEALED = tuple(name for name in FILES if name not in LAST)
"""What is there, with its final content, before ``meta.json`` and ``evaluation.json`` are."""


class RunDirectory:
    """One run's files."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, config: ExperimentConfig, root: Path) -> "RunDirectory":
        """Return the place of a configuration's run below ``root``."""
        place = root / config.dataset.short_name / config.model.name / config.fingerprint
        return cls(place / f"seed-{config.seed}")

    @classmethod
    def list_below(cls, folder: Path) -> list["RunDirectory"]:
        """Return all runs in a folder and its subfolders, in the order of their paths."""
        names = ("config.yaml", "evaluation.json")  # A run that has lost one is found too.
        return [cls(path) for path in sorted({p.parent for n in names for p in folder.rglob(n)})]

    @property
    def is_begun(self) -> bool:
        """Whether there is a run, finished or not, and perhaps damaged."""
        finished = self.is_finished and (self.path / "meta.json").is_file()
        return finished or (self.path / "config.yaml").is_file()

    @property
    def is_finished(self) -> bool:
        """Whether the run has got to its end."""
        return (self.path / "evaluation.json").is_file()

    @contextlib.contextmanager
    def lock(self, *, seconds: float = 0) -> Iterator[None]:
        """Hold the directory, which is made where it is missing, for this process alone."""
        with lock_folder(self.path, seconds=seconds):
            yield

    def check(self, config: ExperimentConfig, *, force: bool) -> None:
        """Refuse a directory that is no run, or holds another one; ``force`` accepts any run.

        Raises:
            RunError: it is such a directory.
        """
        if not self.is_begun:
            others = [path.name for path in self.path.iterdir() if not path.name.startswith(".")]
            if others:
                raise RunError(
                    f"{self.path} is no run directory: it has no config.yaml, but {others[0]};"
                    " choose another --run-dir"
                )
        elif not force:
            # What was run, and not what config.yaml says by now.
            there = self.read_result() if self.is_finished else self.read_config()
            if (there.fingerprint, there.seed) != (config.fingerprint, config.seed):
                raise RunError(
                    f"{self.path} holds another configuration ({there.fingerprint},"
                    f" seed {there.seed}); choose another --run-dir, or replace it with --force"
                )

    def prepare(self, config: ExperimentConfig, *, force: bool) -> None:
        """Remove what a killed process left behind, and with ``force`` an earlier run's files."""
        for name in FILES:
            # Killed here, it is still a run, and meta.json still counts looks at the test set.
            if force and name not in {"config.yaml", "meta.json"}:
                (self.path / name).unlink(missing_ok=True)
            remove_leftovers(self.path / name)
        if force:
            shutil.rmtree(self.tensorboard_path, ignore_errors=True)
        if force or not (self.path / "config.yaml").is_file():
            write_text(self.path / "config.yaml", config.to_yaml())

    def read_config(self, *, verify: bool = True) -> ExperimentConfig:
        """Read the configuration; RunError where there is none, it is damaged, or has changed."""
        with self._reading("config.yaml", verify=verify) as path:
            try:
                tree = read_yaml(path)
                if "seed" not in tree:  # The last key: without it the defaults would fill the gap.
                    raise RequestError(f"{path} is cut off: it has no seed")
                return resolve(tree, source=str(path))
            except RequestError as error:
                raise RunError(f"{error}; {self._retrain('config.yaml')}") from error

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Keep what training needs to go on, and the history so far."""
        write_checkpoint(self.path / "checkpoint.npz", self.path / "history.csv", checkpoint)

    def read_checkpoint(self) -> Checkpoint | None:
        """Return where an interrupted run stopped, None at the start; RunError if damaged."""
        path = self.path / "checkpoint.npz"
        if not path.is_file():
            return None
        with reading(path, self._train("--force")):
            return read_checkpoint(path)

    def write_model(self, classifier: Any) -> None:
        """Save the model that takes raw text: a Keras model, or a scikit-learn floor."""
        with write_whole(self.path / f"model{classifier.file_suffix}") as temporary:
            classifier.save(temporary)

    def read_model(self) -> Any:
        """Load the model that takes raw text, running no Python code out of the file.

        Raises:
            RunError: there is none, or it is damaged.
        """
        if (self.path / "model.skops").is_file():
            from textclf.models._sklearn import EstimatorClassifier

            with self._reading("model.skops") as path:
                return EstimatorClassifier.load(path)
        with self._reading("model.keras") as path:
            return load_model(path)

    def write_predictions(self, predictions: Predictions) -> None:
        """Save the predictions for the test texts."""
        with write_whole(self.path / "predictions.npz") as temporary:
            np.savez(temporary, **vars(predictions))

    def read_predictions(self) -> Predictions:
        """Read the predictions; RunError where there are none, or they are damaged."""
        with self._reading("predictions.npz") as path, open_arrays(path) as arrays:
            found = Predictions(**{field.name: arrays[field.name] for field in fields(Predictions)})
            if not len(found.index) == len(found.label) == len(found.probabilities):
                raise ValueError("arrays of different lengths")
            return found

    def write_pictures(self, pictures: "dict[str, Figure]") -> None:
        """Save each picture under its name, as PNG."""
        for name, figure in pictures.items():
            with write_whole(self.path / f"{name}.png") as temporary:
                figure.savefig(temporary)

    def write_meta(self, meta: dict[str, Any]) -> None:
        """Save how and on what the run was made."""
        write_text(self.path / "meta.json", format_sealed(meta))

    def read_meta(self) -> dict[str, Any]:
        """Read how and on what the run was made; RunError where it is missing or damaged."""
        path = self.path / "meta.json"
        with reading(path, self._train("--force")):
            return read_sealed(path.read_text(encoding="utf-8"))

    def count_test_evaluations(self) -> int:
        """Return how often the test set was evaluated, also by runs that were replaced."""
        try:
            return int(self.read_meta().get("test_evaluations", 0))
        except RunError:  # A missing or damaged file must not keep --force from replacing it.
            return 0

    def note_test_evaluation(self) -> None:
        """Note in ``meta.json`` that the test set was evaluated once more."""
        with self.lock():
            looks = self.count_test_evaluations() + 1
            self.write_meta({**self.read_meta(), "test_evaluations": looks})

    def check_dataset(self, digest: str) -> None:
        """Refuse a dataset that is not the one of this run, so that figures are not mixed.

        Raises:
            RunError: texts, labels or splits have changed since.
        """
        there = self.read_meta().get("dataset_digest")
        if there != digest:
            raise RunError(
                f"the dataset has changed since {self.path} was made (digest {str(there)[:10]},"
                f" now {digest[:10]}); {self._train('--force')}"
            )

    def finish(self, result: Result, meta: dict[str, Any]) -> None:
        """Save how the run was made, with digests of its files; then the result, which ends it."""
        evaluation = format_json(result.to_json())
        written = [name for name in SEALED if (self.path / name).is_file()]
        digests = {name: hash_file(self.path / name) for name in written}
        digests["evaluation.json"] = hash_bytes(evaluation.encode())
        self.write_meta({**meta, "digests": digests})
        write_text(self.path / "evaluation.json", evaluation)
        (self.path / "checkpoint.npz").unlink(missing_ok=True)

    def read_result(self) -> Result:
        """Read the result of a finished run.

        Raises:
            RunError: the run is not finished, or its ``evaluation.json`` is damaged.
        """
        self._check_finished()
        with self._reading("evaluation.json") as path:
            return Result.from_json(json.loads(path.read_text(encoding="utf-8")))

    def _train(self, *options: str) -> str:
        """Return the command that makes this run, or makes it again."""
        config, path = str(self.path / "config.yaml"), str(self.path)
        words = ["textclf", "train", "--config", config, "--run-dir", path, *options]
        return f"run: {shlex.join(words)}"

    def _retrain(self, damaged: str) -> str:
        """Return how to make the run again, where a file of it is damaged."""
        if damaged == "config.yaml":
            return f"train it again, with its options, --run-dir {self.path} and --force"
        return self._train("--force")

    @property
    def tensorboard_path(self) -> Path:
        """Where TensorBoard event files go."""
        return self.path / "tensorboard"

    def find_damage(self) -> list[str]:
        """Return what is wrong with the files of a finished run, a line each; none if all is well.

        Raises:
            RunError: the run is not finished.
        """
        self._check_finished()
        try:
            digests = self._read_digests()
        except RunError as error:
            return [str(error)]
        # A checkpoint may stay where the process was killed at the very end.
        present = {n for n in (*SEALED, "evaluation.json") if (self.path / n).is_file()}
        return find_changes(self.path, present, digests)

    @contextlib.contextmanager
    def _reading(self, name: str, *, verify: bool = True) -> Iterator[Path]:
        """Give the path of a file, if it still is what a finished run wrote.

        Raises:
            RunError: it has changed since, or what is done inside finds it damaged.
        """
        path = self.path / name
        digests = self._read_digests() if verify and self.is_finished else None
        with reading(path, self._retrain(name)):
            if digests is not None and hash_file(path) != digests.get(name):
                raise ValueError("it has changed since it was written")
            yield path

    def _read_digests(self) -> dict[str, str]:
        digests = self.read_meta().get("digests")
        if not isinstance(digests, dict):
            raise RunError(f"{self.path / 'meta.json'} has no digests; {self._train('--force')}")
        return digests

    def _check_finished(self) -> None:
        if not self.is_finished:
            raise RunError(
                f"{self.path} is not finished: it has no evaluation.json; {self._train()}"
            )
