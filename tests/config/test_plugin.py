"""Python files and packages in configurations: when they are executed, and their fingerprints."""

import pytest
import yaml
from support import PLUGINS

from textclf import registry
from textclf.config.loading import Override, read_yaml
from textclf.config.resolve import load_config, resolve, set_values
from textclf.config.schema import DatasetConfig, ModelConfig, SplitConfig, TextConfig
from textclf.errors import LimitError, RequestError

pytestmark = pytest.mark.usefixtures("forget", "tensorflow")

FILES = {"model": "average.py", "dataset": "words.py"}
BUILT_IN = {"model": "mlp", "dataset": "bbc"}


def name(**names):
    """Return overrides that name a dataset and a model, like options."""
    given = {**BUILT_IN, **names}
    return [Override(f"{k}.name", str(v), f"--{k} {v}") for k, v in given.items()]


def write_yaml(path, **names):
    given = {**BUILT_IN, **names}
    path.write_text(yaml.safe_dump({k: {"name": str(v)} for k, v in given.items()}))
    return path


def refuse(*arguments, **options):
    with pytest.raises(RequestError) as info:
        load_config(*arguments, **options)
    assert "\n" not in str(info.value)
    return str(info.value)


@pytest.fixture
def traced(plugins):
    """Files that leave a trace when they are executed; return a function that reads the traces."""
    for file_name in FILES.values():
        with (plugins / file_name).open("a") as file:
            path = str(plugins / "trace")
            file.write(f"\nwith open({path!r}, 'a') as file:\n    file.write('{file_name} ')\n")

    def read():
        path = plugins / "trace"
        return path.read_text().split() if path.exists() else []

    return read


def test_files_that_the_user_names_are_executed(plugins, traced):
    config = load_config(None, name(model=plugins / "average.py", dataset=plugins / "words.py"))
    assert traced() == ["words.py", "average.py"]
    assert config.model.name == str(plugins / "average.py")
    assert config.model.code == registry.hash_code((plugins / "average.py").read_bytes())
    assert config.model.embedding_dim == 8
    assert isinstance(config.dataset, SplitConfig)
    assert (config.dataset.n_texts, config.dataset.test_fraction) == (40, 0.2)
    assert (config.model.short_name, config.dataset.short_name) == ("average.py", "words.py")


@pytest.mark.parametrize("section", FILES)
def test_file_that_a_configuration_names_is_not_executed_without_trust(plugins, traced, section):
    file = plugins / FILES[section]
    path = write_yaml(plugins / "my.yaml", **{section: file})
    assert refuse(path) == (
        f"{path}: {file} is Python code, which is executed only if you name it yourself; if you"
        " trust it, add --trust-code (in Python, trust_code=True)"
    )
    assert traced() == []
    # Naming the other one is not naming the file.
    [other] = [override for override in name() if override.key != f"{section}.name"]
    assert "is Python code, which is executed only if" in refuse(path, [other])
    assert traced() == []
    assert load_config(path, trust_code=True).model_dump()[section]["name"] == str(file)
    assert traced() == [file.name]


@pytest.mark.parametrize("section", FILES)
def test_user_may_name_the_file_of_a_configuration(plugins, traced, section):
    file = plugins / FILES[section]
    path = write_yaml(plugins / "my.yaml", **{section: file})
    override = Override(f"{section}.name", str(file), f"--set {section}.name={file}")
    assert getattr(load_config(path, [override]), section).name == str(file)
    assert traced() == [file.name]


def test_override_of_a_key_does_not_name_the_file(plugins, traced):
    path = write_yaml(plugins / "my.yaml", model=plugins / "average.py")
    message = refuse(path, [Override("model.embedding_dim", 3, "--set model.embedding_dim=3")])
    assert "is Python code, which is executed only if you name it yourself" in message
    assert traced() == []


def test_path_is_made_absolute(plugins, monkeypatch):
    monkeypatch.chdir(plugins.parent)
    config = load_config(None, name(model="plugins/average.py"))
    assert config.model.name == str(plugins / "average.py")
    monkeypatch.setenv("HOME", str(plugins))
    assert load_config(None, name(model="~/average.py")).model == config.model


