"""What tests of tuning share: settings of studies, and an executor that trains nothing."""

from dataclasses import replace

import numpy as np

from textclf.config.search_space import Choices, Range
from textclf.errors import PrunedError
from textclf.evaluation.metrics import evaluate
from textclf.experiment.run import RunContext
from textclf.runs.directory import RunDirectory
from textclf.runs.result import Failure, Result
from textclf.runtime.progress import Reporter
from textclf.training.history import Checkpoint, EpochRow
from textclf.tuning.trial import Trial

SPACE = {"model.C": Range(0.01, 10.0, log=True), "model.max_ngram": Choices((1, 2))}
NETWORK_SPACE = {"model.dropout": Range(0.0, 0.5), "model.filters": Choices((32, 64))}
CONTEXT = RunContext(Reporter(quiet=True), device="cpu")


def without_seconds(study):
    """Return the trials of a study without what differs between two times."""
    return [replace(trial, seconds=0.0) for trial in study.trials]


def make_trial(number, value=None, *, state="complete", steps=None, params=None, **fields):
    """Return a trial with default values."""
    values = {42: value} if value is not None else {}
    given = {"model.dropout": 0.1, "model.filters": 32} if params is None else params
    rest = {"n_epochs": 1, "seconds": 1.0, "fingerprint": f"f{number}", **fields}
    return Trial(number, state, given, value, values, steps or {}, **rest)


class FakeExecutor:
    """Writes the run directories of networks, and is killed before or during a run.

    Attributes:
        executed: Configurations of all calls.
        kill_at: Number of runs that are begun before the process is killed.
        in_epoch: Whether it is killed after the first epoch of the last run.
        fails: Returns the error of a configuration; None if it does not fail.
    """

    def __init__(self, root, jobs=1):
        self.root, self.jobs = root, jobs
        self.executed, self.kill_at, self.in_epoch = [], None, False
        self.fails = lambda config: None

    def allocate(self, configs, context):
        return self.jobs, 1

    def execute(self, configs, context):
        assert context.validate_only
        outcomes = [self.run(config, context) for config in configs]
        return [Failure(c, error) for c, error in zip(configs, outcomes, strict=True) if error]

    def run(self, config, context):
        if len(self.executed) == self.kill_at and not self.in_epoch:
            raise KeyboardInterrupt
        self.executed.append(config)
        run = RunDirectory.of(config, self.root)
        run.path.mkdir(parents=True, exist_ok=True)
        if error := self.fails(config):
            return error
        run.prepare(config, force=False)
        accuracies = learn(config)
        done = run.read_checkpoint()
        rows = [*done.rows] if done else []
        for epoch in range(len(rows) + 1, config.training.epochs + 1):
            rows.append(EpochRow(epoch, 1.0, 0.5, 1.0, accuracies[epoch - 1], 0.1, 1.0))
            run.write_checkpoint(Checkpoint(rows, [], []))
            if len(self.executed) - 1 == self.kill_at:
                raise KeyboardInterrupt
            if context.pruning and context.pruning.find_epoch(accuracies[:epoch]):
                run.remove_checkpoint()
                return PrunedError("worse")
        run.write_validation(make_result(config, accuracies[-1], len(rows)))
        return None


def learn(config):
    """Return the validation accuracy after each epoch, which depends on the configuration."""
    level = 1 - abs(config.model.dropout - 0.3) - 8 / config.model.filters
    rng = np.random.default_rng(config.seed)
    return [max(0.0, level - 0.3 / epoch + 0.02 * rng.random()) for epoch in range(1, 5)]


def make_result(config, accuracy, n_epochs):
    """Return the result of a run on the validation split, with an accuracy."""
    labels = np.arange(10) % 2
    probabilities = np.eye(2, dtype=np.float32)[labels] * 0.8 + 0.1
    evaluation = evaluate(labels, probabilities, ("a", "b"), majority_label=0)
    evaluation = replace(evaluation, metrics={**evaluation.metrics, "accuracy": accuracy})
    names = {"dataset": config.dataset.short_name, "model": config.model.short_name}
    sizes = {"n_epochs": n_epochs, "n_parameters": 1, "train_seconds": 1.0}
    return Result(
        **names,
        **sizes,
        fingerprint=config.fingerprint,
        seed=config.seed,
        split="validation",
        split_digest="d",
        best_epoch=1,
        examples_per_second=1.0,
        evaluation=evaluation,
    )
