"""Starts TensorFlow: quietly, on the chosen device, with deterministic operations."""

import contextlib
import functools
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from textclf.errors import RequestError
from textclf.runtime.telemetry import switch_off_telemetry

DEVICES = ("auto", "cpu", "gpu")

BATCH_SIZE = 256
"""Examples per step of a network that predicts."""

BLOCK_SIZE = 80 * BATCH_SIZE
"""Texts that are held in memory to be classified; whole batches, so that no digit depends on it."""


def start(device: str = "auto", *, threads: int | None = None) -> str:
    """Import TensorFlow and choose the device that models run on.

    Args:
        device: ``auto`` uses a GPU if there is one, ``cpu`` hides it, ``gpu`` requires one.
        threads: Threads to compute with; None for one per processor. The order in which
            convolutions are summed, and so their last digits, depend on it.

    Returns:
        The chosen device, such as ``cpu`` or ``gpu: NVIDIA H100``.

    Raises:
        RequestError: A GPU is required and TensorFlow finds none, or TensorFlow has already started
            with other threads or devices.
    """
    import_tensorflow()
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    # The same seed gives the same weights, bit for bit on the CPU.
    tf.config.experimental.enable_op_determinism()
    try:
        if threads:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(threads)
        if device == "cpu":
            tf.config.set_visible_devices([], "GPU")
    except RuntimeError as error:
        raise RequestError(
            f"TensorFlow has already started in this process, and cannot change to device {device}"
            f" with {threads or 'all'} threads; start a new process"
        ) from error
    if device != "cpu" and gpus:
        with contextlib.suppress(RuntimeError):  # It has already started, in a notebook.
            for gpu in gpus:
                tf.config.experimental.set_memory_growth(gpu, True)
        details = tf.config.experimental.get_device_details(gpus[0])
        return f"gpu: {details.get('device_name', gpus[0].name)}"
    if device == "gpu":
        raise RequestError(
            "--device gpu: TensorFlow finds no GPU; use --device cpu, or install"
            " 'tensorflow[and-cuda]' and an NVIDIA driver"
        )
    return "cpu"


@functools.cache
def find_strategy(name: str | None) -> Any:
    """Return the tf.distribute.Strategy in whose scope networks are built.

    The strategy is cached, because a second MirroredStrategy in one process reuses the keys of the
    first one's collective operations and fails if their shapes differ.

    Args:
        name: ``mirrored`` copies all weights to each device, and each computes a share of every
            batch; None uses one device.
    """
    import tensorflow as tf

    if name is None:
        return tf.distribute.get_strategy()
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def import_tensorflow() -> None:
    """Import TensorFlow without the messages that it prints at the start.

    Raises:
        RequestError: Keras runs on another backend in this process.
    """
    keras = sys.modules.get("keras")
    if keras is not None and keras.config.backend() != "tensorflow":
        raise RequestError(
            f"Keras runs on {keras.config.backend()} in this process; set KERAS_BACKEND=tensorflow"
            " before it is imported"
        )
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    switch_off_telemetry()  # Keras imports huggingface_hub.
    is_started = "tensorflow" in sys.modules
    with contextlib.nullcontext() if is_started else holding_back_stderr():
        import tensorflow as tf

        tf.config.list_physical_devices("GPU")  # The first search for GPUs prints messages too.
    # TensorFlow warns of retracing, but every run builds a new model on purpose.
    tf.get_logger().setLevel("ERROR")


def without_tuning(data: Any) -> Any:
    """Return a tf.data.Dataset with autotuning switched off.

    The tuning thread sleeps for up to ten seconds, and the end of an iterator waits for it.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return data.with_options(options)


def set_seed(seed: int) -> None:
    """Seed Python, NumPy and Keras, and restart Keras's numbering of layer names.

    The names are saved in model files, which therefore do not depend on what ran before.
    """
    import keras

    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(seed)


@contextlib.contextmanager
def holding_back_stderr(*, shows_after_error: bool = True) -> Iterator[None]:
    """Hold back what C++ code prints in the block.

    Args:
        shows_after_error: Whether it is printed after an error.
    """
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        except Exception:
            if shows_after_error:
                held_back.seek(0)
                os.write(stderr, held_back.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
