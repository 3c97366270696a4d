"""The settings in which the configurations of several models differ."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from textclf.comparison.model_results import ModelResults
from textclf.reporting.documents import Document


@dataclass(frozen=True)
class Configurations:
    """The settings of several models.

    Attributes:
        document: ``models``: the ``settings`` of each, by section and key.
        differing: Keys, such as ``training.epochs``, with more than one value.
        shared: The other keys that all models have.
        present: For each model, the keys that it has.
    """

    document: Document
    differing: list[str]
    shared: list[str]
    present: list[set[str]]

    @classmethod
    def of(cls, models: Mapping[str, ModelResults]) -> "Configurations":
        """Compare the configurations of models by their name."""
        settings = [_read_settings(model) for model in models.values()]
        flat = [
            {
                f"{section}.{key}": value
                for section, values in sections.items()
                for key, value in values.items()
            }
            for sections in settings
        ]
        keys = sorted({key for values in flat for key in values})
        differing = [key for key in keys if len({repr(values.get(key)) for values in flat}) > 1]
        content = [
            {"model": name, "settings": sections}
            for name, sections in zip(models, settings, strict=True)
        ]
        return cls(
            Document(
                "configurations", "Settings of each model, from config.yaml", {"models": content}
            ),
            differing,
            [key for key in keys if key not in differing and all(key in v for v in flat)],
            [set(values) for values in flat],
        )


def _read_settings(model: ModelResults) -> dict[str, dict[str, Any]]:
    """Return the settings that decide the result, by section and key."""
    config = model.runs[0].read_config()
    sections = config.list_settings()
    # Whole paths would say where the user's files are.
    sections["dataset"]["name"] = config.dataset.short_name
    sections["model"]["name"] = config.model.short_name
    return {
        section: {key: _flatten(value) for key, value in values.items()}
        for section, values in sections.items()
    }


def _flatten(value: Any) -> Any:
    """Return a scalar as it is, and other values as JSON."""
    return json.dumps(value) if isinstance(value, list | dict) else value
