"""Decides when TensorFlow starts: for networks only, because its import takes seconds."""

from collections.abc import Iterable

from textclf.config.schema import ExperimentConfig
from textclf.models._build import find_fit
from textclf.runtime import backend
from textclf.runtime.progress import Reporter


def start_device(
    device: str, *, is_network: bool, reporter: Reporter, threads: int | None = None
) -> str:
    """Start TensorFlow if a model is a network, and return the device that the model runs on.

    Args:
        device: ``auto``, ``cpu`` or ``gpu``; the models of scikit-learn run on the CPU in any case.
        is_network: Whether the model is a network.
        reporter: Prints that a GPU is not used, if ``device`` asks for one.
        threads: TensorFlow's threads; None for one per processor.

    Raises:
        RequestError: A network cannot run on the device; see `backend.start`.
    """
    if is_network:
        return backend.start(device, threads=threads)
    if device == "gpu":
        reporter.info("--device gpu is for networks: a scikit-learn model runs on the CPU")
    return "cpu"


def has_network(configs: Iterable[ExperimentConfig]) -> bool:
    """Return whether the model of a configuration is a network."""
    return any(find_fit(config.model) is None for config in configs)
