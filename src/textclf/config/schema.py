"""The schema of a configuration: sections, keys, defaults, ranges, and the fingerprint."""

import hashlib
import json
import math
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    SerializeAsAny,
    ValidationInfo,
    field_validator,
    model_validator,
)

from textclf.config.loading import format_value
from textclf.registry import shorten_name

Count = Annotated[int, Field(gt=0, le=1_000_000)]
"""A positive number of something, bounded so that a typo is refused."""

Fraction = Annotated[float, Field(gt=0, lt=1)]
"""A fraction of the examples, between 0 and 1."""

RESULTS_VERSION = 5
"""Part of every fingerprint; raise it if a default changes, or if the same configuration gives
other results."""


LATER_KEYS = {"train_fraction", "folds", "fold", "folds_of"}
"""Keys that are newer than datasets in Python files, whose fingerprints contain defaults; those of
these keys are left out, so that finished runs are still found."""


class Section(BaseModel):
    """Base of all sections: unknown keys are refused, and values cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_boolean_as_number(cls, value: Any, info: ValidationInfo) -> Any:
        # Python accepts True as 1, but `epochs: yes` is a mistake.
        field = cls.model_fields[info.field_name or ""]
        if isinstance(value, bool) and field.annotation is not bool:
            raise ValueError("should not be a boolean")
        return value


class NamedSection(Section):
    """A section whose name chooses a module, which may add keys."""

    name: str
    code: str | None = Field(
        default=None,
        description="SHA-256 of the Python file, or the package and its version, that defines what"
        " is named; null if it is built in; set automatically",
    )

    @model_validator(mode="after")
    def _refuse_sets(self) -> Self:
        # Their order, and so the fingerprint, would differ between processes.
        for key in type(self).model_fields:
            if isinstance(getattr(self, key), set | frozenset):
                raise ValueError(f"{key} should be a tuple, because a set has no order")
        return self

    @property
    def file_code(self) -> str | None:
        """SHA-256 of the Python file that defines what is named; None if it is not a file."""
        return self.code if self.name.endswith(".py") else None

    @property
    def short_name(self) -> str:
        """The name for paths and tables."""
        return shorten_name(self.name)


class DatasetConfig(NamedSection):
    """The dataset and how many of its examples are used; a dataset may add keys."""

    name: str = Field(
        description="a dataset from `textclf datasets`, a file or folder, a Python file,"
        " `tfds:NAME` or `hf:PATH`"
    )
    limit: Count | None = Field(
        default=None, description="maximum number of examples per split, stratified by label"
    )
    drop_leaked: bool = Field(
        default=False,
        description="drop training examples whose text also appears in validation or test",
    )
    train_per_label: Count | None = Field(
        default=None,
        description="maximum number of training examples per label, after `limit`; a smaller"
        " number selects some of those of a larger one",
    )
    train_fraction: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None,
        description="fraction of the training examples that is used, after `limit`, stratified by"
        " label; a smaller fraction selects some of those of a larger one",
    )
    folds: Annotated[int, Field(ge=2, le=1_000)] | None = Field(
        default=None,
        description="number of folds of a cross-validation, which replace the splits; `compare"
        " --folds` sets it",
    )
    fold: int | None = Field(
        default=None,
        validate_default=True,
        description="fold that is the test split, from 1; not part of the fingerprint",
    )
    folds_of: Literal["train", "all"] = Field(
        default="train",
        description="examples that are divided into folds: `train` (training and validation"
        " splits) or `all` (the test split too)",
    )

    @field_validator("train_fraction")
    @classmethod
    def _leave_out_whole(cls, value: float | None) -> float | None:
        # All examples are the same configuration, whose finished runs are found.
        return None if value == 1 else value

    @field_validator("fold")
    @classmethod
    def _check_fold(cls, value: int | None, info: ValidationInfo) -> int | None:
        folds = info.data.get("folds")
        if folds is None and value is not None and "folds" in info.data:
            raise ValueError("should be null without dataset.folds, the number of folds")
        if folds is not None and (value is None or not 1 <= value <= folds):
            raise ValueError(
                f"should be a number from 1 to dataset.folds, which is {folds} (`textclf compare"
                f" --folds {folds}` runs every fold)"
            )
        return value

    @field_validator("folds_of")
    @classmethod
    def _check_folds_of(cls, value: str, info: ValidationInfo) -> str:
        if value != "train" and info.data.get("folds") is None:
            raise ValueError("should be train without dataset.folds, the number of folds")
        return value

    @property
    def folder_name(self) -> str:
        """The name of the folder of its runs, which is part of the fingerprint."""
        return self.short_name

    @property
    def whole(self) -> Self:
        """The dataset with all of its training examples."""
        return self.model_copy(update={"train_fraction": None, "train_per_label": None})


class SplitConfig(DatasetConfig):
    """How rows become a dataset: examples without a label, and splits that do not exist."""

    validation_fraction: Fraction = Field(
        default=0.2,
        description="fraction of the training split, or of all examples without splits,"
        " that becomes the validation split if there is none",
    )
    test_fraction: Fraction = Field(
        default=0.2,
        description="fraction of the training split, or of all examples without splits,"
        " that becomes the test split if there is none",
    )
    missing_labels: Literal["refuse", "drop"] = Field(
        default="refuse", description="what to do if examples have no label"
    )


class TextConfig(Section):
    """How text becomes token ids, in the terms of ``keras.datasets`` and ``pad_sequences``."""

    num_words: int = Field(
        default=20_000, ge=5, description="vocabulary size, including the four reserved ids"
    )
    sequence_length: Count = Field(default=200, description="token ids per text")
    padding: Literal["pre", "post"] = Field(
        default="pre", description="end of a short text that is filled with zeros"
    )
    truncating: Literal["pre", "post"] = Field(
        default="pre", description="end of a long text that is cut off"
    )
    split: Literal["words", "characters", "auto"] = Field(
        default="auto",
        description="what a token is: `words` between spaces and punctuation; `characters`; or"
        " `auto`, characters in scripts without spaces (Han, kana, Thai, Lao, Khmer, Burmese) and"
        " words in all others",
    )


class ModelConfig(NamedSection):
    """The model; each model adds the hyperparameters of its layers."""

    name: str = Field(description="a model from `textclf models`, or a Python file")

    @property
    def packages(self) -> tuple[str, ...]:
        """Packages of an extra that affect the result; a run records their versions."""
        return ()

    @property
    def has_frozen_encoder(self) -> bool:
        """Whether the model consists of a pretrained encoder that is not trained, and a head."""
        return False


class TrainingConfig(Section):
    """How the weights are trained; the defaults are the published Reuters recipe."""

    epochs: Count = Field(default=10, description="passes over the training examples")
    batch_size: Count = Field(default=64, description="examples per step")
    optimizer: Literal["fused-adam", "adam", "adamw", "lazy-adam"] = Field(
        default="fused-adam",
        description="`fused-adam` is a faster Adam; `adam` is Keras's own; `adamw` is `fused-adam`"
        " with `weight_decay`; `lazy-adam` updates only the rows of an embedding or of sparse"
        " features that a batch uses",
    )
    weight_decay: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="fraction of each weight, times the learning rate, that `adamw` subtracts in"
        " an update; biases and normalization layers do not decay",
    )
    precision: Literal["float32", "mixed_bfloat16"] = Field(
        default="float32",
        description="data type of computations; weights and probabilities stay float32",
    )
    strategy: Literal["mirrored"] | None = Field(
        default=None,
        description="`mirrored` splits each batch over the GPUs of one machine"
        " (tf.distribute.MirroredStrategy)",
    )
    gradient_accumulation_steps: Count = Field(
        default=1,
        description="batches whose mean gradient is one update of the weights; an update that is"
        " incomplete at the end of an epoch continues in the next one; after the last epoch, it is"
        " dropped",
    )
    learning_rate: PositiveFloat = Field(default=0.001, description="initial learning rate")
    schedule: Literal["constant", "linear", "cosine", "exponential"] = Field(
        default="constant",
        description="learning-rate schedule; linear and cosine end at zero",
    )
    warmup: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="fraction of all steps during which the learning rate rises linearly from zero"
        " to `learning_rate`; `schedule` begins after it",
    )
    label_smoothing: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="fraction of the target probability spread over all labels",
    )
    class_weight: Literal["balanced"] | dict[str, PositiveFloat] | None = Field(
        default=None, description="weight of each label in the loss, or `balanced`"
    )
    monitor: Literal["val_loss", "val_accuracy"] = Field(
        default="val_loss", description="metric that selects the best epoch"
    )
    patience: Count | None = Field(
        default=None,
        description="stop after this many epochs without improvement; null never stops early",
    )
    restore_best_weights: bool = Field(
        default=False, description="restore the weights of the best epoch after training"
    )
    refit: bool = Field(
        default=False,
        description="fit once more from the start, on training and validation examples together,"
        " for the number of epochs that gave the weights of the first fit; also for scikit-learn"
        " models",
    )

    @field_validator("weight_decay")
    @classmethod
    def _refuse_decay_without_adamw(cls, value: float, info: ValidationInfo) -> float:
        if value and info.data.get("optimizer", "adamw") != "adamw":
            raise ValueError("should be 0 without training.optimizer adamw")
        return value

    @field_validator("gradient_accumulation_steps")
    @classmethod
    def _refuse_accumulation(cls, value: int, info: ValidationInfo) -> int:
        if value > 1 and info.data.get("strategy") == "mirrored":
            raise ValueError("should be 1 with training.strategy mirrored; raise batch_size")
        if value > 1 and info.data.get("optimizer") == "lazy-adam":
            raise ValueError(
                "should be 1 with training.optimizer lazy-adam, because their sum is not sparse"
            )
        return value

    @field_validator("strategy", mode="before")
    @classmethod
    def _refuse_multi_worker(cls, value: Any) -> Any:
        if isinstance(value, str) and "multi" in value.lower():
            raise ValueError(
                "should be mirrored (Keras 3 fails with MultiWorkerMirroredStrategy, see"
                " github.com/keras-team/keras/issues/20585; for many runs on many machines, use"
                " --executor ray)"
            )
        return value

    def count_steps(self, n_examples: int) -> int:
        """Return the number of batches per epoch; the last one may be smaller."""
        return math.ceil(n_examples / self.batch_size)


class EvaluationConfig(Section):
    """How probabilities are calibrated on the validation split."""

    calibration: Literal["none", "temperature", "temperature-prior"] = Field(
        default="none",
        description="`temperature` divides the logarithms of the probabilities by a number;"
        " `temperature-prior` also mixes in the label frequencies of the training split",
    )


class ResourcesConfig(Section):
    """What a run reserves on the machine that executes it; not part of the fingerprint."""

    cpus: Count | None = Field(
        default=None,
        description="processors, and thus threads, per run; by default all processors divided by"
        " `--jobs`, or 1 on a cluster",
    )
    gpus: float = Field(
        default=0,
        ge=0,
        le=1_000,
        description="GPUs per run on a cluster; with 0.5, two runs share one",
    )
    memory: float = Field(
        default=1.5, ge=0.1, le=1_000_000, description="memory per run, in gigabytes"
    )

    @field_validator("gpus")
    @classmethod
    def _refuse_fractions_above_one(cls, value: float) -> float:
        if 0 < value < 0.01 or (value > 1 and not value.is_integer()):
            raise ValueError("should be a whole number, or a fraction of one GPU from 0.01")
        return value

    @property
    def n_bytes(self) -> int:
        """The memory in bytes."""
        return int(self.memory * 1e9)


class OutputConfig(Section):
    """What a run writes into its directory; not part of the fingerprint."""

    model: Literal["full", "head"] = Field(
        default="full",
        description="what `model.keras` contains: with `full` all weights, with `head` those of the"
        " layers after a frozen encoder, the name of its preset and a checksum",
    )


UNDECISIVE_SECTIONS = frozenset({"output", "resources"})
"""Sections that do not affect the result of a run."""


class ExperimentConfig(Section):
    """The configuration of one run: what decides its result, what it reserves and writes."""

    dataset: SerializeAsAny[DatasetConfig]
    text: TextConfig
    model: SerializeAsAny[ModelConfig]
    training: TrainingConfig
    evaluation: EvaluationConfig
    resources: ResourcesConfig = ResourcesConfig()
    output: OutputConfig = OutputConfig()
    seed: int = Field(
        default=42,
        ge=0,
        lt=2**31,
        description="random seed of initial weights, order of examples and dropout",
    )

    def list_settings(self, *, exclude_defaults: bool = False) -> dict[str, Any]:
        """Return the values that decide the result of a run except its seed, by section and key."""
        return self.model_dump(
            mode="json",
            exclude={"seed", *UNDECISIVE_SECTIONS},
            exclude_defaults=exclude_defaults,
        )

    def format_settings(self) -> dict[str, str]:
        """Return the values of `list_settings` as ``--set`` takes them, by its keys."""
        return {
            f"{section}.{key}": format_value(value)
            for section, values in self.list_settings().items()
            for key, value in values.items()
        }

    @property
    def fingerprint(self) -> str:
        """Ten hexadecimal digits of a hash of everything that decides the result except the seed.

        Only values that differ from the defaults of the schema are hashed, so that a new key
        with a default changes no fingerprint. The keys of code that is not built in are all
        hashed, because its defaults change only with the code, which is hashed too.
        """
        tree = self.list_settings(exclude_defaults=True)
        for key, section in (("dataset", self.dataset), ("model", self.model)):
            if section.code:
                given = section.model_dump(mode="json", exclude_defaults=True)
                tree[key] = {
                    name: value
                    for name, value in section.model_dump(mode="json").items()
                    if name in given or name not in LATER_KEYS
                }
        # Like the seed: the folds of a model are runs of one configuration.
        tree["dataset"].pop("fold", None)
        # A file may be moved.
        tree["dataset"]["name"] = self.dataset.folder_name
        tree["model"]["name"] = self.model.short_name
        content = json.dumps([RESULTS_VERSION, tree], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:10]

    @property
    def identity(self) -> tuple[str, int | None, int]:
        """What identifies a run: fingerprint, fold and seed."""
        return self.fingerprint, self.dataset.fold, self.seed

    @property
    def run_name(self) -> str:
        """The name of the run in the messages of a comparison."""
        keys = ("train_fraction", "train_per_label", "fold")
        given = {key: value for key in keys if (value := getattr(self.dataset, key))}
        which = "".join(f" {key} {value:g}" for key, value in given.items())
        return f"{self.model.short_name}{which} seed {self.seed}"

    def to_yaml(self) -> str:
        """Return YAML that resolves to the same configuration."""
        tree = self.model_dump(mode="json")
        for section in ("dataset", "model"):
            if tree[section]["code"] is None:
                del tree[section]["code"]
        return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
