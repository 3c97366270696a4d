"""The Python API, which the commands call too; ``docs/api.md`` shows it in use."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from textclf.auditing import audit as auditing
from textclf.comparison.comparison import Comparison, leave_out
from textclf.comparison.plan import ComparisonPlan
from textclf.config.loading import SMOKE, Override
from textclf.config.resolve import load_config
from textclf.config.schema import ExperimentConfig
from textclf.data import loading
from textclf.data.dataset import TextDataset
from textclf.errors import RequestError, format_unknown
from textclf.executors._base import ExecutorConfig, run_all
from textclf.experiment.evaluate import SplitEvaluation, evaluate_run
from textclf.experiment.run import RunContext, run_experiment
from textclf.registry import shorten_name
from textclf.runs import model_file
from textclf.runs.directory import SMOKE_FOLDER, RunDirectory
from textclf.runs.run import Run
from textclf.runs.search import find_finished_run, read_finished
from textclf.runtime import backend
from textclf.runtime.progress import Phases, Reporter
from textclf.storage.files import reading

PathLike = str | Path

SPLITS = ("train", "validation", "test")

Overrides = Mapping[str, Any] | Sequence[Override]
"""Values by their keys in a configuration, such as ``{"training.epochs": 3}``."""


def train(
    model: PathLike | None = None,
    dataset: PathLike | None = None,
    *,
    seed: int | None = None,
    config: PathLike | None = None,
    overrides: Overrides = (),
    smoke: bool = False,
    run_dir: PathLike | None = None,
    run_root: PathLike = "runs",
    device: str = "auto",
    tensorboard: bool = False,
    force: bool = False,
    trust_code: bool = False,
    quiet: bool = False,
    command: str = "",
) -> Run:
    """Train and evaluate one model on one dataset, unless that run is finished.

    Args:
        model: Name or Python file; None for that of ``config``.
        dataset: Name, file or folder, ``tfds:NAME`` or ``hf:PATH``; None for that of ``config``.
        seed: Random seed; 42 if neither this nor ``config`` gives one.
        config: Configuration file (YAML).
        overrides: Values that override it, such as ``{"training.epochs": 3}``.
        smoke: Whether to use at most 64 examples per split and one epoch, with the run directory
            below ``_smoke`` in ``run_root``.
        run_dir: Run directory; by default a folder below ``run_root``.
        run_root: Root of the run directories.
        device: ``auto``, ``cpu`` or ``gpu``.
        tensorboard: Whether to write TensorBoard event files.
        force: Whether to train again, and to replace a finished run.
        trust_code: Whether to execute Python files that ``config`` names.
        quiet: Whether to print no progress.
        command: How the run was started, for ``meta.json``.

    Raises:
        TextclfError: Any expected error, on one line.

    Example:
        >>> run = textclf.train("cnn", "bbc", seed=1, overrides={"training.epochs": 3})
        >>> run.evaluation.metrics["accuracy"]
    """
    given = _list_overrides(overrides, smoke=smoke, model=model, dataset=dataset, seed=seed)
    resolved = load_config(config, given, trust_code=trust_code)
    run = locate_run(resolved, run_dir=run_dir, run_root=run_root, smoke=smoke)
    context = RunContext(
        Reporter(quiet=quiet), device, tensorboard=tensorboard, force=force, command=command
    )
    run_experiment(resolved, run, context)
    return Run(run.path, trust_code=trust_code or _has_same_code(run, resolved))


def _has_same_code(run: RunDirectory, config: ExperimentConfig) -> bool:
    """Return whether a run has the code that a configuration names, and not code of others."""
    named = config.dataset.code, config.model.code
    if named == (None, None):
        return False
    stored = run.read_config()
    return (stored.dataset.code, stored.model.code) == named


def locate_run(
    config: ExperimentConfig, *, run_dir: PathLike | None, run_root: PathLike, smoke: bool
) -> RunDirectory:
    """Return the directory of a configuration's run."""
    if run_dir:
        return RunDirectory(Path(run_dir))
    return RunDirectory.of(config, _find_root(run_root, smoke=smoke))


def _find_root(run_root: PathLike, *, smoke: bool) -> Path:
    """Return the root of real runs, or that of smoke runs in it."""
    return Path(run_root) / SMOKE_FOLDER if smoke else Path(run_root)


