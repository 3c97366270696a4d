"""The loop of a study: what survives a kill, what is stopped, and what sees the test split."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tuning_support import CONTEXT, make_result, make_trial, without_seconds

from textclf.comparison.report import format_comparison
from textclf.config.search_space import Choices, Range
from textclf.errors import DataError, RunError, TextclfError
from textclf.executors import local
from textclf.executors._base import run_all
from textclf.experiment import run as experiment
from textclf.models._sklearn import SklearnClassifier
from textclf.runs.directory import RunDirectory
from textclf.runs.result import Failure
from textclf.runtime.machine import count_processors
from textclf.runtime.progress import Reporter
from textclf.storage.files import lock_folder
from textclf.tuning import journal, selection, tune
from textclf.tuning.study import JOURNAL, Study
from textclf.tuning.tune import format_duration

N_TRIALS = 14  # More than the random ones, so that the sampler learns from earlier trials.


def run_whole(plan, fake, jobs=1):
    fake(plan.root, jobs=jobs)
    return tune._run_trials(plan, CONTEXT)


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 3])
def test_a_study_killed_in_every_trial_ends_like_one_that_was_not(
    make_plan, network_settings, fake, jobs
):
    whole = run_whole(make_plan(network_settings, folder="whole", n_trials=N_TRIALS), fake, jobs)
    assert [trial.number for trial in whole.trials] == [*range(N_TRIALS)]
    assert {trial.state for trial in whole.trials} == {"complete", "pruned"}
    plan = make_plan(network_settings, n_trials=N_TRIALS)
    n_executed = {}
    for n_kills in range(3 * N_TRIALS):
        executor = fake(plan.root, jobs=jobs if n_kills == 0 else 1)  # The batch size stays.
        # During the next run, or between it and the one after.
        executor.kill_at, executor.in_epoch = [(0, True), (1, False)][n_kills % 2]
        try:
            study = tune._run_trials(plan, CONTEXT)
        except KeyboardInterrupt:
            n_done = (n_kills + 1) // 2
            assert len(Study.read(plan.path).trials) == n_done // jobs * jobs
        else:
            break
        finally:
            for config in executor.executed:
                n_executed[config.fingerprint] = n_executed.get(config.fingerprint, 0) + 1
    assert n_kills == 2 * N_TRIALS - 1
    assert without_seconds(study) == without_seconds(whole)
    assert without_seconds(Study.read(plan.path)) == without_seconds(whole)
    assert set(n_executed.values()) == {2}  # Once until it was killed, and once to its end.


def test_trials_of_a_batch_that_are_in_the_journal_are_not_run_again(
    make_plan, network_settings, fake, monkeypatch
):
    whole = run_whole(make_plan(network_settings, folder="whole", n_trials=15), fake, jobs=3)
    plan, append = make_plan(network_settings, n_trials=15), journal.append_trials

    def append_some(path, trials, space):
        append(path, trials[:2], space)
        if len(trials) > 1:
            raise KeyboardInterrupt

    fake(plan.root, jobs=3)
    monkeypatch.setattr(journal, "append_trials", append_some)
    for n_done in (2, 5, 8, 11, 14):
        with pytest.raises(KeyboardInterrupt):
            tune._run_trials(plan, CONTEXT)
        assert len(Study.read(plan.path).trials) == n_done
    assert without_seconds(tune._run_trials(plan, CONTEXT)) == without_seconds(whole)
    assert without_seconds(Study.read(plan.path)) == without_seconds(whole)


def test_a_line_that_was_not_written_completely_is_cut_off(
    make_plan, network_settings, fake, capsys
):
    plan = make_plan(network_settings)
    whole = run_whole(plan, fake)
    path = plan.path / JOURNAL
    content = path.read_bytes()
    path.write_bytes(content[:-20])
    fake(plan.root)
    study = tune._run_trials(plan, replace(CONTEXT, reporter=Reporter()))
    assert without_seconds(study) == without_seconds(whole)
    error = capsys.readouterr().err
    assert f"{path}: cut off a line that was not written completely" in error
    assert "5 of 6 trials done" in error


def test_a_study_that_runs_is_refused(make_plan, settings):
    plan = make_plan(settings)
    with lock_folder(plan.path), pytest.raises(RunError, match=r"is in use by another process"):
        tune.tune(plan, CONTEXT)


def test_trials_are_stopped_as_by_the_median_of_those_before_the_batch(
    make_plan, network_settings, fake
):
    study = run_whole(make_plan(network_settings, n_trials=N_TRIALS), fake)
    pruned = [trial for trial in study.trials if trial.state == "pruned"]
    assert pruned
    assert all(trial.number >= 5 for trial in pruned)
    for trial in pruned:
        assert trial.value is None
        assert trial.n_epochs == len(trial.steps) >= 2
        last = max(trial.steps)
        complete = [t.steps[last] for t in study.trials[: trial.number] if t.state == "complete"]
        better = sorted(complete)[len(complete) // 2 :]
        assert max(trial.steps.values()) < min(better)


def test_several_seeds_are_stopped_by_wilcoxons_test(make_plan, network_settings, fake):
    settings = replace(network_settings, seeds=(1, 2, 3, 4, 5, 6))
    study = run_whole(make_plan(settings, n_trials=6), fake, jobs=2)
    states = [trial.state for trial in study.trials]
    assert {*states} == {"complete", "pruned"}
    for trial in study.trials:
        assert trial.n_epochs == 4 * len(trial.steps)  # No trial is stopped between epochs.
        if trial.state == "complete":
            assert [*trial.values] == [1, 2, 3, 4, 5, 6]
            assert trial.value == pytest.approx(sum(trial.values.values()) / 6)
        else:
            assert 4 <= len(trial.values) < 6  # Four pairs are the fewest with p < 0.1.
        assert [*trial.steps.values()] == [*trial.values.values()]


def test_a_trial_that_fails_is_recorded_and_the_study_continues(make_plan, network_settings, fake):
    plan, error = make_plan(network_settings, n_trials=8), TextclfError("training diverged")
    executor = fake(plan.root)
    executor.fails = lambda config: error if len(executor.executed) == 3 else None
    study = tune._run_trials(plan, CONTEXT)
    assert [trial.state for trial in study.trials].count("failed") == 1
    failed = study.trials[2]
    assert (failed.value, failed.error) == (None, "training diverged")
    assert len(study.trials) == 8
    assert study.best.number != 2


def test_values_that_do_not_fit_together_are_a_failed_trial(make_plan, network_settings, fake):
    space = {"text.sequence_length": Choices((1, 100)), "model.kernel_size": Range(2, 5)}
    plan = make_plan(replace(network_settings, space=space), n_trials=6)
    executor = fake(plan.root)
    message = "the text is shorter than the kernel"
    executor.fails = lambda c: TextclfError(message) if c.text.sequence_length == 1 else None
    study = tune._run_trials(plan, CONTEXT)
    failed = [trial for trial in study.trials if trial.state == "failed"]
    assert failed
    assert all(trial.params["text.sequence_length"] == 1 for trial in failed)
    assert {trial.error for trial in failed} == {message}


def test_values_that_no_configuration_allows_are_a_failed_trial(make_plan, network_settings, fake):
    space = {"model.dropout": Range(0.1, 3.0)}  # More than 0.9 is refused.
    plan = make_plan(replace(network_settings, space=space), n_trials=6)
    executor = fake(plan.root)
    study = tune._run_trials(plan, CONTEXT)
    failed = [trial for trial in study.trials if trial.state == "failed"]
    assert {trial.number for trial in failed} == {
        trial.number for trial in study.trials if trial.params["model.dropout"] >= 1
    }
    assert "model.dropout" in failed[0].error
    assert failed[0].fingerprint == ""
    assert len(executor.executed) == 6 - len(failed)


@pytest.mark.parametrize("error", [RunError("the disk is full"), TextclfError("not built")])
def test_errors_of_the_machine_and_of_the_defaults_end_the_study(
    make_plan, network_settings, fake, error
):
    plan = make_plan(network_settings)
    executor = fake(plan.root)
    at = 2 if isinstance(error, RunError) else 1
    executor.fails = lambda config: error if len(executor.executed) == at else None
    with pytest.raises(type(error), match=str(error)):
        tune._run_trials(plan, CONTEXT)
    assert len(Study.read(plan.path).trials) == at - 1


def test_equal_trials_share_a_run(make_plan, network_settings, fake):
    settings = replace(network_settings, space={"model.filters": Choices((32, 64))})
    plan = make_plan(settings, n_trials=10)
    executor = fake(plan.root, jobs=4)
    study = tune._run_trials(plan, CONTEXT)
    assert len(study.trials) == 10
    assert len(executor.executed) == len({config.fingerprint for config in executor.executed}) == 3
    by_fingerprint = {trial.fingerprint: trial.value for trial in study.trials}
    assert all(trial.value == by_fingerprint[trial.fingerprint] for trial in study.trials)


def test_defaults_outside_of_the_range_are_trial_0_and_do_not_guide_the_search(
    make_plan, network_settings, fake
):
    settings = replace(network_settings, space={"model.dropout": Range(0.3, 0.5)})
    assert settings.config.model.dropout == 0.2
    study = run_whole(make_plan(settings, n_trials=4), fake)
    assert study.defaults.params == {"model.dropout": 0.2}
    assert study.defaults.value is not None
    assert Study.read(study.path).defaults.params == {"model.dropout": 0.2}
    assert all(0.3 <= trial.params["model.dropout"] <= 0.5 for trial in study.trials[1:])


def test_existing_runs_are_reused(make_plan, network_settings, fake):
    plan = make_plan(network_settings, n_trials=2)
    run = RunDirectory.of(network_settings.config, plan.root)
    run.path.mkdir(parents=True)
    run.prepare(network_settings.config, force=False)
    run.write_validation(make_result(network_settings.config, 0.75, 3))
    executor = fake(plan.root)
    study = tune._run_trials(plan, CONTEXT)
    assert study.defaults.value == 0.75
    assert len(executor.executed) == 1


def test_the_number_of_trials_may_grow(make_plan, network_settings, fake):
    whole = run_whole(make_plan(network_settings, folder="whole", n_trials=7), fake, jobs=2)
    plan = make_plan(network_settings, n_trials=3)
    assert len(run_whole(plan, fake, jobs=2).trials) == 3
    assert without_seconds(run_whole(replace(plan, n_trials=7), fake)) == without_seconds(whole)
    assert len(run_whole(replace(plan, n_trials=2), fake).trials) == 7


class Clock:
    """A clock that is advanced by tests."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now


