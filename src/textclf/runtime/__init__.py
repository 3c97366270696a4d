"""Starts TensorFlow, describes the machine and reports progress."""