@pytest.mark.parametrize(
    ("file_name", "content", "message"),
    [
        ("absent.py", None, "cannot read {path}: No such file or directory; check the path"),
        ("broken.py", "def build(:", "{path} line 1: SyntaxError: invalid syntax (broken.py, line"),
        ("empty.py", "", "{path} is not a model: it must define either build(config, text"),
        (
            "other.py",
            "import pydantic\nclass Config(pydantic.BaseModel): ...\ndef fit(): ...",
            "{path}: Config must be a subclass of textclf.ModelConfig",
        ),
        (
            "value.py",
            "Config = 3\ndef fit(): ...",
            "{path}: Config must be a subclass of textclf.M",
        ),
    ],
)
def test_invalid_model_file_is_refused(tmp_path, file_name, content, message):
    path = tmp_path / file_name
    if content is not None:
        path.write_text(content)
    assert refuse(None, name(model=path)).startswith(message.format(path=path))


def test_config_of_a_dataset_must_be_one_of_a_dataset(plugins):
    path = plugins / "words.py"
    path.write_text(path.read_text().replace("textclf.SplitConfig", "textclf.ModelConfig"))
    assert refuse(None, name(dataset=path)) == (
        f"{path}: Config must be a subclass of textclf.DatasetConfig"
    )


def test_file_larger_than_the_limit_is_not_executed(plugins, traced, monkeypatch):
    monkeypatch.setenv("TEXTCLF_MAX_TEXT_MB", "0.0001")
    with pytest.raises(LimitError, match=r"average\.py is larger than the limit of 0\.0001 MB"):
        load_config(None, name(model=plugins / "average.py"))
    assert traced() == []


def test_keys_of_a_file_are_checked(plugins):
    path = plugins / "average.py"
    overrides = name(model=path)
    config = load_config(None, [*overrides, Override("model.embedding_dim", 3, "--set")])
    assert config.model.embedding_dim == 3
    message = refuse(None, [*overrides, Override("model.embeding_dim", 3, "--set x=3")])
    assert message.startswith(
        "--set x=3: model.embeding_dim: unknown key 'embeding_dim': did you mean 'embedding_dim'?"
    )
    message = refuse(None, [*overrides, Override("model.embedding_dim", "many", "--set x=many")])
    assert message.startswith("--set x=many: model.embedding_dim: should be a valid integer")


def test_defaults_of_a_file_are_used(plugins):
    path = plugins / "average.py"
    path.write_text(path.read_text() + "\nDEFAULTS = {'training': {'epochs': 3}}\n")
    assert load_config(None, name(model=path)).training.epochs == 3
    epochs = Override("training.epochs", 5, "--set")
    assert load_config(None, [*name(model=path), epochs]).training.epochs == 5


def test_file_without_a_config_has_the_usual_keys(tmp_path):
    (tmp_path / "model.py").write_text("def fit(): ...")
    (tmp_path / "data.py").write_text("def load(config): ...")
    config = load_config(None, name(model=tmp_path / "model.py", dataset=tmp_path / "data.py"))
    assert type(config.model) is ModelConfig
    assert type(config.dataset) is SplitConfig


def fingerprint(path, **names):
    return load_config(None, name(**(names or {"model": path}))).fingerprint


def test_fingerprint_depends_on_name_and_content_of_the_file_but_not_on_its_folder(
    plugins, tmp_path
):
    path = plugins / "average.py"
    before = fingerprint(path)
    assert fingerprint(path) == before
    (tmp_path / "moved").mkdir()
    moved = path.rename(tmp_path / "moved" / path.name)
    assert fingerprint(moved) == before
    assert fingerprint(moved.rename(tmp_path / "moved" / "mean.py")) != before
    path.write_text((PLUGINS / "average.py").read_text() + "# A comment.\n")
    assert fingerprint(path) != before


