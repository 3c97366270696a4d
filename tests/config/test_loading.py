import re

import pytest

from textclf.config.loading import MAX_KEYS, parse_override, read_yaml
from textclf.config.resolve import resolve
from textclf.errors import RequestError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "config.yaml"


def refuse(path):
    """Return the message of the error, after checking that it is one line."""
    with pytest.raises(RequestError) as info:
        read_yaml(path)
    assert "\n" not in str(info.value)
    return str(info.value)


def test_configuration_comes_back_from_its_file(path):
    config = resolve(
        {
            "dataset": {"name": "bbc"},
            "model": {"name": "cnn"},
            "training": {"class_weight": {"tech": 2.5}, "patience": 3},
        }
    )
    path.write_text(config.to_yaml())
    assert resolve(read_yaml(path)) == config


# Only positions and the project's own reasons are tested, not the wording of PyYAML.
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("model: [cnn", r":1:12: .+"),
        ("a: 1\na: 2", r":2:1: duplicate key 'a'"),
        ("x: !!python/object/apply:os.getcwd []", r":1:4: .+"),
        ("a: \x00", r".+"),
        ("? [a, b]\n: 1\n? [a, b]\n: 2", r":1:3: .+"),
        ("? {a: b}\n: 1", r":1:3: .+"),
        ("x: !!bool maybe", r".+"),
        ("[" * 3000, r".+"),
    ],
)
def test_invalid_yaml_is_refused_with_its_position(path, text, reason):
    path.write_text(text)
    assert re.fullmatch(f"{re.escape(str(path))}{reason}; correct the YAML", refuse(path))


@pytest.mark.parametrize("text", ["just text", "", "- a", "3"])
def test_yaml_that_is_not_a_mapping_is_refused(path, text):
    path.write_text(text)
    expected = f"{path}: expected keys such as 'dataset:' and 'model:', got {text!r}"
    assert refuse(path) == expected


def test_missing_file_is_refused(path):
    assert refuse(path).startswith(f"cannot read configuration {path}: ")


def test_binary_file_is_refused(path):
    path.write_bytes(b"\xff\xfe\x00")
    assert refuse(path) == f"cannot read configuration {path}: not UTF-8 text"


def format_mapping(first, last):
    return "{" + ", ".join(f"k{i}: 1" for i in range(first, last)) + "}"


def test_number_of_keys_is_limited(path):
    path.write_text(f"a: {format_mapping(0, MAX_KEYS)}")
    assert len(read_yaml(path)["a"]) == MAX_KEYS
    path.write_text(f"a: {format_mapping(0, MAX_KEYS + 1)}")
    assert refuse(path) == f"{path}:1:4: more than 1,000 keys; correct the YAML"


def test_number_of_merged_keys_is_limited(path):
    half = MAX_KEYS // 2
    lines = [f"a: &a {format_mapping(0, half)}", f"b: &b {format_mapping(half, MAX_KEYS)}"]
    path.write_text("\n".join([*lines, "c: {<<: [*a, *b]}"]))
    assert len(read_yaml(path)["c"]) == MAX_KEYS
    path.write_text("\n".join([*lines, "c: {<<: [*a, *b], other: 1}"]))
    assert refuse(path) == f"{path}:3:4: more than 1,000 keys; correct the YAML"


def test_values_of_overrides_are_yaml():
    assert parse_override("training.patience=null").value is None
    assert parse_override("training.restore_best_weights=true").value is True
    assert parse_override("model.handle=https://a/b=c").value == "https://a/b=c"
    override = parse_override("training.class_weight={tech: 2}")
    assert override.key == "training.class_weight"
    assert override.value == {"tech": 2}
    assert override.origin == "--set training.class_weight={tech: 2}"


@pytest.mark.parametrize("assignment", ["training.epochs", "=3", ""])
def test_override_without_key_or_value_is_refused(assignment):
    with pytest.raises(RequestError, match="expected KEY=VALUE, such as training") as info:
        parse_override(assignment)
    assert str(info.value).startswith(f"--set {assignment}: ")


def test_override_with_invalid_yaml_is_refused():
    with pytest.raises(RequestError) as info:
        parse_override("training.epochs=[3")
    assert str(info.value).startswith("--set training.epochs=[3: ")
    assert "\n" not in str(info.value)
