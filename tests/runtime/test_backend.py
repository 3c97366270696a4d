"""Starting TensorFlow."""

import contextlib
import os
import sys
from types import SimpleNamespace

import pytest

from textclf.errors import RequestError
from textclf.runtime import backend


@pytest.fixture
def fake_gpu(tensorflow, monkeypatch):
    """One GPU that TensorFlow finds; return a list of what is set."""
    import tensorflow as tf

    gpu, calls = SimpleNamespace(name="/physical_device:GPU:0"), []
    config = tf.config
    monkeypatch.setattr(config, "list_physical_devices", lambda kind: [gpu])
    monkeypatch.setattr(
        config, "set_visible_devices", lambda devices, kind: calls.append(("visible", devices))
    )
    monkeypatch.setattr(
        config.experimental,
        "set_memory_growth",
        lambda device, enable: calls.append(("growth", device, enable)),
    )
    details = {"device_name": "NVIDIA H100"}
    monkeypatch.setattr(config.experimental, "get_device_details", lambda device: details)
    return gpu, calls


def test_the_chosen_device_is_named(fake_gpu):
    gpu, calls = fake_gpu
    for device in ("auto", "gpu"):
        assert backend.start(device) == "gpu: NVIDIA H100"
        assert calls.pop() == ("growth", gpu, True)
    assert backend.start("cpu") == "cpu"
    assert calls == [("visible", [])]


def test_a_gpu_that_is_required_and_not_found_is_refused(tensorflow, monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    assert backend.start("auto") == "cpu"
    with pytest.raises(RequestError, match=r"^--device gpu: TensorFlow finds no GPU; use"):
        backend.start("gpu")


def test_operations_are_made_deterministic(tensorflow, monkeypatch):
    import tensorflow as tf

    calls = []
    monkeypatch.setattr(
        tf.config.experimental, "enable_op_determinism", lambda: calls.append("enabled")
    )
    backend.start("cpu")
    assert calls == ["enabled"]


def test_a_seed_gives_the_same_weights_and_layer_names(tensorflow):
    import keras

    def make():
        backend.set_seed(3)
        layer = keras.layers.Dense(2)
        layer.build((None, 2))
        return layer.name, layer.kernel.numpy().tolist()

    assert make() == make()


def test_a_pipeline_without_tuning_gives_the_same_values(tensorflow):
    import tensorflow as tf

    data = backend.without_tuning(tf.data.Dataset.range(3))
    assert not data.options().autotune.enabled
    assert list(data.as_numpy_iterator()) == [0, 1, 2]


def test_messages_of_native_code_are_shown_after_an_error_only(capfd):
    with backend.holding_back_stderr():
        os.write(2, b"a message of C++ code\n")
    os.write(2, b"visible again\n")
    assert capfd.readouterr().err == "visible again\n"

    def fail():
        with backend.holding_back_stderr():
            os.write(2, b"the reason\n")
            raise ImportError

    with pytest.raises(ImportError):
        fail()
    assert capfd.readouterr().err == "the reason\n"
    with (
        contextlib.suppress(ValueError),
        backend.holding_back_stderr(shows_after_error=False),
    ):
        os.write(2, b"details\n")
        raise ValueError
    assert capfd.readouterr().err == ""


def test_keras_on_another_backend_is_refused(monkeypatch):
    keras = SimpleNamespace(config=SimpleNamespace(backend=lambda: "jax"))
    monkeypatch.setitem(sys.modules, "keras", keras)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    for start in (backend.import_tensorflow, backend.start):
        with pytest.raises(RequestError) as info:
            start()
        assert str(info.value) == (
            "Keras runs on jax in this process; set KERAS_BACKEND=tensorflow before it is imported"
        )
    assert "KERAS_BACKEND" not in os.environ


def test_keras_is_imported_on_tensorflow(tensorflow, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    backend.import_tensorflow()  # Keras is imported already, and runs on TensorFlow.
    assert os.environ["KERAS_BACKEND"] == "tensorflow"


def test_tensorflow_that_has_started_with_other_threads_is_refused(tensorflow):
    import tensorflow as tf

    assert int(tf.constant(1) + 1) == 2  # It has started.
    threads = tf.config.threading.get_intra_op_parallelism_threads() + 3
    with pytest.raises(RequestError) as info:
        backend.start("cpu", threads=threads)
    assert str(info.value) == (
        "TensorFlow has already started in this process, and cannot change to device cpu with"
        f" {threads} threads; start a new process"
    )
    assert backend.start("cpu") == "cpu"
