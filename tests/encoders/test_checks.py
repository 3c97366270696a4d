"""Presets that are incomplete, unsafe or of another kind: one line that says what to do."""

import json
import shutil

import pytest
from support import write_preset

from textclf.encoders.checks import check_complete, check_preset
from textclf.errors import EmbeddingError


def change_json(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def change_nested(path, value, *keys):
    content = json.loads(path.read_text())
    inner = content
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    path.write_text(json.dumps(content))


def refuse(folder):
    with pytest.raises(EmbeddingError) as info:
        check_preset(folder, "mine")
    assert "\n" not in str(info.value)
    return str(info.value)


@pytest.fixture
def copy(tmp_path):
    """A preset in Hugging Face's layout, without starting TensorFlow."""
    return write_preset(tmp_path / "preset")


@pytest.fixture
def keras_copy(family_preset, tmp_path):
    """A preset in KerasHub's layout."""
    return shutil.copytree(family_preset("Bert"), tmp_path / "preset")


def test_preset_of_each_layout_is_accepted(copy, family_preset):
    check_preset(copy, "mine")
    check_preset(family_preset("Bert"), "mine")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["config.json"], "mine is not a preset: it has no config.json; expected the layout of"),
        (["model.safetensors"], "mine has no weights: expected model.safetensors or model.weights"),
        (["vocab.txt"], "mine has no vocab.txt, which is a part of its tokenizer or weights"),
        (["tokenizer_config.json"], "mine has no tokenizer_config.json, which is a part of its"),
    ],
)
def test_missing_file_is_named(copy, names, message):
    for name in names:
        (copy / name).unlink()
    assert refuse(copy).startswith(message)


def test_missing_file_of_kerashub_is_named(keras_copy):
    shutil.rmtree(keras_copy / "assets")
    assert refuse(keras_copy).startswith("mine has no assets/tokenizer/vocabulary.*, which is a")
    (keras_copy / "tokenizer.json").unlink()
    assert refuse(keras_copy).startswith("mine has no tokenizer.json, which is a part of its")


def test_pickled_weights_are_not_read(copy):
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    assert refuse(copy).endswith("(pickled weights, such as pytorch_model.bin, are not read)")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "mine: cannot read config.json: Expecting property name"),
        ("[]", "mine: config.json does not contain a JSON object"),
        ("1", "mine: config.json does not contain a JSON object"),
        ("[" * 100_000, "mine: cannot read config.json: maximum recursion depth exceeded"),
        ("\xff", "mine: cannot read config.json: "),
        ("{}", "mine is not a preset: config.json has neither model_type nor registered_name; "),
        ('{"class_name": "BertBackbone"}', "mine is not a preset: config.json has neither "),
        ('{"model_type": ["bert"]}', "mine is a ['bert'] model, which is not supported"),
        ('{"model_type": "gpt2"}', "mine is a gpt2 model, which is not supported: choose an"),
        ('{"model_type": "llama"}', "mine is a llama model, which is not supported: choose an"),
    ],
)
def test_other_configuration_is_refused(copy, content, message):
    (copy / "config.json").write_bytes(content.encode("latin-1"))
    assert refuse(copy).startswith(message)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        (
            "config.json",
            {"hidden_act": "relu"},
            "config.json has hidden_act 'relu', which KerasHub",
        ),
        ("config.json", {"is_decoder": True}, "config.json has is_decoder True, which KerasHub"),
        (
            "config.json",
            {"position_embedding_type": "relative_key"},
            "config.json has position_embedding_type 'relative_key', which KerasHub",
        ),
        (
            "tokenizer_config.json",
            {"tokenize_chinese_chars": False},
            "tokenizer_config.json has tokenize_chinese_chars False, which KerasHub does not",
        ),
        (
            "tokenizer_config.json",
            {"tokenizer_class": "BertJapaneseTokenizer"},
            "tokenizer_config.json has tokenizer_class 'BertJapaneseTokenizer', which KerasHub does"
            " not have; choose a preset with a tokenizer of Albert, Bert, DistilBert, Roberta,",
        ),
    ],
)
def test_what_kerashub_would_compute_wrongly_is_refused(copy, name, changes, message):
    change_json(copy / name, **changes)
    assert refuse(copy).startswith(f"mine: {message}")


def test_tokenizer_of_another_family_needs_its_own_file(copy):
    change_json(copy / "tokenizer_config.json", tokenizer_class="XLMRobertaTokenizer")
    assert refuse(copy).startswith("mine has no sentencepiece.bpe.model, which is a part of its")


@pytest.mark.parametrize("name", ["../model.safetensors", "/etc/passwd", "a/b", 5, None])
def test_weights_outside_the_preset_are_refused(copy, name):
    index = copy / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"pooler": name}}))
    assert refuse(copy) == (
        f"mine is refused: model.safetensors.index.json names {name!r}, which is not a file in its"
        " folder"
    )


def test_missing_part_of_the_weights_is_named(copy):
    index = copy / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model-00002-of-00002.safetensors"}}))
    with pytest.raises(EmbeddingError, match=r"mine has no model-00002-of-00002\.safetensors, wh"):
        check_complete(copy, "mine")


@pytest.mark.parametrize(
    ("file_name", "keys", "value", "message"),
    [
        ("config.json", ["class_name"], "GPT2Backbone", "mine is a GPT2Backbone model, which is"),
        ("config.json", ["class_name"], "Lambda", "mine is a Lambda model, which is not"),
        ("config.json", ["module"], "evil.keras_hub", "mine is a keras_hub>BertBackbone model"),
        (
            "config.json",
            ["registered_name"],
            "keras_hub>GPT2Backbone",
            "mine is a keras_hub>GPT2Backbone model, which is not supported",
        ),
        (
            "config.json",
            ["config", "dtype", "registered_name"],
            "keras_hub>GPT2Backbone",
            "mine is a keras_hub>GPT2Backbone model, which is not supported",
        ),
        (
            "config.json",
            ["config", "activation"],
            {"class_name": "function", "config": "system", "module": "os"},
            "mine is a system model, which is not supported",
        ),
        (
            "tokenizer.json",
            ["config", "vocabulary"],
            "/etc/passwd",
            "mine is refused: tokenizer.json names a file outside of the preset, '/etc/passwd'",
        ),
        (
            "preprocessor.json",
            ["config", "tokenizer", "config", "proto"],
            "model",
            "mine is refused: preprocessor.json names a file outside of the preset, 'model'",
        ),
        (
            "tokenizer.json",
            ["config", "config_file"],
            "/etc/x.json",
            "mine is refused: tokenizer.json has config_file '/etc/x.json'",
        ),
        (
            "preprocessor.json",
            ["config", "tokenizer", "class_name"],
            "TFSMLayer",
            "mine is a TFSMLayer model, which is not supported",
        ),
    ],
)
def test_other_classes_and_files_are_refused_in_kerashubs_layout(
    keras_copy, file_name, keys, value, message
):
    change_nested(keras_copy / file_name, value, *keys)
    assert refuse(keras_copy).startswith(message)


@pytest.mark.parametrize("depth", [980, 100_000])
def test_deep_nesting_is_refused_in_kerashubs_layout(keras_copy, depth):
    path = keras_copy / "config.json"
    deep = "[" * depth + "]" * depth
    path.write_text(path.read_text().replace("{", '{"deep": ' + deep + ", ", 1))
    message = refuse(keras_copy)
    assert message.startswith("mine: ")
    assert "config.json" in message
