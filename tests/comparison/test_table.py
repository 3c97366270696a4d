"""Comparisons of runs that the tests write themselves, without training anything."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from textclf.comparison.gate import check_gate
from textclf.comparison.model_results import (
    Entry,
    check_comparable,
    compare,
    make_entries,
)
from textclf.comparison.table import tabulate
from textclf.config.resolve import resolve
from textclf.errors import GateError, RunError
from textclf.evaluation.metrics import evaluate
from textclf.runs.directory import RunDirectory
from textclf.runs.result import Predictions, Result

NAMES = ("a", "b", "c")


def write_run(root, model, correct, *, seed=1, labels=None, names=NAMES, digest="d", dataset="bbc"):
    """A finished run whose answers are right where ``correct`` is."""
    correct = np.asarray(correct, bool)
    labels = np.arange(len(correct)) % 3 if labels is None else labels
    probabilities = np.full((len(correct), 3), 0.1, np.float32)
    probabilities[np.arange(len(correct)), np.where(correct, labels, (labels + 1) % 3)] = 0.8
    config = resolve({"dataset": {"name": dataset}, "model": {"name": model}, "seed": seed})
    run = RunDirectory.of(config, root)
    run.path.mkdir(parents=True)
    run.prepare(config, force=False)
    run.write_predictions(Predictions(np.arange(len(correct)), labels, probabilities))
    evaluation = evaluate(labels, probabilities, names, majority_label=0)
    result = Result(
        dataset, model, config.fingerprint, seed, "test", digest, 1, 1, 10, 1.0, 1.0, evaluation
    )
    run.finish(result, {})
    return run, result


def answers(share, n=300, seed=0):
    return np.random.default_rng(seed).random(n) < share


def write_runs(root, shares, n_seeds=3, **options):
    return [
        write_run(root, model, answers(share, seed=100 * i + seed), seed=seed, **options)
        for i, (model, share) in enumerate(shares.items())
        for seed in range(1, n_seeds + 1)
    ]


def rows_of(runs, **options):
    rows, notes = tabulate(make_entries(runs), **options)
    return {row["model"]: row for row in rows}, notes


def test_rows_are_means_over_seeds(tmp_path):
    runs = write_runs(tmp_path, {"cnn": 0.9, "mlp": 0.5})
    rows, _ = rows_of(runs)
    stored = [result.evaluation.metrics["accuracy"] for _, result in runs[:3]]
    cnn = rows["cnn"]
    assert cnn["seeds"] == [1, 2, 3]
    assert cnn["accuracy"] == pytest.approx(np.mean(stored))
    assert cnn["accuracy_sd"] == pytest.approx(np.std(stored, ddof=1))
    low, high = cnn["accuracy_interval"]
    assert low < cnn["accuracy"] < high
    assert (cnn["verdict"], "difference" in cnn) == ("best", False)
    mlp = rows["mlp"]
    assert mlp["verdict"] == "worse"
    assert mlp["difference"] == pytest.approx(mlp["accuracy"] - cnn["accuracy"])
    assert mlp["p_value"] < 0.001


def test_one_seed_has_its_own_interval_and_mcnemars_p(tmp_path):
    from scipy.stats import binomtest

    runs = write_runs(tmp_path, {"cnn": 0.75, "mlp": 0.7}, n_seeds=1)
    rows, notes = rows_of(runs)
    assert tuple(rows["cnn"]["accuracy_interval"]) == runs[0][1].evaluation.intervals["accuracy"]
    assert rows["cnn"]["accuracy_sd"] is None
    first, second = (run.read_predictions() for run, _ in runs)
    right = [p.probabilities.argmax(axis=1) == p.label for p in (first, second)]
    counts = (right[0] & ~right[1]).sum(), (right[1] & ~right[0]).sum()
    assert rows["mlp"]["p_value"] == pytest.approx(binomtest(counts[0], sum(counts)).pvalue)
    assert "train more seeds" in notes[0]


def test_identical_runs_have_p_one_and_difference_zero(tmp_path):
    right = answers(0.7)
    for n_seeds in (1, 3):
        runs = [
            write_run(tmp_path / str(n_seeds), model, right, seed=seed)
            for model in ("cnn", "mlp")
            for seed in range(n_seeds)
        ]
        rows, notes = rows_of(runs)
        other = next(row for row in rows.values() if row["verdict"] != "best")
        assert (other["difference"], other["p_value"]) == (0, 1)
        assert other["difference_interval"] == [0, 0]
        assert "they are equally accurate" in notes[0]


def test_reference_may_be_chosen_and_must_be_there(tmp_path):
    runs = write_runs(tmp_path, {"cnn": 0.9, "mlp": 0.5})
    rows, _ = rows_of(runs, reference="mlp")
    assert (rows["mlp"]["verdict"], rows["cnn"]["verdict"]) == ("reference", "better")
    with pytest.raises(RunError, match="reference 'lstm' is among"):
        rows_of(runs, reference="lstm")


def test_models_with_different_numbers_of_seeds_are_compared_over_all_of_them(tmp_path):
    runs = write_runs(tmp_path, {"cnn": 0.9}) + write_runs(tmp_path, {"mlp": 0.6}, n_seeds=2)
    cnn, mlp = make_entries(runs)
    assert compare(mlp, cnn).n_seeds == 2
    assert compare(mlp, cnn).estimate.mean == pytest.approx(mlp.accuracy - cnn.accuracy)


def test_floors_are_told_in_words(tmp_path):
    shares = {"tfidf-svc": 0.9, "majority": 0.35, "cnn": 0.97, "mlp": 0.9, "lstm": 0.34}
    _, notes = rows_of(write_runs(tmp_path, shares))
    text = "\n".join(notes)
    assert "mlp does not beat tfidf-svc on bbc" in text
    assert "lstm does not beat tfidf-svc on bbc" in text
    assert "WARNING: lstm is not above majority on bbc" in text
    assert "cnn does not beat" not in text
    assert "mlp is not above" not in text


def test_small_labels_are_counted_and_a_missing_one_is_handled(tmp_path):
    labels = np.array([0] * 95 + [1] * 5)  # label c does not occur
    runs = [
        write_run(tmp_path, model, answers(0.8, 100, seed), labels=labels)
        for seed, model in enumerate(["cnn", "mlp"])
    ]
    rows, notes = rows_of(runs)
    assert "2 of 3 labels of bbc have fewer than 10 test texts: macro F1 rests on them" in notes
    assert 0 < rows["cnn"]["macro_f1"] < 1


def test_label_orders_may_differ(tmp_path):
    ours = write_run(tmp_path, "cnn", answers(0.8))[1]
    theirs = write_run(tmp_path, "mlp", answers(0.8), names=("c", "a", "b"))[1]
    check_comparable(ours, theirs)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"digest": "e"}, r"other test texts \(300 and 300\)"),
        ({"names": ("a", "b", "x")}, "other labels: 'c' is in one of them only"),
        ({"dataset": "imdb"}, "other datasets: bbc and imdb"),
    ],
)
def test_what_must_not_be_compared_is_refused_with_the_reason(tmp_path, cli, options, reason):
    ours, theirs = (
        write_run(tmp_path, "cnn", answers(0.8)),
        write_run(tmp_path, "mlp", answers(0.8), **options),
    )
    with pytest.raises(RunError, match=f"must not be compared: {reason}"):
        check_comparable(ours[1], theirs[1])
    for words in (["compare"], ["diff"]):
        answer = cli(*words, ours[0].path, theirs[0].path)
        assert answer.code == 1
        assert "must not be compared" in answer.error_line
    # In a folder, each test set is a comparison by itself.
    answer = cli("compare", tmp_path, "--format", "json")
    assert answer.code == 0
    assert len(answer.json) == 2


def test_predictions_that_do_not_belong_to_the_evaluation_are_refused(tmp_path):
    run, result = write_run(tmp_path, "cnn", answers(0.8))
    run.write_predictions(write_run(tmp_path / "x", "cnn", answers(0.9))[0].read_predictions())
    with pytest.raises(RunError, match=r"predictions.npz is damaged .*it has changed since"):
        make_entries([(run, result)])


def test_damaged_predictions_of_a_folder_are_left_out_with_a_note(cli, tmp_path):
    good = write_run(tmp_path / "runs", "cnn", answers(0.8))[0]
    damaged = write_run(tmp_path / "runs", "mlp", answers(0.8))[0]
    (damaged.path / "predictions.npz").write_bytes(b"PK")
    answer = cli("compare", "--format", "json")
    assert (answer.code, [row["model"] for row in answer.json]) == (0, ["cnn"])
    assert "left out: runs/bbc/mlp/" in answer.err
    answer = cli("compare", damaged.path)
    assert answer.code == 1
    assert "predictions.npz is damaged" in answer.error_line
    (good.path / "predictions.npz").unlink()
    assert "no finished run with its predictions is left" in cli("compare").err


def test_gate_alarms_only_at_a_drop_that_is_large_and_no_noise(tmp_path):
    [baseline] = make_entries(write_runs(tmp_path / "base", {"cnn": 0.9}))

    def gate(share, max_drop, root):
        entries = make_entries(write_runs(tmp_path / root, {"mlp": share}))
        check_gate(entries, baseline, max_drop=max_drop, alpha=0.05)

    gate(0.95, 0.0, "better")
    gate(0.89, 0.0, "noise")
    gate(0.7, 0.3, "allowed")
    alarm = r"worse than the baseline cnn by more than 0.05 .*: mlp lost 0\.[12]\d+ \(p"
    with pytest.raises(GateError, match=alarm):
        gate(0.7, 0.05, "worse")
    check_gate([baseline], baseline, max_drop=0, alpha=0.99)  # its own runs are left out


def test_gate_on_the_command_line_exits_with_three(cli, tmp_path):
    write_runs(tmp_path / "base", {"cnn": 0.9}, n_seeds=1)
    write_runs(tmp_path / "new", {"mlp": 0.6}, n_seeds=1)
    words = ["compare", "new", "--baseline", "base", "--format", "json"]
    answer = cli(*words)
    assert answer.code == 3
    assert "worse than the baseline cnn by more than 0 and by more than noise" in answer.error_line
    assert answer.json[0]["model"] == "mlp"
    assert cli(*words, "--max-drop", "0.5").code == 0
    # The same configuration, trained by other code: its fingerprint is that of the baseline.
    write_runs(tmp_path / "worse", {"cnn": 0.6}, n_seeds=3)
    answer = cli("compare", "worse", "--baseline", "base")
    assert (answer.code, "cnn lost 0." in answer.error_line) == (3, True)
    # Floors that stand beside a good model are no reason for an alarm.
    write_runs(tmp_path / "good", {"cnn": 0.92, "majority": 0.3, "tfidf-svc": 0.5}, n_seeds=3)
    answer = cli("compare", "good", "--baseline", "base")
    assert answer.code == 0
    assert "gate passed" in answer.err
    assert "with 1 seed(s) the noise of seeds is hardly known" in answer.err
    for words_of_mistake in (["--baseline", "good"], ["--baseline", "base", "--max-drop", "nan"]):
        assert cli("compare", "new", *words_of_mistake).code == 2
    assert "need --baseline" in cli("compare", "new", "--alpha", "0.1").error_line
    write_runs(tmp_path / "far", {"mlp": 0.6}, n_seeds=1, dataset="imdb")
    assert cli("compare", "far", "--baseline", "base").code == 1


def test_gates_false_alarms_stay_at_alpha(tmp_path):
    rng = np.random.default_rng(8)
    _, result = write_run(tmp_path, "cnn", answers(0.8))
    strangers = [(RunDirectory(tmp_path / str(i)),) * 3 for i in range(2)]
    results = (result,) * 3

    def train_and_answer(easy):
        """Three seeds of a model that is as good as any other, but has its own easy texts."""
        own, seeds = rng.normal(0, 0.8, 600), rng.normal(0, 0.04, (3, 1))
        return easy + own + seeds + rng.normal(0, 0.6, (3, 600)) > 0

    alarms = 0
    for _ in range(1_000):
        easy = rng.normal(0.9, 1.2, 600)
        ours, theirs = (Entry(runs, results, train_and_answer(easy)) for runs in strangers)
        try:
            check_gate([ours], theirs, max_drop=0, alpha=0.05)
        except GateError:
            alarms += 1
    assert 0.03 <= alarms / 1_000 <= 0.07


def test_diff_lists_what_one_run_alone_got_right(cli, smoke_run, tmp_path):
    other = RunDirectory(shutil.copytree(smoke_run, tmp_path / "other"))
    ours = RunDirectory(smoke_run).read_predictions()
    turned = np.roll(ours.probabilities, 1, axis=1)
    other.write_predictions(Predictions(ours.index, ours.label, turned))
    result = other.read_result()
    names = [scores.name for scores in result.evaluation.per_class]
    evaluation = evaluate(ours.label, turned, names, majority_label=0)
    other.finish(replace(result, evaluation=evaluation), other.read_meta())
    document = cli("diff", smoke_run, other.path, "--top", "3", "--format", "json").json
    right = [p.argmax(axis=1) == ours.label for p in (ours.probabilities, turned)]
    counts = document["mcnemar"]
    assert counts["only_a"] == (right[0] & ~right[1]).sum() > 0
    assert counts["only_b"] == (right[1] & ~right[0]).sum() > 0
    assert sum(counts[kind] for kind in ("both", "only_a", "only_b", "neither")) == 64
    assert sum(row["only_a"] for row in document["labels"]) == counts["only_a"]
    shown = document["only_a"]
    assert [t["confidence"] for t in shown] == sorted(
        (t["confidence"] for t in shown), reverse=True
    )
    place = ours.index.tolist().index(shown[0]["index"])
    assert right[0][place]
    assert not right[1][place]
    assert len(shown) == min(3, counts["only_a"])
    same = cli("diff", smoke_run, smoke_run, "--format", "json").json["mcnemar"]
    assert (same["only_a"], same["only_b"], same["p_value"]) == (0, 0, 1)
    assert "all labels" in cli("diff", smoke_run, other.path).out
    assert cli("diff", smoke_run, other.path, "--format", "csv").out.startswith("label,both,only_a")


def test_reproduce_matches_exactly_and_names_what_differs(cli, smoke_run, tmp_path):
    copy = shutil.copytree(smoke_run, tmp_path / "copy")
    answer = cli("reproduce", copy, "--device", "cpu", "--format", "json")
    assert answer.code == 0
    assert [row["difference"] for row in answer.json] == [0] * 5
    run = RunDirectory(copy)
    result = run.read_result()
    result.evaluation.metrics["accuracy"] += 0.001
    run.finish(result, run.read_meta())
    answer = cli("reproduce", copy, "--device", "cpu")
    assert answer.code == 3
    assert "is not reproduced (tolerance 0): accuracy" in answer.error_line
    meta = run.read_meta()
    meta["versions"]["keras"] = "3.0.0"
    meta["config"]["resources"]["memory"] = 4.0  # Asked for when it went on; decides nothing.
    run.write_meta(meta)
    answer = cli("reproduce", copy, "--device", "cpu")
    assert answer.code == 0
    assert "made with versions.keras 3.0.0, now" in answer.err
    config = (copy / "config.yaml").read_text()
    (copy / "config.yaml").write_text(
        config.replace("learning_rate: 0.001", "learning_rate: 0.002")
    )
    answer = cli("reproduce", copy, "--device", "cpu")
    assert answer.code == 3
    assert "training.learning_rate 0.001, now 0.002" in answer.error_line


def test_looks_at_the_test_set_are_counted(cli, smoke_run, tmp_path):
    run = RunDirectory(shutil.copytree(smoke_run, tmp_path / "copy"))
    assert run.read_meta()["test_evaluations"] == 1
    cli("evaluate", run.path)
    cli("evaluate", run.path, "--split", "validation")
    assert run.read_meta()["test_evaluations"] == 2


def test_small_labels_are_marked_by_evaluate(cli, smoke_run, tmp_path):
    run = shutil.copytree(smoke_run, tmp_path / "copy")
    rows = cli("evaluate", run, "--format", "csv").out.splitlines()
    assert rows[0] == "name,support,precision,recall,f1,note"
    notes = {int(row.split(",")[1]): row.split(",")[-1] for row in rows[1:]}
    assert all((note == "few texts") == (support < 10) for support, note in notes.items())