def test_fingerprint_changes_with_the_default_of_a_key(plugins):
    """A file with another default is another file, in which a key has its default value too."""
    path = plugins / "average.py"
    before = load_config(None, name(model=path))
    path.write_text(path.read_text().replace("embedding_dim: int = 8", "embedding_dim: int = 9"))
    after = load_config(None, name(model=path))
    assert (before.model.embedding_dim, after.model.embedding_dim) == (8, 9)
    assert after.fingerprint != before.fingerprint


@pytest.mark.parametrize("section", FILES)
def test_resolved_configuration_resolves_to_itself(plugins, section):
    path = plugins / FILES[section]
    config = load_config(None, [*name(**{section: path}), Override("seed", 3, "--seed")])
    resolved = plugins / "config.yaml"
    resolved.write_text(config.to_yaml())
    assert getattr(config, section).code in resolved.read_text()
    again = load_config(resolved, trust_code=True)
    assert again == config
    assert again.fingerprint == config.fingerprint


def test_resolved_configuration_of_built_in_code_has_no_key_code(tmp_path):
    text = load_config(None, name()).to_yaml()
    assert "code:" not in text
    (tmp_path / "a.yaml").write_text(text)
    assert load_config(tmp_path / "a.yaml") == load_config(None, name())


@pytest.fixture
def resolved(plugins, forget):
    """The resolved configuration of a model in a file, in a process that has not executed it."""
    config = load_config(None, name(model=plugins / "average.py"))
    (plugins / "config.yaml").write_text(config.to_yaml())
    forget()
    return plugins / "config.yaml"


def test_file_that_has_changed_since_it_was_recorded_is_refused(plugins, resolved, traced):
    path = plugins / "average.py"
    assert refuse(resolved, trust_code=True) == (
        f"{path} has changed since the configuration was made: restore it, or leave out the key"
        " code to use what it contains now"
    )
    assert traced() == []
    tree = read_yaml(resolved)
    del tree["model"]["code"]
    resolved.write_text(yaml.safe_dump(tree))
    assert load_config(resolved, trust_code=True).model.embedding_dim == 8
    assert traced() == ["average.py"]


def test_recorded_code_does_not_make_a_file_trusted(resolved, plugins):
    assert "average.py is Python code, which is executed only if you name it" in refuse(resolved)
    assert registry._loaded == {}
    # It is what the user has executed in this process.
    load_config(None, name(model=plugins / "average.py"))
    assert load_config(resolved).model.embedding_dim == 8


def test_another_name_replaces_what_was_derived_from_the_old_one(resolved, plugins):
    model = load_config(resolved, name(model="mlp")).model
    assert (model.name, model.code, model.embedding_dim) == ("mlp", None, 8)
    other = (plugins / "average.py").rename(plugins / "other.py")
    other.write_text(other.read_text() + "# A comment.\n")
    model = load_config(resolved, name(model=other)).model
    assert (model.name, model.code) == (str(other), registry.hash_code(other.read_bytes()))


@pytest.mark.parametrize("code", [3, ["a"], {"a": 1}, True, 1.5])
@pytest.mark.parametrize("model", ["cnn", "average.py"])
def test_key_code_must_be_text(plugins, model, code):
    path = plugins / "my.yaml"
    path.write_text(
        yaml.safe_dump({"dataset": {"name": "bbc"}, "model": {"name": model, "code": code}})
    )
    for trust_code in (False, True):
        assert refuse(path, trust_code=trust_code) == (
            f"{path}: the key code is set automatically; leave it out"
        )


def test_key_code_of_a_built_in_model_is_refused(plugins):
    path = plugins / "my.yaml"
    path.write_text("dataset: {name: bbc}\nmodel: {name: cnn, code: my-package 1.0}\n")
    assert refuse(path, trust_code=True) == (
        f"{path}: 'cnn' came from my-package 1.0, but now comes from textclf; install my-package"
        " 1.0, or leave out the key code"
    )
    override = Override("model.code", "x", "--set model.code=x")
    assert refuse(None, [*name(), override]).startswith(
        "--set model.code=x: 'mlp' came from x, but"
    )


