"""The formats that a model can be exported to, and what each promises."""

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class Format:
    """A format of files that classify text without textclf.

    Its module defines ``find_problem(classifier)``, which returns why a classifier cannot be
    written in the format, or None; and ``write(classifier, folder, quantize)``.

    Attributes:
        module: Module of this package that writes it.
        example: Module of `portable` that is copied as ``example.py``.
        bound: Largest difference of a probability from that of the run, unless it is quantized.
        packages: What ``example.py`` needs, as pip names; see `list_packages`.
        extra: Extra of textclf that installs what writing and ``example.py`` need; None if textclf
            itself needs it.
        imports: Packages of the extra that are imported.
        has_tokenizer: Whether ``tokenizer.py`` and ``tokenizer.json`` are beside the model.
    """

    module: str
    example: str
    bound: float
    packages: tuple[str, ...]
    extra: str | None = None
    imports: tuple[str, ...] = ()
    has_tokenizer: bool = True

    def list_packages(self, classifier: Any) -> tuple[str, ...]:
        """Return what ``example.py`` needs for a classifier, as pip names."""
        from textclf.exporting.tokenizer import find_preset_tokenizer

        reads_text = not self.has_tokenizer and find_preset_tokenizer(classifier) is not None
        return (*self.packages, "tensorflow-text") if reads_text else self.packages

    def load(self) -> ModuleType:
        """Import the module."""
        return import_module(f"textclf.exporting.{self.module}")


FORMATS = {
    "saved-model": Format(
        "saved_model", "example_saved_model", 0.0, ("tensorflow",), has_tokenizer=False
    ),
    "onnx": Format(
        "onnx",
        "example_onnx",
        1e-4,
        ("numpy", "onnxruntime"),
        extra="onnx",
        imports=("onnx", "onnxruntime", "tf2onnx"),
    ),
    "litert": Format(
        "litert",
        "example_litert",
        1e-4,
        ("numpy", "ai-edge-litert"),
        extra="litert",
        imports=("ai_edge_litert",),
    ),
    "numpy": Format("numpy_arrays", "example_numpy", 1e-5, ("numpy",)),
}
"""All formats by name; the first is the default for networks, the last for scikit-learn models."""

QUANTIZATIONS = {"float16": 1e-2, "int8": 0.1}
"""Ways to make a LiteRT model smaller, each with the largest difference of a probability."""
