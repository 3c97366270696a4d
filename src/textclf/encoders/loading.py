"""Loads a preset as Keras layers, after checking what its files name."""

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from textclf.encoders.checks import CONFIG_FILE, check_preset, has_keras_layout, read_json
from textclf.encoders.presets import import_keras_hub, list_files, resolve, resolve_reference
from textclf.errors import EmbeddingError, format_reason

MIN_LENGTH = 3
"""Token ids of a text with one token: the encoder's first and last ones are always there."""


def load_preset(
    folder: Path, preset: str, *, sequence_length: int, precision: Any
) -> tuple[Any, Any]:
    """Return the preprocessor and the backbone of a preset.

    Args:
        folder: Folder with the files of the preset.
        preset: Its name, for messages.
        sequence_length: Token ids per text.
        precision: Keras's dtype policy of the backbone.

    Raises:
        EmbeddingError: The preset is damaged or unsafe, or not of a supported encoder.
    """
    if sequence_length < MIN_LENGTH:
        raise EmbeddingError(
            f"text.sequence_length: {sequence_length} leaves no token for the text; at least"
            f" {MIN_LENGTH} are needed, of which two are the first and the last of {preset}"
        )
    check_preset(folder, preset)
    models = import_keras_hub().models
    # KerasHub would download a preset whose name is that of a relative folder.
    path = str(folder.absolute())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            preprocessor = models.TextClassifierPreprocessor.from_preset(
                path, sequence_length=sequence_length
            )
            backbone = models.Backbone.from_preset(path, dtype=precision)
    except Exception as error:  # KerasHub raises many classes for a damaged preset.
        raise EmbeddingError(
            f"{preset} cannot be loaded: {_find_reason(error, path)}; its files do not belong"
            " together, or one is damaged: get them again"
        ) from error
    limit = getattr(backbone, "max_sequence_length", None)
    if limit is not None and sequence_length > limit:
        raise EmbeddingError(
            f"text.sequence_length: {sequence_length} is more than the {limit} tokens that {preset}"
            " takes"
        )
    if not preprocessor.built:  # Or the bytes of a model file depend on whether it was called.
        preprocessor.build(None)
    return preprocessor, backbone


def _find_reason(error: Exception, path: str) -> str:
    """Return why KerasHub cannot load the preset in a folder."""
    if isinstance(error, KeyError):
        return f"it has no {error.args[0]} in its configuration"
    shapes = re.search(
        r"variable\.shape=(\(.*?\)).*?value\.shape=(\(.*?\)).*?path=([\w/]+)", str(error)
    )
    if shapes:
        return f"{shapes[3]} has the shape {shapes[2]}, and {CONFIG_FILE} asks for {shapes[1]}"
    return format_reason(error).replace(f" in preset directory `{path}`", "").rstrip(".")


def describe_preset(preset: str) -> dict[str, Any]:
    """Return a row about a preset, which is downloaded if needed.

    Raises:
        RequestError: It is not a name of a preset.
        EmbeddingError: It is not available, or cannot be loaded.
    """
    folder = resolve(preset)
    preprocessor, backbone = load_preset(
        folder, preset, sequence_length=MIN_LENGTH, precision="float32"
    )
    return {
        "handle": preset,
        "dim": int(backbone.hidden_dim),
        "vocabulary_size": int(preprocessor.tokenizer.vocabulary_size()),
        "n_parameters": int(backbone.count_params()),
        "trainable": True,
        "bytes": sum(path.stat().st_size for path in list_files(folder)),
        "folder": str(folder),
    }


def _find_normalization(folder: Path, preset: str, tokenizer: Any) -> dict[str, bool]:
    """Return how a preset in Hugging Face's layout normalizes texts before its tokenizer.

    KerasHub keeps accents, folds the case as Unicode defines it, which turns ``ß`` into ``ss``, and
    does neither for ALBERT; the encoder was trained otherwise.
    """
    if has_keras_layout(read_json(folder / CONFIG_FILE, preset)):
        return {}
    path = folder / "tokenizer_config.json"
    config = read_json(path, preset) if path.is_file() else {}
    models = import_keras_hub().models
    if isinstance(tokenizer, models.AlbertTokenizer):
        lowercase = bool(config.get("do_lower_case", True))
        return {"lowercase": lowercase, "strip_accents": not config.get("keep_accents", False)}
    if not hasattr(tokenizer, "strip_accents"):
        return {}
    lowercase, tokenizer.lowercase = tokenizer.lowercase, False
    strips = config.get("strip_accents")
    return {"lowercase": lowercase, "strip_accents": lowercase if strips is None else bool(strips)}


