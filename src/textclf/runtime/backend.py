"""Starts TensorFlow: quietly, on the device asked for, with seeded and repeatable operations."""

import contextlib
import functools
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from textclf.errors import RequestError

DEVICES = ("auto", "cpu", "gpu")


def start(device: str = "auto", *, threads: int | None = None) -> str:
    """Import TensorFlow, and choose where models run.

    Args:
        device: ``auto`` takes a GPU where there is one; ``cpu`` hides it; ``gpu`` insists.
        threads: to compute with; all processors where None. Convolutions are summed in another
            order with another number, so that last digits differ.

    Returns:
        What was chosen, such as ``cpu`` or ``gpu: NVIDIA H100``.

    Raises:
        RequestError: a GPU was asked for, and TensorFlow sees none.
    """
    import_tensorflow()
    import tensorflow as tf

    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    gpus = tf.config.list_physical_devices("GPU")
    # Repeatable kernels: the same seed gives the same weights, bit for bit, on the CPU.
    tf.config.experimental.enable_op_determinism()
    if device == "cpu":
        tf.config.set_visible_devices([], "GPU")
    elif gpus:
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
        details = tf.config.experimental.get_device_details(gpus[0])
        return f"gpu: {details.get('device_name', gpus[0].name)}"
    elif device == "gpu":
        raise RequestError(
            "--device gpu: TensorFlow sees no GPU; use --device cpu, or install"
            " 'tensorflow[and-cuda]' and an NVIDIA driver"
        )
    return "cpu"


@functools.cache
def find_strategy(name: str | None) -> Any:
    """Return the tf.distribute.Strategy in whose scope a network is built, one for all networks.

    A second one would number its exchanges between devices like the first, and fail where they
    differ.

    Args:
        name: ``mirrored`` has a copy of all weights on each device, of which each computes a share
            of every batch; None has one device.
    """
    import tensorflow as tf

    if name is None:
        return tf.distribute.get_strategy()
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def import_tensorflow() -> None:
    """Import TensorFlow without what it prints at its start."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _quiet_start():
        import tensorflow as tf

        tf.config.list_physical_devices("GPU")  # The first look for GPUs prints too.
    # A new model for each run is no mistake, as TensorFlow's warnings of retracing suppose.
    tf.get_logger().setLevel("ERROR")


def without_tuning(data: Any) -> Any:
    """Return a tf.data.Dataset that does not tune itself.

    The thread that tunes sleeps for seconds, and the end of an iterator waits for it.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return data.with_options(options)


def set_seed(seed: int) -> None:
    """Seed Python, NumPy and Keras: the next model has the same weights, and names of its layers.

    Keras numbers the names, and so what ran before in this process would be seen in model files.
    """
    import keras

    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(seed)


@contextlib.contextmanager
def _quiet_start() -> Iterator[None]:
    """Hold back what C++ code prints before its log level counts; show it on failure."""
    if "tensorflow" in sys.modules:
        yield
        return
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        except BaseException:
            held_back.seek(0)
            os.write(stderr, held_back.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
