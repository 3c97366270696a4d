"""Configurations and command lines that nobody thought of; TEXTCLF_FUZZ_EXAMPLES makes more."""

import contextlib
import io
import os
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textclf.cli import main
from textclf.config.loading import read_yaml
from textclf.config.resolve import SECTIONS, resolve
from textclf.errors import RequestError, TextclfError
from textclf.registry import list_names, load_module

EXAMPLES = settings(
    max_examples=int(os.environ.get("TEXTCLF_FUZZ_EXAMPLES", "300")),
    deadline=None,
    derandomize=True,
    database=None,
)


def list_keys():
    """Return all keys that any section has."""
    from textclf.config.schema import DatasetOptions, TextConfig, TrainingConfig

    sections = {"dataset": DatasetOptions, "text": TextConfig, "training": TrainingConfig}
    keys = {f"{name}.{key}" for name, section in sections.items() for key in section.model_fields}
    for model in list_names("models"):
        keys |= {f"model.{key}" for key in load_module("models", model).Parameters.model_fields}
    return sorted(keys - {"dataset.name", "model.name"})


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["pre", "post", "balanced", "linear", "val_loss", "glove", "1e3", "yes"])
    | st.integers(1, 300)
    | st.floats(0, 1)
)
values = scalars | st.lists(scalars, max_size=2) | st.dictionaries(st.text(max_size=5), scalars)
keys = st.sampled_from(list_keys()) | st.text(max_size=12)
dataset_names = st.sampled_from(list_names("datasets")) | st.text(max_size=8)
model_names = st.sampled_from(list_names("models")) | st.text(max_size=8)


@st.composite
def trees(draw):
    """A configuration tree: mostly right names, and keys with any values."""
    tree = {"dataset": {"name": draw(dataset_names)}, "model": {"name": draw(model_names)}}
    for key in draw(st.lists(keys, max_size=3)):
        section, _, name = key.partition(".")
        section = section if draw(st.booleans()) or section in SECTIONS else draw(st.text())
        part = tree.setdefault(section, {})
        if isinstance(part, dict):
            part[name] = draw(values)
    if draw(st.booleans()):
        tree["seed"] = draw(values)
    return tree


@EXAMPLES
@given(trees())
def test_configuration_is_refused_or_comes_back_from_its_file(tmp_path_factory, tree):
    try:
        config = resolve(tree)
    except TextclfError:
        return
    path = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    path.write_text(config.to_yaml(), encoding="utf-8")
    again = resolve(read_yaml(path))
    assert again == config
    assert again.fingerprint == config.fingerprint


WORDS = "--dataset bbc --model mlp --set --seed 7 --smoke --config --force --run-dir --quiet"
words = st.sampled_from([*WORDS.split(), "--device", "cpu", "--format", "json", "-", "--", "-x"])
# No operating system passes a NUL in an argument.
arguments = st.text(st.characters(exclude_characters="\0"), max_size=6)
assignments = st.builds("{}={}".format, keys, scalars).filter(lambda word: "\0" not in word)


class ReachedError(TextclfError):
    """Everything that was given is right, and training would begin."""


@EXAMPLES
@given(
    st.lists(words | assignments | arguments, max_size=8),
    st.booleans(),
)
def test_command_line_is_done_or_refused_in_one_line(given_words, complete):
    def reach(*_, **__):
        raise ReachedError("reached")

    given_words = ["train", *given_words]
    if complete:
        given_words += ["--dataset", "bbc", "--model", "mlp"]
    errors, output = io.StringIO(), io.StringIO()
    with (
        mock.patch("textclf.experiment.run.run_experiment", reach),
        contextlib.redirect_stderr(errors),
        contextlib.redirect_stdout(output),
        pytest.raises(SystemExit) as info,
    ):
        main(given_words)
    message = errors.getvalue()
    reached = message == "textclf: reached\n"
    helped = info.value.code == 0 and output.getvalue().startswith("Usage: ")
    assert reached or helped or info.value.code in {RequestError.exit_code, TextclfError.exit_code}
    assert "Traceback" not in message
    assert helped or message.count("\n") == 1, message
