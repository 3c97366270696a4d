"""Random configurations and command lines; TEXTCLF_FUZZ_EXAMPLES sets their number."""

import contextlib
import io
import os
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textclf.cli import main
from textclf.config.loading import read_yaml
from textclf.config.resolve import resolve
from textclf.config.schema import (
    DatasetConfig,
    EvaluationConfig,
    ExperimentConfig,
    ModelConfig,
    OutputConfig,
    ResourcesConfig,
    TextConfig,
    TrainingConfig,
)
from textclf.errors import RequestError, TextclfError
from textclf.registry import list_names, load_module

EXAMPLES = settings(
    max_examples=int(os.environ.get("TEXTCLF_FUZZ_EXAMPLES", "300")),
    deadline=None,
    derandomize=True,
    database=None,
)


SECTIONS = set(ExperimentConfig.model_fields) - {"seed"}


def list_keys():
    """Return all keys of the sections and the models."""
    sections = {
        "dataset": DatasetConfig,
        "text": TextConfig,
        "training": TrainingConfig,
        "evaluation": EvaluationConfig,
        "resources": ResourcesConfig,
        "output": OutputConfig,
    }
    keys = {f"{name}.{key}" for name, section in sections.items() for key in section.model_fields}
    for model in list_names("models"):
        schema = getattr(load_module("models", model), "Config", ModelConfig)
        keys |= {f"model.{key}" for key in schema.model_fields}
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
    """Draw a configuration tree of mostly valid names, and keys with any values."""
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


OPTIONS = "--dataset bbc --model mlp --set --seed 7 --smoke --config --force --run-dir --quiet"
options = st.sampled_from(
    [*OPTIONS.split(), "--device", "cpu", "--format", "json", "-", "--", "-x"]
)
# No operating system passes a NUL in an argument.
any_text = st.text(st.characters(exclude_characters="\0"), max_size=6)
assignments = st.builds("{}={}".format, keys, scalars).filter(lambda text: "\0" not in text)


class ReachedError(TextclfError):
    """All arguments are valid, and the run would begin."""


@pytest.mark.slow
@EXAMPLES
@given(
    st.lists(options | assignments | any_text, max_size=8),
    st.booleans(),
)
def test_command_line_is_accepted_or_refused_in_one_line(arguments, complete):
    def reach(*_, **__):
        raise ReachedError("reached")

    arguments = ["train", *arguments]
    if complete:
        arguments += ["--dataset", "bbc", "--model", "mlp"]
    errors, output = io.StringIO(), io.StringIO()
    with (
        mock.patch("textclf.api.run_experiment", reach),
        contextlib.redirect_stderr(errors),
        contextlib.redirect_stdout(output),
        pytest.raises(SystemExit) as info,
    ):
        main(arguments)
    message = errors.getvalue()
    reached = message == "textclf: reached\n"
    helped = info.value.code == 0 and "textclf train" in output.getvalue().split("\n")[0]
    assert reached or helped or info.value.code in {RequestError.exit_code, TextclfError.exit_code}
    assert "Traceback" not in message
    assert helped or message.count("\n") == 1, message
