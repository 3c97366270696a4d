"""The Python API, which the commands call too; ``docs/how-to/python.md`` shows it in use."""

import io
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Literal, cast

from textclf.auditing import audit as auditing
from textclf.comparison.comparison import Comparison, leave_out
from textclf.comparison.plan import ComparisonPlan
from textclf.config.loading import SMOKE, Override, read_yaml
from textclf.config.resolve import load_config, resolve
from textclf.config.schema import ExperimentConfig
from textclf.config.search_space import Search, read_searches
from textclf.config.tuned_keys import find_search_space
from textclf.data import loading, table_output
from textclf.data.dataset import TextDataset
from textclf.data.tabular import TableConfig
from textclf.data.text_source import TextSource, list_texts, open_file, open_stream
from textclf.errors import RequestError, format_unknown
from textclf.executors._base import ExecutorConfig, run_all
from textclf.experiment.device import start_device
from textclf.experiment.evaluate import (
    EvaluationContext,
    SplitEvaluation,
    check_folder,
    evaluate_file,
    evaluate_run,
)
from textclf.experiment.predict import (
    PredictionOptions,
    TextPredictions,
    find_problem,
    predict_source,
    report_problems,
)
from textclf.experiment.run import RunContext, run_experiment
from textclf.explanation import linear
from textclf.explanation.explain import Explanation, explain_texts
from textclf.exporting.export import Export, ExportOptions
from textclf.exporting.export import export as export_run
from textclf.exporting.tracked import TrackedRun, TrackedStudy
from textclf.exporting.tracking import TrackerName, tracking
from textclf.registry import shorten_name
from textclf.runs import model_file
from textclf.runs.directory import SMOKE_FOLDER, RunDirectory
from textclf.runs.result import Result
from textclf.runs.run import Run
from textclf.runs.search import find_finished_run, leave_out_folds, read_finished
from textclf.runs.trust import have_same_code
from textclf.runtime import backend
from textclf.runtime.progress import Phases, Reporter
from textclf.sources import path as files
from textclf.storage.files import reading
from textclf.tuning.selection import read_compared
from textclf.tuning.study import (
    JOURNAL,
    STUDIES_FOLDER,
    Study,
    StudySettings,
    check_metric,
    find_study,
)
from textclf.tuning.tune import TuningPlan
from textclf.tuning.tune import tune as run_study

PathLike = str | Path

SPLITS = ("train", "validation", "test")

FILE_KEYS = ("dataset.column_names", "dataset.encoding", "dataset.quoting", "dataset.text_column")
"""Keys that say how a file of texts is read."""

