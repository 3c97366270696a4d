"""Failures of converters become one line, except those that are not about the network."""

import pytest

from textclf.errors import RequestError
from textclf.exporting.network import converting


def test_a_failure_of_a_converter_is_one_line_that_names_the_format():
    problem = r"--format onnx: .* \(ValueError: no operation\); choose --format saved-model$"
    with pytest.raises(RequestError, match=problem), converting("onnx"):
        raise ValueError("no operation\nin line 2")


def test_a_full_disk_is_not_called_a_problem_of_the_network():
    with pytest.raises(OSError, match="No space left"), converting("onnx"):
        raise OSError(28, "No space left on device")
