"""The only reader and writer of run directories; nothing else knows the names of their files.

Every file is written under another name and then renamed, so that it is whole or not there.
``evaluation.json`` comes last: a run is finished when it is there.
"""

import contextlib
import csv
import json
import os
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout

from textclf.config import ExperimentConfig, read_yaml, resolve
from textclf.errors import RequestError, RunError
from textclf.evaluation import ClassScores, Evaluation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from textclf.training import Checkpoint

SCHEMA_VERSION = 1
"""Of ``evaluation.json``; raised when a field changes its name or meaning."""


@dataclass(frozen=True)
class Result:
    """What ``evaluation.json`` holds: which run, how it went, and its evaluation.

    Attributes:
        dataset: as on the command line.
        model: as on the command line.
        fingerprint: of the configuration but for the seed.
        seed: of this run.
        split: which texts were evaluated.
        best_epoch: the first epoch with the best monitored value; epochs start at 1.
        epochs_run: epochs trained; fewer than asked for after early stopping.
        parameters: numbers in the model.
        train_seconds: seconds of all epochs, validation included.
        examples_per_second: training texts for each of these seconds.
        evaluation: its fields stand beside the others in the file.
    """

    dataset: str
    model: str
    fingerprint: str
    seed: int
    split: str
    best_epoch: int
    epochs_run: int
    parameters: int
    train_seconds: float
    examples_per_second: float
    evaluation: Evaluation

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``evaluation.json``."""
        flat = asdict(self)
        return {"schema_version": SCHEMA_VERSION, **flat, **flat.pop("evaluation")}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Result":
        """Rebuild a result from the content of ``evaluation.json``; KeyError where one lacks."""
        version = content["schema_version"]
        if version != SCHEMA_VERSION:
            raise ValueError(f"schema_version {version}, this textclf reads {SCHEMA_VERSION}")
        scores = [ClassScores(**scores) for scores in content["per_class"]]
        intervals = {name: (low, high) for name, (low, high) in content["intervals"].items()}
        known = {**content, "per_class": scores, "intervals": intervals}
        evaluation = Evaluation(**{field.name: known[field.name] for field in fields(Evaluation)})
        own = {field.name for field in fields(cls)} - {"evaluation"}
        return cls(**{name: content[name] for name in own}, evaluation=evaluation)


@dataclass(frozen=True)
class Predictions:
    """What a run predicted for its test texts.

    Attributes:
        index: <int64>[n], the place of each text in the dataset's test split.
        label: <int64>[n], its true label.
        probabilities: <float32>[n, labels].
    """

    index: npt.NDArray[np.int64]
    label: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float32]


class RunDirectory:
    """One run's files."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, config: ExperimentConfig, root: Path) -> "RunDirectory":
        """Return the place of a configuration's run below ``root``."""
        seed = f"seed-{config.seed}"
        names = (config.dataset.name, config.model.name, config.fingerprint, seed)
        return cls(root.joinpath(*names))

    @property
    def is_finished(self) -> bool:
        """Whether the run has got to its end."""
        return (self.path / "evaluation.json").is_file()

    @contextlib.contextmanager
    def open_for_training(self, config: ExperimentConfig, *, force: bool = False) -> Iterator[None]:
        """Hold the directory for one process, ready for ``config``; ``force`` empties it first.

        Raises:
            RunError: it cannot be written, is in use, or holds another configuration.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / ".lock", timeout=0)
            lock.acquire()
        except Timeout as error:
            raise RunError(f"{self.path} is in use by another process; wait for it") from error
        except OSError as error:
            raise RunError(_cannot("write", self.path, error)) from error
        try:
            if force:
                self._clear()
            if (self.path / "config.yaml").exists():
                self._check_same(config)
            else:
                with _whole(self.path / "config.yaml") as temporary:
                    temporary.write_text(config.to_yaml(), encoding="utf-8")
            yield
        finally:
            lock.release()

    def read_config(self) -> ExperimentConfig:
        """Read the configuration of the run.

        Raises:
            RunError: there is none, or it is damaged.
        """
        path = self.path / "config.yaml"
        if not path.is_file():
            raise RunError(f"{self.path} is no run directory: it has no config.yaml")
        try:
            return resolve(read_yaml(path), source=str(path))
        except RequestError as error:
            raise RunError(str(error)) from error

    def write_checkpoint(self, checkpoint: "Checkpoint") -> None:
        """Keep what training needs to go on, and the history so far."""
        rows = [asdict(row) for row in checkpoint.rows]
        arrays = {f"variable_{i:04}": array for i, array in enumerate(checkpoint.variables)}
        arrays |= {f"best_{i:04}": array for i, array in enumerate(checkpoint.best)}
        with _whole(self.path / "checkpoint.npz") as temporary:
            np.savez(temporary, rows=np.array(json.dumps(rows)), **arrays)  # type: ignore[arg-type]
        self._write_history(rows)

    def read_checkpoint(self) -> "Checkpoint | None":
        """Return where an interrupted run stopped; None where it has to start.

        Raises:
            RunError: the checkpoint is damaged.
        """
        from textclf.training import Checkpoint, EpochRow

        path = self.path / "checkpoint.npz"
        if not path.is_file():
            return None
        with _reading(path, "use --force to train from the start"), np.load(path) as arrays:
            names = sorted(arrays.files)
            rows = [EpochRow(**row) for row in json.loads(str(arrays["rows"]))]
            return Checkpoint(
                rows,
                [arrays[name] for name in names if name.startswith("variable_")],
                [arrays[name] for name in names if name.startswith("best_")],
            )

    def write_model(self, classifier: Any) -> None:
        """Save the model that takes raw text."""
        with _whole(self.path / "model.keras") as temporary:
            classifier.save(temporary)

    def read_model(self) -> Any:
        """Load the model that takes raw text, running no code out of the file.

        Raises:
            RunError: there is none, or it is damaged.
        """
        import keras

        import textclf.text  # noqa: F401 - registers the layers

        path = self.path / "model.keras"
        with _reading(path, f"train again: textclf train --config {self.path}/config.yaml"):
            return keras.models.load_model(path, compile=False, safe_mode=True)

    def write_predictions(self, predictions: Predictions) -> None:
        """Save the predictions for the test texts."""
        with _whole(self.path / "predictions.npz") as temporary:
            np.savez(temporary, **vars(predictions))

    def read_predictions(self) -> Predictions:
        """Read the predictions for the test texts.

        Raises:
            RunError: there are none, or they are damaged.
        """
        path = self.path / "predictions.npz"
        with _reading(path, "use --force to repeat the run"), np.load(path) as arrays:
            return Predictions(**{field.name: arrays[field.name] for field in fields(Predictions)})

    def write_pictures(self, pictures: "dict[str, Figure]") -> None:
        """Save each picture under its name, as PNG."""
        for name, figure in pictures.items():
            with _whole(self.path / f"{name}.png") as temporary:
                figure.savefig(temporary)

    def write_meta(self, meta: dict[str, Any]) -> None:
        """Save how and on what the run was made."""
        self._write_json("meta.json", meta)

    def tensorboard(self, *, wanted: bool) -> list[Any]:
        """Return a Keras callback that writes TensorBoard event files, where wanted."""
        import keras

        folder = str(self.path / "tensorboard")
        return [keras.callbacks.TensorBoard(folder, write_graph=False)] if wanted else []

    def finish(self, result: Result) -> None:
        """Save the result, which makes the run a finished one, and drop the checkpoint."""
        self._write_json("evaluation.json", result.to_json())
        (self.path / "checkpoint.npz").unlink(missing_ok=True)

    def read_result(self) -> Result:
        """Read the result of a finished run.

        Raises:
            RunError: the run is not finished, or its ``evaluation.json`` is damaged.
        """
        path = self.path / "evaluation.json"
        if not path.is_file():
            state = "is not finished" if (self.path / "config.yaml").is_file() else "is no run"
            raise RunError(
                f"{self.path} {state}: it has no evaluation.json;"
                f" finish it with: textclf train --config {self.path}/config.yaml"
                if state == "is not finished"
                else f"{self.path} {state}: it has neither config.yaml nor evaluation.json"
            )
        with _reading(path, "use --force to repeat the run"):
            return Result.from_json(json.loads(path.read_text(encoding="utf-8")))

    def _check_same(self, config: ExperimentConfig) -> None:
        there = self.read_config()
        if (there.fingerprint, there.seed) != (config.fingerprint, config.seed):
            raise RunError(
                f"{self.path} holds another configuration ({there.dataset.name}/{there.model.name}"
                f" {there.fingerprint}, seed {there.seed}); choose another --run-dir,"
                " or replace it with --force"
            )

    def _clear(self) -> None:
        """Remove the files of an earlier run, its result first, and nothing else."""
        names = ("evaluation.json", "checkpoint.npz", "model.keras", "predictions.npz", "meta.json")
        for name in (*names, "history.csv", "config.yaml"):
            (self.path / name).unlink(missing_ok=True)

    def _write_history(self, rows: list[dict[str, Any]]) -> None:
        with _whole(self.path / "history.csv") as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    def _write_json(self, name: str, content: dict[str, Any]) -> None:
        with _whole(self.path / name) as temporary:
            temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def find_runs(paths: Iterable[Path]) -> list[RunDirectory]:
    """Return each run that is named, or that lies below a folder that is named, in their order.

    Raises:
        RunError: a path does not exist, or has no run in it.
    """
    runs: dict[Path, RunDirectory] = {}
    for path in paths:
        if not path.is_dir():
            raise RunError(f"{path} is no folder; give a run directory or a folder of runs")
        found = [config.parent for config in sorted(path.rglob("config.yaml"))]
        if not found:
            raise RunError(
                f"no run below {path}; make one with: textclf train --model mlp --dataset bbc"
            )
        runs |= {run.resolve(): RunDirectory(run) for run in found}
    return list(runs.values())


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path``; rename it to ``path`` when all is written."""
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise RunError(_cannot("write", path, error)) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _reading(path: Path, remedy: str) -> Iterator[None]:
    """Turn what goes wrong while a run file is read into one line."""
    try:
        yield
    except FileNotFoundError as error:
        raise RunError(f"{path} is not there; {remedy}") from error
    except OSError as error:
        raise RunError(_cannot("read", path, error)) from error
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        reason = str(error).split("\n")[0][:120]
        raise RunError(f"{path} is damaged ({type(error).__name__}: {reason}); {remedy}") from error


def _cannot(verb: str, path: Path, error: OSError) -> str:
    return f"cannot {verb} {path}: {error.strerror or error}; check the disk and the permissions"
