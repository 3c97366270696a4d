"""The folder of a study: settings, tables, and which trial is the best."""

import csv
from dataclasses import replace

import pytest
from support import PLUGINS
from tuning_support import make_trial

from textclf.config.loading import Override
from textclf.config.resolve import load_config, resolve
from textclf.config.search_space import Choices, Range
from textclf.errors import RequestError, RunError
from textclf.tuning.study import (
    JOURNAL,
    Study,
    StudySettings,
    check_metric,
    find_study,
    get_defaults,
)

TRIALS = [
    make_trial(0, 0.5, params={"model.dropout": 0.2, "model.filters": 256}),
    make_trial(1, 0.75, params={"model.dropout": 0.25, "model.filters": 32}, n_epochs=1_234),
    make_trial(2, state="pruned"),
    make_trial(3, 0.75, params={"model.dropout": 0.5, "model.filters": 64}),
    make_trial(4, state="failed", error="diverged"),
]


@pytest.fixture
def study(tmp_path, network_settings):
    path = tmp_path / "_studies" / "mine"
    path.mkdir(parents=True)
    return Study.create(path, network_settings).add(TRIALS)


def test_the_best_trial_is_the_first_with_the_best_metric(study):
    assert study.best.number == 1
    assert study.defaults.number == 0
    by_loss = replace(study, settings=replace(study.settings, metric="loss"))
    assert by_loss.best.number == 0


def test_a_study_is_read_as_it_was_written(study):
    found = Study.read(study.path)
    assert found.trials == study.trials
    assert found.settings == study.settings


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"op_code":4', '"op_code":99'),
        ('"seeds":[42],', ""),
        ('"seeds":[42]', '"seeds":["a"]'),
        ('"metric":"accuracy"', '"metric":"\\u001b[2J"'),
        ('"batch_size":1', '"batch_size":0'),
        ('"fingerprint":"f1"', '"fingerprint":null'),
        ('"value":0.5', '"value":"0,5"'),
        ('"outside":{"model.filters":256}', '"outside":{}'),
        ('"state":1', '"state":2'),  # The defaults are pruned.
        ('"epochs":4', '"epochs":-4'),
        ('"high":0.5}', '"hi":0.5}'),
    ],
)
def test_a_damaged_or_hostile_journal_is_one_line(study, old, new):
    path = study.path / JOURNAL
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new))
    with pytest.raises(RunError, match=r"; remove its folder to begin the study again") as error:
        Study.read(study.path)
    assert str(study.path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "space",
    [{"model.dropout": Range(0.0, 0.5, step=0.25)}, {"training.patience": Choices((None, 3))}],
)
def test_settings_are_read_with_their_types(network_settings, space):
    settings = replace(network_settings, space=space, seeds=(1, 2), metric="loss", threads=3)
    assert StudySettings.from_tree(settings.to_tree()) == settings
    assert settings.direction == "minimize"
    assert (settings.monitor, network_settings.monitor) == ("val_loss", "val_accuracy")


def test_the_default_name_depends_on_what_the_user_gave(network_settings):
    name = network_settings.default_name
    assert name.startswith("bbc-cnn-")
    given = {
        "seeds": (1,),
        "metric": "loss",
        "space": {"model.dropout": Range(0.0, 0.4)},
        "config": network_settings.config.model_copy(update={"seed": 1}),
    }
    others = [
        *(replace(network_settings, **{key: value}) for key, value in given.items()),
        *(change(network_settings, dataset={"folds": 2, "fold": fold}) for fold in (1, 2)),
    ]
    assert len({name, *(settings.default_name for settings in others)}) == 7
    assert replace(network_settings, batch_size=2, threads=5).default_name == name


def change(settings, **sections):
    tree = settings.config.model_dump(mode="json")
    for section, values in sections.items():
        tree[section] |= values
    return replace(settings, config=resolve(tree))


def test_other_settings_are_refused_with_the_first_that_differs(study):
    settings = study.settings
    study.check(settings)
    study.check(change(settings, resources={"cpus": 3}))
    cases = {
        "training.epochs 4, now 5": change(settings, training={"epochs": 5}),
        "metric accuracy, now loss": replace(settings, metric="loss"),
        "seeds [42], now [1, 2]": replace(settings, seeds=(1, 2)),
        "search.model.dropout.high 0.5, now 0.4": replace(
            settings, space={**settings.space, "model.dropout": Range(0.0, 0.4)}
        ),
        "search.model.filters {'choices': [32, 64]}, now None": replace(
            settings, space={"model.dropout": Range(0.0, 0.5)}
        ),
    }
    for problem, other in cases.items():
        with pytest.raises(RequestError) as error:
            study.check(other)
        assert str(error.value) == (
            f"the study mine has other settings: {problem}; give another --name, or leave it out"
        )