def test_key_code_of_another_version_of_a_package_is_refused(install, tmp_path):
    files, points = {"average.py": (PLUGINS / "average.py").read_text()}, {}
    points["models"] = {"average": "my_package.average"}
    install(files, points)
    path = tmp_path / "my.yaml"
    config = load_config(None, name(model="average"))
    path.write_text(config.to_yaml())
    assert load_config(path) == config
    install(files, points, version="2.0")
    assert refuse(path) == (
        f"{path}: 'average' came from my-package 1.0, but now comes from my-package 2.0; install"
        " my-package 1.0, or leave out the key code"
    )


@pytest.mark.parametrize("section", FILES)
def test_section_of_code_that_is_not_executed_has_the_same_fingerprint(
    plugins, forget, traced, section
):
    key = {"model": "embedding_dim", "dataset": "n_texts"}[section]
    overrides = [*name(**{section: plugins / FILES[section]}), Override(f"{section}.{key}", 7, "x")]
    checked = load_config(None, overrides)
    forget()
    unchecked = resolve(checked.model_dump(mode="json"), code="skip")
    assert traced() == [FILES[section]]
    assert unchecked.fingerprint == checked.fingerprint
    assert unchecked.model_dump(mode="json") == checked.model_dump(mode="json")
    assert isinstance(unchecked.dataset, DatasetConfig)
    tree = checked.model_dump(mode="json")
    tree[section][key] = 8
    assert resolve(tree, code="skip").fingerprint != checked.fingerprint


def test_code_that_was_executed_or_installed_is_checked_also_if_it_is_not_executed_again(
    plugins, install
):
    """The dataset of a run in this process is split as its configuration says."""
    install(
        {"words.py": (PLUGINS / "words.py").read_text()},
        {"datasets": {"words": "my_package.words"}},
    )
    for dataset in ("words", plugins / "words.py"):
        config = load_config(None, name(dataset=dataset))
        again = resolve(config.model_dump(mode="json"), code="skip")
        assert type(again.dataset) is type(config.dataset)
        assert isinstance(again.dataset, SplitConfig)


def test_file_without_a_recorded_code_is_not_executed_by_a_run(plugins, traced):
    tree = {"dataset": {"name": "bbc"}, "model": {"name": str(plugins / "average.py")}}
    with pytest.raises(RequestError, match="is Python code, which is executed only if you name"):
        resolve(tree, code="skip")
    assert traced() == []


def test_tensorflow_starts_before_code_that_imports_it(plugins, install, monkeypatch):
    """It then starts quietly, and is Keras's backend; a file that does not name it needs none."""
    log = []
    monkeypatch.setattr("textclf.config.plugin.backend.import_tensorflow", lambda: log.append("TF"))
    monkeypatch.setattr("builtins.note", log.append, raising=False)
    for file in ("tensorflow", "keras"):
        (plugins / f"{file}.py").write_text(f"note('{file}')\ndef fit(): ...")
    (plugins / "average.py").write_text("note('model')\ndef fit(): ...")
    files = {"words.py": "note('dataset')\ndef load(config): ..."}
    install(files, {"datasets": {"words": "my_package.words"}})
    for file in ("tensorflow", "keras", "average"):
        load_config(None, name(model=plugins / f"{file}.py"))
    load_config(None, name(dataset="words"))
    assert log == ["TF", "tensorflow", "TF", "keras", "model", "TF", "dataset"]
    log.clear()
    load_config(None, name())
    assert log == []


def test_set_is_refused_because_its_order_would_change_the_fingerprint(tmp_path, forget):
    path = tmp_path / "tags.py"
    path.write_text(
        "import textclf\n\n\nclass Config(textclf.DatasetConfig):\n    tags: set[str] = {'a'}\n\n\n"
        "def load(config):\n    return []\n"
    )
    with pytest.raises(RequestError, match="tags should be a tuple, because a set has no order"):
        resolve({"model": {"name": "mlp"}}, [Override("dataset.name", str(path), "--dataset")])