def compare(
    runs: PathLike | Run | Sequence[PathLike | Run] = (),
    *,
    dataset: PathLike | None = None,
    models: PathLike | Sequence[PathLike] = (),
    seeds: int | Sequence[int] = (),
    config: PathLike | None = None,
    overrides: Overrides = (),
    smoke: bool = False,
    reference: str | None = None,
    run_root: PathLike = "runs",
    executor: str = "local",
    jobs: int | Literal["auto"] | None = None,
    ray_address: str | None = None,
    device: str = "auto",
    trust_code: bool = False,
    quiet: bool = False,
    command: str = "",
) -> Comparison:
    """Compare finished runs; with ``dataset`` or ``config``, first train those that are missing.

    Args:
        runs: Runs, run directories or folders of runs; ``run_root`` if empty.
        dataset: Dataset to train on, as for `train`.
        models: Models to train, or to select from ``runs``; all if empty.
        seeds: Seeds to train, or a number n for the seeds 1 to n.
        config: Configuration file (YAML) of what to train.
        overrides: Values that override it.
        smoke: Whether to train on at most 64 examples per split for one epoch, with the run
            directories below ``_smoke`` in ``run_root``.
        reference: Model to compare with; by default the best.
        run_root: Root of the run directories.
        executor: ``local`` or ``ray``.
        jobs: Runs at once, or ``auto``; by default one, and ``auto`` with Ray.
        ray_address: Address of a Ray cluster.
        device: ``auto``, ``cpu`` or ``gpu``.
        trust_code: Whether to execute Python files that ``config`` names.
        quiet: Whether to print no progress.
        command: How the runs were started, for ``meta.json``.

    Returns:
        The comparison; runs that failed are in `Comparison.failures`.

    Raises:
        RequestError: An argument is invalid.
        DataError: The dataset cannot be loaded.
        RunError: No run is found, or runs that are named cannot be compared.

    Example:
        >>> comparison = textclf.compare(dataset="bbc", models=["cnn", "mlp"], seeds=3)
        >>> print(comparison)
    """
    names = [str(model) for model in ([models] if isinstance(models, str | Path) else models)]
    reporter, reference = Reporter(quiet=quiet), reference and shorten_name(reference)
    if dataset is None and config is None:
        of_training = {"seeds": seeds, "overrides": overrides, "smoke": smoke, "jobs": jobs}
        of_training |= {"executor": executor != "local", "trust_code": trust_code}
        if given := [name for name, value in of_training.items() if value]:
            raise RequestError(f"{given[0]} needs a dataset or a config, which say what to train")
        paths = _list_paths(runs) or [Path(run_root)]
        return _compare_finished(paths, reporter, models=names, reference=reference)
    if _list_paths(runs):
        raise RequestError("give either runs or a dataset, whose runs are found or trained")
    if isinstance(seeds, int) and seeds < 1:
        raise RequestError(f"seeds={seeds}: expected a positive number, or a list of seeds")
    plan = ComparisonPlan(
        config_path=Path(config) if config else None,
        overrides=_list_overrides(overrides, smoke=smoke, dataset=dataset),
        models=names,
        seeds=range(1, seeds + 1) if isinstance(seeds, int) else seeds,
        trust_code=trust_code,
    )
    context = RunContext(reporter, device, command=command)
    where = ExecutorConfig(executor, jobs, ray_address)
    root = _find_root(run_root, smoke=smoke)
    finished, failures = run_all(plan.make_configs(), root, context, where)
    failures = leave_out(failures, plan, reporter)
    return Comparison.of(finished, failures, reporter, reference=reference)


def evaluate(
    run: PathLike | Run,
    *,
    split: str = "test",
    device: str = "auto",
    trust_code: bool = False,
    quiet: bool = False,
) -> SplitEvaluation:
    """Evaluate the saved model of a finished run again, from raw text.

    Args:
        run: Run, run directory, or folder that contains one run.
        split: ``train``, ``validation`` or ``test``.
        device: ``auto``, ``cpu`` or ``gpu``.
        trust_code: Whether to execute the Python files of the run, if `run` may not do so already.
        quiet: Whether to print no progress.

    Raises:
        RequestError: The dataset needs a Python file that is not trusted.
        RunError: The run is not finished or damaged, or its dataset has changed.

    Example:
        >>> textclf.evaluate("runs/bbc/cnn", split="validation").metrics["accuracy"]
    """
    if split not in SPLITS:
        raise RequestError(format_unknown("split", split, SPLITS))
    found, reporter = find_finished_run(_list_paths(run)[0]), Reporter(quiet=quiet)
    reporter.info(f"starting TensorFlow for {found.path}")
    backend.start(device)
    trust_code = trust_code or (isinstance(run, Run) and run.trust_code)
    return evaluate_run(found, split=split, reporter=reporter, trust_code=trust_code)


def load_run(path: PathLike, *, trust_code: bool = False) -> Run:
    """Return a finished run.

    Args:
        path: Run directory, or folder that contains one run.
        trust_code: Whether its Python files may be executed.

    Raises:
        RunError: No run is found, it is not finished, or there are several.

    Example:
        >>> textclf.load_run("runs/bbc/cnn").config.training.epochs
        10
    """
    return Run(find_finished_run(Path(path)).path, trust_code=trust_code)


