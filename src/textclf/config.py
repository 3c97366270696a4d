"""What an experiment is: its checked configuration, where the values come from, its fingerprint.

Values come, the later the stronger, from the built-in defaults, the defaults of the dataset and of
the model, a YAML file, and the command line.
"""

import hashlib
import json
import math
import reprlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from textclf.errors import RequestError, unknown
from textclf.registry import load_module
from textclf.sources import Override, Tree

SECTIONS = ("dataset", "text", "model", "training", "resources")

RESULTS_VERSION = 1
"""Part of every fingerprint; raised when the same configuration would give other results."""


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
    memory: PositiveFloat = Field(
        default=1.5, le=1_000_000, description="gigabytes (10^9 bytes) that must be free to begin"
    )

    @property
    def n_bytes(self) -> int:
        """The memory in bytes."""
        return int(self.memory * 1e9)


class ExperimentConfig(Section):
    """One run: everything that decides its result, and what it asks for."""

    dataset: SerializeAsAny[DatasetOptions]
    text: TextConfig
    model: SerializeAsAny[ModelParameters]
    training: TrainingConfig
    resources: Resources = Resources()
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 42

    @property
    def fingerprint(self) -> str:
        """Ten hexadecimal digits that stand for all that decides the result, but for the seed."""
        tree = self.model_dump(mode="json", exclude={"seed", "resources"})
        tree["dataset"]["name"] = self.dataset.short_name  # A file may be moved.
        decisive = [RESULTS_VERSION, tree]
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:10]

    def to_yaml(self) -> str:
        """Return YAML that resolves to the same configuration."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def resolve(
    tree: Tree | None = None, overrides: Sequence[Override] = (), *, source: str = "configuration"
) -> ExperimentConfig:
    """Merge defaults, a configuration tree and overrides into a checked configuration.

    Args:
        tree: what a configuration file holds.
        overrides: the stronger values, the last one of a key wins.
        source: the name of the file, for messages.

    Raises:
        RequestError: an unknown key or name, a missing name, or a value out of its range.
    """
    given = {key: value for key, value in (tree or {}).items() if value is not None}
    for section, value in given.items():
        if section in SECTIONS and not isinstance(value, dict):
            example = "{name: NAME}" if section in {"dataset", "model"} else "keys and values"
            raise RequestError(f"{source}: {section}: expected {example}, got {_shorten(value)}")
    for override in overrides:
        _set(given, override)

    def where(key: str) -> str:
        """Return the words on the command line, or else the file, that set ``key``."""
        inside = [o.origin for o in overrides if f"{o.key}.".startswith(f"{key}.")]
        return inside[-1] if inside else source

    for section in given:
        if section not in ExperimentConfig.model_fields:
            raise RequestError(
                f"{where(section)}: {unknown('key', str(section), ExperimentConfig.model_fields)}"
            )
    dataset = load_module("datasets", _name_of("dataset", given, where))
    model = load_module("models", _name_of("model", given, where))
    merged = _merge(_merge(getattr(dataset, "DEFAULTS", {}), getattr(model, "DEFAULTS", {})), given)
    sections = {
        "dataset": getattr(dataset, "Options", DatasetOptions),
        "text": TextConfig,
        "model": model.Parameters,
        "training": TrainingConfig,
        "resources": Resources,
    }
    checked = {
        name: _check(cls, name, merged.get(name, {}), where) for name, cls in sections.items()
    }
    seed = {"seed": merged["seed"]} if "seed" in merged else {}
    config: ExperimentConfig = _check(ExperimentConfig, "", {**checked, **seed}, where)
    return config


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> Tree:
    """Merge two trees, section by section; ``over`` wins, and neither is changed."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[key] = _merge(old, value) if both else value  # type: ignore[arg-type]
    return merged


def _set(tree: Tree, override: Override) -> None:
    *parents, last = override.key.split(".")
    for parent in parents:
        child = tree.get(parent) or {}
        if not isinstance(child, dict):
            raise RequestError(f"{override.origin}: '{parent}' is a value, not a section")
        tree[parent] = tree = dict(child)
    tree[last] = override.value


def _name_of(section: str, tree: Tree, where: Any) -> str:
    """Return which dataset or model the tree asks for."""
    value = tree.get(section)
    if value is None or value == {}:
        raise RequestError(
            f"no {section} given: use --{section} NAME, or '{section}: {{name: NAME}}'"
        )
    if not isinstance(value.get("name"), str):
        problem = f"expected '{{name: NAME}}', got {_shorten(value)}"
        raise RequestError(f"{where(section)}: {section}: {problem}")
    return str(value["name"])


def _check(cls: Any, section: str, value: Any, where: Any) -> Any:
    """Validate one section; the first mistake becomes a line with its key and its origin."""
    try:
        return cls.model_validate(value)
    except ValidationError as error:
        mistake = min(error.errors(), key=_rank)
        raise RequestError(_describe(mistake, cls, section, where)) from error


def _rank(mistake: Any) -> tuple[bool, int]:
    """Order mistakes: a misspelt key explains the others, and a deeper place says more."""
    return mistake["type"] != "extra_forbidden", -len(mistake["loc"])


def _describe(mistake: Any, cls: Any, section: str, where: Any) -> str:
    """Say in one line where a mistake stands and what is allowed."""
    # pydantic names the members of a union, such as dict[str,...], among the keys.
    keys = [str(part) for part in mistake["loc"] if "[" not in str(part)]
    key = ".".join(filter(None, [section, *keys]))
    if mistake["type"] == "extra_forbidden":
        problem = unknown("key", keys[0], cls.model_fields)
    elif mistake["type"] == "missing":
        problem = "is required"
    else:
        message = mistake["msg"].replace("Input should", "should").replace("Value error, ", "")
        problem = f"{message}, got {_shorten(mistake['input'])}"
    return f"{where(key)}: {key}: {problem}"


def _shorten(value: object) -> str:
    # Not repr: aliases in YAML can make a value whose whole text fills the memory.
    short = reprlib.Repr()
    short.maxstring = short.maxother = 60
    text = short.repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