FIND_DEFAULTS = """
DEFAULTS = {'training': {'epochs': 3}}
TEXT_KEYS = ('num_words', 'sequence_length')

def find_defaults(model):
    epochs = 4 if model.get('embedding_dim') == 2 else 5
    return {'training': {'epochs': epochs, 'batch_size': 7}, 'text': {'num_words': 9}}
"""


@pytest.fixture
def dependent(plugins):
    """A model whose defaults depend on a key."""
    path = plugins / "average.py"
    path.write_text(path.read_text() + FIND_DEFAULTS)
    return path


def test_defaults_depend_on_the_section_of_the_model(dependent, tmp_path):
    def find(*keys, tree=None):
        path = tmp_path / "my.yaml"
        path.write_text(yaml.safe_dump({"dataset": {"name": "bbc"}, **(tree or {})}))
        overrides = [Override(key, value, "--set") for key, value in keys]
        config = load_config(path, [*name(model=dependent), *overrides])
        return config.training.epochs, config.training.batch_size

    assert find() == (5, 7)
    assert find(("model.embedding_dim", 2)) == (4, 7)
    assert find(tree={"model": {"embedding_dim": 2}}) == (4, 7)
    assert find(("model.embedding_dim", 3), tree={"model": {"embedding_dim": 2}}) == (5, 7)
    # A file overrides defaults, and options override a file.
    tree = {"training": {"epochs": 8, "batch_size": 9}}
    assert find(tree=tree) == (8, 9)
    assert find(("training.epochs", 6), tree=tree) == (6, 9)


def test_other_values_of_a_configuration_keep_those_that_it_has(dependent):
    config = load_config(None, name(model=dependent))
    changed = set_values(config, {"model.embedding_dim": 2}, "a trial")
    assert (changed.model.embedding_dim, changed.training.epochs) == (2, 5)


def test_keys_of_the_text_that_a_model_does_not_use_are_those_by_default(dependent):
    keys = {"num_words": 11, "sequence_length": 12, "padding": "post", "split": "words"}
    overrides = [Override(f"text.{key}", value, "--set") for key, value in keys.items()]
    config = load_config(None, [*name(model=dependent), *overrides])
    assert config.text == TextConfig(num_words=11, sequence_length=12)
    plain = load_config(None, [*name(model=dependent), *overrides[:2]])
    assert config.fingerprint == plain.fingerprint
    assert load_config(None, name(model=dependent)).text.num_words == 9


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("'training'", "'trainin'", "find_defaults: unknown section 'trainin': did you mean"),
        ("epochs = 4", "epochs = 1 / 0", None),
        ("return {", "return None and {", "find_defaults: expected values by section, such as"),
        ("('num_words',", "('nun_words',", "TEXT_KEYS: unknown key 'nun_words': did you mean"),
        ("('num_words', 'sequence_length')", "'split'", "TEXT_KEYS: expected a tuple of keys, got"),
        ("('num_words', 'sequence_length')", "3", "TEXT_KEYS: expected a tuple of keys, got 3"),
    ],
)
def test_mistakes_of_a_file_are_one_line(dependent, old, new, message):
    head, _, tail = dependent.read_text().rpartition("\nDEFAULTS")
    dependent.write_text(f"{head}\nDEFAULTS{tail.replace(old, new)}")
    found = refuse(None, [*name(model=dependent), Override("model.embedding_dim", 2, "--set")])
    if message is None:
        assert "average.py line " in found
        assert "ZeroDivisionError: division by zero" in found
    else:
        assert found.startswith(f"{dependent}: {message}")


def test_defaults_that_are_not_a_mapping_are_refused(plugins):
    path = plugins / "average.py"
    path.write_text(path.read_text() + "\nDEFAULTS = [1]\n")
    assert refuse(None, name(model=path)).startswith(
        f"{path}: DEFAULTS: expected values by section, such as"
    )
