"""Pretrained transformer encoders of KerasHub as Keras layers."""