def test_a_file_that_was_moved_has_the_same_study(settings, news, tmp_path):
    study = Study.create(tmp_path, settings)
    moved = tmp_path / news.name
    moved.write_bytes(news.read_bytes())
    tree = {"dataset": {"name": str(moved)}, "model": {"name": "tfidf-svc"}}
    study.check(replace(settings, config=resolve(tree)))
    moved.write_bytes(news.read_bytes().replace(b"film", b"book"))
    with pytest.raises(RequestError, match=r"dataset\.digest"):
        study.check(replace(settings, config=resolve(tree)))


def test_a_python_file_that_was_moved_has_the_same_study(network_settings, tmp_path):
    paths = [tmp_path / folder / "bayes.py" for folder in ("one", "two")]
    for path in paths:
        path.parent.mkdir()
        path.write_bytes((PLUGINS / "bayes.py").read_bytes())
    before, after = (
        replace(
            network_settings,
            config=resolve(
                {"dataset": {"name": "bbc"}, "model": {"name": str(path)}},
                [Override("model.name", str(path), "test")],
            ),
        )
        for path in paths
    )
    assert before.config != after.config
    assert before.default_name == after.default_name
    Study(tmp_path, before, []).check(after)


def test_tables_have_all_trials_and_the_best_configuration(study):
    study.write_files()
    with (study.path / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["number"] for row in rows] == ["0", "1", "2", "3", "4"]
    assert rows[1] == {
        "number": "1",
        "state": "complete",
        "value": "0.75",
        "model.dropout": "0.25",
        "model.filters": "32",
        "seed 42": "0.75",
        "n_epochs": "1234",
        "seconds": "1.0",
        "fingerprint": "f1",
        "error": "",
    }
    assert (rows[2]["value"], rows[4]["error"]) == ("", "diverged")
    best = load_config(study.path / "best.yaml")
    assert (best.model.dropout, best.model.filters, best.training.epochs) == (0.25, 32, 4)
    assert best.seed == 42
    several = replace(study, settings=replace(study.settings, seeds=(3, 4)))
    assert several.make_config(several.best).seed == 3


def test_trials_are_shown_as_a_table_in_80_columns(study):
    lines = study.format("table", width=80).splitlines()
    assert lines[0].split() == [
        *("trial", "state", "validation", "accuracy"),
        *("dropout", "filters", "epochs", "train", "s"),
    ]
    assert lines[3].split() == ["1", "complete", "0.7500", "0.25", "32", "1,234", "1.0"]
    assert max(map(len, lines)) <= 80
    assert repr(study).splitlines()[3] == lines[3]
    assert study._repr_html_().count("</tr>") == 6
    assert '"error": "diverged"' in study.format("json")


def test_keys_with_the_same_last_part_are_shown_in_full(network_settings, tmp_path):
    space = {"model.units": Range(1, 2), "text.units": Range(1, 2), "training.epochs": Range(1, 2)}
    study = Study(tmp_path, replace(network_settings, space=space), [])
    titles = [column.title for column in study._list_columns()]
    assert titles[3:6] == ["model.units", "text.units", "epochs"]


def test_defaults_are_those_of_the_configuration(network_settings):
    assert get_defaults(network_settings) == {"model.dropout": 0.2, "model.filters": 256}


def test_a_study_is_found_by_its_name_or_folder(study, tmp_path):
    smoke = tmp_path / "_smoke" / "_studies" / "quick"
    smoke.mkdir(parents=True)
    (smoke / JOURNAL).touch()
    assert find_study("mine", tmp_path) == study.path
    assert find_study(study.path, tmp_path / "other") == study.path
    assert find_study("quick", tmp_path) == smoke
    with pytest.raises(RunError, match=r"^unknown study 'mime': did you mean 'mine'\?"):
        find_study("mime", tmp_path)
    with pytest.raises(RunError, match=r"^no study in .*; begin one: textclf tune --model"):
        find_study("mine", tmp_path / "other")


def test_an_unknown_metric_is_refused():
    assert check_metric("macro_f1") == "macro_f1"
    with pytest.raises(RequestError, match=r"^unknown metric 'f1'"):
        check_metric("f1")
