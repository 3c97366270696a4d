"""Reads and writes run directories; no other module knows the names of their files.

``evaluation.json`` is written last: a run is finished when it exists.
"""

import contextlib
import datetime
import json
import shlex
import shutil
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textclf.config.loading import read_yaml
from textclf.config.plugin import execute_file
from textclf.config.resolve import resolve
from textclf.config.schema import ExperimentConfig
from textclf.errors import (
    LimitError,
    PrunedError,
    RequestError,
    RunError,
    TextclfError,
    VersionError,
)
from textclf.registry import find_packages, hash_code, read_code
from textclf.runs.model_file import load_model
from textclf.runs.result import Predictions, Result
from textclf.storage.arrays import open_npz
from textclf.storage.checksums import (
    find_changes,
    format_record,
    hash_bytes,
    hash_file,
    read_record,
)
from textclf.storage.files import (
    LOCK,
    format_json,
    format_os_error,
    is_locked,
    list_absent_folders,
    lock_folder,
    reading,
    remove,
    remove_empty_folders,
    remove_leftovers,
    write_atomically,
    write_text,
)
from textclf.storage.limits import TEXT
from textclf.training.checkpoint import read_checkpoint, read_history, write_checkpoint
from textclf.training.history import Checkpoint, CheckpointStore, EpochRow

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FILES = (
    "evaluation.json",  # First, so that a half-removed run does not look finished.
    "validation.json",
    "checkpoint.npz",
    "checkpoint.skops",
    "checkpoint-refit.npz",
    "config.yaml",
    "dataset.py",
    "model.py",
    "meta.json",
    "history.csv",
    "history.png",
    "model.keras",
    "model.skops",
    "predictions.npz",
    "confusion.png",
    "calibration.png",
)

CODE_FILES = {"dataset": "dataset.py", "model": "model.py"}
"""Copies of the Python files that sections of the configuration name."""

CHECKPOINTS = ("checkpoint.npz", "checkpoint.skops", "checkpoint-refit.npz")
"""Checkpoints of the first fit (of a network, of a scikit-learn model) and of the second fit, which
are removed when the run is finished."""

FINAL_FILES = tuple(
    name for name in FILES if name not in {"evaluation.json", "meta.json", *CHECKPOINTS}
)
"""Files with their final content before ``meta.json``, which has their checksums, is written."""

SMOKE_FOLDER = "_smoke"
"""Folder in the run root for the runs of ``--smoke``, whose metrics mean nothing."""


