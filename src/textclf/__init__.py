"""Runs, evaluates and honestly compares text classification experiments.

``docs/how-to/python.md`` describes the functions, and ``docs/how-to/plugins.md`` the names that
custom models and datasets use. Each name is imported when it is first used, so that importing
textclf is fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from textclf.api import (
        audit,
        compare,
        evaluate,
        explain,
        export,
        load_dataset,
        load_model,
        load_run,
        load_study,
        predict_file,
        report,
        strongest_features,
        train,
        tune,
    )
    from textclf.comparison.comparison import Comparison
    from textclf.config.schema import DatasetConfig, ModelConfig, SplitConfig, TextConfig
    from textclf.data.dataset import Split, TextDataset
    from textclf.errors import (
        DataError,
        EmbeddingError,
        GateError,
        LimitError,
        RequestError,
        RunError,
        TextclfError,
        VersionError,
    )
    from textclf.explanation.explain import Explanation
    from textclf.exporting.export import Export
    from textclf.models._sklearn import SklearnClassifier
    from textclf.runs.run import Run
    from textclf.tuning.study import Study

_HOMES = {
    "comparison.comparison": ["Comparison"],
    "config.schema": ["DatasetConfig", "ModelConfig", "SplitConfig", "TextConfig"],
    "data.dataset": ["Split", "TextDataset"],
    "errors": [
        *("DataError", "EmbeddingError", "GateError", "LimitError"),
        *("RequestError", "RunError", "TextclfError", "VersionError"),
    ],
    "explanation.explain": ["Explanation"],
    "exporting.export": ["Export"],
    "models._sklearn": ["SklearnClassifier"],
    "runs.run": ["Run"],
    "tuning.study": ["Study"],
}
"""Modules of the public names that are not in ``api``."""

__all__ = [
    "Comparison",
    "DataError",
    "DatasetConfig",
    "EmbeddingError",
    "Explanation",
    "Export",
    "GateError",
    "LimitError",
    "ModelConfig",
    "RequestError",
    "Run",
    "RunError",
    "SklearnClassifier",
    "Split",
    "SplitConfig",
    "Study",
    "TextConfig",
    "TextDataset",
    "TextclfError",
    "VersionError",
    "__version__",
    "audit",
    "compare",
    "evaluate",
    "explain",
    "export",
    "load_dataset",
    "load_model",
    "load_run",
    "load_study",
    "predict_file",
    "report",
    "strongest_features",
    "train",
    "tune",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in __all__:
        raise AttributeError(f"module 'textclf' has no attribute '{name}'")
    module = next((home for home, names in _HOMES.items() if name in names), "api")
    value = getattr(import_module(f"textclf.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
