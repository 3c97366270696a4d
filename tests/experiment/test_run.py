"""Running one experiment: finished and resumed runs, and the dataset that it loads."""

import csv
import re
import zipfile
from dataclasses import replace

import pytest
from support import write_preset, write_run

from textclf.config.loading import Override
from textclf.config.resolve import resolve
from textclf.errors import DataError, RequestError, RunError
from textclf.experiment.run import RunContext, run_experiment
from textclf.runs.directory import RunDirectory
from textclf.runtime.progress import ForwardingReporter, Reporter
from textclf.testing import make_dataset


@pytest.fixture
def messages():
    return []


@pytest.fixture
def run_in(tmp_path, messages):
    """Return a function that runs a small network in a run directory."""

    def run(path=tmp_path / "run", model="mlp", keys=(), training=(), **context):
        own = {} if model == "encoder" else {"units": 4}
        tree = {"dataset": {"name": "bbc"}, "model": {**own, **dict(keys)}}
        tree |= {"text": {"num_words": 20, "sequence_length": 5}}
        tree |= {"training": {"epochs": 3, **dict(training)}}
        context = {"device": "cpu", "load": lambda config: make_dataset()} | context
        reporter = ForwardingReporter(lambda message: messages.append(message.text))
        config = resolve(tree, [Override("model.name", str(model), "--model")])
        return run_experiment(config, RunDirectory(path), RunContext(reporter, **context))

    return run


def test_a_finished_run_is_read_without_its_dataset(tmp_path, messages):
    def load(config):
        raise AssertionError

    run, result = write_run(tmp_path, "mlp", [True, False, True])
    reporter = ForwardingReporter(lambda message: messages.append(message.text))
    context = RunContext(reporter, load=load)
    assert run_experiment(run.read_config(), run, context) == result
    assert messages == [f"already finished (--force repeats it): {run.path}"]


@pytest.mark.slow
@pytest.mark.usefixtures("tensorflow")
def test_the_result_is_that_of_the_dataset_that_was_loaded(run_in, tmp_path):
    result = run_in()
    dataset, run = make_dataset(), RunDirectory(tmp_path / "run")
    assert result.evaluation.n_examples == len(dataset.test)
    assert [scores.name for scores in result.evaluation.per_class] == list(dataset.label_names)
    assert (result.n_epochs, result.split) == (3, "test")
    assert run.read_result() == result
    assert run.read_meta()["dataset_digest"] == dataset.digest
    assert (run.read_predictions().label == dataset.test.labels).all()


@pytest.mark.usefixtures("tensorflow")
def test_labels_that_no_font_can_show_are_noted_once(run_in, messages, tmp_path):
    label = "\U0010ffff"  # Not a character, so that no font has it.

    def load(config):
        dataset = make_dataset()
        return replace(dataset, label_names=(label, *dataset.label_names[1:]))

    run_in(load=load)
    notes = [message for message in messages if "the plots cannot show" in message]
    assert notes == [
        "note: the plots cannot show the characters of '\\U0010ffff': no installed font has them;"
        " install one for the language, such as a Noto font"
    ]
    assert (tmp_path / "run" / "confusion.png").is_file()


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize("step", ["load", "build", "train"])
def test_a_run_that_fails_leaves_nothing(run_in, tmp_path, monkeypatch, step):
    def fail(*arguments, **options):
        raise DataError("it fails")

    context = {"load": fail} if step == "load" else {}
    if step == "build":
        monkeypatch.setattr("textclf.experiment.fit.build_model", fail)
    if step == "train":
        monkeypatch.setattr(RunDirectory, "write_checkpoint", fail)
    for path in (tmp_path / "run", tmp_path / "runs" / "bbc" / "run"):
        with pytest.raises(DataError, match="it fails"):
            run_in(path, **context)
        assert list(tmp_path.iterdir()) == []


