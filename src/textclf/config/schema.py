"""The sections of a configuration: their keys, defaults and ranges."""

import math
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    ValidationInfo,
    field_validator,
)

Count = Annotated[int, Field(gt=0, le=1_000_000)]
"""How many of something: bounded, so that a slip of the keyboard is refused at once."""


class Section(BaseModel):
    """Base of all sections: unknown keys are refused, and values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_truth_as_number(cls, value: Any, info: ValidationInfo) -> Any:
        # Python counts True as 1; who writes `epochs: yes` means something else.
        field = cls.model_fields[info.field_name or ""]
        if isinstance(value, bool) and field.annotation is not bool:
            raise ValueError("should be no truth value")
        return value


class DatasetOptions(Section):
    """Which texts; each dataset may add options of its own."""

    name: str = Field(
        description="a dataset that `textclf datasets` lists, a file or folder, `tfds:NAME`, or"
        " `hf:PATH`"
    )
    subset: Count | None = Field(
        default=None, description="use at most so many texts of each split, stratified by label"
    )
    drop_leaked: bool = Field(
        default=False,
        description="leave out training texts that stand in validation or test too",
    )

    @property
    def short_name(self) -> str:
        """What the dataset is called where there are no colons and slashes, such as in paths."""
        return self.name.replace(":", "-").replace("/", "-")


class TextConfig(Section):
    """How text becomes token ids (the terms of ``keras.datasets`` and ``pad_sequences``)."""

    num_words: int = Field(
        default=20_000, ge=5, description="distinct ids, the four reserved ones included"
    )
    sequence_length: Count = Field(default=200, description="ids for each text")
    padding: Literal["pre", "post"] = Field(
        default="pre", description="where zeros fill up a short text"
    )
    truncating: Literal["pre", "post"] = Field(
        default="pre", description="which end of a long text is cut off"
    )


class ModelParameters(Section):
    """Which model; each model adds the parameters of its layers."""

    name: str = Field(description="a model that `textclf models` lists")


class TrainingConfig(Section):
    """How the weights are fitted; the defaults are the published Reuters recipe."""

    epochs: Count = Field(default=10, description="passes over the training texts")
    batch_size: Count = Field(default=64, description="texts in each step")
    optimizer: Literal["fused-adam", "adam"] = Field(
        default="fused-adam",
        description="Adam in one pass over each weight, or Keras's own, which is slower",
    )
    precision: Literal["float32", "mixed_bfloat16"] = Field(
        default="float32",
        description="what layers compute with; weights and probabilities stay float32",
    )
    strategy: Literal["mirrored"] | None = Field(
        default=None,
        description="mirrored: each batch is shared among the GPUs of one machine"
        " (tf.distribute.MirroredStrategy)",
    )
    learning_rate: PositiveFloat = Field(default=0.001, description="of Adam, at the first step")
    schedule: Literal["constant", "linear", "cosine", "exponential"] = Field(
        default="constant", description="how the learning rate falls; linear and cosine end at zero"
    )
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="share of the target spread over all labels"
    )
    class_weight: Literal["balanced"] | dict[str, PositiveFloat] | None = Field(
        default=None, description="weight of each label's texts in the loss, or 'balanced'"
    )
    monitor: Literal["val_loss", "val_accuracy"] = Field(
        default="val_loss", description="what makes an epoch the best one"
    )
    patience: Count | None = Field(
        default=None, description="stop after so many epochs without a better one"
    )
    keep_best: bool = Field(default=False, description="end with the weights of the best epoch")

    @field_validator("strategy", mode="before")
    @classmethod
    def _refuse_many_machines(cls, value: Any) -> Any:
        if isinstance(value, str) and "multi" in value.lower():
            raise ValueError(
                "should be mirrored (Keras 3 fails with MultiWorkerMirroredStrategy, see"
                " github.com/keras-team/keras/issues/20585; for many runs on many machines there is"
                " --executor ray)"
            )
        return value

    def count_steps(self, n_examples: int) -> int:
        """Return how many batches an epoch has; the last one may be smaller."""
        return math.ceil(n_examples / self.batch_size)


class Resources(Section):
    """What a run asks for where it is carried out; none of it is in the fingerprint."""

    cpus: Count | None = Field(
        default=None,
        description="processors, and so threads; by default a run's share of this machine's, and"
        " one of a cluster's",
    )
    gpus: float = Field(
        default=0, ge=0, le=1_000, description="GPUs of a cluster; 0.5 where two runs share one"
    )
    memory: float = Field(
        default=1.5, ge=0.1, le=1_000_000, description="gigabytes (10^9) that must be free to begin"
    )

    @field_validator("gpus")
    @classmethod
    def _refuse_parts_of_several(cls, value: float) -> float:
        if 0 < value < 0.01 or (value > 1 and not value.is_integer()):
            raise ValueError("should be a whole number, or a share of one GPU from 0.01")
        return value

    @property
    def n_bytes(self) -> int:
        """The memory in bytes."""
        return int(self.memory * 1e9)