def set_trainable(backbone: Any, n_layers: int | Literal["all"], preset: str) -> None:
    """Choose which weights of a backbone are trained.

    Args:
        backbone: KerasHub's backbone.
        n_layers: Number of layers, the last ones; ``all`` also trains the embeddings.
        preset: Its name, for messages.

    Raises:
        EmbeddingError: It has fewer layers, or shares weights between them.
    """
    for layer in backbone.layers:
        # The features do not depend on it.
        layer.trainable = n_layers == "all" and layer.name != "pooled_dense"
    if n_layers in {"all", 0}:
        return
    blocks = [layer for layer in backbone.layers if "Encoder" in type(layer).__name__]
    if len(blocks) != backbone.num_layers:
        raise EmbeddingError(
            f"model.trainable_layers: the layers of {preset} share weights; choose 0 or all"
        )
    if int(n_layers) > len(blocks):
        raise EmbeddingError(
            f"model.trainable_layers: {n_layers} is more than the {len(blocks)} layers of {preset};"
            " all also trains its embeddings"
        )
    for layer in blocks[-int(n_layers) :]:
        layer.trainable = True


def load_tokenizer_and_features(
    folder: Path, preset: str, *, sequence_length: int, pooling: str, precision: str
) -> tuple[Any, Any]:
    """Return the layers from texts to token ids, and from token ids to features.

    Args:
        folder: Folder with the files of the preset.
        preset: Its name, for messages.
        sequence_length: Token ids per text.
        pooling: ``mean`` or ``cls``.
        precision: Keras's dtype policy, such as ``float32``.

    Raises:
        EmbeddingError: The preset cannot be loaded.
    """
    preprocessor, backbone = load_preset(
        folder, preset, sequence_length=sequence_length, precision=precision
    )
    from textclf.encoders.layers import TransformerFeatures
    from textclf.encoders.tokenizer import PresetTokenizer

    normalization = _find_normalization(folder, preset, preprocessor.tokenizer)
    tokenizer = PresetTokenizer(preprocessor, name="tokenizer", **normalization)
    features = TransformerFeatures(
        backbone,
        padding_id=tokenizer.padding_id,
        pooling=pooling,
        name="transformer",
        dtype=precision,
    )
    return tokenizer, features


def load_encoder(
    folder: Path, preset: Mapping[str, str], *, sequence_length: int, pooling: str, precision: str
) -> Any:
    """Return an encoder that is not trained, a `PretrainedEncoder`.

    Args:
        folder: Folder with the files of the preset.
        preset: Its ``name``, and the checksum of its files, ``digest``.
        sequence_length: Token ids per text.
        pooling: ``mean`` or ``cls``.
        precision: Keras's dtype policy, such as ``float32``.

    Raises:
        EmbeddingError: The preset cannot be loaded.
    """
    tokenizer, features = load_tokenizer_and_features(
        folder,
        preset["name"],
        sequence_length=sequence_length,
        pooling=pooling,
        precision=precision,
    )
    from textclf.encoders.layers import PretrainedEncoder

    features.backbone.trainable = False
    return PretrainedEncoder(tokenizer, features, preset, name="encoder")


def replace_by_reference(classifier: Any) -> Any:
    """Return a classifier with a `PresetReference` for its `PretrainedEncoder`.

    It can be saved, and classifies texts when it is loaded again.
    """
    from textclf.encoders.layers import PresetReference

    reference = PresetReference.to(classifier.encoder)
    return type(classifier)(
        reference, classifier.network, classifier.label_names, name=classifier.name
    )


def load_reference(reference: Any) -> Any:
    """Return the encoder that a `PresetReference` stands for.

    It is not downloaded, because the model file that contains the reference may be untrusted.

    Raises:
        EmbeddingError: The preset is not available, has another checksum, or cannot be loaded.
    """
    preset = reference.preset
    return load_encoder(
        resolve_reference(preset["name"], preset["digest"]),
        preset,
        sequence_length=reference.sequence_length,
        pooling=reference.pooling,
        precision=reference.precision,
    )
