"""Pretrained transformer encoder, then one linear layer.

By default the encoder is frozen, and only the linear layer is trained. ``trainable_layers`` also
trains the last layers of the encoder, or all of it (Devlin et al., 2019, "BERT").
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from textclf.config.schema import ModelConfig, TextConfig
from textclf.encoders import presets
from textclf.models._layers import classify

TAKES = "text"
TEXT_KEYS = ("sequence_length",)
TEXT = {"sequence_length": 128}
DEFAULTS = {
    "text": TEXT,
    "training": {
        "epochs": 50,
        "optimizer": "adamw",
        "learning_rate": 0.003,
        "schedule": "linear",
    },
}
FINE_TUNING = {
    "text": TEXT,
    "training": {
        "epochs": 3,
        "batch_size": 32,
        "optimizer": "adamw",
        "learning_rate": 0.00005,
        "weight_decay": 0.01,
        "warmup": 0.1,
        "schedule": "linear",
    },
    "resources": {"memory": 3.5},
}
SEARCH = {
    "training.learning_rate": {"low": 0.0003, "high": 0.03, "log": True},
    "training.epochs": {"choices": [10, 20, 50, 100]},
    "model.dropout": {"low": 0.0, "high": 0.5},
}
FINE_TUNING_SEARCH = {
    "training.learning_rate": {"low": 0.00001, "high": 0.0002, "log": True},
    "training.epochs": {"choices": [2, 3, 4, 6]},
    "model.dropout": {"low": 0.0, "high": 0.5},
}


class Config(ModelConfig):
    """Hyperparameters; docs/how-to/encoders.md says how the defaults were chosen."""

    preset: str = Field(
        default=presets.DEFAULT,
        description="pretrained encoder: a preset of KerasHub, `hf://USER/MODEL`, or a folder in"
        " the layout of Hugging Face or KerasHub; see docs/how-to/encoders.md",
    )
    pooling: Literal["mean", "cls"] = Field(
        default="mean",
        description="features of a text: the `mean` of the vectors of its tokens, or that of the"
        " first token, `cls`",
    )
    trainable_layers: Literal["all"] | Annotated[int, Field(ge=0, le=1_000)] = Field(
        default=0,
        description="number of layers of the encoder that are trained, the last ones; `all` also"
        " trains its embeddings",
    )
    dropout: float = Field(default=0.1, ge=0, lt=1, description="dropout of the features of a text")
    digest: str | None = Field(
        default=None, description="checksum of the files of `preset`; set automatically"
    )

    @property
    def packages(self) -> tuple[str, ...]:
        """Packages of the extra that decide the result."""
        return ("keras-hub", "tensorflow-text")

    @property
    def has_frozen_encoder(self) -> bool:
        """Whether the encoder is not trained."""
        return self.trainable_layers == 0

    @field_validator("trainable_layers", mode="wrap")
    @classmethod
    def _name_both_kinds(cls, value: Any, validate: Callable[[Any], Any]) -> Any:
        try:
            return validate(value)
        except ValidationError as error:
            raise ValueError("should be all, or an integer from 0 to 1,000") from error

    @model_validator(mode="before")
    @classmethod
    def _set_digest(cls, values: Any) -> Any:
        """Make the content of the preset part of the configuration, and so of the fingerprint."""
        preset = values.get("preset", presets.DEFAULT)
        if not isinstance(preset, str):
            return values
        return {**values, "digest": presets.find_digest(preset, values.get("digest"))}


def find_defaults(model: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the default values of other sections, which differ for an encoder that is trained."""
    is_frozen = model.get("trainable_layers", 0) in (0, "0")  # A string is read as a number.
    return DEFAULTS if is_frozen else FINE_TUNING


def find_search(config: Config) -> Mapping[str, Any]:
    """Return what a study tries, which differs for an encoder that is trained."""
    return SEARCH if config.has_frozen_encoder else FINE_TUNING_SEARCH


def build(config: Config, *, text: TextConfig, n_labels: int) -> tuple[Any, Any]:
    """Build the encoder and the network.

    A frozen encoder is <string>[batch] to <float32>[batch, dim]. An encoder that is trained is part
    of the network, which then takes token ids <int32>[batch, sequence_length].

    Raises:
        EmbeddingError: The preset is not available, or cannot be used.
    """
    import keras

    from textclf.encoders import loading

    options: Any = {"sequence_length": text.sequence_length, "pooling": config.pooling}
    precision = keras.config.dtype_policy().name
    folder = presets.resolve_checked(config.preset, config.digest)
    if config.has_frozen_encoder:
        preset = {"name": config.preset, "digest": str(config.digest)}
        encoder = loading.load_encoder(folder, preset, precision=precision, **options)
        inputs = features = keras.Input((encoder.dim,), name="features")
    else:
        encoder, transformer = loading.load_tokenizer_and_features(
            folder, config.preset, precision=precision, **options
        )
        loading.set_trainable(transformer.backbone, config.trainable_layers, config.preset)
        inputs = keras.Input((text.sequence_length,), dtype="int32", name="tokens")
        features = transformer(inputs)
    dropped = keras.layers.Dropout(config.dropout, name="dropout")(features)
    return encoder, keras.Model(inputs, classify(dropped, n_labels), name="encoder")
