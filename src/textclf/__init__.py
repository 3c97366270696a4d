"""A command-line experiment runner for text classification on TensorFlow and Keras 3."""

__version__ = "0.1.0"