class RunDirectory:
    """The files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, config: ExperimentConfig, root: Path) -> "RunDirectory":
        """Return the directory of a configuration's run below ``root``."""
        folder = root / config.dataset.folder_name / config.model.short_name / config.fingerprint
        if config.dataset.fold:
            folder /= f"fold-{config.dataset.fold}"
        return cls(folder / f"seed-{config.seed}")

    @classmethod
    def list_below(cls, folder: Path) -> list["RunDirectory"]:
        """Return all runs in a folder and its subfolders, sorted by path.

        Smoke runs are left out, unless the folder is one of smoke runs.
        """
        names = ("config.yaml", "evaluation.json")  # Also finds a run that has lost one of them.
        found = sorted({path.parent for name in names for path in folder.rglob(name)})
        return [cls(path) for path in found if SMOKE_FOLDER not in path.relative_to(folder).parts]

    @property
    def tensorboard_path(self) -> Path:
        """Folder of TensorBoard event files."""
        return self.path / "tensorboard"

    @property
    def is_begun(self) -> bool:
        """Whether there is a run, finished or not, and possibly damaged."""
        finished = self.is_finished and (self.path / "meta.json").is_file()
        return finished or (self.path / "config.yaml").is_file()

    @property
    def is_finished(self) -> bool:
        """Whether the run has finished."""
        return (self.path / "evaluation.json").is_file()

    @property
    def is_validated(self) -> bool:
        """Whether the model has been fitted and evaluated on the validation split."""
        return (self.path / "validation.json").is_file()

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is something that the first fit resumes from."""
        return any((self.path / f"checkpoint{end}").is_file() for end in (".npz", ".skops"))

    @property
    def has_network(self) -> bool:
        """Whether the model of a finished run is a network, not one of scikit-learn."""
        return "model.skops" not in self._read_checksums()

    @property
    def model_checksum(self) -> str:
        """SHA-256 of the model file of a finished run."""
        return self._read_checksums()[self._model_name]

    @property
    def finish_time(self) -> datetime.datetime:
        """When the run finished, in the local time zone."""
        seconds = (self.path / "evaluation.json").stat().st_mtime
        return datetime.datetime.fromtimestamp(seconds).astimezone()

    @property
    def is_in_use(self) -> bool:
        """Whether a process has locked the directory."""
        return is_locked(self.path)

    def lock(self, *, timeout_seconds: float = 0) -> AbstractContextManager[None]:
        """Lock the directory for this process; it is created if it does not exist."""
        return lock_folder(self.path, timeout_seconds=timeout_seconds)

    @contextlib.contextmanager
    def lock_for_training(self, *, timeout_seconds: float = 0) -> Iterator[None]:
        """Lock the directory; a new run that fails before its first checkpoint leaves nothing.

        An earlier run stays, and so does a new one that is pruned, or that the user interrupts.
        """
        absent = list_absent_folders(self.path)
        with self.lock(timeout_seconds=timeout_seconds):
            is_new, others = not self.is_begun, set(self.path.iterdir())
            try:
                yield
            except BaseException as error:
                is_kept = isinstance(error, PrunedError) or self.has_checkpoint
                has_failed = isinstance(error, TextclfError) and not is_kept
                if is_new and not self.is_finished and (has_failed or not self.is_begun):
                    with contextlib.suppress(OSError):  # It must not replace the error.
                        self._remove(path for path in self.list_written() if path not in others)
                        remove_empty_folders(absent)
                raise

    def check(self, config: ExperimentConfig, *, force: bool) -> None:
        """Check that a configuration may be run here; with ``force``, it may replace any run.

        Raises:
            RunError: The directory contains other files, or a run of another configuration.
        """
        if not self.is_begun:
            others = [path.name for path in self.path.iterdir() if not path.name.startswith(".")]
            if others:
                raise RunError(
                    f"{self.path} is not a run directory: it contains {others[0]} but no"
                    " config.yaml; choose another --run-dir"
                )
        elif not force:
            # What was run, even if config.yaml has been edited since.
            existing = self.read_result() if self.is_finished else self.read_config()
            if existing.identity != config.identity:
                fingerprint, fold, seed = existing.identity
                which = f"{fingerprint}, fold {fold}" if fold else fingerprint
                raise RunError(
                    f"{self.path} contains a run of another configuration ({which}, seed {seed});"
                    " choose another --run-dir, or replace it with --force"
                )

    def prepare(self, config: ExperimentConfig, *, force: bool) -> None:
        """Remove leftovers of a killed process, and with ``force`` the files of an earlier run."""
        for name in FILES:
            # If killed here, it is still a run, and meta.json still counts test evaluations.
            if force and name not in {"config.yaml", "meta.json"}:
                (self.path / name).unlink(missing_ok=True)
            remove_leftovers(self.path / name)
        if force:
            shutil.rmtree(self.tensorboard_path, ignore_errors=True)
        # First, so that a killed process leaves a run that resumes.
        if force or not (self.path / "config.yaml").is_file():
            write_text(self.path / "config.yaml", config.to_yaml())
        for section, name in CODE_FILES.items():
            code, path = getattr(config, section).file_code, self.path / name
            if code and not path.is_file():
                with write_atomically(path) as temporary:
                    temporary.write_bytes(read_code(code))

    def read_config(self, *, verify: bool = True, trust_code: bool = False) -> ExperimentConfig:
        """Read the configuration.

        Args:
            verify: Whether to compare the file of a finished run with its checksum.
            trust_code: Whether to execute the Python files of the run, so that its dataset can be
                loaded and its model built; otherwise their sections are not checked.

        Raises:
            RunError: The file is missing or damaged, or has changed.
        """
        if trust_code:
            unchecked = self.read_config(verify=verify)
            for section in CODE_FILES:
                self._execute_code(section, unchecked)
        with self._reading("config.yaml", verify=verify) as path:
            try:
                tree = read_yaml(path)
                if "seed" not in tree:  # The last key; defaults would silently replace it.
                    raise RequestError(f"{path} is cut off: it has no seed")
                return resolve(tree, source=str(path), code="trust" if trust_code else "skip")
            except RequestError as error:
                raise RunError(f"{error}; {self._remedy('config.yaml')}") from error

    def _execute_code(self, section: str, config: ExperimentConfig) -> None:
        """Execute the copy of the Python file that a section of a configuration names."""
        code, name = getattr(config, section).file_code, CODE_FILES[section]
        if code and (self.path / name).is_file():
            with self._reading(name, verify=False) as path:
                content = TEXT.read(path)
                if hash_code(content) != code:
                    raise ValueError("it is not the file that the run was trained with")
            execute_file(content, path)

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Write what training needs to resume, and the history so far."""
        write_checkpoint(self.path / "checkpoint.npz", self.path / "history.csv", checkpoint)

    def read_checkpoint(self) -> Checkpoint | None:
        """Read the checkpoint of an interrupted run; None if there is none, RunError if damaged."""
        return self._read_checkpoint("checkpoint.npz")

    @property
    def refit_store(self) -> CheckpointStore:
        """Where the checkpoints of the second fit are kept."""
        return _RefitStore(self)

    def _read_checkpoint(self, name: str) -> Checkpoint | None:
        path = self.path / name
        if not path.is_file():
            return None
        with reading(path, self._train_again):
            return read_checkpoint(path)

    def read_history(self) -> list[EpochRow]:
        """Read the epochs of a run; empty if its model has none, RunError if damaged."""
        if not (self.path / "history.csv").is_file():
            return []
        with self._reading("history.csv") as path:
            return read_history(path)

    def write_model(self, classifier: Any, *, without_encoder: bool = False) -> None:
        """Write the model that takes raw text, a `TextClassifier` or a `SklearnClassifier`.

        Args:
            classifier: The model.
            without_encoder: Whether to write a reference to the preset of its pretrained encoder
                instead of the encoder.
        """
        if without_encoder:
            from textclf.encoders.loading import replace_by_reference

            classifier = replace_by_reference(classifier)
        with write_atomically(self.path / f"model{classifier.file_suffix}") as temporary:
            classifier.save(temporary)

    def read_model(self, *, trust_code: bool = False) -> Any:
        """Load the model that takes raw text, without running Python code from the file.

        Args:
            trust_code: Whether to execute the Python file of the model, or to import its package,
                and to load classes that it defines.

        Raises:
            RunError: The file is missing or damaged, or is refused.
        """
        packages: list[str] = []
        if trust_code:
            config = self.read_config()
            self._execute_code("model", config)
            model = config.model
            packages = find_packages("models", model.name, model.code)
        with self._reading(self._model_name) as path:
            return load_model(path, packages=packages)

    def read_fitted_pipeline(self) -> Any | None:
        """Load the scikit-learn model of the first fit that `write_fitted` wrote.

        Its Python file, if it has one, must have been executed. None if such a model does not
        exist; RunError if it is damaged.
        """
        path = self.path / "checkpoint.skops"
        if not (self.is_validated and path.is_file()):
            return None
        model = self.read_config().model
        with reading(path, self._train_again):
            return load_model(path, packages=find_packages("models", model.name, model.code))

    def write_predictions(self, predictions: Predictions) -> None:
        """Write the predictions on the test split."""
        with write_atomically(self.path / "predictions.npz") as temporary:
            np.savez(temporary, **vars(predictions))

    def read_predictions(self) -> Predictions:
        """Read the predictions; RunError if they are missing or damaged."""
        with self._reading("predictions.npz") as path, open_npz(path) as arrays:
            found = Predictions(**{field.name: arrays[field.name] for field in fields(Predictions)})
            if not len(found.index) == len(found.label) == len(found.probabilities):
                raise ValueError("arrays of different lengths")
            return found

    def write_plots(self, plots: "dict[str, Figure]") -> None:
        """Write each plot as PNG under its name."""
        from textclf.evaluation.plots import write_plots

        write_plots(plots, self.path)

    def write_meta(self, meta: dict[str, Any]) -> None:
        """Write how the run was made."""
        write_text(self.path / "meta.json", format_record(meta))

    def read_meta(self) -> dict[str, Any]:
        """Read how the run was made; RunError if the file is missing or damaged."""
        path = self.path / "meta.json"
        with reading(path, self._train_again):
            return read_record(path.read_text(encoding="utf-8"))

    def count_test_evaluations(self) -> int:
        """Return how often the test set was evaluated, including by runs that were replaced."""
        try:
            return int(self.read_meta().get("test_evaluations", 0))
        except RunError:  # A missing or damaged file must not prevent --force.
            return 0

    def note_test_evaluation(self) -> None:
        """Add one to the count of test evaluations in ``meta.json``."""
        with self.lock():
            count = self.count_test_evaluations() + 1
            self.write_meta({**self.read_meta(), "test_evaluations": count})

    def check_dataset(self, digest: str) -> None:
        """Raise RunError if the dataset is not the one that this run was made with."""
        recorded = self.read_meta().get("dataset_digest")
        if recorded != digest:
            raise RunError(
                f"the dataset has changed since {self.path} was made (digest {str(recorded)[:10]},"
                f" now {digest[:10]}); {self._train_again}"
            )

    def write_fitted(self, classifier: Any) -> None:
        """Write what predicting the test split later needs, before the result on validation.

        The weights of a network replace the checkpoint, which is three times as large. A
        scikit-learn model is not `model.skops`, which is calibrated, and may be the second fit.
        """
        if classifier.file_suffix == ".skops":
            with write_atomically(self.path / "checkpoint.skops") as temporary:
                classifier.save(temporary)
        elif checkpoint := self.read_checkpoint():
            weights = classifier.network.variables
            self.write_checkpoint(Checkpoint(checkpoint.rows, weights, []))

    def write_validation(self, result: Result) -> None:
        """Write the result on the validation split."""
        write_text(self.path / "validation.json", format_json(result.to_json()))

    def read_validation(self) -> Result:
        """Read the result on the validation split.

        Raises:
            RunError: There is none, or it is damaged, or was written by another version.
        """
        path = self.path / "validation.json"
        if not self.is_validated:
            raise RunError(f"{self.path} has no validation.json; {self._train_again}")
        with self._reading(path.name):
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            Result.check_version(content, path)
            return Result.from_json(content)

    def remove_checkpoint(self) -> None:
        """Remove the checkpoint of a run that nothing is to resume."""
        (self.path / "checkpoint.npz").unlink(missing_ok=True)

    def finish(self, result: Result, meta: dict[str, Any]) -> None:
        """Write ``meta.json`` with checksums of all files, then the result."""
        evaluation = format_json(result.to_json())
        written = [name for name in FINAL_FILES if (self.path / name).is_file()]
        checksums = {name: hash_file(self.path / name) for name in written}
        checksums["evaluation.json"] = hash_bytes(evaluation.encode())
        self.write_meta({**meta, "checksums": checksums})
        write_text(self.path / "evaluation.json", evaluation)
        for name in CHECKPOINTS:
            (self.path / name).unlink(missing_ok=True)

    def read_result(self) -> Result:
        """Read the result of a finished run.

        Raises:
            RunError: The run is not finished, or was written by another version, or
                ``evaluation.json`` is damaged.
        """
        self._check_finished()
        content = self._check_version()  # Before the checksums, whose format may differ.
        with self._reading("evaluation.json"):
            return Result.from_json(content)

    def find_damage(self) -> list[str]:
        """Return one line for each problem with the files of a finished run.

        Raises:
            RunError: The run is not finished.
            VersionError: Another version of textclf wrote the run.
        """
        self._check_finished()
        try:
            checksums = self._read_checksums()
        except RunError as error:
            try:
                self._check_version()
            except VersionError:
                raise
            except (LimitError, RunError):
                pass  # The first error is returned.
            return [str(error)]
        # A checkpoint may remain if the process was killed at the very end.
        present = {n for n in (*FINAL_FILES, "evaluation.json") if (self.path / n).is_file()}
        changes = find_changes(self.path, present, checksums)
        if not changes:
            self._check_version()
        return changes

    def list_written(self) -> list[Path]:
        """Return what textclf wrote here, in the order in which it can be removed.

        ``evaluation.json`` is first and ``config.yaml`` last, so that a half-removed run does not
        look finished and is found again.
        """
        names = sorted(FILES, key=lambda name: name == "config.yaml")
        leftovers = [path for name in FILES for path in self.path.glob(f".*-{name}")]
        *paths, config = [self.path / name for name in names]
        every = [*paths, *leftovers, self.tensorboard_path, config]
        return [path for path in every if path.exists() or path.is_symlink()]

    def list_results(self) -> list[Path]:
        """Return all files of the run except checkpoints and locks, ``evaluation.json`` first."""
        names = [name for name in FILES if name not in CHECKPOINTS]
        files = [path for path in (self.path / name for name in names) if path.is_file()]
        events = sorted(self.tensorboard_path.rglob("*"))
        return [*files, *(path for path in events if path.is_file())]

    @property
    def training_digest(self) -> str:
        """SHA-256 of a file that is different after each training, and does not change later."""
        names = ("history.csv", "validation.json", "evaluation.json")  # They contain durations.
        return hash_file(next(path for name in names if (path := self.path / name).is_file()))

    @property
    def n_bytes(self) -> int:
        """Size of what textclf wrote here."""
        written = [path for path in self.list_written() if not path.is_symlink()]
        files = [file for path in written for file in (path, *path.rglob("*")) if file.is_file()]
        return sum(file.lstat().st_size for file in files)

    def remove(self) -> list[Path]:
        """Remove what textclf wrote here, and the directory if it is then empty.

        Returns:
            What else is in the directory, which stays.

        Raises:
            RunError: Another process uses the directory, or something cannot be removed.
        """
        with self.lock():
            try:
                others = self._remove(self.list_written())
                is_empty = not any(self.path.iterdir())
                if is_empty:
                    self.path.rmdir()
            except OSError as error:
                raise RunError(format_os_error("remove", self.path, error)) from error
        if not (others or is_empty):  # Windows removes the lock when it is released.
            remove_empty_folders([self.path])
        return others

    def _remove(self, written: Iterable[Path]) -> list[Path]:
        """Remove what was written here and the lock, which the caller holds; return the rest."""
        for path in written:
            remove(path)
        others = sorted(path for path in self.path.iterdir() if path.name != LOCK)
        with contextlib.suppress(PermissionError):  # Windows removes it with the lock.
            (self.path / LOCK).unlink()
        return others

    @property
    def _model_name(self) -> str:
        return "model.keras" if self.has_network else "model.skops"

    @contextlib.contextmanager
    def _reading(self, name: str, *, verify: bool = True) -> Iterator[Path]:
        """Yield the path of a file after comparing it with its checksum.

        Raises:
            RunError: The file has changed since the run finished, or the block cannot read it.
        """
        path = self.path / name
        checksums = self._read_checksums() if verify and self.is_finished else None
        with reading(path, self._remedy(name)):
            if checksums is not None and hash_file(path) != checksums.get(name):
                raise ValueError("it has changed since it was written")
            yield path

    def _read_checksums(self) -> dict[str, str]:
        checksums = self.read_meta().get("checksums")
        if not isinstance(checksums, dict):
            raise RunError(f"{self.path / 'meta.json'} has no checksums; {self._train_again}")
        return checksums

    def _check_version(self) -> dict[str, Any]:
        """Return the content of ``evaluation.json``; VersionError if another version wrote it."""
        path = self.path / "evaluation.json"
        with reading(path, self._remedy(path.name)):
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            Result.check_version(content, path)
            return content

    def _check_finished(self) -> None:
        if not self.is_finished:
            raise RunError(
                f"{self.path} is not finished: it has no evaluation.json; {self._format_command()}"
            )

    @property
    def _train_again(self) -> str:
        return self._format_command("--force")

    def _remedy(self, damaged: str) -> str:
        """Return what the user can do if a file is damaged."""
        if damaged == "config.yaml":
            return f"train it again with its options, --run-dir {self.path} and --force"
        return self._train_again

    def _format_command(self, *options: str) -> str:
        """Return advice to run the command that trains this configuration into this directory."""
        config, path = str(self.path / "config.yaml"), str(self.path)
        command = ["textclf", "train", "--config", config, "--run-dir", path, *options]
        return f"run: {shlex.join(command)}"


class _RefitStore:
    """Keeps the checkpoints of the second fit of a run, whose history is that of the first."""

    def __init__(self, run: RunDirectory) -> None:
        self.run = run

    def read_checkpoint(self) -> Checkpoint | None:
        """Return the last checkpoint; None if there is none, RunError if it is damaged."""
        return self.run._read_checkpoint("checkpoint-refit.npz")

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Replace the last checkpoint."""
        write_checkpoint(self.run.path / "checkpoint-refit.npz", None, checkpoint)
