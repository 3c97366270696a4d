"""Ctrl-C during training: the first stops after the current step, the second at once."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

from textclf.runtime.progress import Reporter


@contextlib.contextmanager
def stop_after_step(reporter: Reporter) -> Iterator[Any]:
    """Yield a Keras callback that raises KeyboardInterrupt after the step in which Ctrl-C came.

    A file that is being written, such as a checkpoint, is completed. Outside the main thread, where
    Python handles no signals, the callback does nothing.
    """
    import keras

    asked = threading.Event()

    def announce() -> None:
        reporter.console.show_cursor()  # A live bar hides it, and may not be closed.
        reporter.info("stopping after this step; press Ctrl-C again to stop at once")

    # The main thread may be printing when a signal comes, and would print that line again.
    announcer = threading.Thread(target=announce)

    def ask(number: int, frame: Any) -> None:  # noqa: ARG001 - Python's signature
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        asked.set()
        announcer.start()

    def stop(step: int, logs: Any) -> None:  # noqa: ARG001 - Keras's signature
        if asked.is_set():
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield keras.callbacks.Callback()
        return
    before = signal.signal(signal.SIGINT, ask)
    try:
        yield keras.callbacks.LambdaCallback(on_train_batch_end=stop, on_test_batch_end=stop)
    finally:
        signal.signal(signal.SIGINT, before)
        if asked.is_set():
            announcer.join()
    if asked.is_set():  # It came after the last step.
        raise KeyboardInterrupt
