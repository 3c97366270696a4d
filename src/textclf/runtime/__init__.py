"""TensorFlow start-up, the machine, progress."""
