"""Checks the files of a preset, which may be untrusted, before KerasHub reads them."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from textclf.encoders.supported import (
    FAMILIES,
    MODEL_TYPES,
    TOKENIZER_FILES,
    find_file,
    find_refused,
    list_objects,
)
from textclf.errors import EmbeddingError, format_reason

CONFIG_FILE = "config.json"
WEIGHTS = (
    "model.safetensors",
    "model-*-of-*.safetensors",
    "model.weights.h5",
    "model_*.weights.h5",
)

KERAS_FILES = (CONFIG_FILE, "preprocessor.json", "tokenizer.json")
"""Files in KerasHub's layout that name the classes of a preset."""

INDEXES = ("model.safetensors.index.json", "model.weights.json")
"""Files that say which file contains each weight."""

CONFIG_FILES = (None, "preprocessor.json", "tokenizer.json")
"""Values of ``config_file``, from which KerasHub derives the folder of the vocabulary."""

EXPECTED: Mapping[str, tuple[Any, ...]] = {
    "hidden_act": ("gelu", "gelu_new", "gelu_pytorch_tanh"),  # All as the tanh approximation.
    "activation": ("gelu", "gelu_new", "gelu_pytorch_tanh"),
    "position_embedding_type": ("absolute",),
    "is_decoder": (False,),
}
"""Values in ``config.json`` of Hugging Face that KerasHub computes, whatever the file says."""

TOKENIZERS = tuple(
    name + kind
    for name in (*TOKENIZER_FILES, "PreTrained")
    for kind in ("Tokenizer", "TokenizerFast")
)
"""Values of ``tokenizer_class`` in ``tokenizer_config.json`` that KerasHub's tokenizers replace."""


def check_preset(folder: Path, preset: str) -> None:
    """Refuse a preset that is incomplete, of another kind of model, or names other classes.

    Args:
        folder: Folder with the files of the preset.
        preset: Its name, for messages.

    Raises:
        EmbeddingError: The preset is refused.
    """
    check_complete(folder, preset)
    config = read_json(folder / CONFIG_FILE, preset)
    if has_keras_layout(config):
        for name in KERAS_FILES:
            if (folder / name).is_file():
                _check_objects(read_json(folder / name, preset), name, preset)
        return
    if "model_type" not in config:
        raise EmbeddingError(
            f"{preset} is not a preset: {CONFIG_FILE} has neither model_type nor registered_name;"
            " expected the layout of Hugging Face or KerasHub"
        )
    kind = str(config["model_type"])
    if kind not in MODEL_TYPES:
        raise EmbeddingError(_format_kind(preset, kind))
    tokenizer = {}
    if (folder / "tokenizer_config.json").is_file():
        tokenizer = read_json(folder / "tokenizer_config.json", preset)
    for key, allowed in EXPECTED.items():
        _check_value(config, key, allowed, f"{preset}: {CONFIG_FILE}")
    source = f"{preset}: tokenizer_config.json"
    _check_value(tokenizer, "tokenize_chinese_chars", (True,), source)
    if tokenizer.get("tokenizer_class") not in (None, *TOKENIZERS):
        raise EmbeddingError(
            f"{source} has tokenizer_class {tokenizer['tokenizer_class']!r}, which KerasHub does"
            f" not have; choose a preset with a tokenizer of {', '.join(TOKENIZER_FILES)}"
        )


def check_complete(folder: Path, preset: str) -> None:
    """Raise EmbeddingError if a folder lacks a file that a preset of its layout needs."""
    if not (folder / CONFIG_FILE).is_file():
        raise EmbeddingError(
            f"{preset} is not a preset: it has no {CONFIG_FILE}; expected the layout of Hugging"
            " Face or KerasHub"
        )
    if not any(any(folder.glob(pattern)) for pattern in WEIGHTS):
        raise EmbeddingError(
            f"{preset} has no weights: expected model.safetensors or model.weights.h5 (pickled"
            " weights, such as pytorch_model.bin, are not read)"
        )
    config = read_json(folder / CONFIG_FILE, preset)
    needed = [*_list_tokenizer_files(folder, config, preset), *_list_shards(folder, preset)]
    for name in needed:
        if not (folder / name).is_file():
            raise EmbeddingError(
                f"{preset} has no {name}, which is a part of its tokenizer or weights; download it"
                " again, or choose another preset"
            )