def test_no_batch_begins_that_would_end_after_the_timeout(
    make_plan, network_settings, fake, monkeypatch, capsys
):
    clock = Clock()
    monkeypatch.setattr(tune, "time", clock)
    plan = make_plan(network_settings, n_trials=9, timeout_seconds=100)
    executor = fake(plan.root)

    def take_30_seconds(config):
        clock.now += 30

    executor.fails = take_30_seconds
    study = tune._run_trials(plan, replace(CONTEXT, reporter=Reporter()))
    assert len(study.trials) == 3
    lines = [line for line in capsys.readouterr().err.splitlines() if "of 9 trials done" in line]
    assert lines[1].endswith("about 70 s left")
    assert lines[3].endswith("; --timeout leaves no time for more")
    # One always begins, so that a short limit does not stop a study for ever.
    assert len(tune._run_trials(replace(plan, timeout_seconds=1), CONTEXT).trials) == 4


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.4, "0 s"), (89, "89 s"), (91, "2 min"), (5_000, "83 min"), (5_460, "1 h 31 min")],
)
def test_durations_are_short(seconds, expected):
    assert format_duration(seconds) == expected


@pytest.mark.slow
def test_processes_give_the_study_of_one_with_the_same_batches(make_plan, settings):
    whole = make_plan(settings, folder="one")
    fixed = replace(settings, batch_size=2, threads=max(1, count_processors() // 2))
    Study.create(whole.path, fixed)
    one = tune._run_trials(whole, CONTEXT)
    two = tune._run_trials(make_plan(settings, folder="two", jobs=2), CONTEXT)
    assert without_seconds(two) == without_seconds(one)
    assert two.settings == one.settings


@pytest.mark.slow
def test_no_trial_predicts_the_test_split(make_plan, settings, news, monkeypatch):
    predicted = []
    predict, score = SklearnClassifier.predict_texts, SklearnClassifier.score_texts

    def spy(method):
        return lambda self, texts: predicted.extend(texts) or method(self, texts)

    def fail(*args, **options):
        raise AssertionError("a trial predicts the test split")

    monkeypatch.setattr(SklearnClassifier, "predict_texts", spy(predict))
    monkeypatch.setattr(SklearnClassifier, "score_texts", spy(score))
    predict_test = experiment.predict_test
    monkeypatch.setattr(experiment, "predict_test", fail)
    plan = make_plan(settings)
    study = tune._run_trials(plan, CONTEXT)
    test = set(CONTEXT.load(settings.config.dataset).test.texts)
    assert len({trial.fingerprint for trial in study.trials}) == 6
    assert predicted
    assert test.isdisjoint(predicted)
    metas = [json.loads(path.read_text()) for path in plan.root.rglob("meta.json")]
    assert [meta["test_evaluations"] for meta in metas] == [0] * 6
    assert not [*plan.root.rglob("evaluation.json"), *plan.root.rglob("predictions.npz")]
    monkeypatch.setattr(experiment, "predict_test", predict_test)
    compared = tune.tune(plan, CONTEXT)
    assert not test.isdisjoint(predicted)
    metas = [json.loads(path.read_text()) for path in plan.root.rglob("meta.json")]
    n_configurations = len({compared.best.fingerprint, compared.defaults.fingerprint})
    assert sorted(meta["test_evaluations"] for meta in metas) == (
        [0] * (6 - n_configurations) + [1] * n_configurations
    )


def test_a_dataset_that_cannot_be_loaded_ends_the_study(make_plan, settings, monkeypatch):
    def fail(self, configs, context):
        raise DataError("not here")

    monkeypatch.setattr(local._LocalExecutor, "execute", fail)
    with pytest.raises(DataError, match=r"^not here$"):
        tune._run_trials(make_plan(settings), CONTEXT)


def test_a_study_whose_defaults_fail_leaves_nothing(make_plan, settings, tmp_path, monkeypatch):
    def fail(self, configs, context):
        return [Failure(config, TextclfError("diverged")) for config in configs]

    monkeypatch.setattr(local._LocalExecutor, "execute", fail)
    plan = make_plan(settings)
    plan.path.rmdir()
    plan.path.parent.rmdir()
    plan.root.rmdir()
    with pytest.raises(TextclfError, match=r"^diverged$"):
        tune.tune(plan, CONTEXT)
    assert not plan.root.exists()
    plan.path.mkdir(parents=True)  # It may be anyone's.
    with pytest.raises(TextclfError, match=r"^diverged$"):
        tune.tune(plan, CONTEXT)
    assert plan.path.exists()


@pytest.mark.slow
def test_best_and_defaults_are_compared_on_the_test_split_with_the_number_of_trials(
    make_plan, settings
):
    settings = replace(settings, seeds=(1, 2))
    plan = make_plan(settings, n_trials=8)
    study = tune.tune(plan, CONTEXT)
    rows = {row["fingerprint"]: row for row in study.comparison.rows}
    assert study.best.number != 0
    tuned, defaults = rows[study.best.fingerprint], rows[study.defaults.fingerprint]
    assert (defaults["verdict"], defaults["n_trials"], defaults["seeds"]) == (
        "reference",
        None,
        [1, 2],
    )
    assert (tuned["n_trials"], tuned["seeds"]) == (8, [1, 2])
    assert tuned["p_value"] is not None
    notes = study.comparison.notes
    name = f"trial {study.best.number} ({study.best.fingerprint})"
    selected = f"{name} has the best validation accuracy of 8 trials"
    assert any(note.startswith(selected) for note in notes)
    used = sorted([0, study.best.number])
    assert notes[-1] == f"the test split was used for trials {used[0]} and {used[1]} only"
    shown = format_comparison(study.comparison.rows, notes, "table", width=80)
    assert "(8 trials)" in shown
    assert max(map(len, shown.splitlines())) <= 80
    written = (plan.path / "best.yaml").read_text()
    assert written == study.make_config(study.best).to_yaml()


@pytest.mark.slow
def test_other_trials_that_saw_the_test_split_are_a_warning(make_plan, settings):
    plan = make_plan(settings, n_trials=8)
    study = tune.tune(plan, CONTEXT)
    known = {study.best.fingerprint, study.defaults.fingerprint}
    other = next(trial for trial in study.trials if trial.fingerprint not in known)
    run_all([study.make_config(other)], plan.root, CONTEXT, plan.executor)
    again = tune.tune(plan, CONTEXT)
    *some, last = sorted({0, study.best.number, other.number})
    used = f"{', '.join(map(str, some))} and {last}"
    assert again.comparison.notes[-1].startswith(
        f"WARNING: the test split was used for trials {used}: the study was continued after a"
    )


def test_defaults_that_are_the_best_are_said_to_be(make_plan, settings):
    settings = replace(settings, space={"model.C": Range(0.5, 0.5001)})
    study = tune.tune(make_plan(settings, n_trials=3), CONTEXT)
    assert study.best.number == 0
    assert len(study.comparison.rows) == 1
    assert study.comparison.notes[-1] == (
        "tuning did not help: none of 3 trials has a better validation accuracy than the defaults"
        f" ({study.best.value:.4f})"
    )


@pytest.mark.parametrize(
    ("metric", "seeds", "tuned", "verdict", "expected"),
    [
        ("accuracy", (1, 2), 0.9, "better", []),
        ("accuracy", (1,), 0.9, "not significant", []),
        ("accuracy", (1,), 0.9, "better", ["with one seed, the p-value is about these two"]),
        (
            *("accuracy", (1, 2), 0.8, "not significant"),
            ["not better on the test split (accuracy 0.8000; the defaults 0.8000)"],
        ),
        ("loss", (1, 2), 0.7, "not significant", ["the p-value is about accuracy, although loss"]),
        (
            *("loss", (1, 2), 0.9, "better"),
            ["(loss 0.9000; the defaults 0.8000)", "the p-value is about accuracy"],
        ),
    ],
)
def test_notes_say_if_tuning_helped_and_what_the_p_value_is_about(
    network_settings, tmp_path, metric, seeds, tuned, verdict, expected
):
    study = Study(tmp_path, replace(network_settings, metric=metric, seeds=seeds), [])
    notes = selection._judge(study, {metric: tuned, "verdict": verdict}, {metric: 0.8})
    assert len(notes) == len(expected)
    for note, part in zip(notes, expected, strict=True):
        assert part in note


@pytest.mark.slow
def test_defaults_that_fail_in_the_comparison_leave_the_best_trial(
    make_plan, settings, monkeypatch
):
    def fail(configs, root, context, executor):
        finished, _ = run_all(configs[1:], root, context, executor)
        return finished, [Failure(configs[0], TextclfError("out of memory"))]

    monkeypatch.setattr(selection, "run_all", fail)
    study = tune.tune(make_plan(settings, n_trials=8), CONTEXT)
    rows = {row["fingerprint"]: row for row in study.comparison.rows}
    assert rows[study.best.fingerprint]["accuracy"] > 0.5
    assert rows[study.best.fingerprint]["n_trials"] == 8
    assert rows[study.defaults.fingerprint]["error"] == "failed: out of memory"


def test_failures_of_the_comparison_are_rows(make_plan, settings, monkeypatch):
    def fail(configs, root, context, executor):
        return [], [Failure(config, TextclfError("out of memory")) for config in configs]

    monkeypatch.setattr(selection, "run_all", fail)
    study = tune.tune(make_plan(settings, n_trials=2), CONTEXT)
    assert {row["error"] for row in study.comparison.rows} == {"failed: out of memory"}


def test_a_best_value_at_the_end_of_its_range_is_noted(settings):
    space = {"model.C": Range(0.01, 10.0, log=True), "model.min_df": Range(1, 5)}
    settings = replace(settings, space={**space, "model.max_ngram": Choices((1, 2))})

    def note(**values):
        params = {f"model.{key}": value for key, value in values.items()}
        return selection._note_ends(Study(Path("s"), settings, [make_trial(0, 0.5, params=params)]))

    assert note(C=1.0, min_df=2, max_ngram=2) == []  # Choices have no ends.
    assert note(C=0.01, min_df=1, max_ngram=1) == [  # The model refuses min_df 0.
        "at the end of its range: model.C 0.01; a wider --search may find a better value"
    ]
    assert note(C=10.0, min_df=5, max_ngram=1) == [
        "at the end of its range: model.C 10.0, model.min_df 5; a wider --search may find a better"
        " value"
    ]