def test_a_finished_run_stays_if_it_cannot_be_repeated(run_in, tmp_path):
    run, result = write_run(tmp_path, "mlp", [True, False, True])

    def fail(config):
        raise DataError("it fails")

    context = RunContext(Reporter(quiet=True), "cpu", force=True, load=fail)
    with pytest.raises(DataError, match="it fails"):
        run_experiment(run.read_config(), run, context)
    assert run.read_result() == result


@pytest.fixture
def interrupted(run_in, tmp_path, monkeypatch, tensorflow):
    """A run that was interrupted after its first epoch."""
    write = RunDirectory.write_checkpoint

    def write_and_interrupt(self, checkpoint):
        write(self, checkpoint)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RunDirectory, "write_checkpoint", write_and_interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_in()
    return RunDirectory(tmp_path / "run")


def test_an_interrupted_run_says_how_it_is_resumed(interrupted, messages):
    assert messages[-1].startswith("run the same command again to resume")
    assert not interrupted.is_finished
    assert len(interrupted.read_checkpoint().rows) == 1


@pytest.mark.slow
def test_a_resumed_run_records_that_its_environment_has_changed(interrupted, run_in, messages):
    run, meta = interrupted, interrupted.read_meta()
    assert meta["versions"]["keras"]
    run.write_meta({**meta, "versions": {**meta["versions"], "keras": "3.0.0"}})
    run_in(command="textclf train")
    assert "resuming with different versions: last digits may differ" in messages
    assert any(message.startswith("epoch 2/3") for message in messages)
    assert not any(message.startswith("epoch 1/3") for message in messages)
    assert run.find_damage() == []
    found = run.read_meta()
    assert found["versions"] is None
    assert (found["device"], found["command"]) == ("cpu", "textclf train")


VECTORS = {"apple": [1, 2], "axe": [3, -4], "elsewhere": [9, 9]}


@pytest.fixture
def vectors(tmp_path):
    """Word vectors of two words of the small dataset, and of another one."""
    path = tmp_path / "vectors.txt"
    path.write_text("".join(f"{word} {x} {y}\n" for word, (x, y) in VECTORS.items()))
    return path


def read_embedding(path):
    """Return the vector of each word in a finished run."""
    model = RunDirectory(path).read_model()
    table = model.network.get_layer("embedding").embeddings.numpy()
    return dict(zip(model.encoder.vocabulary, table[4:].tolist(), strict=False))


@pytest.mark.slow
@pytest.mark.usefixtures("tensorflow")
def test_vectors_are_in_the_saved_model(run_in, vectors, tmp_path, messages):
    frozen = {"vectors": str(vectors), "vectors_trainable": False}
    run_in(tmp_path / "frozen", keys=frozen)
    found = read_embedding(tmp_path / "frozen")
    assert "elsewhere" not in found
    assert (found["apple"], found["axe"]) == (VECTORS["apple"], VECTORS["axe"])
    [note] = [message for message in messages if message.startswith("WARNING: vectors ")]
    assert " (2 of 12 words) and " in note
    coverage = RunDirectory(tmp_path / "frozen").read_meta()["vector_coverage"]
    assert coverage == {"vocabulary": 2 / 12, "train_tokens": pytest.approx(1 / 6, abs=0.05)}
    run_in(tmp_path / "trained", keys={"vectors": str(vectors)})
    trained = read_embedding(tmp_path / "trained")
    for word in ("apple", "axe"):
        assert trained[word] != VECTORS[word]
        assert trained[word] == pytest.approx(VECTORS[word], abs=0.1)
    vectors.unlink()  # A finished run does not need it.
    run = RunDirectory(tmp_path / "trained")
    assert run.read_config().model.vectors == str(vectors)
    assert len(run.read_config().model.digest) == 64
    assert run.read_model().predict_texts(["apple", "axe"]).shape == (2, 3)


