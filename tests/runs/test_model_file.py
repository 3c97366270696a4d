"""Model files with classes of a Python file or of a package."""

import json
import re
import shutil
import zipfile

import pytest
from sklearn.pipeline import make_pipeline

from textclf.errors import RunError
from textclf.registry import CODE_PREFIX, execute_code, name_code_module
from textclf.runs.directory import RunDirectory
from textclf.runs.model_file import check_model_file, load_model

pytestmark = pytest.mark.usefixtures("forget", "tensorflow")

TEXTS = ["apple and pear", "a saw"]


def open_run(path, copy):
    return RunDirectory(shutil.copytree(path, copy))


def execute_model(run):
    """Execute the Python file of a run's model, and return the name of its module."""
    path = run.path / "model.py"
    return name_code_module(execute_code(path.read_bytes(), path))


def rename_class(run, **changes):
    """Change what the custom layer of a saved network is named, like an attacker."""
    path = run.path / "model.keras"
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(files["config.json"])
    [layer] = [
        layer
        for layer in config["config"]["network"]["config"]["layers"]
        if layer["class_name"] == "Scale"
    ]
    layer.update(changes)
    files["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


@pytest.fixture
def scaled(code_runs, tmp_path):
    return open_run(code_runs["scaled"], tmp_path / "scaled")


def test_layer_of_a_python_file_is_loaded_if_the_file_is_trusted(scaled):
    path = scaled.path / "model.keras"
    with pytest.raises(RunError) as info:
        load_model(path)
    assert str(info.value) == (
        f"{path} needs Scale, which the Python file of the model defines; if you trust that file,"
        " add --trust-code (in Python, trust_code=True)"
    )
    module = execute_model(scaled)
    [(name, loaded)] = check_model_file(path, packages=[module]).items()
    assert (name, loaded.__module__) == ("Scale", module)
    stored = scaled.read_predictions().probabilities
    assert load_model(path, packages=[module]).predict_texts(TEXTS).shape == (2, stored.shape[1])


@pytest.mark.parametrize("module", [f"{CODE_PREFIX}0123456789abcdef", "os", "json.decoder"])
def test_class_of_another_module_is_refused_with_and_without_trust(scaled, module):
    own = execute_model(scaled)
    rename_class(scaled, module=module, registered_name="Scale")
    path = scaled.path / "model.keras"
    with pytest.raises(RunError) as info:
        load_model(path, packages=[own])
    assert str(info.value) == (
        f"{path} is refused: it names Scale of {module}, and only classes of Keras and textclf are"
        " loaded; --trust-code also allows those of the model's own file or package"
    )
    with pytest.raises(RunError, match=r"needs Scale|is refused: it names Scale of"):
        load_model(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"class_name": "Absent"},
        {"class_name": "TAKES"},
        {"class_name": "build"},
        {"module": "{}.x"},
    ],
    ids=str,
)
def test_class_that_the_python_file_does_not_define_is_one_line(scaled, changes):
    own = execute_model(scaled)
    rename_class(scaled, **{key: value.format(own) for key, value in changes.items()})
    scaled.finish(scaled.read_result(), scaled.read_meta())
    with pytest.raises(RunError) as info:
        scaled.read_model(trust_code=True)
    assert f"{scaled.path / 'model.keras'} is damaged (" in str(info.value)
    assert "\n" not in str(info.value)


@pytest.mark.parametrize("name", ["Lambda", "TFSMLayer"])
def test_refused_classes_are_refused_also_of_a_trusted_file(scaled, name):
    own = execute_model(scaled)
    rename_class(scaled, class_name=name)
    with pytest.raises(RunError, match=f"its {name} layer can run any code"):
        load_model(scaled.path / "model.keras", packages=[own])


def test_layer_of_a_package_is_loaded_only_with_its_package(scaled, install):
    content = (scaled.path / "model.py").read_text()
    install({"layers.py": content}, {})
    rename_class(scaled, module="my_package.layers")
    path = scaled.path / "model.keras"
    for packages in ([], ["my_pack"], ["my_package.layers"], [execute_model(scaled)]):
        with pytest.raises(
            RunError, match=r"is refused: it names Scale of my_package\.layers, and"
        ):
            load_model(path, packages=packages)
    assert load_model(path, packages=["my_package"]).predict_texts(TEXTS).shape == (2, 2)


def test_type_of_a_python_file_in_a_skops_file_is_loaded_if_the_file_is_trusted(
    code_runs, tmp_path
):
    run = open_run(code_runs["bayes"], tmp_path / "bayes")
    path = run.path / "model.skops"
    with pytest.raises(RunError) as info:
        load_model(path)
    assert str(info.value) == (
        f"{path} needs Reverse, which the Python file of the model defines; if you trust that file,"
        " add --trust-code (in Python, trust_code=True)"
    )
    module = execute_model(run)
    with pytest.raises(RunError, match=rf"^{re.escape(str(path))} is refused: it names Reverse of"):
        load_model(path, packages=["another"])
    assert load_model(path, packages=[module]).predict_texts(TEXTS).argmax(axis=1).tolist() == [
        0,
        1,
    ]


class Untrusted:
    """Has a type that no package is trusted with."""


def test_other_types_in_a_skops_file_are_refused_with_trust_too(code_runs, tmp_path):
    run = open_run(code_runs["bayes"], tmp_path / "bayes")
    module = execute_model(run)
    classifier = load_model(run.path / "model.skops", packages=[module])
    steps = [step for _, step in classifier.pipeline.steps]
    classifier.pipeline = make_pipeline(Untrusted(), *steps)
    classifier.save(run.path / "model.skops")
    run.finish(run.read_result(), run.read_meta())
    for trust_code in (False, True):
        with pytest.raises(RunError, match=r"model\.skops (is refused|needs Reverse)") as info:
            run.read_model(trust_code=trust_code)
        assert "\n" not in str(info.value)
    assert f"is refused: it names Untrusted of {__name__}, and only types of" in str(info.value)