def read_json(path: Path, preset: str) -> dict[str, Any]:
    """Read a JSON object of a preset; EmbeddingError if it is something else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise EmbeddingError(
            f"{preset}: cannot read {path.name}: {format_reason(error)}"
        ) from error
    if not isinstance(content, dict):
        raise EmbeddingError(f"{preset}: {path.name} does not contain a JSON object")
    return content


def has_keras_layout(config: Mapping[str, Any]) -> bool:
    """Return whether KerasHub reads a ``config.json`` as one of its own layout."""
    return "registered_name" in config


def _list_tokenizer_files(folder: Path, config: Mapping[str, Any], preset: str) -> list[str]:
    """Return the files that the tokenizer is read from; none of an unknown kind of model."""
    if has_keras_layout(config):
        assets = folder / "assets" / "tokenizer"
        found = any(assets.glob("vocabulary.*")) if assets.is_dir() else False
        return ["tokenizer.json", *([] if found else ["assets/tokenizer/vocabulary.*"])]
    family = MODEL_TYPES.get(str(config.get("model_type")))
    path = folder / "tokenizer_config.json"
    if family == "Bert" and path.is_file():  # Some have the tokenizer of another family.
        tokenizer_class = str(read_json(path, preset).get("tokenizer_class"))
        family = "XLMRoberta" if tokenizer_class.startswith("XLMRoberta") else family
    return [*TOKENIZER_FILES[family]] if family else []


def _list_shards(folder: Path, preset: str) -> Iterator[str]:
    """Yield the names of the files that indexes of weights name.

    Raises:
        EmbeddingError: An index names something else than a file in its folder.
    """
    for index in INDEXES:
        if not (folder / index).is_file():
            continue
        weight_map = read_json(folder / index, preset).get("weight_map")
        values = weight_map.values() if isinstance(weight_map, dict) else [None]
        for value in values:
            for name in value if isinstance(value, list) else [value]:
                if not isinstance(name, str) or Path(name).name != name:
                    raise EmbeddingError(
                        f"{preset} is refused: {index} names {name!r}, which is not a file in its"
                        " folder"
                    )
                yield name


def _check_objects(content: dict[str, Any], file_name: str, preset: str) -> None:
    """Refuse classes other than those of encoders, and paths of files."""
    try:
        refused, path = find_refused(content), find_file(content)
        for value in _list_configs(content):
            if value.get("config_file") not in CONFIG_FILES:
                raise EmbeddingError(
                    f"{preset} is refused: {file_name} has config_file {value['config_file']!r},"
                    " which KerasHub would use as a path"
                )
    except RecursionError as error:
        raise EmbeddingError(f"{preset}: {file_name} is nested too deeply") from error
    if path is not None:
        raise EmbeddingError(
            f"{preset} is refused: {file_name} names a file outside of the preset, {path!r}"
        )
    if refused:
        raise EmbeddingError(_format_kind(preset, refused))
    if not any(True for _ in list_objects(content)):
        raise EmbeddingError(f"{preset}: {file_name} does not describe a class of KerasHub")


def _list_configs(content: Any) -> Iterator[dict[str, Any]]:
    """Yield a JSON object and all that are nested in it."""
    if isinstance(content, dict):
        yield content
        content = list(content.values())
    if isinstance(content, list):
        for value in content:
            yield from _list_configs(value)


def _check_value(
    config: Mapping[str, Any], key: str, allowed: tuple[Any, ...], source: str
) -> None:
    value = config.get(key)
    if value is not None and value not in allowed:
        raise EmbeddingError(
            f"{source} has {key} {value!r}, which KerasHub does not compute; choose a preset with"
            f" {' or '.join(repr(item) for item in allowed)}"
        )


def _format_kind(preset: str, kind: str) -> str:
    return (
        f"{preset} is a {kind} model, which is not supported: choose an encoder of the families"
        f" {', '.join(FAMILIES)} (decoders, such as GPT and Llama, are not encoders)"
    )