@pytest.mark.slow
@pytest.mark.usefixtures("tensorflow")
def test_resumed_run_with_vectors_has_the_same_bytes(run_in, vectors, tmp_path, monkeypatch):
    write = RunDirectory.write_checkpoint

    def write_and_interrupt(self, checkpoint):
        write(self, checkpoint)
        raise KeyboardInterrupt

    keys = {"vectors": str(vectors)}
    run_in(tmp_path / "whole", keys=keys)
    with monkeypatch.context() as patch:
        patch.setattr(RunDirectory, "write_checkpoint", write_and_interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_in(keys=keys)
    run_in(keys=keys)
    names = ("whole", "run")
    assert read_embedding(tmp_path / "whole") == read_embedding(tmp_path / "run")
    predictions = [RunDirectory(tmp_path / name).read_predictions() for name in names]
    assert predictions[0].probabilities.tobytes() == predictions[1].probabilities.tobytes()


def read_bytes(path):
    """Return what a run produced, without measured times and addresses."""
    run = RunDirectory(path)
    assert run.find_damage() == []
    with zipfile.ZipFile(path / "model.keras") as archive:
        model = {name: archive.read(name) for name in archive.namelist()}
    del model["metadata.json"]
    model["config.json"] = re.sub(rb'"shared_object_id": \d+', b"", model["config.json"])
    with (path / "history.csv").open() as file:
        history = [{**row, "seconds": None} for row in csv.DictReader(file)]
    return model, history, (path / "predictions.npz").read_bytes()


@pytest.mark.slow
@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize(
    ("trainable_layers", "training"),
    [(0, {}), (1, {"precision": "mixed_bfloat16", "gradient_accumulation_steps": 2})],
)
def test_resumed_run_of_an_encoder_has_the_same_bytes(
    run_in, tmp_path, monkeypatch, trainable_layers, training
):
    write = RunDirectory.write_checkpoint

    def write_and_interrupt(self, checkpoint):
        write(self, checkpoint)
        raise KeyboardInterrupt

    keys = {"preset": str(write_preset(tmp_path / "preset")), "trainable_layers": trainable_layers}
    given = {"model": "encoder", "keys": keys, "training": training}
    monkeypatch.setenv("TEXTCLF_CACHE_DIR", str(tmp_path / "cache"))
    whole = run_in(tmp_path / "whole", **given)
    run_in(tmp_path / "other", keys={"units": 3})  # Names of layers are counted in a process.
    with monkeypatch.context() as patch:
        patch.setattr(RunDirectory, "write_checkpoint", write_and_interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_in(**given)
    assert len(RunDirectory(tmp_path / "run").read_checkpoint().rows) == 1
    assert run_in(**given).n_epochs == whole.n_epochs == 3
    assert read_bytes(tmp_path / "run") == read_bytes(tmp_path / "whole")


@pytest.mark.usefixtures("tensorflow")
def test_vectors_for_a_model_of_text_are_refused(run_in, tmp_path, vectors, monkeypatch, forget):
    code = """
import keras
from textclf.models._layers import SequenceConfig
TAKES = "text"
class Config(SequenceConfig):
    units: int = 1
def build(config, *, text, n_labels):
    texts = keras.Input((), dtype="string")
    encoder = keras.layers.TextVectorization(output_mode="multi_hot", vocabulary=["a", "b"])
    features = keras.Input((3,))
    outputs = keras.layers.Dense(n_labels, activation="softmax")(features)
    return encoder, keras.Model(features, outputs)
"""
    (tmp_path / "mine.py").write_text(code)
    with pytest.raises(
        RequestError, match=r"^model.vectors: mine.py does not take token ids; leave"
    ):
        run_in(model=tmp_path / "mine.py", keys={"vectors": str(vectors)})
    assert not (tmp_path / "run").exists()


def test_an_interrupted_run_is_not_resumed_with_another_dataset(interrupted, run_in):
    with pytest.raises(RunError, match="the dataset has changed since"):
        run_in(load=lambda config: make_dataset(2))
    assert len(interrupted.read_checkpoint().rows) == 1