LABEL_KEYS = ("dataset.label_column", "dataset.missing_labels")
"""Keys that say how its labels are read."""

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
    track: TrackerName | None = None,
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
        track: Where to send the finished run: ``mlflow``, or None.
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
    with tracking(track, context.reporter) as tracker:
        run_experiment(resolved, run, context)
        tracker.add(TrackedRun(run.path))
    return Run(run.path, trust_code=trust_code or have_same_code([(run, resolved)]))


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
    folds: int | None = None,
    folds_of: Literal["train", "all"] | None = None,
    train_fractions: Sequence[float] = (),
    train_per_label: Sequence[int | None] = (),
    config: PathLike | None = None,
    overrides: Overrides = (),
    smoke: bool = False,
    reference: str | None = None,
    run_root: PathLike = "runs",
    executor: str = "local",
    jobs: int | Literal["auto"] | None = None,
    ray_address: str | None = None,
    track: TrackerName | None = None,
    device: str = "auto",
    trust_code: bool = False,
    quiet: bool = False,
    command: str = "",
) -> Comparison:
    """Compare finished runs; with ``dataset`` or ``config``, first train those that are missing.

    A learning curve that was asked for is also plotted, as ``learning-curve.png`` or
    ``learning-curve-per-label.png`` in the folder of the dataset's runs.

    Args:
        runs: Runs, run directories or folders of runs; ``run_root`` if empty.
        dataset: Dataset to train on, as for `train`.
        models: Models to train, or to select from ``runs``; all if empty.
        seeds: Seeds to train, or a number n for the seeds 1 to n.
        folds: Number of folds of a cross-validation, each of which is the test set of one run.
        folds_of: Examples of the folds: ``train`` (training and validation, the default) or
            ``all``.
        train_fractions: Fractions of the training examples, for a learning curve.
        train_per_label: Numbers of training examples per label, None for all, for a learning curve.
        config: Configuration file (YAML) of what to train.
        overrides: Values that override it.
        smoke: Whether to train on at most 64 examples per split for one epoch, with the run
            directories below ``_smoke`` in ``run_root``.
        reference: Model to compare with; by default the best.
        run_root: Root of the run directories.
        executor: ``local`` or ``ray``.
        jobs: Runs at once, or ``auto``; by default one, and ``auto`` with Ray.
        ray_address: Address of a Ray cluster.
        track: Where to send each run that has finished: ``mlflow``, or None.
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
    names = _list_names(models)
    reporter, reference = Reporter(quiet=quiet), reference and shorten_name(reference)
    _check_lists(train_fractions=train_fractions, train_per_label=train_per_label)
    protocol: Any = {"folds": folds, "folds_of": folds_of, "train_fractions": train_fractions}
    protocol["train_per_label"] = train_per_label
    if dataset is None and config is None:
        given = {"seeds": seeds, "overrides": overrides, "smoke": smoke, "jobs": jobs}
        given |= {"executor": executor != "local", "trust_code": trust_code, **protocol}
        _refuse_training(given)
        paths = _list_paths(runs) or [Path(run_root)]
        found = _read_and_track(paths, names, track, reporter)
        compared = _compare_finished(found, paths, reporter, reference=reference)
        return replace(compared, trust_code=_are_trusted(runs))
    if _list_paths(runs):
        raise RequestError("give either runs or a dataset, whose runs are found or trained")
    plan = ComparisonPlan(
        config_path=Path(config) if config else None,
        overrides=_list_overrides(overrides, smoke=smoke, dataset=dataset),
        models=names,
        seeds=_list_seeds(seeds),
        trust_code=trust_code,
        **protocol,
    )
    context = RunContext(reporter, device, command=command)
    root, where = _find_root(run_root, smoke=smoke), ExecutorConfig(executor, jobs, ray_address)
    return _compare_planned(plan, root, context, where, track, reference=reference)


def _read_and_track(
    paths: Sequence[Path], models: Sequence[str], track: TrackerName | None, reporter: Reporter
) -> list[tuple[RunDirectory, Result]]:
    """Read the results of finished runs, and send the runs to a tracker if there is one."""
    found = read_finished(paths, reporter, models=models)
    with tracking(track, reporter) as tracker:
        tracker.add(*(TrackedRun(run.path) for run, _ in found))
    return found


def _check_lists(**given: Any) -> None:
    """Raise RequestError if an argument is not a list."""
    for name, values in given.items():
        if isinstance(values, str) or not isinstance(values, Sequence):
            raise RequestError(f"{name}={values!r}: expected a list of numbers")


def _refuse_training(given: Mapping[str, Any]) -> None:
    """Raise RequestError if an argument is given that only matters when something is trained."""
    for name, value in given.items():
        if value:
            raise RequestError(f"{name} needs a dataset or a config, which say what to train")


def _compare_planned(
    plan: ComparisonPlan,
    root: Path,
    context: RunContext,
    executor: ExecutorConfig,
    track: TrackerName | None,
    *,
    reference: str | None,
) -> Comparison:
    """Compare the runs of a plan, after training those that are missing."""
    configs = plan.make_configs()
    with tracking(track, context.reporter) as tracker:
        tracker.add(*(TrackedRun(RunDirectory.of(config, root).path) for config in configs))
        finished, failures = run_all(configs, root, context, executor)
    failures = leave_out(failures, plan, context.reporter)
    compared = Comparison.of(finished, failures, context.reporter, reference=reference)
    for curve in compared.learning_curves:
        path = curve.write_plot(root / configs[0].dataset.folder_name)
        context.reporter.info(f"see {path}")
    runs_of_configs = ((RunDirectory.of(config, root), config) for config in configs)
    return replace(compared, trust_code=plan.trust_code or have_same_code(runs_of_configs))


def tune(
    model: PathLike | None = None,
    dataset: PathLike | None = None,
    *,
    trials: int = 30,
    timeout: float | None = None,
    search: Mapping[str, Any] | Sequence[Search] = (),
    seeds: int | Sequence[int] = (),
    metric: str = "accuracy",
    name: str | None = None,
    config: PathLike | None = None,
    overrides: Overrides = (),
    smoke: bool = False,
    run_root: PathLike = "runs",
    executor: str = "local",
    jobs: int | Literal["auto"] | None = None,
    ray_address: str | None = None,
    track: TrackerName | None = None,
    device: str = "auto",
    trust_code: bool = False,
    quiet: bool = False,
    command: str = "",
) -> Study:
    """Search hyperparameters on the validation split, then compare the best ones with the defaults.

    The same call resumes a study that was interrupted, and returns one that is finished.

    Args:
        model: Model to tune, as for `train`.
        dataset: Dataset to train on, as for `train`.
        trials: Number of trials of the study, including the defaults, which are trial 0.
        timeout: Seconds after which no more trials begin.
        search: Values to try, by key, in the terms of Optuna, such as
            ``{"training.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}``; by default
            those of ``config`` or of the model.
        seeds: Seeds to train each trial with, or a number n for the seeds 1 to n; by default the
            seed of the configuration.
        metric: ``accuracy``, ``macro_f1`` or ``loss``.
        name: Name of the study; by default one that depends on the other arguments.
        config: Configuration file (YAML).
        overrides: Values that override it.
        smoke: Whether to train on at most 64 examples per split for one epoch, with the study
            below ``_smoke`` in ``run_root``.
        run_root: Root of the run directories and of the studies.
        executor: ``local`` or ``ray``.
        jobs: Trials at once, or ``auto``; by default one, and ``auto`` with Ray.
        ray_address: Address of a Ray cluster.
        track: Where to send each trial that has ended: ``mlflow``, or None.
        device: ``auto``, ``cpu`` or ``gpu``.
        trust_code: Whether to execute Python files that ``config`` names.
        quiet: Whether to print no progress.
        command: How the study was started, for ``meta.json``.

    Returns:
        The study, whose ``comparison`` is the only use of the test split.

    Raises:
        RequestError: An argument is invalid, or the study that is named has other settings.
        TextclfError: Any other expected error, on one line.

    Example:
        >>> study = textclf.tune("cnn", "bbc", trials=20)
        >>> study.best.params, study.comparison
    """
    if not isinstance(trials, int) or trials < 1:
        raise RequestError(f"trials={trials!r}: expected a positive number")
    if timeout is not None and not (isinstance(timeout, int | float) and timeout > 0):
        raise RequestError(f"timeout={timeout!r}: expected a positive number of seconds")
    given = _list_overrides(overrides, smoke=smoke, model=model, dataset=dataset)
    resolved = load_config(config, given, trust_code=trust_code)
    searches = _list_searches(search)
    tree = read_yaml(Path(config)) if config else {}
    settings = StudySettings(
        config=resolved,
        space=find_search_space(resolved, tree, searches, source=str(config)),
        seeds=_list_seeds(seeds) or (resolved.seed,),
        metric=check_metric(metric),
    )
    root = _find_root(run_root, smoke=smoke)
    folder = settings.default_name if name is None else _check_study_name(name)
    where = ExecutorConfig(executor, jobs, ray_address)
    plan = TuningPlan(settings, root / STUDIES_FOLDER / folder, root, trials, timeout, where)
    context = RunContext(Reporter(quiet=quiet), device, command=command)
    with tracking(track, context.reporter) as tracker:
        plan = replace(plan, on_batch=lambda study: tracker.add(*_list_trials(study, root)))
        study = run_study(plan, context)
        compared = study.comparison.models if study.comparison else []
        evaluated = [TrackedRun(run.path) for model in compared for run in model.runs]
        tracker.add(*_list_trials(study, root), *evaluated, _describe_study(study))
    return study


def _list_trials(study: Study, root: Path) -> list[TrackedRun]:
    """Return the runs of all trials, once each: trials with the same values share their runs."""
    described = _describe_study(study)
    runs: dict[Path, TrackedRun] = {}
    for trial in study.trials:
        for seed in study.settings.seeds if trial.fingerprint else ():
            run = study.find_run(trial, seed, root)
            if run.is_begun:
                runs.setdefault(run.path, TrackedRun(run.path, described, trial.number))
    return list(runs.values())


def _describe_study(study: Study) -> TrackedStudy:
    """Return a study with its best metric so far, for a tracker."""
    given = study.settings.list_given()
    searched = {f"search.{key}": domain for key, domain in given["search"].items()}
    best = {f"best_validation_{given['metric']}": study.best.value or 0.0}
    return TrackedStudy(
        study.path,
        study.settings.config,
        first_trial=f"{study.defaults.fingerprint} {study.defaults.seconds}",
        params={"seeds": given["seeds"], "metric": given["metric"], **searched},
        metrics={"n_trials": len(study.trials), **best},
    )


def load_study(study: PathLike, *, run_root: PathLike = "runs") -> Study:
    """Return a study, without its comparison.

    Args:
        study: Name or folder of the study.
        run_root: Root of the run directories and of the studies.

    Raises:
        RunError: It does not exist or is damaged.

    Example:
        >>> textclf.load_study("bbc-cnn-05172a").best.params
    """
    return Study.read(find_study(study, Path(run_root)))


def _list_searches(search: Mapping[str, Any] | Sequence[Search]) -> Sequence[Search]:
    """Return the keys of a search space."""
    if isinstance(search, Mapping):
        return read_searches(search, "search")
    if isinstance(search, str) or any(not isinstance(one, Search) for one in search):
        raise RequestError(
            'search: expected a mapping, such as {"model.units": {"choices": [64, 128]}}'
        )
    return search


def _list_seeds(seeds: int | Sequence[int]) -> tuple[int, ...]:
    """Return seeds, of which a number n means 1 to n."""
    if isinstance(seeds, int) and seeds < 1:
        raise RequestError(f"seeds={seeds}: expected a positive number, or a list of seeds")
    return tuple(range(1, seeds + 1) if isinstance(seeds, int) else seeds)


def _check_study_name(name: str) -> str:
    """Return the name of a study, which is the name of its folder."""
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise RequestError(f"study name '{name}': use letters, digits, '-', '_' and '.'")
    return name


def evaluate(
    run: PathLike | Run,
    file: PathLike | None = None,
    *,
    split: str | None = None,
    overrides: Overrides = (),
    n_errors: int = 0,
    output: PathLike | None = None,
    device: str = "auto",
    trust_code: bool = False,
    quiet: bool = False,
) -> SplitEvaluation:
    """Evaluate the saved model of a finished run, from raw text.

    Args:
        run: Run, run directory, or folder that contains one run.
        file: Labeled file, or folder of text files per label, to evaluate on; None for a split of
            the run's dataset.
        split: ``train``, ``validation`` or ``test``; without ``file``, by default ``test``.
        overrides: How ``file`` is read, such as ``{"dataset.label_column": "stars"}``.
        n_errors: Number of incorrect predictions to list, the most confident first.
        output: Folder for the plots and, with ``n_errors``, for ``errors.csv``.
        device: ``auto``, ``cpu`` or ``gpu``.
        trust_code: Whether to execute the Python files of the run, if `run` may not do so already.
        quiet: Whether to print no progress.

    Raises:
        RequestError: An argument is invalid, or the dataset needs a Python file that is not
            trusted.
        DataError: The file cannot be read, or the model knows none of its labels.
        RunError: The run is not finished or damaged, or its dataset has changed.

    Example:
        >>> textclf.evaluate("runs/bbc/cnn", split="validation").metrics["accuracy"]
        >>> textclf.evaluate("runs/bbc/cnn", "reviews.csv", n_errors=20).errors
    """
    config = _make_labeled_config(file, split, _list_overrides(overrides))
    if split not in {None, *SPLITS}:
        raise RequestError(format_unknown("split", str(split), SPLITS))
    if n_errors < 0:
        raise RequestError(f"n_errors={n_errors}: expected 0 or a positive number")
    if output is not None:
        check_folder(Path(output))
    found, reporter = find_finished_run(_list_paths(run)[0]), Reporter(quiet=quiet)
    context = EvaluationContext(
        reporter,
        device=device,
        trust_code=trust_code or (isinstance(run, Run) and run.trust_code),
        n_errors=n_errors,
        output=Path(output) if output is not None else None,
    )
    if config:
        return evaluate_file(found, config, context)
    return evaluate_run(found, split or "test", context)


def report(
    runs: Comparison | Study | PathLike | Run | Sequence[PathLike | Run] = (),
    output: PathLike = "report.html",
    *,
    models: PathLike | Sequence[PathLike] = (),
    texts: bool = True,
    run_root: PathLike = "runs",
    device: str = "auto",
    trust_code: bool = False,
    quiet: bool = False,
) -> Comparison:
    """Write one HTML page about a finished run, a study, or finished runs on one test set.

    Args:
        runs: A comparison, or a study or its folder; or runs, run directories or folders of runs;
            ``run_root`` if empty.
        output: File to write, which ends in ``.html``.
        models: Models to select from ``runs``; all if empty.
        texts: Whether the page contains texts of the dataset.
        run_root: Root of the run directories.
        device: ``auto``, ``cpu`` or ``gpu``.
        trust_code: Whether the Python files of the runs may be executed, if that is not allowed
            already because the user named them.
        quiet: Whether to print no progress.

    Returns:
        The comparison that the page shows.

    Raises:
        RequestError: An argument is invalid, or the runs have several test sets.
        RunError: No run is found, a run is damaged, a study is not finished, or the file cannot be
            written.

    Example:
        >>> textclf.report("runs/bbc", "report.html")
    """
    from textclf.reporting.context import ReportContext
    from textclf.reporting.report import check_output, write_report

    path = Path(output)
    check_output(path)
    reporter = Reporter(quiet=quiet)
    study = None if isinstance(runs, Comparison) else _find_study(runs, reporter)
    if study and _list_names(models):
        raise RequestError("a report of a study is about its one model: leave out --model")
    if study and study.comparison:
        comparison = study.comparison
    elif isinstance(runs, Comparison):
        comparison = runs
    else:
        given = cast("Sequence[PathLike | Run]", runs)
        comparison = _compare_for_report(given, models, Path(run_root), reporter)
    trust_code = trust_code or comparison.trust_code
    context = ReportContext(reporter, texts, device, trust_code=trust_code)
    write_report(comparison, path, context, study=study)
    return comparison


def _compare_for_report(
    runs: PathLike | Run | Sequence[PathLike | Run],
    models: PathLike | Sequence[PathLike],
    run_root: Path,
    reporter: Reporter,
) -> Comparison:
    """Compare finished runs, without those of folds in a folder that also has others."""
    paths = _list_paths(runs) or [run_root]
    found = read_finished(paths, reporter, models=_list_names(models))
    chosen = leave_out_folds(found, paths, reporter)
    compared = _compare_finished(chosen, paths, reporter)
    return replace(compared, trust_code=_are_trusted(runs))


def _find_study(
    runs: Study | PathLike | Run | Sequence[PathLike | Run], reporter: Reporter
) -> Study | None:
    """Return the study that a report is about, with its comparison; None if it is about runs."""
    if isinstance(runs, Study):
        return runs if runs.comparison else read_compared(runs.path, reporter)
    paths = _list_paths(runs)
    if len(paths) == 1 and (paths[0] / JOURNAL).is_file():
        return read_compared(paths[0], reporter)
    for path in paths:
        journal = next(iter([*path.glob(JOURNAL), *sorted(path.glob(f"*/{JOURNAL}"))]), None)
        if journal:
            raise RequestError(
                "a report is about one study, or about runs: name one study, such as"
                f" {journal.parent}"
            )
    return None


def _make_labeled_config(
    file: PathLike | None, split: str | None, overrides: Sequence[Override]
) -> files.Config | None:
    """Return the file that a model is evaluated on, and how it is read; None for a split."""
    if file is None:
        _refuse_overrides(overrides)
        return None
    if split is not None:
        raise RequestError(f"give either a file or the split {split} of the run's dataset")
    if str(file).endswith(".py"):
        raise RequestError(f"{file} is Python code: give a file of labeled texts")
    # An absolute path, because a name could also be that of a dataset.
    path = os.path.abspath(Path(file).expanduser())  # noqa: PTH100 - does not follow links
    return _make_file_config({"name": path}, overrides, (*FILE_KEYS, *LABEL_KEYS))


def predict_file(
    run: PathLike | Run,
    file: PathLike | IO[bytes] | Iterable[str],
    output: PathLike | None = None,
    *,
    probabilities: bool = False,
    threshold: float | None = None,
    unknown: str | None = None,
    overrides: Overrides = (),
    device: str = "auto",
    trust_code: bool = False,
    quiet: bool = False,
) -> TextPredictions:
    """Classify the texts of a file with the saved model of a finished run.

    A text that is empty or too long gets no prediction.

    Args:
        run: Run, run directory, or folder that contains one run.
        file: Table or text file; a binary stream with one text per line; or a list of texts.
        output: File to write, ``.csv``, ``.tsv``, ``.jsonl`` or ``.parquet``: all columns of
            ``file``, ``prediction`` and ``probability``. Without it, the predictions are returned.
        probabilities: Whether to write the probability of each label, too.
        threshold: Predictions with a lower probability, 0 to 1, are left out.
        unknown: What is written instead of them.
        overrides: How a file is read, such as ``{"dataset.text_column": ["title", "body"]}``.
        device: ``auto``, ``cpu`` or ``gpu``.
        trust_code: Whether the Python files of the run may be executed.
        quiet: Whether to print warnings only.

    Raises:
        RequestError: An argument is invalid, or ``output`` would replace a column or ``file``.
        DataError: The file cannot be read, or its texts are not found.
        RunError: The run is not finished or damaged, or ``output`` cannot be written.

    Example:
        >>> textclf.predict_file("runs/bbc/cnn", "news.csv", "predictions.csv").n_texts
        1000
    """
    found, reporter = _find_run(run, trust_code=trust_code), Reporter(quiet=quiet)
    options = PredictionOptions(probabilities, threshold, unknown)
    options.check(found.label_names)
    path = None if output is None else Path(output)
    if path is not None:
        if RunDirectory(path.parent).is_begun:
            raise RequestError(f"{path.parent} is a run directory: write {path.name} elsewhere")
        table_output.check_output(path, file if isinstance(file, str | Path) else None)
    source = _open_texts(found, file, _list_overrides(overrides), reporter)
    return predict_source(found, source, path, options, reporter=reporter, device=device)


def explain(
    run: PathLike | Run,
    texts: PathLike | IO[bytes] | Iterable[str],
    *,
    label: str | None = None,
    method: str | None = None,
    overrides: Overrides = (),
    device: str = "auto",
    trust_code: bool = False,
    quiet: bool = False,
) -> list[Explanation]:
    """Explain which words of each text support a label, and which oppose it.

    Args:
        run: Run, run directory, or folder that contains one run.
        texts: List of texts; table or text file; or a binary stream with one text per line.
        label: Label to explain; None for the predicted label of each text.
        method: ``occlusion``, ``integrated-gradients`` or ``weights``; None for ``weights`` if the
            model is linear, and otherwise ``occlusion``.
        overrides: How a file is read, such as ``{"dataset.text_column": ["title", "body"]}``.
        device: ``auto``, ``cpu`` or ``gpu``.
        trust_code: Whether the Python files of the run may be executed.
        quiet: Whether to print warnings only.

    Returns:
        The explanations, in the order of the texts, with the position of each text as ``index``; a
        warning counts the texts that are left out because they are empty or too long.

    Raises:
        RequestError: An argument is invalid, or the method does not apply to the model.
        DataError: The file cannot be read, or its texts are not found.
        RunError: The run is not finished or damaged.

    Example:
        >>> (explanation,) = textclf.explain("runs/bbc/cnn", ["The striker scored twice"])
        >>> max(explanation.tokens, key=lambda token: token.weight).text
        'striker'
    """
    found, reporter = _find_run(run, trust_code=trust_code), Reporter(quiet=quiet)
    source = _open_texts(found, texts, _list_overrides(overrides), reporter)
    listed = [text for _, text in source.read()]
    if not listed:
        raise RequestError(f"no text given: {source.origin} is empty")
    problems = [*map(find_problem, listed)]
    kept = [index for index, problem in enumerate(problems) if problem is None]
    valid = [listed[index] for index in kept]
    start_device(device, is_network=found.directory.has_network, reporter=reporter)
    explanations = explain_texts(found.model, valid, label=label, method=method, reporter=reporter)
    report_problems(Counter(filter(None, problems)), len(listed), "explained", reporter)
    return [
        replace(explanation, index=index)
        for index, explanation in zip(kept, explanations, strict=True)
    ]


def strongest_features(
    run: PathLike | Run, n: int = 10, *, label: str | None = None, trust_code: bool = False
) -> list[linear.Feature]:
    """Return the features with the largest weights for each label of a linear model.

    Args:
        run: Run of a linear model, run directory, or folder that contains one run.
        n: Number of features that support a label, and of those that oppose it.
        label: Label; None for all.
        trust_code: Whether the Python files of the run may be executed.

    Returns:
        Features with ``label``, ``text`` and ``weight``, for each label by falling weight.

    Raises:
        RequestError: An argument is invalid, or the model is not linear.
        RunError: The run is not finished or damaged.

    Example:
        >>> textclf.strongest_features("runs/bbc/ngram", 3, label="tech")[0].text
        'computer'
    """
    if n < 1:
        raise RequestError(f"n={n}: expected a positive number")
    classifier = _find_run(run, trust_code=trust_code).model
    return linear.strongest_features(classifier, n, label=label)


def export(
    run: PathLike | Run,
    output: PathLike,
    *,
    format: Literal["saved-model", "onnx", "litert", "numpy"] | None = None,  # noqa: A002
    quantize: Literal["float16", "int8"] | None = None,
    max_difference: float | None = None,
    force: bool = False,
    device: str = "auto",
    trust_code: bool = False,
    quiet: bool = False,
) -> Export:
    """Write the model of a finished run as files that classify text without textclf.

    Args:
        run: Run, run directory, or folder that contains one run.
        output: Folder to write, with the model, ``example.py``, which uses it, a model card and
            ``export.json``.
        format: ``saved-model``, the default for networks; ``onnx``; ``litert``; or ``numpy``, the
            default for models of scikit-learn.
        quantize: ``float16`` or ``int8`` for a smaller LiteRT model.
        max_difference: Largest allowed difference of a probability from the run, 0 to 1, on the
            test examples; by default that of the format.
        force: Whether to replace an earlier export; a ``README.md`` that was edited is kept as
            ``README-previous.md``.
        device: ``auto``, ``cpu`` or ``gpu``.
        trust_code: Whether the Python files of the run may be executed.
        quiet: Whether to print warnings only.

    Raises:
        RequestError: An argument is invalid, or the model cannot be written in the format.
        GateError: A probability differs by more than is allowed; ``output`` is written.
        RunError: The run is not finished or damaged, or ``output`` cannot be written.

    Example:
        >>> textclf.export("runs/bbc/cnn", "exported").parity.largest_difference
        0.0
    """
    given = _find_run(run, trust_code=trust_code)
    options = ExportOptions(format, quantize, max_difference, force, device)
    return export_run(given, Path(output), options, reporter=Reporter(quiet=quiet))


def _find_run(run: PathLike | Run, *, trust_code: bool) -> Run:
    """Return a finished run; code that was trusted already stays so."""
    trust_code = trust_code or (isinstance(run, Run) and run.trust_code)
    return load_run(_list_paths(run)[0], trust_code=trust_code)


def _open_texts(
    run: Run,
    file: PathLike | IO[bytes] | Iterable[str],
    overrides: Sequence[Override],
    reporter: Reporter,
) -> TextSource:
    """Return the texts that a model classifies, and report how a file is read."""
    source = _find_texts(run, file, overrides)
    if source.details:
        reporter.info(f"reading {source.origin}: {source.details}")
    return source


def _find_texts(
    run: Run, file: PathLike | IO[bytes] | Iterable[str], overrides: Sequence[Override]
) -> TextSource:
    """Return the texts that a model classifies."""
    # With a digest, the file, which need not be a dataset to train on, is not read.
    config = _make_file_config({"name": "./file.csv", "digest": "none"}, overrides, FILE_KEYS)
    if isinstance(file, str | Path):
        trained = run.directory.read_config().dataset
        known = trained.text_column if isinstance(trained, TableConfig) else None
        return open_file(Path(file).expanduser(), config, known or ())
    if not hasattr(file, "read"):
        _refuse_overrides(overrides)
        return list_texts(_list_texts(file))
    if isinstance(file, io.TextIOBase):
        raise RequestError("expected a binary stream, got one of text: open it with mode 'rb'")
    _refuse_overrides([given for given in overrides if given.key != "dataset.encoding"])
    return open_stream(cast("IO[bytes]", file), config.encoding)


def _list_texts(texts: Iterable[str]) -> list[str]:
    """Return texts as a list; RequestError if they are something else."""
    if isinstance(texts, bytes) or not isinstance(texts, Iterable):
        shown = repr(texts)[:40]
        raise RequestError(f"expected a path, a binary stream or a list of texts, got {shown}")
    return list(texts)


def _make_file_config(
    dataset: Mapping[str, str], overrides: Sequence[Override], keys: Sequence[str]
) -> files.Config:
    """Return how a file is read; RequestError if a value is not of one of the keys."""
    for override in overrides:
        if override.key not in keys:
            raise RequestError(f"{override.origin}: {format_unknown('key', override.key, keys)}")
    tree = {"dataset": {**dataset}, "model": {"name": "majority"}}
    return cast("files.Config", resolve(tree, overrides).dataset)


def _refuse_overrides(overrides: Sequence[Override]) -> None:
    """Raise RequestError if a value says how a file is read, although none is given."""
    if overrides:
        raise RequestError(f"{overrides[0].origin} says how a file is read: give a file")


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
    return loading.load_dataset(make_dataset_config(dataset, overrides).dataset)


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


def _are_trusted(runs: PathLike | Run | Iterable[PathLike | Run]) -> bool:
    """Return whether the Python files of all runs may be executed."""
    listed = [runs] if isinstance(runs, str | Path | Run) else [*runs]
    return bool(listed) and all(isinstance(run, Run) and run.trust_code for run in listed)


def _list_names(models: PathLike | Sequence[PathLike]) -> list[str]:
    """Return the names of models, or their paths."""
    return [str(model) for model in ([models] if isinstance(models, str | Path) else models)]


def _compare_finished(
    runs: Sequence[tuple[RunDirectory, Result]],
    paths: Sequence[Path],
    reporter: Reporter,
    *,
    reference: str | None = None,
) -> Comparison:
    """Compare the finished runs of the paths that were named."""
    # In a folder, each test set is compared separately; runs that are named must be comparable.
    is_strict = all(RunDirectory(path).is_begun for path in paths)
    return Comparison.of(runs, [], reporter, reference=reference, is_strict=is_strict)
