"""Names the classes of KerasHub that textclf loads; nothing here imports KerasHub."""

from collections.abc import Iterator, Mapping
from typing import Any

PACKAGE = "keras_hub"

PACKAGES = (PACKAGE, "keras_nlp")
"""Names of KerasHub, of which older presets contain the second."""

FAMILIES = ("Albert", "Bert", "DebertaV3", "DistilBert", "Roberta", "XLMRoberta")
"""Families of encoders; each has a backbone, a tokenizer and a preprocessor of this name."""

CLASSES = frozenset(
    f"{family}{kind}"
    for family in FAMILIES
    for kind in ("Backbone", "TextClassifierPreprocessor", "Tokenizer")
)
"""Classes of KerasHub that a preset or a model file may name; none of them runs code from a file or
reads other files when it is loaded."""

DTYPES = frozenset({"DTypePolicy", "DTypePolicyMap"})
"""Classes of Keras that a preset may name."""

MODEL_TYPES = {
    "albert": "Albert",
    "bert": "Bert",
    "distilbert": "DistilBert",
    "roberta": "Roberta",
    "xlm-roberta": "XLMRoberta",
}
"""Families by the ``model_type`` in ``config.json`` of Hugging Face; KerasHub converts these."""

TOKENIZER_FILES = {
    "Albert": ("spiece.model",),
    "Bert": ("vocab.txt", "tokenizer_config.json"),
    "DistilBert": ("vocab.txt", "tokenizer_config.json"),
    "Roberta": ("vocab.json", "merges.txt"),
    "XLMRoberta": ("sentencepiece.bpe.model",),
}
"""Files in the layout of Hugging Face that the tokenizer of each family is read from."""

FILE_KEYS = ("vocabulary", "merges", "proto")
"""Arguments of tokenizers that may be the path of a file."""

MAX_PATH_LENGTH = 2_048

REGISTERED_PREFIXES = tuple(f"{package}>" for package in PACKAGES)
"""What KerasHub's names in Keras's registry begin with."""


def list_objects(config: Any) -> Iterator[tuple[str, str, str]]:
    """Yield name, module and registered name of each class and function in a serialized object."""
    if isinstance(config, Mapping):
        name, module = config.get("class_name"), str(config.get("module") or "keras")
        if name == "function" and isinstance(config.get("config"), str):
            yield config["config"], module, config["config"]
        elif isinstance(name, str):
            yield name, module, str(config.get("registered_name") or name)
        config = list(config.values())
    if isinstance(config, list):
        for value in config:
            yield from list_objects(value)


def is_supported(name: str, module_name: str, registered: str) -> bool:
    """Return whether a class of a module is one of `CLASSES`, under its own registered name.

    Keras looks for the registered name first, whatever the class and its module are.
    """
    is_class = module_name.split(".", maxsplit=1)[0] in PACKAGES and name in CLASSES
    return is_class and registered in {prefix + name for prefix in REGISTERED_PREFIXES}


def find_disguised(config: Any) -> str | None:
    """Return the first registered name of KerasHub that an object of another class has.

    Keras would create the registered class, which may be none of `CLASSES`.
    """
    for name, module, registered in list_objects(config):
        is_registered = registered.startswith(REGISTERED_PREFIXES)
        if is_registered and not is_supported(name, module, registered):
            return registered
    return None


def find_file(config: Any) -> str | None:
    """Return the first path of a file that one of `CLASSES` would read; None if there is none."""
    if isinstance(config, Mapping):
        options = config.get("config")
        if config.get("class_name") in CLASSES and isinstance(options, Mapping):
            for key in FILE_KEYS:
                path = options.get(key)
                # The content of a SentencePiece model, as text, is longer than any path.
                if isinstance(path, str) and len(path) <= MAX_PATH_LENGTH:
                    return path
        config = list(config.values())
    if isinstance(config, list):
        return next((path for value in config if (path := find_file(value)) is not None), None)
    return None


def find_refused(config: Any) -> str | None:
    """Return the first class of a serialized preset that is not supported; None if all are."""
    for name, module, registered in list_objects(config):
        is_dtype = module == "keras" and name in DTYPES and registered == name
        if not (is_dtype or is_supported(name, module, registered)):
            return registered if name in CLASSES | DTYPES else name
    return None
