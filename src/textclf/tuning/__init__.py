"""Hyperparameter search that survives a kill and never sees the test split."""