def load_model(path: PathLike, *, trust_code: bool = False) -> Any:
    """Load a classifier of raw text.

    Args:
        path: Run directory, folder that contains one run, ``model.keras`` or ``model.skops``.
        trust_code: Whether the Python file of the model may be executed, if it needs one.

    Returns:
        A `TextClassifier` (a keras.Model) or a `SklearnClassifier`; both have ``label_names`` and
        ``predict_texts``, a list of texts to <float32>[texts, labels].

    Raises:
        RunError: The model is missing or damaged, or is refused.

    Example:
        >>> model = textclf.load_model("runs/bbc/cnn")
        >>> model.predict_texts(["Shares fell as oil prices rose"]).shape
        (1, 5)
    """
    path = Path(path)
    if path.is_file() and not trust_code:
        with reading(path, "give a run directory, or a model that textclf has written"):
            return model_file.load_model(path)
    # The Python file is beside the model.
    return load_run(path.parent if path.is_file() else path, trust_code=trust_code).model


def load_dataset(dataset: PathLike, *, overrides: Overrides = ()) -> TextDataset:
    """Load a dataset, after downloading it if necessary.

    Args:
        dataset: Name, file or folder, Python file, ``tfds:NAME`` or ``hf:PATH``.
        overrides: Values of the section ``dataset``, such as ``{"dataset.limit": 100}``.

    Raises:
        DataError: It cannot be found, downloaded or read.

    Example:
        >>> dataset = textclf.load_dataset("bbc")
        >>> dataset.label_names
        ('business', 'entertainment', 'politics', 'sports', 'tech')
        >>> len(dataset.train)
        1336
    """
    config = make_dataset_config(dataset, overrides)
    backend.import_tensorflow()
    return loading.load_dataset(config.dataset)


def audit(dataset: PathLike, *, overrides: Overrides = (), quiet: bool = False) -> auditing.Audit:
    """Find duplicates, leaked texts, conflicting labels and label issues in a dataset.

    Args:
        dataset: Name, file or folder, Python file, ``tfds:NAME`` or ``hf:PATH``.
        overrides: Values of the section ``dataset``.
        quiet: Whether to print no progress.

    Raises:
        DataError: The dataset cannot be found, downloaded or read.

    Example:
        >>> audit = textclf.audit("bbc")
        >>> [item.text for item in audit.items if item.finding == "leaked"]
    """
    config = make_dataset_config(dataset, overrides)
    phases = Phases(Reporter(quiet=quiet))
    with phases("start", f"loading {dataset}"):
        backend.import_tensorflow()
        loaded = loading.load_dataset(config.dataset)
    return auditing.audit(loaded, config, phases=phases)


def make_dataset_config(dataset: PathLike, overrides: Overrides = ()) -> ExperimentConfig:
    """Return the configuration of a function that reads a dataset and trains nothing."""
    return load_config(None, _list_overrides(overrides, model="majority", dataset=dataset))


def _list_overrides(
    overrides: Overrides,
    *,
    smoke: bool = False,
    model: PathLike | None = None,
    dataset: PathLike | None = None,
    seed: int | None = None,
) -> list[Override]:
    """Return all values that override a configuration, those of ``overrides`` last."""
    named = {
        "model.name": None if model is None else str(model),
        "dataset.name": None if dataset is None else str(dataset),
        "seed": seed,
    }
    given = {key: value for key, value in named.items() if value is not None}
    values: list[Override] = [*SMOKE] if smoke else []
    values += [Override(key, value, f"{key}={value!r}") for key, value in given.items()]
    if not isinstance(overrides, Mapping) and any(not isinstance(o, Override) for o in overrides):
        raise RequestError('overrides: expected a mapping, such as {"training.epochs": 3}')
    if isinstance(overrides, Mapping):
        overrides = [Override(key, value, f"{key}={value!r}") for key, value in overrides.items()]
    return [*values, *overrides]


def _list_paths(runs: PathLike | Run | Iterable[PathLike | Run]) -> list[Path]:
    """Return the paths of runs."""
    listed = [runs] if isinstance(runs, str | Path | Run) else runs
    return [run.path if isinstance(run, Run) else Path(run) for run in listed]


def _compare_finished(
    paths: Sequence[Path], reporter: Reporter, *, models: Sequence[str], reference: str | None
) -> Comparison:
    runs = read_finished(paths, reporter, models=models)
    # In a folder, each test set is compared separately; runs that are named must be comparable.
    is_strict = all(RunDirectory(path).is_begun for path in paths)
    return Comparison.of(runs, [], reporter, reference=reference, is_strict=is_strict)
